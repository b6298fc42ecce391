"""The errors of predicted numbers as a state stores them: rounded to three significant digits.

A bin is one number of three significant digits, with its sign, from 1e-12 on; smaller errors are 0. So an error of the
histogram differs from the error itself by 0.5 % at most, and numbers of up to three digits are exact.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from monitor_agent.metrics.score_histogram import Counts

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RELATIVE_ERROR = 0.005
_FIRST_POWER = -12
_PER_POWER = 900


def error_bin(error: float) -> int:
    """Return the bin of an error.

    >>> error_bin(0.0), error_bin(1.0), error_bin(-1.004), error_bin(1.006), error_bin(999.6) == error_bin(1000.0)
    (0, 10801, -10801, 10802, True)
    """
    # The formatting of Python rounds correctly on all machines.
    mantissa, _, power = f"{abs(error):.2e}".partition("e")
    place = int(power) - _FIRST_POWER
    if place < 0 or not error:
        return 0
    number = place * _PER_POWER + round(100 * float(mantissa)) - 100 + 1
    return number if error > 0 else -number


def errors_of(bins: Ints) -> Floats:
    """Return the errors of bins; shape (n,).

    >>> errors_of(np.array([error_bin(12.3), error_bin(-0.5), 0])).tolist()
    [12.3, -0.5, 0.0]
    """
    places = np.abs(bins) - 1
    powers = places // _PER_POWER + _FIRST_POWER - 2
    mantissas = (places % _PER_POWER + 100).astype(np.float64)
    # A division by a power of ten is exact to the last digit, a multiplication with its inverse is not.
    scale = 10.0 ** np.abs(powers).astype(np.float64)
    sizes = np.where(powers < 0, mantissas / scale, mantissas * scale)
    return np.where(bins == 0, 0.0, np.sign(bins) * sizes)


def sorted_errors(error_bins: Counts, absolute: bool = False) -> tuple[Floats, Ints]:
    """Return the distinct errors in order, and how many predictions have each; both of shape (n,).

    Parameters
    ----------
    absolute : the errors without their signs.
    """
    counts: dict[int, int] = {}
    for number, count in error_bins.items():
        key = abs(number) if absolute else number
        counts[key] = counts.get(key, 0) + count
    bins = np.array(sorted(counts), dtype=np.int64)
    return errors_of(bins), np.array([counts[int(number)] for number in bins], dtype=np.int64)
