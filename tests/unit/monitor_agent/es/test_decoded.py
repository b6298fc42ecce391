"""States that were read lately are not decoded again, within a bound."""

from __future__ import annotations

from monitor_agent.es.performance_store import Decoded
from monitor_agent.metrics import WindowState

BLOBS = [WindowState(tp=number).to_blob() for number in (1, 2, 3)]


def test_a_text_is_decoded_once() -> None:
    """The same text gives the same state, and the right one."""
    decoded = Decoded()

    first, again = decoded.states([BLOBS[0], BLOBS[0]])
    assert first is again is decoded.states([BLOBS[0]])[0]
    assert [state.tp for state in decoded.states(BLOBS)] == [1, 2, 3]


def test_what_was_not_read_for_longest_makes_room() -> None:
    """Not more text than allowed is kept."""
    decoded = Decoded(most=2 * len(BLOBS[0]))
    first, second = decoded.states(BLOBS[:2])
    decoded.states([BLOBS[0]])
    decoded.states([BLOBS[2]])

    assert decoded.states([BLOBS[0]])[0] is first
    assert decoded.states([BLOBS[1]])[0] is not second


def test_more_than_may_be_kept_is_returned_still() -> None:
    """The bound is of what is kept, not of what can be read."""
    assert [state.tp for state in Decoded(most=0).states(BLOBS)] == [1, 2, 3]
