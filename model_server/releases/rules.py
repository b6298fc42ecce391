"""The file of rules for models: versions, labels, shadows and splits; and what the rules mean for versions (pure)."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor_agent.contracts.model_names import problem_of_version
from monitor_agent.errors import SettingsError
from monitor_agent.prediction_log.records import VersionAssignment

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "models.toml"
VARIABLE = "MODEL_SERVER_MODEL_CONFIG"
STABLE = "stable"
USER, SESSION, REQUEST = "user", "session", "request"
ALL, LATEST = "all", "latest"
KEYS = ("versions", "labels", "default", "shadow", "split", "split_by")
REMEDY = "correct the file (docs/model-server.md#versions)"
_HASH_BYTES = 8


@dataclass(frozen=True)
class VersionPolicy:
    """Which versions are loaded: the newest `latest`, or those of `names`; 0 and no names = all."""

    latest: int = 1
    names: tuple[str, ...] = ()

    def choose(self, versions: Sequence[str]) -> tuple[str, ...]:
        """Return the versions to load.

        Parameters
        ----------
        versions : the oldest first.

        >>> VersionPolicy(2).choose(["1", "2", "3"]), VersionPolicy(names=("1",)).choose(["1", "2"])
        (('2', '3'), ('1',))
        """
        if self.names:
            return tuple(version for version in versions if version in self.names)
        return tuple(versions[-self.latest :]) if self.latest else tuple(versions)


@dataclass(frozen=True)
class ModelRules:
    """The rules of one model.

    Attributes
    ----------
    labels : label -> version.
    default : the label or version that answers; "" = the label `stable`, else the newest version.
    shadow : labels or versions that score the same requests and never answer.
    split : label or version -> its share, above 0; the shares have the sum 1. Empty = no split.
    split_by : what a person is known by, if the request names both: `user` or `session`.
    """

    versions: VersionPolicy = field(default_factory=VersionPolicy)
    labels: Mapping[str, str] = field(default_factory=dict)
    default: str = ""
    shadow: tuple[str, ...] = ()
    split: Mapping[str, float] = field(default_factory=dict)
    split_by: str = USER

    @property
    def named_versions(self) -> tuple[str, ...]:
        """The versions that labels, default, shadow and split name: they are loaded, too."""
        names = [*self.labels.values(), *self._resolved(self.default, *self.shadow, *self.split)]
        return tuple(dict.fromkeys(names))

    def choose(self, versions: Sequence[str]) -> tuple[str, ...]:
        """Return the versions to load, of those that are there; the oldest first."""
        chosen = {*self.versions.choose(versions), *self.named_versions}
        return tuple(version for version in versions if version in chosen)

    def assign(self, model: str, user: str, session: str, request: str) -> VersionAssignment | None:
        """Return what the split gives to a person; None if there is no split.

        The same person gets the same version on all servers and after restarts, and keeps it when the share of the
        last entry grows.
        """
        if not self.split:
            return None
        people = {USER: user, SESSION: session}
        order = (self.split_by, SESSION if self.split_by == USER else USER)
        unit = next((name for name in order if people[name]), REQUEST)
        digest = hashlib.sha256("\0".join((model, unit, people.get(unit) or request)).encode()).digest()
        place = int.from_bytes(digest[:_HASH_BYTES], "big") / 2 ** (8 * _HASH_BYTES)
        for name, share in self.split.items():
            if place < share:
                return VersionAssignment(name, unit, share)
            place -= share
        return VersionAssignment(name, unit, share)

    def _resolved(self, *names: str) -> list[str]:
        return [self.labels.get(name, name) for name in names if name]


DEFAULT_RULES = ModelRules()


def read_rules(path: Path) -> dict[str, ModelRules]:
    """Return the rules by the names of models.

    Raises
    ------
    SettingsError
        If the file cannot be read, or is malformed.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read ({error})", REMEDY) from error
    models = tables.pop("models", {})
    if tables or not isinstance(models, dict):
        raise SettingsError(f"{path}: {next(iter(tables), 'models')} is not a table [models.NAME]", REMEDY)
    return {name: parse_rules(entries, f"{path}: models.{name}") for name, entries in models.items()}


def parse_rules(entries: Any, place: str) -> ModelRules:
    """Return the rules that a table holds.

    Parameters
    ----------
    place : where the table stands, for messages.

    Raises
    ------
    SettingsError
        If an entry is malformed.

    >>> parse_rules({"versions": "latest 2", "labels": {"stable": "3"}}, "file").versions
    VersionPolicy(latest=2, names=())
    """
    if not isinstance(entries, dict):
        raise SettingsError(f"{place} is not a table", REMEDY)
    for name in entries:
        if name not in KEYS:
            raise SettingsError(f"{place}.{name} is unknown", f"write some of {', '.join(KEYS)}")
    labels = _labels(entries.get("labels", {}), f"{place}.labels")
    rules = ModelRules(
        versions=_policy(entries.get("versions", f"{LATEST} 1"), f"{place}.versions"),
        labels=labels,
        default=_text(entries.get("default", ""), f"{place}.default"),
        shadow=_texts(entries.get("shadow", []), f"{place}.shadow"),
        split=_split(entries.get("split", {}), f"{place}.split"),
        split_by=_text(entries.get("split_by", USER), f"{place}.split_by"),
    )
    if rules.split_by not in (USER, SESSION):
        raise SettingsError(f"{place}.split_by is {rules.split_by!r}", f"write {USER} or {SESSION}")
    answering = {labels.get(name, name) for name in (rules.default, *rules.split) if name}
    for name in rules.shadow:
        if labels.get(name, name) in answering:
            raise SettingsError(f"{place}.shadow: {name} answers requests", "a version is a shadow, or it answers")
    return rules


def _policy(value: Any, place: str) -> VersionPolicy:
    if isinstance(value, list):
        names = _texts(value, place)
        if names:
            return VersionPolicy(names=names)
    elif value == ALL:
        return VersionPolicy(latest=0)
    elif isinstance(value, str) and value.startswith(f"{LATEST} "):
        count = value.removeprefix(f"{LATEST} ")
        if count.isascii() and count.isdecimal() and int(count) > 0:
            return VersionPolicy(latest=int(count))
    raise SettingsError(f"{place} is {value!r}", f'write "{LATEST} 2", "{ALL}", or a list of versions as texts')


def _labels(value: Any, place: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise SettingsError(f"{place} is {value!r}", 'write a table, such as {stable = "3"}')
    labels = {name: _text(version, f"{place}.{name}") for name, version in value.items()}
    for name, version in labels.items():
        if problem := problem_of_version(version):
            raise SettingsError(f"{place}.{name}: the version {problem}", REMEDY)
        if not name or version in labels:
            raise SettingsError(f"{place}.{name} is {version!r}", "write a version, not a label")
    return labels


def _split(value: Any, place: str) -> dict[str, float]:
    if not isinstance(value, dict):
        raise SettingsError(f"{place} is {value!r}", "write a table, such as {stable = 90, canary = 10}")
    for name, share in value.items():
        if type(share) not in (int, float) or not 0 <= share < float("inf"):
            raise SettingsError(f"{place}.{name} is {share!r}", "write a number from 0")
    total = sum(value.values())
    if value and not total:
        raise SettingsError(f"{place} has no share above 0", REMEDY)
    return {name: share / total for name, share in value.items() if share}


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise SettingsError(f"{place} is {value!r}", "write a text in quotation marks")
    return value


def _texts(value: Any, place: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise SettingsError(f"{place} is {value!r}", "write a list of texts")
    return tuple(_text(entry, place) for entry in value)
