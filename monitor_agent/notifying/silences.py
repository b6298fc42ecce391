"""Silences: which firings nobody is told of, and until when (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from monitor_agent.alerting.firings import Firing
from monitor_agent.contracts.silence import KIND_ACKNOWLEDGEMENT, KIND_SILENCE
from monitor_agent.pipeline import instants


@dataclass(frozen=True)
class Silence:
    """A time in which nobody is told of some firings.

    Attributes
    ----------
    model, alert : a name, or a pattern of shell wildcards; `*` = all.
    labels : further fields of a firing that must have these values, such as `model_version`.
    """

    id: str
    start: datetime
    end: datetime
    author: str
    reason: str
    model: str = "*"
    alert: str = "*"
    labels: Mapping[str, str] = field(default_factory=dict)

    def covers(self, firing: Firing, moment: datetime) -> bool:
        """Return whether nobody is told of a firing at a moment."""
        if not self.start <= moment < self.end:
            return False
        document = firing.document()
        return (
            fnmatchcase(document.get("model_name", ""), self.model)
            and fnmatchcase(firing.rule, self.alert)
            and all(fnmatchcase(str(document.get(name, "")), value) for name, value in self.labels.items())
        )

    def document(self) -> dict[str, Any]:
        """Return its document."""
        return {
            "@timestamp": instants.text(self.start),
            "kind": KIND_SILENCE,
            "start": instants.text(self.start),
            "end": instants.text(self.end),
            "author": self.author,
            "reason": self.reason,
            "model": self.model,
            "alert": self.alert,
            "matchers": [f"{name}={value}" for name, value in sorted(self.labels.items())],
        }

    @classmethod
    def from_document(cls, identifier: str, document: Mapping[str, Any]) -> Silence:
        """Return the silence of a document."""
        return cls(
            identifier,
            instants.parse(document["start"]),
            instants.parse(document["end"]),
            document["author"],
            document["reason"],
            document.get("model") or "*",
            document.get("alert") or "*",
            dict(matcher.split("=", 1) for matcher in document.get("matchers") or ()),
        )


@dataclass(frozen=True)
class Acknowledgement:
    """Who knows of a firing, since when, and what is done about it; the reason may be empty."""

    author: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True)
class Quiet:
    """All silences, and the firings that somebody has acknowledged, by their ids: these are not repeated."""

    silences: tuple[Silence, ...] = ()
    acknowledged: Mapping[str, Acknowledgement] = field(default_factory=dict)

    def silence_of(self, firing: Firing, moment: datetime) -> Silence | None:
        """Return the silence that covers a firing at a moment; the one that lasts longest."""
        covering = [silence for silence in self.silences if silence.covers(firing, moment)]
        return max(covering, key=lambda silence: silence.end, default=None)


def quiet_of(hits: Iterable[Mapping[str, Any]]) -> Quiet:
    """Return what hits of a search say; a document that cannot be read silences nothing."""
    silences: list[Silence] = []
    acknowledged: dict[str, Acknowledgement] = {}
    for hit in hits:
        document = hit["_source"]
        try:
            if document["kind"] == KIND_ACKNOWLEDGEMENT:
                at = instants.parse(document["@timestamp"])
                acknowledged[document["firing"]] = Acknowledgement(document["author"], at, document.get("reason") or "")
            else:
                silences.append(Silence.from_document(hit["_id"], document))
        except (AttributeError, KeyError, TypeError, ValueError):
            continue
    return Quiet(tuple(silences), acknowledged)
