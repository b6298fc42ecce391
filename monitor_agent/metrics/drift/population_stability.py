"""PSI: the population stability index of two binned samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FLOOR = 1e-4
"""The replacement of a share of 0, so that its logarithm exists; Evidently's choice."""


def psi(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Return the sum over bins of (r - c) ln(r / c), for the shares r and c of reference and current.

    Parameters
    ----------
    reference, current : counts of shape (bins,), each with a positive sum.

    Without drift its mean is about (bins - 1) (1 / n + 1 / m) for samples of n and m, so few values or many bins look
    like drift.

    Source: B. Yurdakul, "Statistical properties of population stability index" (2018).

    >>> round(psi([50, 50], [80, 20]), 4)
    0.4159
    """
    r, c = _shares(reference), _shares(current)
    return float(np.sum((r - c) * np.log(r / c)))


def _shares(counts: npt.ArrayLike) -> npt.NDArray[np.float64]:
    values = np.asarray(counts, dtype=np.float64)
    shares: npt.NDArray[np.float64] = values / values.sum()
    return np.where(shares > 0, shares, FLOOR)
