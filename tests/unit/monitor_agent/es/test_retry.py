"""What an answer leads to, and how long is waited."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from monitor_agent.es.retry import NO_ANSWER, Backoff, ResponseAction, response_action


@pytest.mark.parametrize(
    ("statuses", "action"),
    [
        ([200, 201], ResponseAction.DONE),
        ([NO_ANSWER, 408, 429, 502, 503, 504], ResponseAction.RETRY),
        ([409], ResponseAction.CONFLICT),
        ([404], ResponseAction.MISSING),
        ([301, 400, 401, 403, 405, 413, 500], ResponseAction.REFUSED),
    ],
)
def test_a_status_has_one_consequence(statuses: list[int], action: ResponseAction) -> None:
    """Passing trouble repeats the request, other trouble is an error; a conflicting write is neither."""
    assert {response_action(status) for status in statuses} == {action}


@hypothesis.given(st.integers(1, 50), st.floats(0, 1, exclude_max=True))
def test_waits_grow_and_stay_bounded(failures: int, chance: float) -> None:
    """A wait is random in the second half of its full length; the full length doubles up to the longest."""
    wait = Backoff(tries=None, first=0.5, longest=30).wait(failures, chance)

    full = min(30.0, 0.5 * 2 ** (failures - 1))
    assert wait is not None
    assert full / 2 <= wait <= full


def test_requests_end_after_the_last_try() -> None:
    """The last failure has no wait after it."""
    backoff = Backoff(tries=3)

    assert [backoff.wait(failures, 0.0) is None for failures in (1, 2, 3, 4)] == [False, False, True, True]
