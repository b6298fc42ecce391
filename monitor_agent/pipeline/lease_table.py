"""How several agents divide the models among themselves: the lease table, and who is alive (pure).

No wall clock is trusted. Each agent raises its own counter in the one lease table. The other agents measure, with their
own monotonic clocks, how long a counter has not changed. Writes are idempotent: if two agents hold the same
model by mistake, nothing is wrong. The table only prevents double work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

REMAINDER = ""
"""The name of the lease on everything that no other lease names: feedback without a model, and new models."""


@dataclass(frozen=True)
class Assignment:
    """The work of one agent in one cycle.

    Attributes
    ----------
    models : models whose lease the agent holds.
    remainder : whether the agent holds the lease on everything that no other lease names.
    leased : all models that have a lease, whoever holds it.
    """

    models: frozenset[str] = frozenset()
    remainder: bool = True
    leased: frozenset[str] = frozenset()

    @property
    def lease_names(self) -> list[str]:
        """The names of the agent's leases, sorted; the remainder has the empty name."""
        return [*([REMAINDER] if self.remainder else []), *sorted(self.models)]

    def includes(self, model: str) -> bool:
        """Return whether the agent works on that model."""
        return model in self.models or (self.remainder and model not in self.leased)

    def filters(self, field_name: str) -> list[dict[str, Any]]:
        """Return filters for the documents of the agent's models; empty if all documents are.

        Parameters
        ----------
        field_name : the field that holds a document's model.
        """
        if self.remainder and self.models == self.leased:
            return []
        alternatives: list[dict[str, Any]] = [{"terms": {field_name: sorted(self.models)}}]
        if self.remainder:
            alternatives.append({"bool": {"must_not": [{"terms": {field_name: sorted(self.leased)}}]}})
        return [{"bool": {"should": alternatives, "minimum_should_match": 1}}]


@dataclass(frozen=True)
class LeaseTable:
    """The leases of all agents.

    Attributes
    ----------
    beats : agent -> its counter.
    holders : lease -> the agent that holds it; empty = nobody.
    """

    beats: Mapping[str, int] = field(default_factory=dict)
    holders: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> LeaseTable:
        """Return the table that `content` wrote; entries that it cannot have written are left out.

        >>> LeaseTable.from_content({"beats": {"a": 1, "b": "x"}, "holders": None}).beats
        {'a': 1}
        """
        beats, holders = (_mapping(content.get(name)) for name in ("beats", "holders"))
        return cls(
            {agent: beat for agent, beat in beats.items() if isinstance(beat, int)},
            {lease: holder for lease, holder in holders.items() if isinstance(holder, str)},
        )

    @property
    def leased(self) -> frozenset[str]:
        """The models that have a lease."""
        return frozenset(self.holders.keys() - {REMAINDER})

    def content(self) -> dict[str, Any]:
        """Return the content of the state document."""
        return {"beats": dict(self.beats), "holders": dict(self.holders)}

    def assignment_of(self, agent: str) -> Assignment:
        """Return the work of an agent."""
        leases = {name for name, holder in self.holders.items() if holder == agent}
        return Assignment(frozenset(leases - {REMAINDER}), REMAINDER in leases, self.leased)


class FailureDetector:
    """Decides which agents are alive: those whose counter has changed lately.

    Parameters
    ----------
    patience : how long a counter may stay the same, seconds of this machine's monotonic clock.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._last_changes: dict[str, tuple[int, float]] = {}

    def alive(self, beats: Mapping[str, int], now: float) -> set[str]:
        """Return the agents whose counter has changed within `patience` seconds; a new agent is alive.

        >>> detector = FailureDetector(30.0)
        >>> detector.alive({"a": 1}, 0.0), detector.alive({"a": 1}, 29.0), detector.alive({"a": 1}, 31.0)
        ({'a'}, {'a'}, set())
        """
        self._last_changes = {
            agent: self._last_changes[agent] if self._last_changes.get(agent, (None, 0.0))[0] == beat else (beat, now)
            for agent, beat in beats.items()
        }
        return {agent for agent, (_, since) in self._last_changes.items() if now - since <= self._patience}


def renewed(table: LeaseTable, agent: str, alive: Iterable[str], models: Iterable[str] = ()) -> LeaseTable:
    """Return the table after `agent` has renewed its leases.

    Dead agents hold nothing, living agents hold equally many leases. A lease keeps its holder as long as that is fair.

    Parameters
    ----------
    alive : the agents that are alive.
    models : models that may have no lease yet.

    >>> renewed(LeaseTable({"a": 1}, {"": "a", "click": "a"}), "b", {"a"}).holders
    {'': 'a', 'click': 'b'}
    """
    beats = {name: beat for name, beat in table.beats.items() if name in set(alive)}
    beats[agent] = table.beats.get(agent, 0) + 1
    holders = {name: holder for name, holder in table.holders.items() if holder in beats}
    for name in sorted({REMAINDER, *table.holders, *models} - holders.keys()):
        holders[name] = min(sorted(beats), key=lambda candidate: _load(holders, candidate))
    while True:
        least = min(sorted(beats), key=lambda candidate: _load(holders, candidate))
        most = max(sorted(beats), key=lambda candidate: _load(holders, candidate))
        if _load(holders, most) - _load(holders, least) < 2:
            return LeaseTable(beats, holders)
        moved = max(name for name, holder in holders.items() if holder == most)
        holders[moved] = least


def without_agent(table: LeaseTable, agent: str) -> LeaseTable:
    """Return the table without an agent that stops: other agents take its leases, or the next agent that starts."""
    beats = {name: beat for name, beat in table.beats.items() if name != agent}
    holders = {name: "" if holder == agent else holder for name, holder in table.holders.items()}
    remaining = LeaseTable(beats, holders)
    if not beats:
        return remaining
    heir = sorted(beats)[0]
    return LeaseTable(beats, renewed(remaining, heir, beats).holders)


def _load(holders: Mapping[str, str], agent: str) -> int:
    return sum(holder == agent for holder in holders.values())


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
