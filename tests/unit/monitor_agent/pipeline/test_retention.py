"""Which indices have expired."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.pipeline.retention import dated, expired, retention_of
from monitor_agent.settings import AgentSettings

SETTINGS = AgentSettings()


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("model-predictions-2026.03.02", datetime(2026, 4, 2, tzinfo=timezone.utc)),
        ("model-feedback-2026.03.02", datetime(2026, 4, 2, tzinfo=timezone.utc)),
        ("model-errors-2026.03.02", datetime(2026, 4, 2, tzinfo=timezone.utc)),
        ("model-deadletters-2026.03.02", datetime(2026, 4, 2, tzinfo=timezone.utc)),
        ("model-performance-2026.03", datetime(2027, 5, 6, tzinfo=timezone.utc)),
        ("model-restatements-2026.03", datetime(2027, 5, 6, tzinfo=timezone.utc)),
    ],
)
def test_an_index_expires_some_time_after_its_last_event(name: str, last: datetime) -> None:
    """30 days after the end of a day, 400 days after the end of a month (31 days long at most)."""
    assert expired([name], last - timedelta(microseconds=1), SETTINGS) == []
    assert expired([name], last, SETTINGS) == [name]


@pytest.mark.parametrize(
    "name",
    [
        "model-predictions-old",
        "model-predictions-2026.03",
        "model-x-2020.01.01",
        "logs-2020.01.01",
        "monitor-agent-state",
    ],
)
def test_foreign_indices_are_never_deleted(name: str) -> None:
    """Only indices of the contracts can expire."""
    assert expired([name], datetime(2999, 1, 1, tzinfo=timezone.utc), SETTINGS) == []


def test_events_and_metrics_have_their_own_retention() -> None:
    """Each has its own setting; the agent's state never expires."""
    assert retention_of(FEEDBACK, SETTINGS) == timedelta(days=30)
    assert retention_of(PERFORMANCE, SETTINGS) == timedelta(days=400)
    assert "monitor-agent-state" not in {contract.name for contract in dated()}
