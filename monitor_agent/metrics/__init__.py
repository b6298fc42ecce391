"""Metrics of a window, computed from its mergeable state: pure functions without input, output or clock.

`STATE_METRICS` lists the metrics of a state in display order, and `CATALOGUE` adds those that need more than a state.
`measure` returns the fields of the metrics document.

>>> fields = measure(WindowState(tp=1, fp=1, tn=2, fn=0))
>>> fields["precision"], round(fields["precision_low"], 3), fields["recall"]
(0.5, 0.095, 1.0)
>>> measure(WindowState(tn=4))["precision_undefined"]
'no_predicted_positive'
"""

from __future__ import annotations

from monitor_agent.metrics import (
    accuracy,
    average_precision,
    balanced_accuracy,
    brier,
    calibration_error,
    calibration_ratio,
    click_through_rate,
    confusion,
    conversion_rate,
    early_positives,
    error_rate,
    f1,
    fbeta,
    feedback_delay,
    inverse_propensity,
    label_selection,
    log_loss,
    matthews_corrcoef,
    orphan_rate,
    positive_rate,
    precision,
    ranking,
    recall,
    response_time,
    roc_auc,
    score_mean,
    specificity,
    threshold_sweep,
    value_per_thousand,
)
from monitor_agent.metrics._spec import ConfidenceInterval, FieldKind, MetricSpec, Undefined
from monitor_agent.metrics.calibration import Calibration, isotonic_calibration
from monitor_agent.metrics.document import MetricFields, fields_of, measure_with, of_own_kind
from monitor_agent.metrics.estimate import estimate_specs
from monitor_agent.metrics.log_histogram import (
    DELAY_DECADES,
    DELAY_EDGES,
    DURATION_DECADES,
    DURATION_EDGES,
    LogHistogram,
)
from monitor_agent.metrics.multiclass import class_averages, roc_auc_ovr, top_k_accuracy
from monitor_agent.metrics.reconciliation import reconcile
from monitor_agent.metrics.regression import error_means, error_quantiles
from monitor_agent.metrics.score_histogram import SCORE_BINS
from monitor_agent.metrics.throughput import throughput_spec
from monitor_agent.metrics.window_state import (
    FixedPoint,
    WindowState,
    from_fixed_point,
    merge,
    merge_all,
    to_fixed_point,
)

STATE_METRICS: tuple[MetricSpec, ...] = (
    *confusion.SPECS,
    accuracy.SPEC,
    balanced_accuracy.SPEC,
    precision.SPEC,
    recall.SPEC,
    specificity.SPEC,
    f1.SPEC,
    *fbeta.SPECS,
    matthews_corrcoef.SPEC,
    roc_auc.SPEC,
    roc_auc.ERROR_BOUND_SPEC,
    average_precision.SPEC,
    average_precision.ERROR_BOUND_SPEC,
    log_loss.SPEC,
    log_loss.ERROR_BOUND_SPEC,
    brier.SPEC,
    calibration_error.SPEC,
    calibration_error.ERROR_BOUND_SPEC,
    calibration_ratio.SPEC,
    *threshold_sweep.SPECS,
    click_through_rate.SPEC,
    positive_rate.SPEC,
    label_selection.SPEC,
    *inverse_propensity.SPECS,
    conversion_rate.SPEC,
    value_per_thousand.SPEC,
    *class_averages.AVERAGES,
    *top_k_accuracy.SPECS,
    *roc_auc_ovr.SPECS,
    *error_means.SPECS,
    *error_quantiles.SPECS,
    *ranking.SPECS,
    *score_mean.SPECS,
    *response_time.SPECS,
    error_rate.SPEC,
    *confusion.FUNNEL_SPECS,
    orphan_rate.SPEC,
    early_positives.SPEC,
    *feedback_delay.SPECS,
)

CATALOGUE: tuple[MetricSpec, ...] = (*STATE_METRICS, throughput_spec(None), *estimate_specs())

_JUDGED = {judged_by: positive_rate.judged_specs(STATE_METRICS, judged_by) for judged_by in ("click", "label")}

__all__ = [
    "CATALOGUE",
    "DELAY_DECADES",
    "DELAY_EDGES",
    "DURATION_DECADES",
    "DURATION_EDGES",
    "SCORE_BINS",
    "STATE_METRICS",
    "Calibration",
    "ConfidenceInterval",
    "FieldKind",
    "FixedPoint",
    "LogHistogram",
    "MetricFields",
    "MetricSpec",
    "Undefined",
    "WindowState",
    "from_fixed_point",
    "isotonic_calibration",
    "measure",
    "merge",
    "merge_all",
    "metric_fields",
    "of_own_kind",
    "reconcile",
    "to_fixed_point",
]


def measure(
    state: WindowState,
    seconds: float | None = None,
    calibration: Calibration | None = None,
    judged_by: str = positive_rate.CLICK,
) -> MetricFields:
    """Return the metric fields of a window's document.

    Parameters
    ----------
    state : the window's mergeable state.
    seconds : the window's length, for the throughput.
    calibration : fitted to earlier labelled windows, for the estimates; None = the scores are taken as probabilities.
    judged_by : the type of feedback that decides about labels.

    A value is finite or None. If and only if it is None, ``<name>_undefined`` holds the reason.
    """
    specs = _JUDGED[judged_by] if judged_by in _JUDGED else positive_rate.judged_specs(STATE_METRICS, judged_by)
    return measure_with((*specs, throughput_spec(seconds), *estimate_specs(calibration)), state)


def metric_fields() -> dict[str, FieldKind]:
    """Return all metric fields of the document with their kinds, in display order."""
    return fields_of(CATALOGUE)
