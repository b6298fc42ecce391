"""What a response of Elasticsearch leads to, and the waits between repeated requests (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

RETRIED = frozenset({408, 429, 502, 503, 504})
"""Statuses of passing trouble: overload, a node that starts or leaves, a proxy."""

NO_ANSWER = 0
"""The status of a failed connection, of a response that did not arrive in time, and of an incomplete response."""


class ResponseAction(Enum):
    """The consequence of one response."""

    DONE = "done"
    RETRY = "retry"
    CONFLICT = "conflict"
    MISSING = "missing"
    REFUSED = "refused"


def response_action(status: int) -> ResponseAction:
    """Return the consequence of an HTTP status, of a response or of one item of a bulk response.

    >>> [response_action(status).value for status in (201, 429, NO_ANSWER, 409, 400)]
    ['done', 'retry', 'retry', 'conflict', 'refused']
    """
    if 200 <= status < 300:
        return ResponseAction.DONE
    if status == NO_ANSWER or status in RETRIED:
        return ResponseAction.RETRY
    return {409: ResponseAction.CONFLICT, 404: ResponseAction.MISSING}.get(status, ResponseAction.REFUSED)


@dataclass(frozen=True)
class Backoff:
    """The waits before a request is repeated.

    Attributes
    ----------
    tries : how often a request is sent at most; None = without a limit.
    after_timeout : whether a request is repeated whose answer did not come in time.
    first, longest : the first wait and the longest wait, seconds; each wait is twice the wait before.
    """

    tries: int | None = 6
    first: float = 0.5
    longest: float = 30.0
    after_timeout: bool = True

    def wait(self, failures: int, chance: float) -> float | None:
        """Return the seconds to wait after some failures; None if the request is not to be repeated.

        Parameters
        ----------
        failures : number of failures, 1 or more.
        chance : a random number in [0, 1); it spreads the waits over their second half, so that agents do not send
            their requests at the same moment.

        >>> Backoff().wait(3, 0.0), Backoff().wait(6, 0.0), Backoff(tries=None).wait(99, 0.5)
        (1.0, None, 22.5)
        """
        if self.tries is not None and failures >= self.tries:
            return None
        full = min(self.longest, self.first * 2.0 ** min(failures - 1, 30))
        return full * (0.5 + chance / 2)
