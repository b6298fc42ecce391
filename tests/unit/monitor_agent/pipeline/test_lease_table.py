"""The lease table: who is alive, who holds which lease; no lease is without a holder."""

from __future__ import annotations

import hypothesis
from hypothesis import strategies as st

from monitor_agent.pipeline.lease_table import (
    REMAINDER,
    Assignment,
    FailureDetector,
    LeaseTable,
    renewed,
    without_agent,
)

AGENTS = st.sampled_from("abcd")
STEPS = st.lists(st.tuples(st.sampled_from(["renew", "leave", "die"]), AGENTS), max_size=30)


@hypothesis.settings(derandomize=True, max_examples=100, deadline=None)
@hypothesis.given(steps=STEPS, models=st.lists(st.sampled_from(["click", "rank", "ads", "home"]), unique=True))
def test_each_lease_has_one_living_holder_and_leases_are_divided_equally(
    steps: list[tuple[str, str]], models: list[str]
) -> None:
    """Agents start, stop and die; after a renewal the living agents hold all leases, as equally as possible."""
    table, alive = LeaseTable(), set[str]()
    for step, agent in steps:
        if step == "renew":
            table = renewed(table, agent, alive, models)
            alive.add(agent)
            loads = [sum(holder == living for holder in table.holders.values()) for living in alive]
            assert set(table.holders) >= {REMAINDER, *models}
            assert set(table.holders.values()) <= alive
            assert max(loads) - min(loads) <= 1
        elif step == "leave":
            table = without_agent(table, agent)
            alive.discard(agent)
        else:
            alive.discard(agent)


def test_a_lease_keeps_its_holder() -> None:
    """Renewals alone move no lease."""
    table = renewed(LeaseTable(), "a", set(), ["x", "y", "z"])
    table = renewed(table, "b", {"a"})

    again = renewed(renewed(table, "a", {"a", "b"}), "b", {"a", "b"})

    assert again.holders == table.holders
    assert again.beats["a"] > table.beats["a"]


def test_an_agent_that_stops_hands_over_its_leases() -> None:
    """Other agents hold them at once, without waiting until a lease runs out."""
    table = renewed(renewed(LeaseTable(), "a", set(), ["click"]), "b", {"a"})

    assert without_agent(table, "a").assignment_of("b") == Assignment(frozenset({"click"}), True, frozenset({"click"}))


def test_only_the_local_clock_decides_who_is_dead() -> None:
    """An agent is alive as long as its counter changes; the clocks of other agents do not matter."""
    detector = FailureDetector(30.0)
    detector.alive({"a": 1, "b": 1}, 100.0)

    assert detector.alive({"a": 2, "b": 1}, 129.0) == {"a", "b"}
    assert detector.alive({"a": 2, "b": 1}, 131.0) == {"a"}
    assert detector.alive({"a": 2, "b": 2}, 132.0) == {"a", "b"}


def test_assignments_divide_the_work_without_overlap() -> None:
    """Each model belongs to one agent; new models, and feedback without a model, to the holder of the remainder."""
    table = LeaseTable({"a": 1, "b": 1}, {REMAINDER: "a", "click": "b"})
    first, second = table.assignment_of("a"), table.assignment_of("b")

    assert [first.includes(model) for model in ("click", "new", "")] == [False, True, True]
    assert [second.includes(model) for model in ("click", "new", "")] == [True, False, False]
    assert first.lease_names == [REMAINDER]
    assert second.filters("model.name") == [
        {"bool": {"should": [{"terms": {"model.name": ["click"]}}], "minimum_should_match": 1}}
    ]
    assert Assignment().filters("model.name") == []
