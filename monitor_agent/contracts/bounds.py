"""Bounds of the numbers in events: one range for each numeric field, for the server, the pipeline and the agent.

No number within its bounds makes a sum infinite. `Field.bounds` of the contracts says which field has which range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bounds:
    """The range of a number.

    Attributes
    ----------
    low, high : both belong to the range.
    is_whole : whether the number has no fraction.
    """

    low: float
    high: float
    is_whole: bool = False

    def hold(self, value: Any) -> bool:
        """Return whether a value is a number within the range; a text is no number.

        >>> PROBABILITY.hold(1), PROBABILITY.hold(1.5), PROBABILITY.hold("1"), RANK.hold(2.5), LABEL.hold(True)
        (True, False, False, False, False)
        """
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not self.low <= value <= self.high:
            return False
        return not self.is_whole or math.trunc(value) == value

    def __str__(self) -> str:
        """Return the range in words.

        >>> str(RANK), str(LABEL), str(LOG_LOSS)
        ('whole number in 1..1e6', '0 or 1', 'number in 0..17')
        """
        if self.is_whole and self.high - self.low == 1:
            return f"{self.low:g} or {self.high:g}"
        return f"{'whole number' if self.is_whole else 'number'} in {self.interval}"

    @property
    def interval(self) -> str:
        """The two ends as text, such as `-1e12..1e12`."""
        return f"{_short(self.low)}..{_short(self.high)}"


PROBABILITY = Bounds(0.0, 1.0)
POSITIVE_PROBABILITY = Bounds(math.ulp(0.0), 1.0)
"""From the smallest positive number on: what never happens has no probability to divide by."""
LABEL = Bounds(0, 1, is_whole=True)
LOG_LOSS = Bounds(0.0, 17.0)
"""The largest log loss of a probability that is clipped at 1e-7 is 16.1."""
DURATION = Bounds(0, 10**15, is_whole=True)
"""Nanoseconds: 11.6 days."""
RANK = Bounds(1, 10**6, is_whole=True)
"""Ranks, positions and sizes."""
SEQUENCE = Bounds(0, 10**15, is_whole=True)
STATUS_CODE = Bounds(100, 599, is_whole=True)
NUMBER = Bounds(-1e15, 1e15)
"""Numeric features, and the predicted and true numbers of regressions."""
ERROR = Bounds(-2e15, 2e15)
"""A predicted number minus the true one."""
PERCENTAGE_ERROR = Bounds(0.0, 1e15)
ERROR_BIN = Bounds(-30_000, 30_000, is_whole=True)
VALUE = Bounds(-1e12, 1e12)
"""The value of one feedback event."""
VALUE_SUM = Bounds(-1e18, 1e18)
COUNT = Bounds(0, 10**9, is_whole=True)
DELAY = Bounds(0, 2 * 10**18, is_whole=True)
"""Nanoseconds: 63 years, because late feedback has a delay too."""


def _short(number: float) -> str:
    """Return a number as people write it.

    >>> _short(-1e15), _short(10**6), _short(599), _short(math.ulp(0.0))
    ('-1e15', '1e6', '599', '>0')
    """
    if number == math.ulp(0.0):
        return ">0"
    text = f"{number:g}" if abs(number) < 10_000 else f"{number:.0e}"
    return text.replace("e+0", "e").replace("e+", "e")
