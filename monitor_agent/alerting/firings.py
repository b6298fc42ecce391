"""How a firing begins, becomes active, is inhibited and recovers (pure).

A firing is one alert's trouble for one group, such as a version of a model or a segment of it. Agents evaluate alerts
in every cycle, but one evaluation counts in each interval of an alert, whichever agent makes it. A firing is pending
from the first evaluation that meets the condition. It becomes active once enough different documents have met it, and
recovers once enough evaluations in a row have not. The documents of windows count by their windows: N of M successive
windows must have met the condition. One bad window stays one, however often it is evaluated. A condition that flickers
in between stays one firing. Evaluations do not count while the firing is inhibited, which means while an alert that it
depends on is firing: an inhibited firing neither becomes active nor recovers.
A firing does not recover while its value is not measured, although its group still has documents, nor while it is
hardly better than the limit (`holds`): so a value that moves around its limit is one firing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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
from monitor_agent.pipeline.documents import Document, hashed_id

MET, NOT_MET = "x", "."
"""An evaluation that met the condition, and one that did not, in `Firing.evaluations`."""

Group = tuple[tuple[str, str], ...]
"""The fields that distinguish the firings of an alert, with their values, in the alert's order."""


@dataclass(frozen=True, kw_only=True)
class FiringRule:
    """What the firings of an alert depend on; `kibana/alerts.toml` explains each key.

    Attributes
    ----------
    interval : one evaluation counts in each interval (key `every`).
    evaluations : N and M: a firing becomes active once N of M successive windows met the condition; if its documents
        are not those of windows, once N of the last M evaluations, with N different documents, met it (key `looks`).
    quiet : how many evaluations in a row without the condition end a firing.
    inhibited_by : ids of the alerts that inhibit this one.
    """

    id: str
    title: str
    message: str
    severity: str
    dashboard: str
    interval: str
    evaluations: tuple[int, int] = (1, 1)
    quiet: int = 1
    inhibited_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Breach:
    """One evaluation met an alert's condition for one group.

    Attributes
    ----------
    measure, value, limit : the field that is beyond its limit, its worst value, the limit; None if no field is.
    documents : times of the newest documents that met the condition, the newest first; empty = they do not count.
    window : length of their windows; None = they are not documents of windows.
    """

    rule: str
    group: Group = ()
    measure: str | None = None
    value: float | None = None
    limit: float | None = None
    documents: tuple[datetime, ...] = ()
    window: timedelta | None = None


@dataclass(frozen=True)
class Firing:
    """One firing; its attributes have the names of the document's fields, except these.

    Attributes
    ----------
    rule : the alert's id (field `rule.name`).
    group : the fields that distinguish it (fields `model_name`, `model_version`, `segment`).
    start, end : fields `event.start` and `event.end`.
    title : field `rule.description`.
    evaluations : the last evaluations or windows, the newest last: `x` met the condition, `.` did not (field `looks`).
    evaluated : start of the interval whose evaluation last changed `evaluations` (field `looked`).
    """

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
    evaluations: str = ""
    evaluated: datetime | None = None
    revision: int = 1

    @property
    def id(self) -> str:
        """The document's `_id`."""
        return hashed_id(self.rule, *(text for pair in self.group for text in pair), instants.text(self.start))

    @property
    def model(self) -> str:
        """The model; empty = all models."""
        return dict(self.group).get("model_name", "")

    @property
    def version(self) -> str:
        """The version of the model; empty = all versions."""
        return dict(self.group).get("model_version", "")

    @property
    def segment(self) -> str:
        """The segment of the version; empty = all segments together."""
        return dict(self.group).get("segment", "")

    @property
    def open(self) -> bool:
        """Whether it has not recovered."""
        return self.state != STATE_RECOVERED

    @property
    def key(self) -> tuple[str, Group]:
        """The alert and the group: at most one firing of a key is open."""
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
            "looks": self.evaluations,
            "looked": _text(self.evaluated),
            "dashboard": self.dashboard,
            "revision": self.revision,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Firing:
        """Return the firing of a document; one without `inhibited_by`, as earlier versions wrote, is not inhibited."""
        return cls(
            rule=document["rule"]["name"],
            group=tuple((name, document[name]) for name in GROUP_FIELDS if name in document),
            start=instants.parse(document["event"]["start"]),
            title=document["rule"]["description"],
            end=_moment(document["event"].get("end")),
            active_since=_moment(document["active_since"]),
            inhibited_by=tuple(document.get("inhibited_by") or ()),
            evaluations=document["looks"],
            evaluated=_moment(document["looked"]),
            **{name: document[name] for name in _COPIED_FIELDS},
        )


_COPIED_FIELDS = ("message", "severity", "dashboard", "state", "measure", "value", "limit", "revision")
_RULE_FIELDS = ("title", "message", "severity", "dashboard")


