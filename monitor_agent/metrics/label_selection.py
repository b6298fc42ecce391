"""Whether the predictions with a known label are like those without: by the means of their scores."""

from __future__ import annotations

import math

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.window_state import WindowState, from_fixed_point

LARGE_SHIFT = 0.1
"""A standardised difference from which groups are usually called unbalanced."""


def labelled_score_shift(state: WindowState) -> float | Undefined:
    """Return the mean score of labelled predictions minus that of unlabelled ones, in their standard deviations.

    Undefined: ``all_labelled`` if no prediction that was shown lacks its label; ``one_score`` if all scores are equal.

    Source: P. Austin, "An introduction to propensity score methods", Multivariate Behavioral Research 46 (2011), for
    the standardised difference and its usual limit of 0.1.
    """
    unknown = sum(state.scores_shown_unknown.values())
    if not unknown:
        return Undefined("all_labelled")
    mean = from_fixed_point(state.score_sum) / state.predictions
    variance = from_fixed_point(state.score_square_sum) / state.predictions - mean * mean
    if variance <= 1e-15:
        return Undefined("one_score")
    labelled = from_fixed_point(state.score_sum_pos + state.score_sum_neg) / state.n
    return (labelled - from_fixed_point(state.score_sum_shown_unknown) / unknown) / math.sqrt(variance)


SPEC = MetricSpec(
    "labelled_score_shift",
    "float",
    "mean score of the predictions with a known label, minus that of the shown ones without, in standard deviations: "
    "far from 0, the labelled ones are a selection",
    labelled_score_shift,
    range=(None, None),
    source="standardised mean difference",
)
