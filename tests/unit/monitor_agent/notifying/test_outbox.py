"""What is due to a channel: each firing once as active and once as recovered, through silences, hours and failures."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from monitor_agent.alerting.firings import Firing
from monitor_agent.contracts.alert import STATE_ACTIVE, STATE_RECOVERED
from monitor_agent.notifying.outbox import CLAIM, Batch, Outbox, next_batch
from monitor_agent.notifying.routes import ChannelRules
from monitor_agent.notifying.silences import Acknowledgement, Quiet, Silence
from monitor_agent.settings import RouteTable
from tests.factories import START

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
EVERYTHING = ChannelRules(throttles={"drop": HOUR})


def firing(model: str = "click", version: str = "1", *, active: int = 0, severity: str = "critical") -> Firing:
    """Return a firing that has been active for some minutes after the start."""
    group = (("model_name", model), ("model_version", version))
    since = START + active * MINUTE
    return Firing(
        "drop", group, since, "Drop", "it fell", severity, "model-quality", state=STATE_ACTIVE, active_since=since
    )


def recovered(before: Firing, minutes: int) -> Firing:
    """Return a firing after it has recovered."""
    return replace(before, state=STATE_RECOVERED, end=START + minutes * MINUTE)


def run_until(
    outbox: Outbox, firings: list[Firing], minutes: int, rules: ChannelRules = EVERYTHING
) -> tuple[Outbox, str]:
    """Return the outbox after all messages that are due have been taken, and the messages in words."""
    now, words = START + minutes * MINUTE, []
    while batch := next_batch(outbox, firings, rules, now):
        words.append(f"{batch.kind} {len(batch.firings)}")
        outbox = outbox.claimed(batch, "a", now).delivered(batch, now)
    return Outbox.from_content(outbox.content(), now), ", ".join(words)


def test_a_firing_is_told_once_and_again_after_its_throttle() -> None:
    """Active at once, a reminder each hour, and recovered once, also if nobody looked in between."""
    row, outbox = firing(), Outbox(START)
    texts = []
    for minutes in (0, 1, 59, 60, 61, 120):
        outbox, words = run_until(outbox, [row], minutes)
        texts.append(words)
    outbox, last = run_until(outbox, [recovered(row, 125)], 130)

    assert texts == ["active 1", "", "", "reminder 1", "", "reminder 1"]
    assert (last, run_until(outbox, [recovered(row, 125)], 300)[1]) == ("recovered 1", "")
    assert run_until(Outbox(START), [recovered(row, 5)], 6)[1] == "active 1, recovered 1"
    assert run_until(Outbox(START + 6 * MINUTE), [recovered(row, 5)], 7)[1] == ""


def test_a_group_that_has_grown_sends_only_what_is_new() -> None:
    """The firings of a model share a message; those of another one have their own."""
    rows = [firing(version="1"), firing(version="2"), firing("rank")]
    outbox, first = run_until(Outbox(START), rows, 0)
    outbox, second = run_until(outbox, [*rows, firing(version="3", active=1)], 1)

    assert (first, second) == ("active 2, active 1", "active 1")


def test_a_group_waits_for_further_firings() -> None:
    """With `group_wait`, one message comes after this time."""
    rules = replace(EVERYTHING, group_wait=2 * MINUTE)
    rows = [firing(version="1"), firing(version="2", active=1)]
    outbox, early = run_until(Outbox(START), rows, 1, rules)

    assert (early, run_until(outbox, rows, 2, rules)[1]) == ("", "active 2")


def test_a_receiver_that_keeps_incidents_gets_a_message_for_each_firing() -> None:
    """One incident stands for one firing."""
    rules = replace(EVERYTHING, one_by_one=True)

    assert run_until(Outbox(START), [firing(version="1"), firing(version="2")], 0, rules)[1] == "active 1, active 1"


def test_a_message_whose_agent_died_is_sent_again_with_the_same_key() -> None:
    """Another agent waits until the sender counts as dead; a firing that came meanwhile has a message of its own."""
    first = firing(version="1")
    outbox = Outbox(START)
    batch = next_batch(outbox, [first], EVERYTHING, START)
    assert batch is not None
    outbox = outbox.claimed(batch, "a", START)
    outbox = Outbox.from_content(outbox.content(), START)
    later = START + CLAIM
    again = next_batch(outbox, [first, firing(version="2", active=1)], EVERYTHING, later)

    assert not outbox.may_send("b", later - timedelta(seconds=1))
    assert outbox.may_send("b", later)
    assert again is not None
    assert (again.key, again.firings) == (batch.key, batch.firings)


def test_a_channel_that_fails_is_tried_again_after_growing_pauses() -> None:
    """A success forgets the failures."""
    outbox, batch = Outbox(START), Batch("key", "active", ("id",))
    for minutes in (0, 1):
        outbox = outbox.refused(batch, "no answer", START + minutes * MINUTE)
    outbox = Outbox.from_content(outbox.content(), START)

    assert (outbox.failures, outbox.reason, outbox.failed_since) == (2, "no answer", START)
    assert not outbox.may_send("a", START + MINUTE + timedelta(seconds=19))
    assert outbox.may_send("a", START + MINUTE + timedelta(seconds=20))
    assert outbox.delivered(batch, START).failures == 0


def silenced(until: int, **fields: str) -> ChannelRules:
    """Return rules with a silence from the start on."""
    silence = Silence("s", START, START + until * MINUTE, "kim", "maintenance", model=fields.pop("model", "*"))
    return replace(EVERYTHING, quiet=Quiet((replace(silence, labels=fields),)))


def test_trouble_that_outlasts_its_silence_is_told_at_its_end() -> None:
    """What recovers in the silence is told to nobody; a recovery of what was told before waits for its end."""
    row, rules = firing(), silenced(30, model="cl*", model_version="1")
    outbox, during = run_until(Outbox(START), [row], 29, rules)
    assert (during, run_until(outbox, [row], 30, rules)[1]) == ("", "active 1")
    assert run_until(outbox, [recovered(row, 20)], 31, rules)[1] == ""
    assert run_until(outbox, [firing(version="2")], 29, rules)[1] == "active 1"
    of_segment = replace(row, group=(*row.group, ("segment", "labels.scene=search")))
    assert run_until(outbox, [of_segment], 29, silenced(30, segment="labels.scene=*"))[1] == ""
    assert run_until(outbox, [row], 29, silenced(30, segment="labels.scene=*"))[1] == "active 1"

    outbox, before = run_until(Outbox(START), [row], 0)
    outbox, during = run_until(outbox, [recovered(row, 20)], 29, rules)
    assert (before, during, run_until(outbox, [recovered(row, 20)], 30, rules)[1]) == ("active 1", "", "recovered 1")


def test_an_acknowledged_firing_is_not_repeated() -> None:
    """Its recovery is told."""
    row = firing()
    rules = replace(EVERYTHING, quiet=Quiet(acknowledged={row.id: Acknowledgement("kim", START)}))
    outbox, _ = run_until(Outbox(START), [row], 0)

    assert run_until(outbox, [row], 120, rules)[1] == ""
    assert run_until(outbox, [recovered(row, 121)], 122, rules)[1] == "recovered 1"


def test_a_route_lets_through_what_it_names() -> None:
    """Models by patterns, severities, hours; outside of the hours, firings wait."""
    rules = replace(EVERYTHING, routes=(RouteTable(("a",), models=("cl*",), severities=("critical",)),))
    rows = [firing(), firing("rank"), firing(version="2", severity="warning")]
    at_night = replace(EVERYTHING, routes=(RouteTable(("a",), hours="22:00-06:00"),))
    minutes_to_night = 12 * 60

    assert run_until(Outbox(START), rows, 0, rules)[1] == "active 1"
    assert run_until(Outbox(START), [firing()], 0, at_night)[1] == ""
    assert run_until(Outbox(START), [firing()], minutes_to_night, at_night)[1] == "active 1"


def test_an_outbox_that_nobody_can_read_begins_anew() -> None:
    """Active firings are told again, which is better than never."""
    unknown_kind = Outbox(START, batch=Batch("key", "postcard", ("id",))).content()

    assert Outbox.from_content({"began": "never"}, START) == Outbox(START)
    assert Outbox.from_content(unknown_kind, START) == Outbox(START)
