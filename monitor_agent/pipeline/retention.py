"""Which indices have expired (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.contracts.cycle import CYCLES
from monitor_agent.contracts.deadletter import DEADLETTERS
from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.request_error import ERRORS
from monitor_agent.pipeline.instants import DAY
from monitor_agent.settings import AgentSettings

LONGEST_MONTH = timedelta(days=31)
_EVENTS = (PREDICTIONS, FEEDBACK, ERRORS, DEADLETTERS, CYCLES)


def dated() -> list[IndexContract]:
    """Return the contracts whose index names contain a date: these indices expire."""
    return [contract for contract in CONTRACTS if contract.suffix]


def retention_of(contract: IndexContract, settings: AgentSettings) -> timedelta:
    """Return how long after the end of its day or month an index expires."""
    return settings.retention_events if contract in _EVENTS else settings.retention_metrics


def expired(
    names: Iterable[str], now: datetime, settings: AgentSettings, imported: Mapping[datetime, datetime] | None = None
) -> list[str]:
    """Return the names of expired indices; names of foreign indices are ignored.

    Parameters
    ----------
    imported : day -> time of the last import of its events: its indices are retained from that time.

    >>> from datetime import timezone
    >>> now = datetime(2026, 11, 23, tzinfo=timezone.utc)
    >>> expired(["model-predictions-2026.10.23", "model-predictions-2026.10.24", "model-x"], now, AgentSettings())
    ['model-predictions-2026.10.23']
    >>> day = datetime(2026, 10, 23, tzinfo=timezone.utc)
    >>> expired(["model-predictions-2026.10.23"], now, AgentSettings(), {day: now})
    []
    """
    expired_names = []
    for name in names:
        for contract in dated():
            try:
                start = contract.day_of(name)
            except ValueError:
                continue
            length = DAY if contract.suffix.endswith("%d") else LONGEST_MONTH
            imports = [time for day, time in (imported or {}).items() if start <= day < start + length]
            if max([start + length, *imports]) + retention_of(contract, settings) <= now:
                expired_names.append(name)
    return sorted(expired_names)
