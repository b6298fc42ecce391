"""Silences: which firings nobody is told of, and until when (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from monitor_agent.alerting.firings import Firing
from monitor_agent.contracts.alert import SEVERITIES
from monitor_agent.contracts.silence import KIND_ACKNOWLEDGEMENT, KIND_SILENCE
from monitor_agent.errors import DataError
from monitor_agent.pipeline import instants

MOST_CHARACTERS = 1000
"""Of a reason, and of each other text of a silence."""


def matches(pattern: str, text: str) -> bool:
    """Return whether a pattern of shell wildcards means a text; a text with brackets is its own pattern.

    >>> matches("ads-*", "ads-2"), matches("ads[v2]", "ads[v2]"), matches("ads", "ads-2")
    (True, True, False)
    """
    return pattern == text or fnmatchcase(text, pattern)


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
            matches(self.model, document.get("model_name", ""))
            and matches(self.alert, firing.rule)
            and all(matches(value, str(document.get(name, ""))) for name, value in self.labels.items())
        )

    def check(self) -> None:
        """Refuse a silence that nobody can want.

        Raises
        ------
        DataError
            If a text is empty or too long, the silence ends before it begins, or it covers every firing.
        """
        texts = {"model": self.model, "alert": self.alert, **self.labels, "reason": self.reason, "author": self.author}
        for name, text in texts.items():
            check_text(name, text)
        if self.end <= self.start:
            raise DataError("the silence ends before it begins", "give a later --until, such as now+2h")
        severity = self.labels.get("severity", "*")
        if not any(matches(severity, name) for name in SEVERITIES):
            raise DataError(f"there is no severity {severity}", f"use {' or '.join(SEVERITIES)}")
        if not any(pattern.strip("*") for pattern in (self.model, self.alert, *self.labels.values())):
            raise DataError("the silence covers everything", "give --model, --alert or --label")

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
        """Return the silence of a document.

        Raises
        ------
        TypeError
            If a field that is one text holds something else, such as a list.
        """
        author, reason = document["author"], document["reason"]
        model, alert = (document.get(name) or "*" for name in ("model", "alert"))
        if not all(isinstance(text, str) for text in (author, reason, model, alert)):
            raise TypeError("each field of a silence is one text")
        return cls(
            identifier,
            instants.parse(document["start"]),
            instants.parse(document["end"]),
            author,
            reason,
            model,
            alert,
            dict(matcher.split("=", 1) for matcher in document.get("matchers") or ()),
        )


def check_text(name: str, text: str, *, optional: bool = False) -> None:
    """Refuse a text that cannot be stored as it is.

    Raises
    ------
    DataError
        If it is too long, or empty and not optional.
    """
    if not text.strip() and not optional:
        raise DataError(f"the {name} is empty", f"write the {name}")
    if len(text) > MOST_CHARACTERS:
        raise DataError(f"the {name} has {len(text)} characters", f"write {MOST_CHARACTERS} or fewer")


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
