"""Sharing the models: who is alive, who holds what, and that nothing is without a holder."""

from __future__ import annotations

from hypothesis import given, settings
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


@settings(derandomize=True, max_examples=100, deadline=None)
@given(steps=STEPS, models=st.lists(st.sampled_from(["click", "rank", "ads", "home"]), unique=True))
def test_every_share_has_one_living_holder_and_none_holds_much_more(
    steps: list[tuple[str, str]], models: list[str]
) -> None:
    """Whoever comes, leaves or dies: after a sign of life all shares are held by the living, as equally as can be."""
    table, alive = LeaseTable(), set[str]()
    for what, agent in steps:
        if what == "renew":
            table = renewed(table, agent, alive, models)
            alive.add(agent)
            loads = [sum(holder == each for holder in table.holders.values()) for each in alive]
            assert set(table.holders) >= {REMAINDER, *models}
            assert set(table.holders.values()) <= alive
            assert max(loads) - min(loads) <= 1
        elif what == "leave":
            table = without_agent(table, agent)
            alive.discard(agent)
        else:
            alive.discard(agent)


def test_a_share_stays_where_it_is() -> None:
    """Signs of life alone move nothing."""
    table = renewed(LeaseTable(), "a", set(), ["x", "y", "z"])
    table = renewed(table, "b", {"a"})

    again = renewed(renewed(table, "a", {"a", "b"}), "b", {"a", "b"})

    assert again.holders == table.holders
    assert again.beats["a"] > table.beats["a"]


def test_an_agent_that_leaves_hands_over_what_it_held() -> None:
    """The others hold it at once, without waiting for a lease to run out."""
    table = renewed(renewed(LeaseTable(), "a", set(), ["click"]), "b", {"a"})

    assert without_agent(table, "a").assignment_of("b") == Assignment(frozenset({"click"}), True, frozenset({"click"}))


def test_only_the_watchers_own_clock_tells_who_is_dead() -> None:
    """A counter that moves keeps an agent alive, one that stands still does not; no time is read from others."""
    watch = FailureDetector(30.0)
    watch.alive({"a": 1, "b": 1}, 100.0)

    assert watch.alive({"a": 2, "b": 1}, 129.0) == {"a", "b"}
    assert watch.alive({"a": 2, "b": 1}, 131.0) == {"a"}
    assert watch.alive({"a": 2, "b": 2}, 132.0) == {"a", "b"}


def test_shares_divide_the_work_without_overlap() -> None:
    """Each model is one agent's; what names none, or an unknown one, is the holder's of the rest."""
    table = LeaseTable({"a": 1, "b": 1}, {REMAINDER: "a", "click": "b"})
    first, second = table.assignment_of("a"), table.assignment_of("b")

    assert [first.includes(model) for model in ("click", "new", "")] == [False, True, True]
    assert [second.includes(model) for model in ("click", "new", "")] == [True, False, False]
    assert first.lease_names == [REMAINDER]
    assert second.filters("model.name") == [
        {"bool": {"should": [{"terms": {"model.name": ["click"]}}], "minimum_should_match": 1}}
    ]
    assert Assignment().filters("model.name") == []
