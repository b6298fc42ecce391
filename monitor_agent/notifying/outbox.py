"""The outbox of a channel: what it has got, what is due to it, and what is on its way (pure).

A message is written down before it is sent, with its key, and its receipt is written after the receiver has answered.
If an agent dies in between, another agent sends the same message again, with the same key. Only one agent at a time
sends to a channel, so messages keep their order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from monitor_agent.alerting.firings import Firing
from monitor_agent.contracts.alert import CRITICAL
from monitor_agent.notifying.routes import ChannelRules
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.documents import hashed_id

ACTIVE, RECOVERED, REMINDER = "active", "recovered", "reminder"
KINDS = (ACTIVE, RECOVERED, REMINDER)
"""The kinds of messages about firings, the most urgent first."""
SUMMARY = "summary"

CLAIM = timedelta(seconds=60)
"""After this time, a message on its way counts as lost with its agent; sending takes less."""
SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=10)
RECEIPT_AGE = timedelta(days=8)
"""How long receipts of recovered firings are kept: longer than recovered firings are looked at."""
LOOK_BACK = timedelta(days=7)
"""A firing that recovered longer ago is news to nobody."""
MOST_IN_MESSAGE = 20


@dataclass(frozen=True)
class Receipt:
    """When a channel got the messages about one firing; None = not yet."""

    active: datetime | None = None
    reminded: datetime | None = None
    recovered: datetime | None = None

    @property
    def last_told(self) -> datetime | None:
        """When the channel was last told that the firing is active."""
        return self.reminded or self.active


@dataclass(frozen=True)
class Batch:
    """The firings of one message.

    Attributes
    ----------
    key : the same each time that the message is sent.
    sender : the agent that sends it; empty = nobody at the moment.
    until : when the sender counts as dead.
    about : which summary it is; empty = it is none.
    """

    key: str
    kind: str
    firings: tuple[str, ...]
    sender: str = ""
    until: datetime | None = None
    about: str = ""

    def is_claimed(self, name: str, now: datetime) -> bool:
        """Return whether another agent is sending it."""
        return bool(self.sender) and self.sender != name and self.until is not None and now < self.until


@dataclass(frozen=True)
class Outbox:
    """What is by_id of a channel.

    Attributes
    ----------
    began : since when the channel is told of alerts; what recovered before is not sent.
    receipts : by the ids of firings.
    batch : the message that is on its way.
    failures : attempts in a row that failed; 0 = the channel works.
    retry_at : when the next attempt is due.
    reason : why the last attempt failed.
    summaries : by the names of summaries: when the newest one was due that the channel has got.
    """

    began: datetime
    receipts: Mapping[str, Receipt] = field(default_factory=dict)
    batch: Batch | None = None
    failures: int = 0
    failed_since: datetime | None = None
    retry_at: datetime | None = None
    reason: str = ""
    summaries: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """Return it as the content of a state document."""
        return {
            "began": instants.text(self.began),
            "receipts": {id_: _stored(receipt) for id_, receipt in self.receipts.items()},
            "batch": None if self.batch is None else _stored(self.batch),
            "failures": self.failures,
            "failed_since": _text(self.failed_since),
            "retry_at": _text(self.retry_at),
            "reason": self.reason,
            "summaries": dict(self.summaries),
        }

    @classmethod
    def from_content(cls, content: Mapping[str, Any], now: datetime) -> Outbox:
        """Return the outbox of a state document; an empty one if there is none, or nobody can read it."""
        try:
            batch = content["batch"]
            return cls(
                instants.parse(content["began"]),
                {id_: _receipt(entry) for id_, entry in content["receipts"].items()},
                None if batch is None else _batch(batch),
                int(content["failures"]),
                _moment(content["failed_since"]),
                _moment(content["retry_at"]),
                str(content["reason"]),
                dict(content.get("summaries", {})),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            return cls(now)

    @property
    def unfinished(self) -> list[str]:
        """The firings whose recovery the channel has not been told."""
        return [id_ for id_, receipt in self.receipts.items() if receipt.recovered is None]

    def may_send(self, name: str, now: datetime) -> bool:
        """Return whether an agent may send to the channel now."""
        if self.batch is not None and self.batch.is_claimed(name, now):
            return False
        return self.retry_at is None or self.retry_at <= now

    def claimed(self, batch: Batch, name: str, now: datetime) -> Outbox:
        """Return the outbox with a message that an agent is about to send."""
        return dataclasses.replace(self, batch=dataclasses.replace(batch, sender=name, until=now + CLAIM))

    def delivered(self, batch: Batch, now: datetime) -> Outbox:
        """Return the outbox after a receiver has taken a message."""
        receipts = {id_: receipt for id_, receipt in self.receipts.items() if _is_kept(receipt, now)}
        for id_ in batch.firings:
            name = "reminded" if batch.kind == REMINDER else batch.kind
            receipts[id_] = dataclasses.replace(receipts.get(id_, Receipt()), **{name: now})
        name, _, due = batch.about.partition(" ")
        summaries = {**self.summaries, name: due} if batch.about else self.summaries
        return Outbox(self.began, receipts, summaries=summaries)

    def refused(self, batch: Batch, reason: str, now: datetime) -> Outbox:
        """Return the outbox after an attempt that failed."""
        failures = self.failures + 1
        return dataclasses.replace(
            self,
            batch=dataclasses.replace(batch, sender="", until=None),
            failures=failures,
            failed_since=self.failed_since or now,
            retry_at=now + pause(failures),
            reason=reason,
        )


def pause(failures: int) -> timedelta:
    """Return how long to wait after some failures in a row.

    >>> [pause(failures).total_seconds() for failures in (1, 2, 3, 99)]
    [10.0, 20.0, 40.0, 600.0]
    """
    return min(LONGEST_PAUSE, SHORTEST_PAUSE * float(2 ** min(failures - 1, 30)))


def next_batch(outbox: Outbox, firings: Collection[Firing], rules: ChannelRules, now: datetime) -> Batch | None:
    """Return the message that is due to a channel next; None if none is.

    A message that was on its way comes first, with the same key. If a firing in it has been silenced since, it goes
    without it.
    """
    if outbox.batch is not None:
        by_id = {firing.id: firing for firing in firings}
        left = [id_ for id_ in outbox.batch.firings if id_ in by_id and not rules.holds(by_id[id_], now)]
        if len(left) == len(outbox.batch.firings):
            return outbox.batch
        if left:
            return _new_batch(outbox.batch.kind, left, outbox)
    groups: dict[tuple[int, str], list[Firing]] = {}
    for firing in sorted(firings, key=lambda firing: (firing.active_since or now, firing.key)):
        kind = due_kind(outbox, firing, rules, now)
        if kind:
            group = firing.id if rules.one_by_one else firing.model
            groups.setdefault((KINDS.index(kind), group), []).append(firing)
    ready = {key: group for key, group in groups.items() if key[0] or _is_ready(group, rules, now)}
    if not ready:
        return None
    urgent = min(ready, key=lambda key: (key[0], not any(row.severity == CRITICAL for row in ready[key])))
    return _new_batch(KINDS[urgent[0]], [firing.id for firing in ready[urgent][:MOST_IN_MESSAGE]], outbox)


def due_kind(outbox: Outbox, firing: Firing, rules: ChannelRules, now: datetime) -> str:
    """Return the kind of the message about a firing that is due to a channel; empty if none is."""
    receipt = outbox.receipts.get(firing.id, Receipt())
    if receipt.recovered is not None or firing.active_since is None or rules.holds(firing, now):
        return ""
    if receipt.active is None:
        over = not firing.open and firing.end is not None
        # What recovered before anybody could be told is told to nobody.
        missed = over and firing.end is not None and (firing.end < outbox.began or rules.holds(firing, firing.end))
        return ACTIVE if rules.takes(firing) and not missed else ""
    if not firing.open:
        return RECOVERED
    throttle, last = rules.throttles.get(firing.rule), receipt.last_told
    again = throttle is not None and last is not None and now - last >= throttle
    return REMINDER if again and rules.takes(firing) and firing.id not in rules.quiet.acknowledged else ""


def firings_since(outboxes: Iterable[Outbox], now: datetime) -> datetime:
    """Return from which recovery on firings are looked at."""
    return max(min((outbox.began for outbox in outboxes), default=now), now - LOOK_BACK)


def _is_ready(group: Sequence[Firing], rules: ChannelRules, now: datetime) -> bool:
    return any(row.active_since is not None and now - row.active_since >= rules.group_wait for row in group)


def _new_batch(kind: str, firings: Sequence[str], outbox: Outbox) -> Batch:
    earlier = [outbox.receipts.get(id_, Receipt()).last_told for id_ in firings] if kind == REMINDER else []
    return Batch(hashed_id(kind, *firings, *(instants.text(at) for at in earlier if at)), kind, tuple(firings))


def _is_kept(receipt: Receipt, now: datetime) -> bool:
    return receipt.recovered is None or now - receipt.recovered < RECEIPT_AGE


def _stored(value: Receipt | Batch) -> dict[str, Any]:
    entries = {entry.name: getattr(value, entry.name) for entry in dataclasses.fields(value)}
    return {name: _text(entry) if isinstance(entry, datetime) else entry for name, entry in entries.items() if entry}


def _receipt(entry: Mapping[str, Any]) -> Receipt:
    return Receipt(**{name: instants.parse(value) for name, value in entry.items()})


def _batch(entry: Mapping[str, Any]) -> Batch:
    if entry["kind"] not in (*KINDS, SUMMARY):
        raise ValueError(f"there are no messages of the kind {entry['kind']}")
    return Batch(
        entry["key"],
        entry["kind"],
        tuple(entry.get("firings", ())),
        entry.get("sender", ""),
        _moment(entry.get("until")),
        entry.get("about", ""),
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else instants.text(moment)


def _moment(value: str | None) -> datetime | None:
    return None if value is None else instants.parse(value)
