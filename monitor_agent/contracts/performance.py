"""Metrics documents: one per model, version, segment and window, in the index of the window's month."""

from __future__ import annotations

from monitor_agent import metrics
from monitor_agent.contracts.index_contract import (
    Field,
    IndexContract,
    alias,
    blob,
    boolean,
    closed,
    date,
    double,
    keyword,
    long,
)
from monitor_agent.metrics import weekly
from monitor_agent.metrics.kinds import other_kinds
from monitor_agent.metrics.ranking import NOT_JUDGED_REASONS
from monitor_agent.vocabulary.prediction_kinds import PREDICTION_KINDS

STATE_OPEN = "open"
STATE_PROVISIONAL = "provisional"
STATE_FINAL = "final"
STATE_RESTATED = "restated"
STATES = (STATE_OPEN, STATE_PROVISIONAL, STATE_FINAL, STATE_RESTATED)

FEW_POSITIVES, FEW_LABELS = weekly.FEW_POSITIVES, weekly.FEW_LABELS
LOW_COVERAGE = "low_coverage"
IMMATURE = "immature"
PARTIAL_LABELS, SELECTED_LABELS = "partial_labels", "selected_labels"
LOST_LINES = "lost_lines"

ALL_SEGMENT = "all"
LABEL_PREFIX = "labels."
"""Segments are named by a field of `labels` and its value."""
OTHER = "other"
"""The segment value that stands for all values beyond the cap."""

_HEAD: dict[str, Field] = {
    "@timestamp": date("start of the window; charts draw its bar here"),
    "timestamp": alias("@timestamp"),
    "window_start": date("start of the window"),
    "window_end": date("end of the window (exclusive)"),
    "window_size": keyword("`1m`, `1h`, `1d`, ..."),
    "is_base_window": boolean(
        "whether it is a base window, whatever its size (`MONITOR_BASE_WINDOW`); documents of earlier releases lack it"
    ),
    "model_name": keyword("the model"),
    "model_version": keyword("its version; `all` = across versions"),
    "segment": keyword(
        "`all`, or a label with its value, such as `labels.scene=search`; values beyond the cap are `other`"
    ),
    "labels": closed("keyword", "the segment's label and value", ignore_above=256),
    "prediction_kind": keyword(
        "kind of its predictions: `binary`, `multiclass`, `regression`, or `mixed_kinds`: then it has no metrics of "
        "any of them; null without predictions"
    ),
    "without_metrics_of": keyword(
        "the kinds whose own metrics are null and left out, because no prediction of the window is of this kind alone; "
        "each metric below names its kinds, if it is not of all"
    ),
    "state": keyword(
        "`open` (the window has not ended), `provisional` (labels may still come), `final`, or `restated` "
        "(written again after it was final)"
    ),
    "revision": long("1 at first; grows with each change of the content"),
    "settings_revision": long(
        "the revision of the model's settings that decided the numbers, from 1 on (`monitor-agent models show NAME`)"
    ),
    "maturity": double("share of the shown predictions that are older than the attribution window", "share"),
    "coverage": double(
        "share of these mature predictions, and of those `judged_early`, whose label is known: "
        "n / (mature + judged_early)",
        "share",
    ),
    "judged_early": long(
        "shown predictions that are younger than the attribution window, but whose labels count already, because they "
        "are final when they come (`MONITOR_FEEDBACK_TYPE=label`, `MONITOR_ABSENT_FEEDBACK=unknown`; and always those "
        "of `multiclass` and `regression`); else 0"
    ),
    "judged_by": keyword(
        "the type of feedback that decides about labels: `click`, `purchase` or `label`; documents of earlier releases "
        "lack it"
    ),
    "selection_warning": keyword(
        f"why the metrics may not describe all predictions: `{PARTIAL_LABELS}` (absent feedback is unknown, and the "
        f"coverage is below the gate for alerts) or `{SELECTED_LABELS}` (besides, the labelled predictions have other "
        "scores: `labelled_score_shift` is 0.1 or more); null = no warning"
    ),
    "calibrated_by": keyword("the reference that calibrates the estimates; null = the scores are not calibrated"),
    "lost_lines": long("lines of the event files that never came and may belong to this window"),
    "alertable": boolean(
        "whether alerts on values may use the window: positives, coverage and maturity reach the gates, and few lines "
        "are lost; alerts on drops need no number of positives, because the interval of a drop allows for few"
    ),
    "slow_requests": long(
        "requests that took longer than `slo_latency`, by the first two digits of their times; null = the model has no "
        "such objective"
    ),
    "not_alertable": keyword(
        f"reasons if it is not `alertable`: `{FEW_POSITIVES}` (`{FEW_LABELS}` if the predictions are not binary), "
        f"`{LOW_COVERAGE}`, `{IMMATURE}`, `{LOST_LINES}`"
    ),
}

_LISTS: dict[str, Field] = {
    "requests_not_judged_reasons": keyword(
        "why ranked lists are not judged: "
        + ", ".join(f"`{reason}` ({meaning})" for reason, meaning in NOT_JUDGED_REASONS.items())
    ),
}

