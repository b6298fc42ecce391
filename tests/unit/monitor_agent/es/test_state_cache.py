"""The state cache: states that were read lately are not decoded again, within a bound."""

from __future__ import annotations

from monitor_agent.es.performance_store import StateCache
from monitor_agent.metrics import WindowState

BLOBS = [WindowState(tp=number).to_blob() for number in (1, 2, 3)]


def test_a_text_is_decoded_once() -> None:
    """The same text gives the same state, and the right one."""
    cache = StateCache()

    first, again = cache.states([BLOBS[0], BLOBS[0]])
    assert first is again is cache.states([BLOBS[0]])[0]
    assert [state.tp for state in cache.states(BLOBS)] == [1, 2, 3]


def test_the_text_that_was_read_longest_ago_leaves_first() -> None:
    """The cache holds no more text than its capacity."""
    cache = StateCache(capacity=2 * len(BLOBS[0]))
    first, second = cache.states(BLOBS[:2])
    cache.states([BLOBS[0]])
    cache.states([BLOBS[2]])

    assert cache.states([BLOBS[0]])[0] is first
    assert cache.states([BLOBS[1]])[0] is not second


def test_more_than_the_capacity_can_be_read() -> None:
    """The capacity limits what stays in the cache, not what a call returns."""
    assert [state.tp for state in StateCache(capacity=0).states(BLOBS)] == [1, 2, 3]
