"""The health of the agent: when it is red, and why."""

from __future__ import annotations

from datetime import timedelta

from monitor_agent.agent.health import Health
from monitor_agent.agent.report import CycleReport

MINUTE = timedelta(minutes=1)


def test_a_cycle_that_takes_longer_than_its_period_is_red() -> None:
    """It is red while it runs, and until a cycle has been in time; after a failed cycle, until one is done."""
    now = [0.0]
    health = Health(MINUTE, lambda: "", lambda: now[0])
    health.began()
    assert health.reasons() == []
    now[0] = 61.0
    assert "has been running for 61 s" in health.reasons()[0]
    health.failed("refused")
    assert [reason.partition(":")[0] for reason in health.reasons()] == [
        "the last cycle failed",
        "the last cycle took 61 s, its period is 60 s",
    ]


def test_the_agent_is_green_again_after_a_cycle_in_time() -> None:
    """The failure before it is forgotten."""
    health = Health(MINUTE, lambda: "", lambda: 0.0)
    health.began()
    health.failed("refused")
    assert health.document()["status"] == "red"
    health.began()

    health.done(CycleReport())

    assert (health.document()["status"], health.document()["cycles"]) == ("green", {"failed": 1, "done": 1})


def test_what_is_not_counted_is_reported_and_stays_green() -> None:
    """It is about the events, not about the agent."""
    health = Health(MINUTE, lambda: "", lambda: 0.0)
    health.set_not_counted({"bad prediction.score": 30})

    assert (health.document()["status"], health.document()["not_counted"]) == ("green", {"bad prediction.score": 30})
