"""Firings: how they begin, become active, are held back and recover."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from monitor_agent.alerting.firings import Breach, Firing, Group, Rule, evaluate
from tests.factories import START

MINUTE = timedelta(minutes=1)
CLICK: Group = (("model_name", "click"), ("model_version", "1"))
QUALITY = Rule(
    id="quality",
    title="Quality",
    message="it is bad",
    severity="critical",
    dashboard="model-quality",
    every="1m",
    looks=(2, 3),
    quiet=3,
    inhibited_by=("lag", "orphans"),
)
LAG = replace(QUALITY, id="lag", severity="warning", looks=(1, 1), quiet=2, inhibited_by=())
ORPHANS = replace(LAG, id="orphans")
RULES = [QUALITY, LAG, ORPHANS]
BAD = Breach("quality", CLICK, "f1_high", 0.1, 0.2)


def looked(
    *looks: Iterable[Breach], every: timedelta = MINUTE, rules: list[Rule] | None = None
) -> dict[str, list[Firing]]:
    """Return the firings of each rule, oldest first, after looks that found something."""
    known: dict[str, Firing] = {}
    for number, found in enumerate(looks):
        now = START + number * every
        known |= {each.id: each for each in evaluate(rules or RULES, found, known.values(), now)}
    by_rule: dict[str, list[Firing]] = {}
    for each in sorted(known.values(), key=lambda each: each.start):
        by_rule.setdefault(each.rule, []).append(each)
    return by_rule


def story(text: str) -> list[list[Breach]]:
    """Return looks: `x` finds bad quality, `.` nothing, `h` bad quality while it is held back, `-` that alone."""
    lag = Breach("lag")
    return [{"x": [BAD], ".": [], "h": [BAD, lag], "-": [lag]}[sign] for sign in text]


@pytest.mark.parametrize(
    ("looks", "states"),
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
def test_a_firing_goes_through_its_states(looks: str, states: list[str]) -> None:
    """Two of three looks make it active, three without a finding end it, and those in between do not count."""
    assert [each.state for each in looked(*story(looks))["quality"]] == states


def test_looks_in_the_same_period_count_once() -> None:
    """A busy agent, or a second one, does not make an alert active sooner."""
    pending = looked(*[[BAD]] * 6, every=timedelta(seconds=10))["quality"]
    active = looked(*[[BAD]] * 7, every=timedelta(seconds=10))["quality"]

    assert [each.state for each in pending] == ["pending"]
    assert [each.state for each in active] == ["active"]


def test_a_firing_that_goes_on_as_it_was_stays_the_same() -> None:
    """Nothing is to be written for it."""
    (after,) = looked(*[[BAD]] * 9)["quality"]
    (before,) = looked(*[[BAD]] * 4)["quality"]

    assert after == before


def test_a_firing_tells_the_worst_value() -> None:
    """A better one afterwards does not hide it."""
    values = [0.15, 0.05, 0.12]
    (found,) = looked(*[[replace(BAD, value=value)] for value in values])["quality"]

    assert (found.measure, found.value, found.limit) == ("f1_high", 0.05, 0.2)


def test_what_holds_back_is_told_and_forgotten() -> None:
    """As long as the other alert goes on, which is longer than it is found."""
    (held,) = looked(*story("xxhh..x"))["quality"]
    (free,) = looked(*story("xxhh..xx"))["quality"]

    assert looked(*story("xxhx"))["quality"][0].inhibited_by == ("lag",)
    assert (held.state, free.state) == ("active", "active")
    assert free.inhibited_by == ()


@pytest.mark.parametrize(("model", "held"), [("click", ("orphans",)), ("rank", ())])
def test_trouble_of_one_model_holds_back_its_own_alerts(model: str, held: tuple[str, ...]) -> None:
    """Another model's are told."""
    orphans = Breach("orphans", (("model_name", model),))

    assert looked([BAD, orphans])["quality"][0].inhibited_by == held


def test_groups_have_firings_of_their_own() -> None:
    """One version's recovery says nothing about another one."""
    other: Group = (("model_name", "click"), ("model_version", "2"))

    found = looked(*[[BAD, replace(BAD, group=other)]] * 2, *[[BAD]] * 3)["quality"]

    assert {(dict(each.group)["model_version"], each.state) for each in found} == {("1", "active"), ("2", "recovered")}


def test_a_firing_of_a_rule_that_is_gone_recovers() -> None:
    """Nobody would look for it any more."""
    open_firings = looked([BAD], [BAD])["quality"]

    (found,) = evaluate([LAG], [], open_firings, START + 5 * MINUTE)

    assert (found.state, found.end, found.revision) == ("recovered", START + 5 * MINUTE, 3)


def test_a_document_tells_the_whole_firing() -> None:
    """What is read from Elasticsearch is what was written there."""
    for looks in ("x", "xx", "xx...", "hhh"):
        for found in looked(*story(looks)).values():
            assert [Firing.from_document(each.document()) for each in found] == found


class Watching(RuleBasedStateMachine):
    """Trouble comes and goes; agents look when they like, die between two looks, and tell of what became active."""

    @initialize()
    def nothing(self) -> None:
        self.now: datetime = START
        self.known: dict[str, Firing] = {}
        self.notified: list[str] = []

    @rule(
        seconds=st.integers(0, 150),
        bad=st.booleans(),
        lag=st.sampled_from([False, False, False, True]),
    )
    def look(self, seconds: int, bad: bool, lag: bool) -> None:
        self.now += timedelta(seconds=seconds)
        found = [*([BAD] if bad else []), *([Breach("lag")] if lag else [])]
        before = {each.id: each for each in self.known.values()}
        after = evaluate(RULES, found, self.known.values(), self.now)
        assert evaluate(RULES, found, after, self.now) == [each for each in after if each.open], "a look twice is one"
        for each in after:
            old = before.get(each.id)
            held = each.inhibited_by != ()
            if old is not None and held:
                assert each.state == old.state, "what is held back neither becomes active nor recovers"
            if old is not None and old.state == "active" and each.state == "recovered":
                needed = next(one for one in RULES if one.id == each.rule).quiet
                assert each.looks.endswith("." * needed)
            if each.state == "active" and (old is None or old.state != "active"):
                assert each.id not in self.notified, "an alert is told once"
                self.notified.append(each.id)
                assert each.rule != "quality" or each.looks[-3:].count("x") >= 2
            if old is not None and old != each:
                assert each.revision == old.revision + 1
        self.known |= {each.id: each for each in after}

    @invariant()
    def at_most_one_firing_of_each_is_open(self) -> None:
        keys = [each.key for each in self.known.values() if each.open]
        assert len(keys) == len(set(keys))

    @invariant()
    def what_has_recovered_was_found_before_it_ended(self) -> None:
        for each in self.known.values():
            assert each.open == (each.end is None)
            assert each.end is None or each.start < each.end


TestWatching = Watching.TestCase
TestWatching.settings = settings(max_examples=40, stateful_step_count=40)
