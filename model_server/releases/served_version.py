"""A loaded version while requests use it, and all loaded versions at one moment."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from model_server.errors import NoSuchModelError
from model_server.model_card import ModelCard
from model_server.releases.folders import Fingerprint
from model_server.releases.rules import STABLE, ModelRules
from monitor_agent.prediction_log.records import VersionAssignment

Content = TypeVar("Content")


class ServedVersion(Generic[Content]):
    """A loaded version that counts the requests that use it; safe for threads.

    Attributes
    ----------
    content : what serves the requests.
    files : the fingerprint of its folder when it was loaded.
    load_time : of loading and warming up, ns.
    """

    def __init__(self, card: ModelCard, content: Content, files: Fingerprint, load_time: int) -> None:
        self.card = card
        self.content = content
        self.files = files
        self.load_time = load_time
        self._requests = 0
        self._is_closed = False
        self._changed = threading.Condition(threading.Lock())

    def acquire(self) -> bool:
        """Count a request that uses the version from now on; False if the version is no longer served."""
        with self._changed:
            if self._is_closed:
                return False
            self._requests += 1
            return True

    def release(self) -> None:
        """End what `acquire` began."""
        with self._changed:
            self._requests -= 1
            if self._is_closed and not self._requests:
                self._changed.notify_all()

    def drain(self, seconds: float) -> bool:
        """Take no more requests; return whether those in progress have ended in time."""
        with self._changed:
            self._is_closed = True
            return self._changed.wait_for(lambda: not self._requests, seconds)


@dataclass(frozen=True)
class ServedModel(Generic[Content]):
    """A model with its loaded versions.

    Attributes
    ----------
    versions : by their names, the oldest first; one at least.
    labels : label -> loaded version.
    """

    name: str
    versions: Mapping[str, ServedVersion[Content]]
    labels: Mapping[str, str]
    rules: ModelRules

    @property
    def default(self) -> str:
        """The version that answers a request that names none."""
        version = self._loaded(self.rules.default) or self.labels.get(STABLE)
        answering = [name for name in self.versions if name not in self.shadows]
        return version or (answering or list(self.versions))[-1]

    @property
    def shadows(self) -> tuple[str, ...]:
        """The versions that score the same requests and never answer."""
        versions = (self._loaded(name) for name in self.rules.shadow)
        return tuple(dict.fromkeys(version for version in versions if version))

    def choose(self, user: str, session: str, request: str) -> tuple[str, VersionAssignment | None]:
        """Return the version for a request that names none, and what the split has given to its person."""
        assignment = self.rules.assign(self.name, user, session, request)
        version = self._loaded(assignment.name) if assignment else None
        return (version, assignment) if version else (self.default, None)

    def named(self, version: str | None, label: str | None) -> str:
        """Return the version that a request names; the default one if it names none.

        Raises
        ------
        NoSuchModelError
            If it is not served.
        """
        if label is not None:
            if label not in self.labels:
                labels = f"it has {', '.join(self.labels)}" if self.labels else "it has none"
                raise NoSuchModelError(f"the model {self.name} has no such label; {labels}")
            return self.labels[label]
        if version is not None and version not in self.versions:
            raise NoSuchModelError(f"there is no such version; this server serves {', '.join(self.versions)}")
        return version or self.default

    def _loaded(self, name: str) -> str | None:
        """Return the loaded version of a label or version; None if it is not loaded."""
        version = self.labels.get(name, name)
        return version if version in self.versions else None


@dataclass(frozen=True)
class RefusedVersion:
    """A version that is there and not served.

    Attributes
    ----------
    version : its name, or that of its folder.
    """

    model: str
    version: str
    reason: str


@dataclass(frozen=True)
class Serving(Generic[Content]):
    """All that is served at one moment.

    Attributes
    ----------
    models : by their names.
    problem : why the last look could not read folders or rules; "" if it could.
    """

    models: Mapping[str, ServedModel[Content]] = field(default_factory=dict)
    refused: Sequence[RefusedVersion] = ()
    problem: str = ""

    @property
    def only(self) -> ServedModel[Content] | None:
        """The model, if there is only one."""
        return next(iter(self.models.values())) if len(self.models) == 1 else None

    def model(self, name: str | None) -> ServedModel[Content]:
        """Return the model of a name; None = the only one.

        Raises
        ------
        NoSuchModelError
            If there is no such model, or if there are several and none is named.
        """
        names = ", ".join(self.models)
        if name is None:
            if self.only is None:
                raise NoSuchModelError(f"is missing; this server serves several models: {names}")
            return self.only
        if name not in self.models:
            raise NoSuchModelError(f"there is no model of this name; this server serves {names}")
        return self.models[name]
