"""How several agents share the models: who is alive, who holds what, and the part of the work that is one's own (pure).

Nobody's wall clock is trusted. Each agent raises its own counter in the one table of leases; the others watch, each on
its own monotonic clock, for how long a counter has stood still. Writes are idempotent, so that two agents which both
believe to hold a model do no harm; the table only spares them doing the same work twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

REST = ""
"""The share of whatever no lease names: feedback without a model, and models that have never been seen."""


@dataclass(frozen=True)
class Share:
    """The work of one agent in one cycle.

    Attributes
    ----------
    models : those that it holds.
    rest : whether it holds what no lease names.
    named : all models that have a lease, its own and those of others.
    """

    models: frozenset[str] = frozenset()
    rest: bool = True
    named: frozenset[str] = frozenset()

    @property
    def names(self) -> list[str]:
        """The names of its leases, sorted; the rest is named by the empty text."""
        return [*([REST] if self.rest else []), *sorted(self.models)]

    def holds(self, model: str) -> bool:
        """Return whether work on that model is its own."""
        return model in self.models or (self.rest and model not in self.named)

    def filters(self, field_name: str) -> list[dict[str, Any]]:
        """Return filters for documents whose model, in that field, is its own; none where everything is."""
        if self.rest and self.models == self.named:
            return []
        ours: list[dict[str, Any]] = [{"terms": {field_name: sorted(self.models)}}]
        if self.rest:
            ours.append({"bool": {"must_not": [{"terms": {field_name: sorted(self.named)}}]}})
        return [{"bool": {"should": ours, "minimum_should_match": 1}}]


@dataclass(frozen=True)
class Table:
    """The leases: `beats` is each agent's counter, `holders` who holds which share."""

    beats: Mapping[str, int] = field(default_factory=dict)
    holders: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> Table:
        """Return the table as it is remembered."""
        return cls(dict(content.get("beats", {})), dict(content.get("holders", {})))

    @property
    def named(self) -> frozenset[str]:
        """The models that have a lease."""
        return frozenset(self.holders.keys() - {REST})

    def content(self) -> dict[str, Any]:
        """Return what is remembered of it."""
        return {"beats": dict(self.beats), "holders": dict(self.holders)}

    def share_of(self, agent: str) -> Share:
        """Return what an agent holds."""
        mine = {name for name, holder in self.holders.items() if holder == agent}
        return Share(frozenset(mine - {REST}), REST in mine, self.named)


class Watch:
    """Tells who is alive: whose counter has moved lately, on the watcher's own monotonic clock."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._seen: dict[str, tuple[int, float]] = {}

    def living(self, beats: Mapping[str, int], now: float) -> set[str]:
        """Return the agents whose counter has moved within `patience` seconds; one never seen before is alive.

        >>> watch = Watch(30.0)
        >>> watch.living({"a": 1}, 0.0), watch.living({"a": 1}, 29.0), watch.living({"a": 1}, 31.0)
        ({'a'}, {'a'}, set())
        """
        self._seen = {
            agent: self._seen[agent] if self._seen.get(agent, (None, 0.0))[0] == beat else (beat, now)
            for agent, beat in beats.items()
        }
        return {agent for agent, (_, since) in self._seen.items() if now - since <= self._patience}


def renewed(table: Table, agent: str, living: Iterable[str], models: Iterable[str] = ()) -> Table:
    """Return the table after a sign of life of `agent`: the dead hold nothing, the living hold equally many shares.

    Parameters
    ----------
    models : those that have been seen and have no lease yet.

    A share stays where it is as long as that is fair.

    >>> renewed(Table({"a": 1}, {"": "a", "click": "a"}), "b", {"a"}).holders
    {'': 'a', 'click': 'b'}
    """
    beats = {name: beat for name, beat in table.beats.items() if name in set(living)}
    beats[agent] = table.beats.get(agent, 0) + 1
    holders = {name: holder for name, holder in table.holders.items() if holder in beats}
    for name in sorted({REST, *table.holders, *models} - holders.keys()):
        holders[name] = min(sorted(beats), key=lambda each: _load(holders, each))
    while True:
        least = min(sorted(beats), key=lambda each: _load(holders, each))
        most = max(sorted(beats), key=lambda each: _load(holders, each))
        if _load(holders, most) - _load(holders, least) < 2:
            return Table(beats, holders)
        moved = max(name for name, holder in holders.items() if holder == most)
        holders[moved] = least


def left(table: Table, agent: str) -> Table:
    """Return the table without an agent that stops: its shares go to the others, or wait for the next one."""
    beats = {name: beat for name, beat in table.beats.items() if name != agent}
    holders = {name: "" if holder == agent else holder for name, holder in table.holders.items()}
    others = Table(beats, holders)
    if not beats:
        return others
    heir = sorted(beats)[0]
    shared = renewed(others, heir, beats)
    return Table(beats, shared.holders)


def _load(holders: Mapping[str, str], agent: str) -> int:
    return sum(holder == agent for holder in holders.values())
