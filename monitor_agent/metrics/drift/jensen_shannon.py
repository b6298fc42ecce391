"""Jensen-Shannon distance of two binned samples."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def jensen_shannon_distance(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Return the root of the mean divergence of both from their mixture, natural logarithm: 0 to sqrt(ln 2) = 0.83.

    Parameters
    ----------
    reference, current : counts of shape (bins,), each with a positive sum.

    Source: D. Endres, J. Schindelin, IEEE Trans. Inf. Theory 49 (2003); `scipy.spatial.distance.jensenshannon`.

    >>> round(jensen_shannon_distance([1, 1, 0], [1, 0, 1]), 4)
    0.5887
    """
    p, q = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    return math.sqrt(max(0.0, (_divergence(p, middle) + _divergence(q, middle)) / 2))


def _divergence(p: npt.NDArray[np.float64], q: npt.NDArray[np.float64]) -> float:
    filled = p > 0
    return float(np.sum(p[filled] * np.log(p[filled] / q[filled])))
