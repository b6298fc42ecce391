"""The leases of the agents in `monitor-agent-state`: one table, written by `if_seq_no`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import timedelta

from monitor_agent.clock import Clock
from monitor_agent.es.state_store import StateStore
from monitor_agent.pipeline.lease_table import Assignment, FailureDetector, LeaseTable, renewed, without_agent

LEASES = "leases"
ATTEMPTS = 20
"""How often a write is tried that other agents get in the way of."""


class Leases:
    """One agent's part in the sharing of the work.

    Parameters
    ----------
    name : the agent's own, which no other one has.
    patience : an agent that has given no sign for so long is taken for dead.
    monotonic : a clock of this machine, in seconds; those of other machines do not matter.
    """

    def __init__(
        self,
        memory: StateStore,
        name: str,
        patience: timedelta,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._memory = memory
        self._name = name
        self._patience = patience.total_seconds()
        self._clock = clock
        self._monotonic = monotonic
        self._watch = FailureDetector(self._patience)
        self._table = LeaseTable()
        self._renewed_at: float | None = None

    @property
    def name(self) -> str:
        """The agent's name."""
        return self._name

    def renew(self, models: Iterable[str] = ()) -> bool:
        """Give a sign of life; return whether this agent holds more than before.

        Parameters
        ----------
        models : those that were seen and may have no lease yet.
        """
        before = self.assignment()
        new = list(models)
        for _ in range(ATTEMPTS):
            started = self._monotonic()
            (known,) = self._memory.read(LEASES)
            table = LeaseTable.from_content(known.content)
            table = renewed(table, self._name, self._watch.alive(table.beats, started), new)
            if self._memory.write(known, table.content(), self._clock.now()):
                self._table, self._renewed_at = table, started
                break
        after = self.assignment()
        return after is not None and set(after.lease_names) > set(before.lease_names if before else [])

    def assignment(self) -> Assignment | None:
        """Return what this agent holds; None while it has not renewed its leases for too long."""
        if self._renewed_at is None or self._monotonic() - self._renewed_at > self._patience:
            return None
        return self._table.assignment_of(self._name)

    def release(self) -> None:
        """Leave what is held to the others."""
        for _ in range(ATTEMPTS):
            (known,) = self._memory.read(LEASES)
            table = without_agent(LeaseTable.from_content(known.content), self._name)
            if self._memory.write(known, table.content(), self._clock.now()):
                break
        self._renewed_at = None


def leased_models(memory: StateStore) -> frozenset[str]:
    """Return the models that have a lease."""
    (known,) = memory.read(LEASES)
    return LeaseTable.from_content(known.content).leased
