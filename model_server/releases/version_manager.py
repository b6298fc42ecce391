"""Loads new versions, swaps them in, and frees old ones: at the start, then at every look at the model folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic

import structlog

from model_server.model_card import ModelCard
from model_server.releases.available import AvailableModel, available_models
from model_server.releases.folders import Fingerprint, fingerprint
from model_server.releases.served_version import Content, RefusedVersion, ServedModel, ServedVersion, Serving
from monitor_agent.contracts.release import LABEL_MOVED, LOADED, REFUSED, UNLOADED
from monitor_agent.errors import ModelError, MonitorError
from monitor_agent.prediction_log.records import ReleaseChange
from monitor_agent.settings import ServerSettings

SETTLE_SECONDS = 1.0
"""A folder whose files change within this time is still being copied."""
_log = structlog.get_logger()


@dataclass(frozen=True)
class VersionUse(Generic[Content]):
    """What loads a version, and what ends it.

    Attributes
    ----------
    load : returns what serves requests, warmed up.
    close : frees it; no request uses it any more.
    report : is told what has happened.
    free : frees the memory of closed versions, once nothing names them any more.
    drain_seconds : longest wait for the requests of a version that is no longer served.
    """

    load: Callable[[ModelCard], Content]
    close: Callable[[Content], None]
    report: Callable[[ReleaseChange], None]
    free: Callable[[], None]
    drain_seconds: float


@dataclass(frozen=True)
class _Refusal:
    """Why a version with these files is not loaded; without an error it may be loaded at the next look."""

    files: Fingerprint
    error: MonitorError | None = None

    @property
    def reason(self) -> str:
        return str(self.error or "")


class VersionManager(Generic[Content]):
    """Keeps the versions loaded that folders and rules name; a version that fails never replaces one that serves.

    Attributes
    ----------
    serving : what is served now; replaced as a whole.
    """

    def __init__(self, settings: ServerSettings, use: VersionUse[Content]) -> None:
        self.serving: Serving[Content] = Serving()
        self._settings = settings
        self._use = use
        self._refused: dict[str, dict[str, _Refusal]] = {}
        self._names: dict[Path, str] = {}
        self._has_closed = False
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._refresh_regularly, name="model-versions", daemon=True)

    @property
    def is_running(self) -> bool:
        """Whether it looks regularly; requests are answered then."""
        return self._thread.is_alive()

    def load_all(self) -> None:
        """Load what is there.

        Raises
        ------
        MonitorError
            If the folder or the rules cannot be used, or if no version of a model can be loaded.
        """
        with self._lock:
            for model in available_models(self._settings):
                self._bring(model, is_first=True)

    def start(self) -> None:
        """Begin to look regularly."""
        self._thread.start()

    def wake(self) -> None:
        """Look now, in the manager's thread; a signal handler may call this."""
        self._wake.set()

    def refresh(self) -> Serving[Content]:
        """Look at folders and rules, load and unload what they ask for, and return what is served then."""
        with self._lock:
            try:
                models = available_models(self._settings, self._names)
            except MonitorError as error:
                if self.serving.problem != str(error):
                    _log.error("the served versions stay as they are", reason=str(error))
                self.serving = replace(self.serving, problem=str(error))
                return self.serving
            self.serving = replace(self.serving, problem="")
            for model in models:
                try:
                    self._bring(model)
                except MonitorError as error:  # a new model, and none of its versions can be loaded
                    _log.error("the model is not served", reason=str(error), **{"model.name": model.name})
            self._unload_models_without_folder(models)
            if self._has_closed:
                self._has_closed = False
                self._use.free()
            return self.serving

    def stop(self) -> None:
        """Stop looking, and end all versions; the requests that use them end first."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            models, self.serving = self.serving.models, Serving()
            for model in models.values():
                self._close(model.versions.values())

    def _refresh_regularly(self) -> None:
        seconds = self._settings.poll.total_seconds() or None
        while not self._stopping.is_set():
            self._wake.wait(seconds)
            self._wake.clear()
            if self._stopping.is_set():
                return
            try:
                self.refresh()
            except Exception as error:  # noqa: BLE001  the next look must come, whatever this one has met
                _log.error("the model folder could not be looked at", exc_info=error)

    def _bring(self, model: AvailableModel, *, is_first: bool = False) -> None:
        """Serve the versions of a model that its rules choose.

        Raises
        ------
        MonitorError
            If none of its versions is loaded or can be loaded.
        """
        before = self.serving.models.get(model.name)
        loaded = dict(before.versions) if before else {}
        refusals = {name: _Refusal((), error) for name, error in model.refused.items()}
        while version := _missing(model, loaded, refusals):
            outcome = self._load(model, version, is_first=is_first)
            if isinstance(outcome, ServedVersion):
                loaded[version] = outcome
            else:
                refusals[version] = outcome
        if not loaded:
            self._note_refusals(model.name, refusals)
            errors = [refusal.error for refusal in refusals.values() if refusal.error]
            raise errors[-1] if errors else model.first_problem
        labels = _labels(model, loaded, before)
        chosen = {*_chosen(model, loaded, refusals), *labels.values()} & set(loaded) or set(loaded)
        order = (*(name for name in loaded if name not in model.cards), *model.cards)
        versions = {name: loaded[name] for name in order if name in chosen}
        after = ServedModel(model.name, versions, labels, model.rules)
        self.serving = replace(self.serving, models=_sorted({**self.serving.models, model.name: after}))
        self._names[model.folder] = model.name
        self._note_refusals(model.name, refusals)
        for release in _changes(before, after):
            self._use.report(release)
        if before:
            self._close(version for name, version in before.versions.items() if versions.get(name) is not version)

    def _load(self, model: AvailableModel, version: str, *, is_first: bool) -> ServedVersion[Content] | _Refusal:
        """Return a version, loaded; or why it is refused."""
        card = model.cards[version]
        files: Fingerprint = ()
        try:
            files = fingerprint(card.folder)
            refusal = self._refused.get(model.name, {}).get(version)
            if refusal and refusal.files == files:
                return refusal
            if not is_first and not self._is_settled(card, files):
                return _Refusal(files)
            began = time.perf_counter_ns()
            content = self._use.load(card)
            if fingerprint(card.folder) == files:
                return ServedVersion(card, content, files, time.perf_counter_ns() - began)
            self._use.close(content)
            return _Refusal(files)
        except MonitorError as error:
            return _Refusal(files, error)

    def _is_settled(self, card: ModelCard, files: Fingerprint) -> bool:
        return not self._stopping.wait(SETTLE_SECONDS) and fingerprint(card.folder) == files

    def _note_refusals(self, model: str, refusals: Mapping[str, _Refusal]) -> None:
        """Remember what is refused, and report what is new."""
        before = self._refused.get(model, {})
        self._refused[model] = {name: refusal for name, refusal in refusals.items() if refusal.error}
        for name, refusal in self._refused[model].items():
            if name not in before or before[name].reason != refusal.reason or before[name].files != refusal.files:
                self._use.report(ReleaseChange(REFUSED, model, name, succeeded=False, reason=refusal.reason))
        self._show_refusals()

    def _show_refusals(self) -> None:
        refused = [
            RefusedVersion(model, version, refusal.reason)
            for model, refusals in self._refused.items()
            for version, refusal in refusals.items()
        ]
        self.serving = replace(self.serving, refused=tuple(refused))

    def _unload_models_without_folder(self, models: Sequence[AvailableModel]) -> None:
        """Unload the models whose folder is gone; the last one stays."""
        names = {model.name for model in models}
        self._names = {folder: name for folder, name in self._names.items() if name in names}
        for model in list(self.serving.models.values()):
            if model.name in names or len(self.serving.models) == 1:
                continue
            left = {name: entry for name, entry in self.serving.models.items() if name != model.name}
            self.serving = replace(self.serving, models=left)
            for release in _changes(model, None):
                self._use.report(release)
            self._close(model.versions.values())
        self._refused = {name: refusals for name, refusals in self._refused.items() if name in names}
        self._show_refusals()

    def _close(self, versions: Iterable[ServedVersion[Content]]) -> None:
        for version in versions:
            version.drain(self._use.drain_seconds)
            self._use.close(version.content)
            self._has_closed = True


def _chosen(
    model: AvailableModel, loaded: Mapping[str, ServedVersion[Content]], refusals: Mapping[str, _Refusal]
) -> tuple[str, ...]:
    """Return the versions that the rules choose, of those that are loaded or can still be loaded."""
    return model.choose(frozenset(set(refusals) - set(loaded)))


def _missing(
    model: AvailableModel, loaded: Mapping[str, ServedVersion[Content]], refusals: Mapping[str, _Refusal]
) -> str | None:
    """Return the newest version that is to be loaded, or loaded again because its files have changed."""
    for version in reversed(_chosen(model, loaded, refusals)):
        if version not in refusals and not _is_current(loaded.get(version), model.cards[version]):
            return version
    return None


def _is_current(version: ServedVersion[Content] | None, card: ModelCard) -> bool:
    try:
        return version is not None and version.files == fingerprint(card.folder)
    except ModelError:
        return False


def _labels(
    model: AvailableModel, loaded: Mapping[str, ServedVersion[Content]], before: ServedModel[Content] | None
) -> dict[str, str]:
    """Return the loaded version of each label: a label whose version cannot be loaded stays where it was."""
    earlier = before.labels if before else {}
    labels = {
        name: version if version in loaded else earlier.get(name, "") for name, version in model.rules.labels.items()
    }
    return {name: version for name, version in labels.items() if version in loaded}


def _changes(before: ServedModel[Content] | None, after: ServedModel[Content] | None) -> Iterable[ReleaseChange]:
    """Return what differs between a model at two moments; None = it was not served, or is no longer served."""
    versions_before, labels_before = (before.versions, before.labels) if before else ({}, {})
    versions, labels = (after.versions, after.labels) if after else ({}, {})
    name = after.name if after else before.name if before else ""

    def labels_of(version: str) -> tuple[str, ...]:
        return tuple(label for label, target in labels.items() if target == version)

    for version, served in versions.items():
        if versions_before.get(version) is not served:
            yield ReleaseChange(LOADED, name, version, duration=served.load_time, labels=labels_of(version))
    for label, version in labels.items():
        if before and labels_before.get(label) != version:
            reason = f"{label} names version {version}; before, {labels_before.get(label) or 'no version'}"
            yield ReleaseChange(LABEL_MOVED, name, version, reason=reason, labels=labels_of(version))
    for version in versions_before:
        if version not in versions:
            yield ReleaseChange(UNLOADED, name, version)


def _sorted(models: Mapping[str, ServedModel[Content]]) -> dict[str, ServedModel[Content]]:
    return {name: models[name] for name in sorted(models)}
