"""The comparison of two versions: the difference of each metric, its interval, and a verdict (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from monitor_agent.metrics import (
    CATALOGUE,
    ConfidenceInterval,
    MetricFields,
    MetricSpec,
    Undefined,
    WindowState,
    measure,
)
from monitor_agent.metrics.lift import lift
from monitor_agent.metrics.positive_rate import rate_name
from monitor_agent.pipeline.documents import gated_labels, judged_by
from monitor_agent.settings import AgentSettings
from monitor_agent.vocabulary.prediction_kinds import MULTICLASS, REGRESSION

ComparisonVerdict = Literal["better", "worse", "no_difference", "insufficient_data", "no_interval"]

RATES = ("ctr", "positive_rate")
"""The share of positives: its relative difference has an interval."""

COMPARED_METRICS = (
    "ctr",
    "positive_rate",
    "ctr_snips",
    "conversion_rate",
    "value_per_thousand",
    "precision",
    "recall",
    "f1",
    "accuracy",
    "balanced_accuracy",
    "precision_macro",
    "recall_macro",
    "f1_macro",
    "top_3_accuracy",
    "roc_auc_ovr",
    "mae",
    "rmse",
    "r2",
    "mape",
    "auc",
    "log_loss",
    "brier",
    "ece",
    "ndcg_at_10",
    "mrr",
    "requests_without_click",
    "error_rate",
    "response_time",
    "response_time_p95",
)
"""Metrics that have a better direction, in display order."""

CAUSAL = (
    "The version is the cause only if requests were assigned to the versions at random; "
    "otherwise the cause may be another time, another audience or another place on the page."
)


@dataclass(frozen=True)
class Difference:
    """A difference between two versions: its value and its 95 % interval, None if undefined."""

    value: float | None
    interval: ConfidenceInterval | None


@dataclass(frozen=True)
class MetricComparison:
    """One metric of both versions.

    Attributes
    ----------
    metric, unit : name and unit of the metric; the unit of a ratio is empty.
    baseline, candidate : the values; None if undefined.
    difference : candidate minus baseline.
    relative : the difference as a share of the baseline; only the share of positives has its interval.
    verdict : `no_interval` if the metric has none, `insufficient_data` if the gates for alerts are not reached.
    """

    metric: str
    unit: str
    baseline: float | None
    candidate: float | None
    difference: Difference
    relative: Difference
    verdict: ComparisonVerdict

    def fields(self) -> dict[str, Any]:
        """Return the comparison as flat fields for JSON."""
        return {
            "metric": self.metric,
            "unit": self.unit,
            "baseline": self.baseline,
            "candidate": self.candidate,
            "difference": self.difference.value,
            "interval": None if self.difference.interval is None else asdict(self.difference.interval),
            "relative": self.relative.value,
            "relative_interval": None if self.relative.interval is None else asdict(self.relative.interval),
            "verdict": self.verdict,
        }


def headline(state: WindowState, settings: AgentSettings) -> str:
    """Return the metric that sums up predictions of the kind of a state: the rate of positives, accuracy, or MAE.

    >>> headline(WindowState(tp=1), AgentSettings(feedback_type="label"))
    'positive_rate'
    """
    of_kind = {MULTICLASS: "accuracy", REGRESSION: "mae"}
    return of_kind.get(state.kind or "") or rate_name(judged_by(state, settings))


def compare(baseline: WindowState, candidate: WindowState, settings: AgentSettings) -> list[MetricComparison]:
    """Return the comparison of all metrics that at least one of the versions has a value for.

    The interval of a difference is recovered from the two intervals of the values; for Wilson's intervals this is
    Newcombe's method 10. Source: G. Zou, A. Donner, "Construction of confidence limits about effect measures: a general
    approach", Statistics in Medicine 27 (2008).

    >>> rows = compare(WindowState(tp=40, tn=960), WindowState(tp=70, tn=930), AgentSettings())
    >>> rows[0].metric, round(rows[0].difference.value, 3), rows[0].verdict
    ('ctr', 0.03, 'better')
    """
    return list(_rows(baseline, candidate, settings))


def _rows(baseline: WindowState, candidate: WindowState, settings: AgentSettings) -> Iterator[MetricComparison]:
    judged = [measure(state, judged_by=judged_by(state, settings)) for state in (candidate, baseline)]
    candidate_fields, baseline_fields = judged
    enough = min(map(gated_labels, (baseline, candidate))) >= settings.gate_positives
    specs = {spec.name: spec for spec in CATALOGUE}
    for name in COMPARED_METRICS:
        value, base = _number(candidate_fields, name), _number(baseline_fields, name)
        if value is None and base is None:
            continue
        difference = Difference(
            None if value is None or base is None else value - base,
            _difference_interval(candidate_fields, baseline_fields, name),
        )
        relative = Difference(
            None if difference.value is None or not base else difference.value / base,
            _relative_interval(baseline, candidate) if name in RATES else None,
        )
        yield MetricComparison(
            name,
            "" if specs[name].unit == "1" else specs[name].unit,
            base,
            value,
            difference,
            relative,
            _verdict(specs[name], difference, enough or specs[name].label_free),
        )


def _difference_interval(candidate: MetricFields, baseline: MetricFields, name: str) -> ConfidenceInterval | None:
    value, low, high = (_number(candidate, name + end) for end in ("", "_low", "_high"))
    base, base_low, base_high = (_number(baseline, name + end) for end in ("", "_low", "_high"))
    if value is None or low is None or high is None or base is None or base_low is None or base_high is None:
        return None
    difference = value - base
    return ConfidenceInterval(
        difference - math.hypot(value - low, base_high - base), difference + math.hypot(high - value, base - base_low)
    )


def _relative_interval(baseline: WindowState, candidate: WindowState) -> ConfidenceInterval | None:
    result = lift(candidate.positives, candidate.n, baseline.positives, baseline.n)
    return None if isinstance(result, Undefined) else result.relative_interval


def _verdict(spec: MetricSpec, difference: Difference, enough: bool) -> ComparisonVerdict:
    if difference.value is None or not enough:
        return "insufficient_data"
    if difference.interval is None:
        return "no_interval"
    if difference.interval.low <= 0 <= difference.interval.high:
        return "no_difference"
    return "better" if (difference.value > 0) == spec.bigger_is_better else "worse"


def _number(fields: MetricFields, name: str) -> float | None:
    value = fields.get(name)
    return float(value) if isinstance(value, (int, float)) else None
