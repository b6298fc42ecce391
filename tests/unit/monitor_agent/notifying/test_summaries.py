"""When summaries are due, to whom, and how often."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitor_agent.errors import SettingsError
from monitor_agent.notifying.outbox import Batch, Outbox
from monitor_agent.notifying.routes import ChannelRules, summarised_models
from monitor_agent.notifying.summaries import DueSummary, due_summaries, next_summary, without_late_summary
from monitor_agent.pipeline import instants
from monitor_agent.settings import NotifySettings, RouteTable

MONDAY = instants.parse("2026-10-26T07:00:00Z")
"""08:00 in Berlin, the day after the clocks were put back."""
SETTINGS = NotifySettings(summary_daily="08:00", summary_weekly="monday 08:00", summary_time_zone="Europe/Berlin")


def test_summaries_are_due_by_the_clock_of_their_time_zone() -> None:
    """The hour stays the same when the clocks change; a week that is over for long is left out."""
    assert [row.about for row in due_summaries(SETTINGS, MONDAY)] == [
        "weekly 2026-10-26T07:00:00Z",
        "daily 2026-10-26T07:00:00Z",
    ]
    assert due_summaries(SETTINGS, MONDAY - timedelta(minutes=1)) == []
    assert [row.name for row in due_summaries(SETTINGS, MONDAY + timedelta(days=1, hours=11))] == ["daily"]


@pytest.mark.parametrize(
    ("due", "hours"), [("2026-10-25T07:00:00Z", 25), ("2026-10-26T07:00:00Z", 24), ("2026-03-29T06:00:00Z", 23)]
)
def test_a_summary_begins_where_the_one_before_ended(due: str, hours: int) -> None:
    """On the day on which the clocks change, too: no hour is in no summary, and none is in two."""
    interval = DueSummary("daily", instants.parse(due)).interval(SETTINGS)

    assert interval.end - interval.start == timedelta(hours=hours)
    assert [row.due for row in due_summaries(SETTINGS, interval.start) if row.name == "daily"] == [interval.start]


def test_a_summary_that_could_not_be_sent_for_twelve_hours_is_left_out() -> None:
    """The next one is sent instead; the channel still counts as failing until it takes one."""
    batch = next_summary(Outbox(MONDAY - timedelta(hours=1)), due_summaries(SETTINGS, MONDAY))
    assert batch is not None
    outbox = Outbox(MONDAY - timedelta(hours=1)).refused(batch, "no answer", MONDAY)
    late = without_late_summary(outbox, MONDAY + timedelta(hours=12))

    assert without_late_summary(outbox, MONDAY + timedelta(hours=11)).batch is not None
    assert (late.batch, late.failures) == (None, 1)
    for about in ("daily never", "yearly 2026-10-26T07:00:00Z", "x"):
        garbled = Outbox(MONDAY).refused(Batch("key", "summary", (), about=about), "no answer", MONDAY)
        assert without_late_summary(garbled, MONDAY).batch is None


def test_a_channel_gets_each_summary_once() -> None:
    """Also if the outbox was written and read in between; what was due before the channel was there is not sent."""
    outbox, sent = Outbox(MONDAY - timedelta(hours=1)), []
    while (batch := next_summary(outbox, due_summaries(SETTINGS, MONDAY))) is not None:
        sent.append(batch.about.partition(" ")[0])
        claimed = Outbox.from_content(outbox.claimed(batch, "a", MONDAY).content(), MONDAY)
        assert claimed.batch is not None
        assert (claimed.batch.key, claimed.batch.about) == (batch.key, batch.about)
        outbox = Outbox.from_content(claimed.delivered(claimed.batch, MONDAY).content(), MONDAY)

    assert sent == ["weekly", "daily"]
    assert next_summary(Outbox(MONDAY + timedelta(minutes=1)), due_summaries(SETTINGS, MONDAY)) is None


def test_the_models_of_a_summary_are_those_of_the_routes() -> None:
    """A route without models lets all through."""
    ads, everything = RouteTable(("team",), models=("ads*",)), RouteTable(("team",), severities=("critical",))

    assert summarised_models(ChannelRules(), ["ads", "click"]) is None
    assert summarised_models(ChannelRules((ads,)), ["ads-eu", "click"]) == ["ads-eu"]
    assert summarised_models(ChannelRules((ads, everything)), ["ads-eu", "click"]) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("summary_daily", "7"),
        ("summary_daily", "monday 07:00"),
        ("summary_weekly", "07:00"),
        ("summary_weekly", "x 07:00"),
    ],
)
def test_a_wrong_time_of_a_summary_is_one_line(name: str, text: str) -> None:
    """It names the setting, and shows how to write it."""
    with pytest.raises(SettingsError, match="MONITOR_NOTIFY_SUMMARY"):
        NotifySettings(**{name: text})
