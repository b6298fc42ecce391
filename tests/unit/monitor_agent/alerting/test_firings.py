"""Firings: how they begin, become active, are inhibited and recover."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from monitor_agent.alerting.firings import Breach, Firing, FiringRule, Group, evaluate
from tests.factories import START

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
CLICK: Group = (("model_name", "click"), ("model_version", "1"))
QUALITY = FiringRule(
    id="quality",
    title="Quality",
    message="it is bad",
    severity="critical",
    dashboard="model-quality",
    interval="1m",
    evaluations=(2, 3),
    quiet=3,
    inhibited_by=("lag", "orphans"),
)
LAG = replace(QUALITY, id="lag", severity="warning", evaluations=(1, 1), quiet=2, inhibited_by=())
ORPHANS = replace(LAG, id="orphans")
RULES = {alert.id: alert for alert in (QUALITY, LAG, ORPHANS)}
BAD = Breach("quality", CLICK, "f1_high", 0.1, 0.2)


def evaluated(*evaluations: Iterable[Breach], interval: timedelta = MINUTE) -> dict[str, list[Firing]]:
    """Return the firings of each rule, oldest first, after evaluations with these breaches."""
    firings: dict[str, Firing] = {}
    for number, breaches in enumerate(evaluations):
        now = START + number * interval
        firings |= {firing.id: firing for firing in evaluate(list(RULES.values()), breaches, firings.values(), now)}
    by_rule: dict[str, list[Firing]] = {}
    for firing in sorted(firings.values(), key=lambda firing: firing.start):
        by_rule.setdefault(firing.rule, []).append(firing)
    return by_rule


def story(text: str) -> list[list[Breach]]:
    """Return evaluations: `x` bad quality, `.` no breach, `h` bad quality while it is inhibited, `-` the lag alone."""
    lag = Breach("lag")
    return [{"x": [BAD], ".": [], "h": [BAD, lag], "-": [lag]}[sign] for sign in text]


@pytest.mark.parametrize(
    ("evaluations", "states"),
    [
        ("x", ["pending"]),
        ("xx", ["active"]),
        ("x.x", ["active"]),
        ("x..", ["pending"]),
        ("x..x", ["pending"]),
        ("x...", ["recovered"]),
        ("xx..", ["active"]),
        ("xx..x..x..x", ["active"]),
        ("xx...", ["recovered"]),
        ("xx...xx", ["recovered", "active"]),
        ("hhhh", ["pending"]),
        ("xhhh", ["pending"]),
        ("xx-----", ["active"]),
        ("hhh..xx", ["active"]),
        ("hhh.....", ["recovered"]),
    ],
)
def test_a_firing_goes_through_its_states(evaluations: str, states: list[str]) -> None:
    """Two breaches of three evaluations make it active, three evaluations without a breach end it."""
    assert [firing.state for firing in evaluated(*story(evaluations))["quality"]] == states


def test_evaluations_in_the_same_interval_count_once() -> None:
    """A busy agent, or a second one, does not make an alert active sooner."""
    pending = evaluated(*[[BAD]] * 6, interval=timedelta(seconds=10))["quality"]
    active = evaluated(*[[BAD]] * 7, interval=timedelta(seconds=10))["quality"]

    assert [firing.state for firing in pending] == ["pending"]
    assert [firing.state for firing in active] == ["active"]


def test_a_firing_that_continues_unchanged_stays_the_same() -> None:
    """Then nothing is written for it."""
    (after,) = evaluated(*[[BAD]] * 9)["quality"]
    (before,) = evaluated(*[[BAD]] * 4)["quality"]

    assert after == before


def test_a_firing_shows_the_worst_value() -> None:
    """A better value afterwards does not replace it."""
    values = [0.15, 0.05, 0.12]
    (firing,) = evaluated(*[[replace(BAD, value=value)] for value in values])["quality"]

    assert (firing.measure, firing.value, firing.limit) == ("f1_high", 0.05, 0.2)


def test_a_firing_names_the_alerts_that_inhibit_it_until_they_recover() -> None:
    """The other alert fires for longer than its condition is met."""
    (still_inhibited,) = evaluated(*story("xxhh..x"))["quality"]
    (free,) = evaluated(*story("xxhh..xx"))["quality"]

    assert evaluated(*story("xxhx"))["quality"][0].inhibited_by == ("lag",)
    assert (still_inhibited.state, free.state) == ("active", "active")
    assert free.inhibited_by == ()


@pytest.mark.parametrize(("model", "inhibited_by"), [("click", ("orphans",)), ("rank", ())])
def test_an_alert_inhibits_the_alerts_on_its_own_model(model: str, inhibited_by: tuple[str, ...]) -> None:
    """Alerts on another model are not inhibited."""
    orphans = Breach("orphans", (("model_name", model),))

    assert evaluated([BAD, orphans])["quality"][0].inhibited_by == inhibited_by


def test_groups_have_separate_firings() -> None:
    """The recovery of one version does not end the firing of another."""
    second: Group = (("model_name", "click"), ("model_version", "2"))

    firings = evaluated(*[[BAD, replace(BAD, group=second)]] * 2, *[[BAD]] * 3)["quality"]

    states = {(dict(firing.group)["model_version"], firing.state) for firing in firings}
    assert states == {("1", "active"), ("2", "recovered")}


def test_a_firing_of_an_alert_that_was_removed_recovers() -> None:
    """No agent would evaluate it any more."""
    open_firings = evaluated([BAD], [BAD])["quality"]

    (firing,) = evaluate([LAG], [], open_firings, START + 5 * MINUTE)

    assert (firing.state, firing.end, firing.revision) == ("recovered", START + 5 * MINUTE, 3)


def test_a_firing_is_read_from_its_document() -> None:
    """The firing that is read equals the one that was written."""
    for evaluations in ("x", "xx", "xx...", "hhh"):
        for firings in evaluated(*story(evaluations)).values():
            assert [Firing.from_document(firing.document()) for firing in firings] == firings


def test_a_document_keeps_its_field_names() -> None:
    """Dashboards and alerts of users read `looks`, `looked` and `inhibited_by`."""
    (firing,) = evaluated(*story("xhx"))["quality"]
    document = firing.document()

    assert (document["looks"], document["looked"]) == ("x", "2026-03-02T10:00:00Z")
    assert document["inhibited_by"] == ["lag"]


@pytest.mark.parametrize("inhibited_by", [[], ["lag"]])
def test_a_firing_stored_by_an_earlier_version_goes_on(inhibited_by: list[str]) -> None:
    """Its document has `held_back_by` and no `inhibited_by`: it counts as not inhibited until the next evaluation."""
    (firing,) = evaluated([BAD], [BAD])["quality"]
    earlier = {name: value for name, value in firing.document().items() if name != "inhibited_by"}
    stored = Firing.from_document(earlier | {"held_back_by": inhibited_by})

    assert stored == firing
    (unchanged,) = evaluate([QUALITY], [BAD], [stored], START + MINUTE)
    assert unchanged == firing
    later = evaluate([QUALITY, LAG], [BAD, Breach("lag")], [stored], START + 2 * MINUTE)
    (quality,) = (firing for firing in later if firing.rule == "quality")
    assert (quality.state, quality.inhibited_by, quality.revision) == ("active", ("lag",), firing.revision + 1)
    assert "held_back_by" not in quality.document()


def bad_windows(*hours: int, length: timedelta = HOUR) -> Breach:
    """Return the breach of the windows that began these hours after the start."""
    return replace(BAD, documents=tuple(START + hour * HOUR for hour in sorted(hours, reverse=True)), window=length)


@pytest.mark.parametrize(
    ("hours", "state", "evaluations"),
    [
        ((0,), "pending", "..x"),
        ((0, 1), "active", ".xx"),
        ((0, 2), "active", "x.x"),
        ((0, 3), "pending", "..x"),
        ((0, 1, 2), "active", "xxx"),
        ((0, 3, 4), "active", ".xx"),
    ],
)
def test_looks_at_metrics_count_windows(hours: tuple[int, ...], state: str, evaluations: str) -> None:
    """Two of three successive windows must be bad; one bad window stays one, however often it is evaluated."""
    (firing,) = evaluated(*[[bad_windows(*hours)]] * 30)["quality"]

    assert (firing.state, firing.evaluations) == (state, evaluations)


def test_a_second_bad_window_makes_the_firing_active() -> None:
    """It recovers once no bad window is in sight, for as many evaluations as `quiet` says."""
    firings = evaluated(*[[bad_windows(0)]] * 12, *[[bad_windows(0, 1)]] * 2, [], [], [])["quality"]

    assert [(firing.state, firing.active_since) for firing in firings] == [("recovered", START + 12 * MINUTE)]


@pytest.mark.parametrize("length", [23 * HOUR, 25 * HOUR])
def test_days_on_which_clocks_change_are_successive(length: timedelta) -> None:
    """They have 23 or 25 hours."""
    (firing,) = evaluated([bad_windows(0, 24, 24 + length // HOUR, length=length)])["quality"]

    assert firing.evaluations == "xxx"


def test_two_evaluations_of_one_document_are_not_enough() -> None:
    """The documents of cycles are no windows: two of them must have met the condition."""
    first = replace(BAD, documents=(START,))
    second = replace(BAD, documents=(START + MINUTE, START))

    assert [firing.state for firing in evaluated([first], [first], [])["quality"]] == ["pending"]
    assert [firing.state for firing in evaluated([first], [second])["quality"]] == ["active"]


def test_a_firing_does_not_recover_because_nothing_is_measured() -> None:
    """It goes on unchanged, and recovers once good values are measured; another group's firing recovers meanwhile."""
    second: Group = (("model_name", "click"), ("model_version", "2"))
    firings = evaluated(*[[BAD, replace(BAD, group=second)]] * 2)["quality"]
    for minute in range(2, 12):
        firings = evaluate([QUALITY], [], firings, START + minute * MINUTE, {("quality", CLICK)})
        if minute == 4:
            states = {firing.group: firing.state for firing in firings}

    assert states == {CLICK: "active", second: "recovered"}
    assert [(firing.group, firing.state, firing.evaluations) for firing in firings] == [(CLICK, "active", "xx")]
    for minute in range(12, 15):
        firings = evaluate([QUALITY], [], firings, START + minute * MINUTE)
    assert [firing.state for firing in firings] == ["recovered"]


