"""How a firing begins, becomes active, is held back and recovers (pure).

A firing is one rule's trouble for one group, such as a model's version. It is looked for in every cycle, but only one
look in each period of its rule counts, whoever makes it and however often. It is pending from the first look that
finds it, active once enough of the last looks have, and has recovered once so many in a row have not: what flickers in
between stays one firing. While an alert that it is held back by goes on, its looks say nothing: it neither becomes
active nor recovers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor_agent.contracts.alert import (
    GROUP_FIELDS,
    SEVERITIES,
    STATE_ACTIVE,
    STATE_PENDING,
    STATE_RECOVERED,
)
from monitor_agent.durations import parse_duration
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.documents import Document, hashed

FOUND, NOT_FOUND = "x", "."

Group = tuple[tuple[str, str], ...]
"""The fields that tell a firing from others of its rule, with their values, in the rule's order."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What is to be known of an alert to follow its firings; `kibana/alerts.toml` explains each name."""

    id: str
    title: str
    message: str
    severity: str
    dashboard: str
    every: str
    looks: tuple[int, int] = (1, 1)
    quiet: int = 1
    inhibited_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Breach:
    """One look has found one rule's trouble for one group.

    Attributes
    ----------
    measure, value, limit : the field that tells it, its worst value, what it is compared with; None = nothing does.
    """

    rule: str
    group: Group = ()
    measure: str | None = None
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Firing:
    """One firing; the names are those of the contract, but for `rule` and `group`."""

    rule: str
    group: Group
    start: datetime
    title: str
    message: str
    severity: str
    dashboard: str
    state: str = STATE_PENDING
    active_since: datetime | None = None
    end: datetime | None = None
    measure: str | None = None
    value: float | None = None
    limit: float | None = None
    inhibited_by: tuple[str, ...] = ()
    looks: str = ""
    looked: datetime | None = None
    revision: int = 1

    @property
    def id(self) -> str:
        """The document's `_id`."""
        return hashed(self.rule, *(part for pair in self.group for part in pair), instants.text(self.start))

    @property
    def open(self) -> bool:
        """Whether it has not recovered."""
        return self.state != STATE_RECOVERED

    @property
    def key(self) -> tuple[str, Group]:
        """What there is at most one open firing of."""
        return self.rule, self.group

    def document(self) -> Document:
        """Return its document."""
        start = instants.text(self.start)
        return {
            "@timestamp": start,
            "event": {
                "kind": "alert",
                "start": start,
                "severity": SEVERITIES[self.severity],
                **({} if self.end is None else {"end": instants.text(self.end)}),
            },
            "rule": {"name": self.rule, "description": self.title},
            "message": self.message,
            "state": self.state,
            "severity": self.severity,
            **dict(self.group),
            "active_since": _text(self.active_since),
            "measure": self.measure,
            "value": self.value,
            "limit": self.limit,
            "inhibited_by": list(self.inhibited_by),
            "looks": self.looks,
            "looked": _text(self.looked),
            "dashboard": self.dashboard,
            "revision": self.revision,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Firing:
        """Return the firing that a document tells of."""
        return cls(
            rule=document["rule"]["name"],
            group=tuple((name, document[name]) for name in GROUP_FIELDS if name in document),
            start=instants.parse(document["event"]["start"]),
            title=document["rule"]["description"],
            end=_moment(document["event"].get("end")),
            active_since=_moment(document["active_since"]),
            inhibited_by=tuple(document["inhibited_by"]),
            looked=_moment(document["looked"]),
            **{name: document[name] for name in _SAME},
        )


_SAME = ("message", "severity", "dashboard", "state", "measure", "value", "limit", "looks", "revision")


def evaluate(
    rules: Sequence[Rule], breaches: Iterable[Breach], earlier: Iterable[Firing], now: datetime
) -> list[Firing]:
    """Return the open firings as of now and those that have just recovered; one that is as it was has its revision.

    Parameters
    ----------
    rules : all that are looked for; an open firing of another one recovers.
    breaches : what this look has found.
    earlier : the open firings so far; others are passed over.
    """
    found = {(each.rule, each.group): each for each in breaches}
    before = {each.key: each for each in earlier if each.open}
    firings: list[Firing] = []
    # Those that hold others back come first, so that these know.
    for rule in sorted(rules, key=lambda each: bool(each.inhibited_by)):
        for key in sorted(key for key in found.keys() | before.keys() if key[0] == rule.id):
            holding = _holding(rule, key[1], firings)
            firings.append(_advanced(rule, before.get(key), found.get(key), key[1], holding, now))
    known = {rule.id for rule in rules}
    gone = [each for each in before.values() if each.rule not in known]
    firings += [dataclasses.replace(each, state=STATE_RECOVERED, end=now) for each in gone]
    return [_numbered(each, before.get(each.key)) for each in firings]


def _holding(rule: Rule, group: Group, firings: Iterable[Firing]) -> tuple[str, ...]:
    """Return the alerts that hold this one back: those about the same model, or about all."""
    ours = dict(group)
    holding = {
        each.rule
        for each in firings
        if each.rule in rule.inhibited_by and each.open and all(ours.get(name, of) == of for name, of in each.group)
    }
    return tuple(sorted(holding))


def _advanced(
    rule: Rule,
    firing: Firing | None,
    breach: Breach | None,
    group: Group,
    holding: tuple[str, ...],
    now: datetime,
) -> Firing:
    told: dict[str, Any] = {name: getattr(rule, name) for name in ("title", "message", "severity", "dashboard")}
    if firing is None:
        firing = Firing(rule=rule.id, group=group, start=now, **told)
        firing = _worse(firing, breach)
    firing = dataclasses.replace(firing, inhibited_by=holding, **told)
    step = parse_duration(rule.every)
    period = instants.EPOCH + (now - instants.EPOCH) // step * step
    if holding or (firing.looked is not None and period <= firing.looked):
        return firing
    needed, of = rule.looks
    looks = (firing.looks + (FOUND if breach else NOT_FOUND))[-max(of, rule.quiet) :]
    if looks != firing.looks:
        firing = dataclasses.replace(firing, looks=looks, looked=period)
    if firing.state == STATE_PENDING and looks[-of:].count(FOUND) >= needed:
        firing = dataclasses.replace(firing, state=STATE_ACTIVE, active_since=now)
    elif looks.endswith(NOT_FOUND * rule.quiet):
        firing = dataclasses.replace(firing, state=STATE_RECOVERED, end=now)
    return _worse(firing, breach)


def _worse(firing: Firing, breach: Breach | None) -> Firing:
    """Return the firing with what the breach tells, where that is worse than what it told before."""
    if breach is None or breach.value is None or breach.limit is None:
        return firing
    if firing.measure == breach.measure and firing.limit == breach.limit and firing.value is not None:
        further = abs(breach.value - breach.limit) > abs(firing.value - breach.limit)
        if not further:
            return firing
    return dataclasses.replace(firing, measure=breach.measure, value=breach.value, limit=breach.limit)


def _numbered(firing: Firing, before: Firing | None) -> Firing:
    if before is None or firing == before:
        return firing
    return dataclasses.replace(firing, revision=before.revision + 1)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else instants.text(moment)


def _moment(value: str | None) -> datetime | None:
    return None if value is None else instants.parse(value)
