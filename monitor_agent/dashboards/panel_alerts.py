"""Which alerts concern a panel: those on a metric, a model and a version that it shows (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from monitor_agent.contracts.verdict import ANSWERED, AVAILABILITY, F1, LATENCY, RATE
from monitor_agent.dashboards.time_strip import AlertSpan, Span, TimeStrip
from monitor_agent.errors import MonitorError
from monitor_agent.kibana.lens import RECORDS, LensPanel
from monitor_agent.kibana.panel_query import PanelData, PanelSource
from monitor_agent.kibana.tables import JOIN
from monitor_agent.notifying.messages import metric_of

_ERROR_RATES = (
    "sum(errors)/(sum(errors)+sum(requests))",
    "count(kql='event.dataset:model.request_error')/(count(kql='event.dataset:model.request_error')"
    "+count(kql='event.dataset:model.predictionandprediction.rank:1'))",
)
_ALL_EVENTS = "model-events"
_DURATIONS = ("event.duration", "response_time_p95")

READINGS: dict[str, tuple[str, ...]] = {
    RATE: ("(sum(tp)+sum(fn))/sum(n)",),
    F1: ("2*sum(tp)/(2*sum(tp)+sum(fp)+sum(fn))",),
    "precision": ("sum(tp)/(sum(tp)+sum(fp))",),
    "recall": ("sum(tp)/(sum(tp)+sum(fn))",),
    "accuracy": ("(sum(tp)+sum(tn))/sum(n)",),
    ANSWERED: _ERROR_RATES,
    "error_rate": _ERROR_RATES,
    "response_time_p95": _DURATIONS,
    AVAILABILITY: ("availability_budget_remaining", *_ERROR_RATES),
    LATENCY: ("latency_budget_remaining", *_DURATIONS),
    "drift_share": ("psi",),
    "broken_features": ("worst_share",),
    "orphan_rate": ("feedback.status",),
    "silent_seconds": (_ALL_EVENTS,),
}
"""Metric of an alert -> the formulas without blanks, or the fields, by which a panel shows it; else its own name.

The number of all events stands for the time in which none arrived.
"""


def strip_of_panel(strip: TimeStrip, dashboard: str, source: PanelSource | MonitorError, data: PanelData) -> TimeStrip:
    """Return the strip with only those alerts that concern a panel of a dashboard."""
    spans = tuple(span for span in strip.spans if _concerns(span, dashboard, source, data))
    return TimeStrip(spans, strip.releases)


def _concerns(span: Span, dashboard: str, source: PanelSource | MonitorError, data: PanelData) -> bool:
    if not isinstance(span, AlertSpan):
        return True
    if not isinstance(source, LensPanel) or not _has_group(span, source, data):
        return False
    if not span.measure:  # the alert compares no value: only its dashboard is known
        return span.dashboard == dashboard
    metric = metric_of(span.measure)
    root = metric.partition("_burn_")[0]
    return not {metric, *READINGS.get(root, ())}.isdisjoint(_readings(source))


def _readings(panel: LensPanel) -> Iterator[str]:
    """Yield the fields that a panel reads, its formulas without blanks, and the data view whose documents it counts."""
    for layer in panel.layers.values():
        for column in layer.columns.values():
            if column.operation == "formula":
                yield str(column.params.get("formula", "")).replace(" ", "")
            elif column.field == RECORDS and not column.filter:
                yield layer.view
            elif column.field:
                yield column.field


def _has_group(span: AlertSpan, panel: LensPanel, data: PanelData) -> bool:
    """Return whether a panel shows the model and the version of an alert, or does not divide its values by models."""
    if not span.model:
        return True
    columns = [
        (layer.id, column)
        for layer in panel.layers.values()
        for column in layer.buckets
        if column.field == "model_name" and layer.id in data.tables
    ]
    versions = any(column.secondary_fields[:1] == ("model_version",) for _, column in columns)
    group = JOIN.join(filter(None, (span.model, span.version if versions else ""))) + JOIN
    names = [row[column.id] for layer, column in columns for row in data.tables[layer].rows]
    return not columns or any(f"{name}{JOIN}".startswith(group) for name in names)
