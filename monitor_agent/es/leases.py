"""The leases of the agents in `monitor-agent-state`: one lease table, written only if nobody has changed it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import timedelta

from monitor_agent.clock import Clock
from monitor_agent.es.state_store import StateStore
from monitor_agent.pipeline.lease_table import Assignment, FailureDetector, LeaseTable, renewed, without_agent

LEASES = "leases"
ATTEMPTS = 20
"""How often a write is repeated that conflicts with the writes of other agents."""


class Leases:
    """The leases of one agent.

    Parameters
    ----------
    name : the agent's name, which no other agent has.
    patience : an agent whose counter has not changed for this time is dead.
    monotonic : a clock of this machine, in seconds; clocks of other machines do not matter.
    """

    def __init__(
        self,
        states: StateStore,
        name: str,
        patience: timedelta,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._states = states
        self._name = name
        self._patience = patience.total_seconds()
        self._clock = clock
        self._monotonic = monotonic
        self._detector = FailureDetector(self._patience)
        self._table = LeaseTable()
        self._renewed_at: float | None = None

    @property
    def name(self) -> str:
        """The agent's name."""
        return self._name

    def renew(self, models: Iterable[str] = ()) -> bool:
        """Renew the leases; return whether this agent has more leases than before.

        Parameters
        ----------
        models : models that may have no lease yet.
        """
        before = self.assignment()
        new = list(models)
        for _ in range(ATTEMPTS):
            started = self._monotonic()
            (stored,) = self._states.read(LEASES)
            table = LeaseTable.from_content(stored.content)
            table = renewed(table, self._name, self._detector.alive(table.beats, started), new)
            if self._states.write(stored, table.content(), self._clock.now()):
                self._table, self._renewed_at = table, started
                break
        after = self.assignment()
        return after is not None and set(after.lease_names) > set(before.lease_names if before else [])

    def assignment(self) -> Assignment | None:
        """Return the work of this agent; None if its leases have not been renewed for too long."""
        if self._renewed_at is None or self._monotonic() - self._renewed_at > self._patience:
            return None
        return self._table.assignment_of(self._name)

    def release(self) -> None:
        """Hand the leases over to the other agents."""
        for _ in range(ATTEMPTS):
            (stored,) = self._states.read(LEASES)
            table = without_agent(LeaseTable.from_content(stored.content), self._name)
            if self._states.write(stored, table.content(), self._clock.now()):
                break
        self._renewed_at = None


def leased_models(states: StateStore) -> frozenset[str]:
    """Return the models that have a lease."""
    (stored,) = states.read(LEASES)
    return LeaseTable.from_content(stored.content).leased
