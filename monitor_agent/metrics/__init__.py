"""Metrics of a window, computed from its mergeable state: pure, no input or output, no clock.

`CATALOGUE` lists every metric in display order; `measure` gives the fields of the metrics document.

>>> fields = measure(WindowState(tp=1, fp=1, tn=2, fn=0))
>>> fields["precision"], round(fields["precision_low"], 3), fields["recall"]
(0.5, 0.095, 1.0)
>>> measure(WindowState(tn=4))["precision_undefined"]
'no_predicted_positive'
"""

from __future__ import annotations

from monitor_agent.metrics import (
    accuracy,
    brier,
    click_through_rate,
    confusion,
    error_rate,
    f1,
    log_loss,
    precision,
    recall,
    response_time,
    roc_auc,
)
from monitor_agent.metrics._spec import Interval, Kind, MetricSpec, Undefined
from monitor_agent.metrics.document import Fields, fields_of, measure_with
from monitor_agent.metrics.log_histogram import DELAY_EDGES, DURATION_EDGES, LogHistogram
from monitor_agent.metrics.score_histogram import SCORE_BINS, SCORE_INTERVAL
from monitor_agent.metrics.state import Fixed, WindowState, fixed, merge, merge_all, settle, unfixed

CATALOGUE: tuple[MetricSpec, ...] = (
    *confusion.SPECS,
    accuracy.SPEC,
    precision.SPEC,
    recall.SPEC,
    f1.SPEC,
    roc_auc.SPEC,
    roc_auc.ERROR_BOUND_SPEC,
    log_loss.SPEC,
    brier.SPEC,
    click_through_rate.SPEC,
    *response_time.SPECS,
    error_rate.SPEC,
    *confusion.FUNNEL_SPECS,
)

__all__ = [
    "CATALOGUE",
    "DELAY_EDGES",
    "DURATION_EDGES",
    "SCORE_BINS",
    "SCORE_INTERVAL",
    "Fields",
    "Fixed",
    "Interval",
    "Kind",
    "LogHistogram",
    "MetricSpec",
    "Undefined",
    "WindowState",
    "fields",
    "fixed",
    "measure",
    "merge",
    "merge_all",
    "settle",
    "unfixed",
]


def measure(state: WindowState) -> Fields:
    """The metric fields of a window's document; see `measure_with`."""
    return measure_with(CATALOGUE, state)


def fields() -> dict[str, Kind]:
    """Every metric field of the document and how it is stored, in display order."""
    return fields_of(CATALOGUE)
