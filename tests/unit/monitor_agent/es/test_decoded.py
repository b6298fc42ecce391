"""States that were read lately are not decoded again, within a bound."""

from __future__ import annotations

from monitor_agent.es.performance import Decoded
from monitor_agent.metrics import WindowState

BLOBS = [WindowState(tp=number).to_blob() for number in (1, 2, 3)]


def test_a_text_is_decoded_once() -> None:
    """The same text gives the same state, and the right one."""
    decoded = Decoded()

    assert decoded.state(BLOBS[0]) is decoded.state(BLOBS[0])
    assert [decoded.state(blob).tp for blob in BLOBS] == [1, 2, 3]


def test_what_was_not_read_for_longest_makes_room() -> None:
    """Not more text than allowed is kept."""
    decoded = Decoded(most=2 * len(BLOBS[0]))
    first, second = decoded.state(BLOBS[0]), decoded.state(BLOBS[1])
    decoded.state(BLOBS[0])
    decoded.state(BLOBS[2])

    assert decoded.state(BLOBS[0]) is first
    assert decoded.state(BLOBS[1]) is not second
