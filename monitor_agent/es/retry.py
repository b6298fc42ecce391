"""What to do when Elasticsearch does not answer as hoped: a pure decision, and the waits between tries."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

RETRIED = frozenset({408, 429, 502, 503, 504})
"""Statuses that pass: overload, a node that starts or leaves, a gateway in between."""

NO_ANSWER = 0
"""Stands for a connection that failed or an answer that did not come in time."""


class ResponseAction(Enum):
    """What to do with one response."""

    DONE = "done"
    RETRY = "retry"
    CONFLICT = "conflict"
    MISSING = "missing"
    REFUSED = "refused"


def response_action(status: int) -> ResponseAction:
    """Return what to do with a response, or with one item of a bulk response, of that HTTP status.

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
    """How long to wait before a try.

    Attributes
    ----------
    tries : how often a request is sent at most; None = until it succeeds.
    first, longest : the first wait and the longest one, seconds; each wait is twice the one before.
    """

    tries: int | None = 6
    first: float = 0.5
    longest: float = 30.0

    def wait(self, failures: int, chance: float) -> float | None:
        """Return the seconds to wait after that many failures; None when it was tried often enough.

        Parameters
        ----------
        failures : 1 or more.
        chance : a random number in [0, 1): waits are spread over their second half, so that agents do not knock
            together.

        >>> Backoff().wait(3, 0.0), Backoff().wait(6, 0.0), Backoff(tries=None).wait(99, 0.5)
        (1.0, None, 22.5)
        """
        if self.tries is not None and failures >= self.tries:
            return None
        full = min(self.longest, self.first * 2.0 ** min(failures - 1, 30))
        return full * (0.5 + chance / 2)
