"""Verdicts on a holiday, from metrics documents on a real Elasticsearch."""

from __future__ import annotations

from tests.integration.agent_world import World
from tests.integration.test_verdicts import HOUR, Traffic, alerted, fill, judged


def test_a_holiday_is_compared_with_earlier_holidays_only(world: World) -> None:
    """Nobody clicks on the holiday: no alert against normal days; against an earlier holiday with clicks, there is."""
    fill(world, Traffic(fallen=0, hours=12))
    first = judged(world, holidays=("2026-04-02",))["all", "all"]
    alerts_of_first = alerted(world)
    fill(world, Traffic(fallen=0, hours=12))
    second = judged(world, holidays=("2026-03-26", "2026-04-02"))["all", "all"]

    assert (first["rate_fall"], first["rate_undefined"], first["against"]) == (None, "holiday", None)
    assert alerts_of_first == set()
    assert (second["rate_fall"], second["against"]) == (1.0, "last_weeks")
    assert alerted(world) == {("ctr-drop", "all"), ("worse-version", "1")}


def test_versions_beside_each_other_are_compared_on_a_holiday_too(world: World) -> None:
    """The canary is worse than the version beside it, whatever day it is."""
    canary = Traffic(version="2", predictions=600, clicks=30, fallen=30, since=6 * HOUR)
    fill(world, Traffic(predictions=5400, clicks=540, fallen=540), canary)

    judged(world, holidays=("2026-04-02",))

    assert ("worse-version", "2") in alerted(world)