class AlertHistory(RuleBasedStateMachine):
    """Breaches come and go; agents evaluate at any time, and die between two evaluations."""

    @initialize()
    def start(self) -> None:
        self.now: datetime = START
        self.firings: dict[str, Firing] = {}
        self.notified: list[str] = []

    @rule(
        seconds=st.integers(0, 150),
        bad=st.booleans(),
        lag=st.sampled_from([False, False, False, True]),
    )
    def evaluate_alerts(self, seconds: int, bad: bool, lag: bool) -> None:
        self.now += timedelta(seconds=seconds)
        breaches = [*([BAD] if bad else []), *([Breach("lag")] if lag else [])]
        rules = list(RULES.values())
        before = dict(self.firings)
        after = evaluate(rules, breaches, before.values(), self.now)
        again = evaluate(rules, breaches, after, self.now)
        assert again == [firing for firing in after if firing.open], "an evaluation at the same time changes nothing"
        for firing in after:
            self._check_step(before.get(firing.id), firing)
        self.firings |= {firing.id: firing for firing in after}

    def _check_step(self, old: Firing | None, firing: Firing) -> None:
        if old is not None and firing.inhibited_by:
            assert firing.state == old.state, "an inhibited firing neither becomes active nor recovers"
        if old is not None and old.state == "active" and firing.state == "recovered":
            assert firing.evaluations.endswith("." * RULES[firing.rule].quiet)
        if firing.state == "active" and (old is None or old.state != "active"):
            assert firing.id not in self.notified, "a firing becomes active once"
            self.notified.append(firing.id)
            assert firing.rule != "quality" or firing.evaluations[-3:].count("x") >= 2
        if old is not None and old != firing:
            assert firing.revision == old.revision + 1

    @invariant()
    def at_most_one_firing_of_a_key_is_open(self) -> None:
        keys = [firing.key for firing in self.firings.values() if firing.open]
        assert len(keys) == len(set(keys))

    @invariant()
    def a_recovered_firing_began_before_it_ended(self) -> None:
        for firing in self.firings.values():
            assert firing.open == (firing.end is None)
            assert firing.end is None or firing.start < firing.end


TestAlertHistory = AlertHistory.TestCase
TestAlertHistory.settings = settings(max_examples=40, stateful_step_count=40)
