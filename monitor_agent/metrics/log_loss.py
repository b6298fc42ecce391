"""Log loss: the mean negative log-likelihood of the labels under the scores."""

from __future__ import annotations

import math

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.window_state import from_fixed_point

CLIP = 1e-7
"""Scores are clipped to [1e-7, 1 - 1e-7]: about the resolution of a float32 at 1."""


def log_loss(loss_sum: float, n: int) -> float | Undefined:
    """Return the mean of the single losses; it is defined for one class too, as with ``labels=[0, 1]``.

    Parameters
    ----------
    loss_sum : sum of -ln(score) over positives and of -ln(1 - score) over negatives, with clipped scores.
    n : number of positives and negatives.

    Undefined (``no_samples``) if ``n`` is 0. Source: `sklearn.metrics.log_loss`, which clips at the float's eps.

    >>> log_loss(-2 * math.log(0.5), 2) == math.log(2)
    True
    """
    return loss_sum / n if n else Undefined("no_samples")


SPEC = MetricSpec(
    "log_loss",
    "float",
    "mean negative log-likelihood of the labels, scores clipped at 1e-7",
    lambda s: log_loss(from_fixed_point(s.log_loss_pos + s.log_loss_neg), s.n),
    bigger_is_better=False,
    range=(0.0, -math.log(CLIP)),
    source="sklearn.metrics.log_loss",
)
