"""Mean score and rate of predicted positives: they need no labels."""

from __future__ import annotations

from monitor_agent.metrics._spec import MetricSpec, Undefined
from monitor_agent.metrics.wilson import wilson_interval
from monitor_agent.metrics.window_state import from_fixed_point


def score_mean(score_sum: float, predictions: int) -> float | Undefined:
    """Return the mean score of all predictions; undefined (``no_predictions``) without predictions.

    >>> score_mean(score_sum=1.5, predictions=3)
    0.5
    """
    return score_sum / predictions if predictions else Undefined("no_predictions")


def predicted_positive_rate(predicted_positive: int, predictions: int) -> float | Undefined:
    """Return the share of predicted positives; undefined (``no_predictions``) without predictions.

    >>> predicted_positive_rate(predicted_positive=1, predictions=4)
    0.25
    """
    return predicted_positive / predictions if predictions else Undefined("no_predictions")


SPECS = (
    MetricSpec(
        "score_mean",
        "ratio",
        "mean score of all predictions",
        lambda s: score_mean(from_fixed_point(s.score_sum), s.predictions),
        label_free=True,
        source="sum(score) / predictions",
    ),
    MetricSpec(
        "predicted_positive_rate",
        "ratio",
        "share of predictions labelled 1 by the model",
        lambda s: predicted_positive_rate(s.predicted_positive, s.predictions),
        lambda s: wilson_interval(s.predicted_positive, s.predictions),
        label_free=True,
        source="predictions labelled 1 / predictions",
    ),
)