def evaluate(
    rules: Sequence[FiringRule],
    breaches: Iterable[Breach],
    earlier: Iterable[Firing],
    now: datetime,
    staying_open: Collection[tuple[str, Group]] = (),
) -> list[Firing]:
    """Return the firings that are open now and those that have just recovered; an unchanged one keeps its revision.

    Parameters
    ----------
    rules : the rules of all alerts; an open firing of an alert that is not among them recovers.
    breaches : the breaches of this evaluation.
    earlier : the firings so far; recovered ones are ignored.
    staying_open : alerts and groups whose open firings do not recover: their values were not measured, or not good.
    """
    breach_of = {(breach.rule, breach.group): breach for breach in breaches}
    before = {firing.key: firing for firing in earlier if firing.open}
    keys_of: dict[str, list[tuple[str, Group]]] = {}
    for key in sorted(breach_of.keys() | before.keys()):
        keys_of.setdefault(key[0], []).append(key)
    firings: list[Firing] = []
    # Alerts that inhibit others come first: whether the others are inhibited depends on their firings.
    for rule in sorted(rules, key=lambda rule: bool(rule.inhibited_by)):
        for key in keys_of.get(rule.id, ()):
            inhibiting = _inhibiting(rule, key[1], firings)
            if key in staying_open and key in before and key not in breach_of:
                firings.append(dataclasses.replace(before[key], inhibited_by=inhibiting))
                continue
            firings.append(_advanced(rule, before.get(key), breach_of.get(key), key[1], inhibiting, now))
    rule_ids = {rule.id for rule in rules}
    abandoned = [firing for firing in before.values() if firing.rule not in rule_ids]
    firings += [dataclasses.replace(firing, state=STATE_RECOVERED, end=now) for firing in abandoned]
    return [_numbered(firing, before.get(firing.key)) for firing in firings]


def waiting(firings: Iterable[Firing], breaches: Iterable[Breach]) -> list[Firing]:
    """Return the open firings whose condition an evaluation has not met: they recover, unless something holds them."""
    breaching = {(breach.rule, breach.group) for breach in breaches}
    return [firing for firing in firings if firing.open and firing.key not in breaching]


def _inhibiting(rule: FiringRule, group: Group, firings: Iterable[Firing]) -> tuple[str, ...]:
    """Return the alerts that inhibit this one: those that fire for the same model, or for all models."""
    values = dict(group)
    inhibiting = {
        firing.rule
        for firing in firings
        if firing.rule in rule.inhibited_by
        and firing.open
        and all(values.get(name, value) == value for name, value in firing.group)
    }
    return tuple(sorted(inhibiting))


def _advanced(
    rule: FiringRule,
    firing: Firing | None,
    breach: Breach | None,
    group: Group,
    inhibiting: tuple[str, ...],
    now: datetime,
) -> Firing:
    """Return the firing after one more evaluation; a new one if `firing` is None."""
    texts: dict[str, Any] = {name: getattr(rule, name) for name in _RULE_FIELDS}
    if firing is None:
        firing = Firing(rule=rule.id, group=group, start=now, **texts)
        firing = _with_worst_value(firing, breach)
    if firing.inhibited_by != inhibiting or any(getattr(firing, name) != text for name, text in texts.items()):
        firing = dataclasses.replace(firing, inhibited_by=inhibiting, **texts)
    length = parse_duration(rule.interval)
    interval = instants.EPOCH + (now - instants.EPOCH) // length * length
    if inhibiting or (firing.evaluated is not None and interval <= firing.evaluated):
        return firing
    needed, of = rule.evaluations
    evaluations = _evaluations(rule, firing.evaluations, breach)
    if evaluations != firing.evaluations:
        firing = dataclasses.replace(firing, evaluations=evaluations, evaluated=interval)
    different = breach is not None and (not breach.documents or len(breach.documents) >= needed)
    if firing.state == STATE_PENDING and different and evaluations[-of:].count(MET) >= needed:
        firing = dataclasses.replace(firing, state=STATE_ACTIVE, active_since=now)
    elif evaluations.endswith(NOT_MET * rule.quiet):
        firing = dataclasses.replace(firing, state=STATE_RECOVERED, end=now)
    return _with_worst_value(firing, breach)


def _evaluations(rule: FiringRule, before: str, breach: Breach | None) -> str:
    """Return the last evaluations after one more; for the documents of windows, the last windows."""
    _, of = rule.evaluations
    if breach is None or breach.window is None:
        return (before + (MET if breach else NOT_MET))[-max(of, rule.quiet) :]
    newest, length = breach.documents[0], breach.window
    # Rounded, because a day on which clocks change has 23 or 25 hours.
    ages = {round((newest - start) / length) for start in breach.documents}
    return "".join(MET if age in ages else NOT_MET for age in reversed(range(of)))


def _with_worst_value(firing: Firing, breach: Breach | None) -> Firing:
    """Return the firing with the value of the breach, if that is worse than the firing's own value."""
    if breach is None or breach.value is None or breach.limit is None:
        return firing
    if firing.measure == breach.measure and firing.limit == breach.limit and firing.value is not None:
        further = abs(breach.value - breach.limit) > abs(firing.value - breach.limit)
        if not further:
            return firing
    return dataclasses.replace(firing, measure=breach.measure, value=breach.value, limit=breach.limit)


def _numbered(firing: Firing, before: Firing | None) -> Firing:
    """Return the firing with the next revision, if it differs from the one before."""
    if before is None or firing == before:
        return firing
    return dataclasses.replace(firing, revision=before.revision + 1)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else instants.text(moment)


def _moment(value: str | None) -> datetime | None:
    return None if value is None else instants.parse(value)
