"""`monitor-agent lost-lines`: a gap as a row of the table and as an object for programs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from monitor_agent.cli.lost_lines import gap_cells, gap_object
from monitor_agent.pipeline.sequences import Gap
from monitor_agent.settings import AgentSettings

NOW = datetime(2026, 3, 2, 10, tzinfo=timezone.utc)
GRACE = AgentSettings().ingest_grace


@pytest.mark.parametrize(("age", "state"), [(GRACE, "pending"), (GRACE + timedelta(seconds=1), "lost")])
def test_a_gap_is_lost_after_the_grace(age: timedelta, state: str) -> None:
    """Numbers stay numbers for programs; the state depends on the age of the gap."""
    gap = Gap(3, 7, 5, NOW - age, (NOW, NOW))

    row = gap_object("server-1", gap, GRACE, NOW)

    assert row == {
        "writer": "server-1",
        "state": state,
        "first": 3,
        "last": 7,
        "missing": 5,
        "since": row["since"],
        "around": ["2026-03-02T10:00:00Z", "2026-03-02T10:00:00Z"],
    }
    assert gap_cells(row)[2:4] == ["3 to 7", "5"]


def test_a_single_line_is_one_number() -> None:
    """`7 to 7` would be harder to read."""
    assert gap_cells(gap_object("server-1", Gap(7, 7, 1, NOW), GRACE, NOW))[2] == "7"
