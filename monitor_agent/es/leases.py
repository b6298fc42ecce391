"""The leases of the agents in `monitor-agent-state`: one table, written by `if_seq_no`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import timedelta

from monitor_agent.clock import Clock
from monitor_agent.es.memory import Memory
from monitor_agent.pipeline.sharing import Share, Table, Watch, left, renewed

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
        memory: Memory,
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
        self._watch = Watch(self._patience)
        self._table = Table()
        self._renewed_at: float | None = None

    def renew(self, models: Iterable[str] = ()) -> bool:
        """Give a sign of life; return whether this agent holds more than before.

        Parameters
        ----------
        models : those that were seen and may have no lease yet.
        """
        before = self.share()
        new = list(models)
        for _ in range(ATTEMPTS):
            started = self._monotonic()
            (known,) = self._memory.read(LEASES)
            table = Table.from_content(known.content)
            table = renewed(table, self._name, self._watch.living(table.beats, started), new)
            if self._memory.write(known, table.content(), self._clock.now()):
                self._table, self._renewed_at = table, started
                break
        after = self.share()
        return after is not None and set(after.names) > set(before.names if before else [])

    def share(self) -> Share | None:
        """Return what this agent holds; None while it has not renewed its leases for too long."""
        if self._renewed_at is None or self._monotonic() - self._renewed_at > self._patience:
            return None
        return self._table.share_of(self._name)

    def release(self) -> None:
        """Leave what is held to the others."""
        for _ in range(ATTEMPTS):
            (known,) = self._memory.read(LEASES)
            table = left(Table.from_content(known.content), self._name)
            if self._memory.write(known, table.content(), self._clock.now()):
                break
        self._renewed_at = None


def named_models(memory: Memory) -> frozenset[str]:
    """Return the models that have a lease."""
    (known,) = memory.read(LEASES)
    return Table.from_content(known.content).named