_TYPES = {"count": "long", "ratio": "double", "float": "double", "duration_ms": "double"}
# Searches read, sort and compare the columns; an index of each number would cost more than it gains.
_COLUMN = {"index": False}


def _metric_fields() -> dict[str, Field]:
    metric_fields: dict[str, Field] = {}
    kinds = metrics.metric_fields()
    for spec in metrics.CATALOGUE:
        for name in spec.fields():
            suffix = name.removeprefix(spec.name)
            if suffix == "_undefined":
                metric_fields[name] = keyword(f"why `{spec.name}` is null")
                continue
            texts = {
                "_low": f"lower end of the 95 % interval of `{spec.name}`",
                "_high": f"upper end of the 95 % interval of `{spec.name}`",
            }
            unit = "" if spec.unit == "1" else spec.unit
            text = texts.get(suffix, spec.help + _of_kinds(spec))
            metric_fields[name] = Field(_TYPES[kinds[name]], text, unit, _COLUMN)
    return metric_fields


def _of_kinds(spec: metrics.MetricSpec) -> str:
    names = [kind for kind in PREDICTION_KINDS if spec.is_of(kind)]
    return "" if spec.all_kinds else f" ({', '.join(f'`{name}`' for name in names)})"


_DRIFT: dict[str, Field] = {
    "drift_reference": keyword("the reference, once the window has ended; base windows of less than an hour have none"),
    "drift_measured": long(
        "number of features (with score and predicted label) that have enough values; details are in `model-drift`"
    ),
    "drifted_features": long("number of these features with drift"),
    "drift_share": double("drifted_features / drift_measured", "share"),
    "drift_undefined": keyword("why `drift_share` is null: `no_reference` or `insufficient_data`"),
}


def _weekly_fields() -> dict[str, Field]:
    """Return the fields that compare a window of an hour or longer with the same window a week before."""
    traffic = weekly.TRAFFIC
    weekly_fields = {
        traffic: double("predictions / predictions of the same window a week before, by the model's clock"),
        f"{traffic}_undefined": keyword(f"why `{traffic}` is null"),
    }
    for metric in weekly.RELATIVE_METRICS:
        name = metric + weekly.RELATIVE_SUFFIX
        meaning = f"`{metric}{weekly.SUFFIX}` / `{metric}` of the same window a week before"
        weekly_fields[name] = double(meaning, "share")
        weekly_fields[f"{name}_undefined"] = keyword(f"why `{name}` is null")
    for metric in weekly.METRICS:
        name = metric + weekly.SUFFIX
        weekly_fields[name] = Field(
            "double",
            f"`{metric}` of the same window a week before, by the model's clock, minus `{metric}` of this window: "
            "above 0 = worse",
            "",
            _COLUMN,
        )
        weekly_fields[f"{name}_low"] = Field(
            "double", f"lower end of the 95 % interval of `{name}`: above 0 = not chance", "", _COLUMN
        )
        weekly_fields[f"{name}_high"] = Field("double", f"upper end of the 95 % interval of `{name}`", "", _COLUMN)
        weekly_fields[f"{name}_undefined"] = keyword(f"why `{name}` is null")
    return weekly_fields


_SAMPLE_STATE = metrics.WindowState(predictions=4, impressions=4, mature=4, tp=1, fp=1, tn=2)

PERFORMANCE = IndexContract(
    name="model-performance",
    alias="model_performance",
    suffix="%Y.%m",
    help="Metrics of each model, version, segment and window, by window start",
    fields={
        **_HEAD,
        **_metric_fields(),
        **_LISTS,
        **_weekly_fields(),
        **_DRIFT,
        "state_blob": blob(
            "the mergeable state of the window, from which all metrics are computed (docs/state-blob.md)"
        ),
    },
    sample={
        "@timestamp": "2026-11-23T10:00:00Z",
        "window_start": "2026-11-23T10:00:00Z",
        "window_end": "2026-11-23T11:00:00Z",
        "window_size": "1h",
        "is_base_window": False,
        "model_name": "click",
        "model_version": "1",
        "segment": "labels.scene=search",
        "labels": {"scene": "search"},
        "prediction_kind": _SAMPLE_STATE.kind,
        "without_metrics_of": other_kinds(_SAMPLE_STATE.kind),
        "judged_by": "click",
        "state": STATE_FINAL,
        "revision": 3,
        "settings_revision": 1,
        "maturity": 1.0,
        "coverage": 1.0,
        "judged_early": 0,
        "lost_lines": 0,
        "alertable": False,
        "not_alertable": [FEW_POSITIVES],
        **metrics.of_own_kind(metrics.CATALOGUE, metrics.measure(_SAMPLE_STATE, seconds=3600.0), _SAMPLE_STATE.kind),
        "requests_not_judged_reasons": [],
        "state_blob": _SAMPLE_STATE.to_blob(),
    },
)


def segment_name(segment: str) -> str:
    """Return a segment as people write it.

    >>> segment_name("labels.scene=search")
    'scene=search'
    """
    return segment.removeprefix(LABEL_PREFIX)
