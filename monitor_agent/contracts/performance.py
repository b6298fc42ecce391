"""Metrics documents: one per model, version, segment and window, in the index of the window's month."""

from __future__ import annotations

from monitor_agent import metrics
from monitor_agent.contracts.index_contract import (
    Field,
    IndexContract,
    alias,
    blob,
    boolean,
    date,
    double,
    dynamic,
    keyword,
    long,
)
from monitor_agent.metrics import weekly

STATE_OPEN = "open"
STATE_PROVISIONAL = "provisional"
STATE_FINAL = "final"
STATE_RESTATED = "restated"
STATES = (STATE_OPEN, STATE_PROVISIONAL, STATE_FINAL, STATE_RESTATED)

FEW_POSITIVES = "few_positives"
LOW_COVERAGE = "low_coverage"
IMMATURE = "immature"
LOST_LINES = "lost_lines"

ALL_VERSIONS = "all"
ALL_SEGMENT = "all"
OTHER = "other"
"""The segment value that stands for all values beyond the cap."""

_HEAD: dict[str, Field] = {
    "@timestamp": date("start of the window, so that charts draw the bar where it belongs"),
    "timestamp": alias("@timestamp"),
    "window_start": date("start of the window"),
    "window_end": date("end of the window, not part of it"),
    "window_size": keyword("`1m`, `1h`, `1d`, ..."),
    "model_name": keyword("the model"),
    "model_version": keyword("its version; `all` = across versions"),
    "segment": keyword("`all`, or one label's value as `labels.scene=search`; values beyond the cap are `other`"),
    "labels": dynamic("keyword", "the segment's label and value once more", ignore_above=256),
    "state": keyword(
        "`open` (the window has not ended), `provisional` (labels may still come), `final`, or `restated` "
        "(written anew after it was final)"
    ),
    "revision": long("1 when first written; grows whenever the content changes"),
    "maturity": double("share of the shown predictions that are older than the attribution window", "share"),
    "coverage": double("share of those mature predictions whose label is known", "share"),
    "calibrated_by": keyword(
        "the reference that the estimates are calibrated by; null = the scores are taken as they are"
    ),
    "lost_lines": long("lines of the event files that never arrived and may belong to this window"),
    "alertable": boolean(
        "positives, coverage and maturity reach the gates, and lost lines are few: alerts may be raised on it"
    ),
    "not_alertable": keyword(
        f"why it is not `alertable`: `{FEW_POSITIVES}`, `{LOW_COVERAGE}`, `{IMMATURE}`, `{LOST_LINES}`"
    ),
}

_TYPES = {"count": "long", "ratio": "double", "float": "double", "duration_ms": "double"}
# Read, sorted and compared from their columns; an index of each of the many numbers would cost more than it gives.
_COLUMN = {"index": False}


def _metric_fields() -> dict[str, Field]:
    found: dict[str, Field] = {}
    kinds = metrics.metric_fields()
    for spec in metrics.CATALOGUE:
        for name in spec.fields():
            part = name.removeprefix(spec.name)
            if part == "_undefined":
                found[name] = keyword(f"why `{spec.name}` is null")
                continue
            texts = {"_low": f"lower end of the 95 % interval of `{spec.name}`", "_high": "its upper end"}
            unit = "" if spec.unit == "1" else spec.unit
            found[name] = Field(_TYPES[kinds[name]], texts.get(part, spec.help), unit, _COLUMN)
    return found


_DRIFT: dict[str, Field] = {
    "drift_reference": keyword("the reference that larger windows, once ended, are compared with"),
    "drift_measured": long("scores, predicted labels and features with enough values; each is in `model-drift`"),
    "drifted_features": long("how many of them have drifted"),
    "drift_share": double("drifted_features / drift_measured", "share"),
    "drift_undefined": keyword("why `drift_share` is null: `no_reference` or `insufficient_data`"),
}


def _weekly_fields() -> dict[str, Field]:
    """Return the fields that compare a window of an hour or longer with the same one a week before."""
    traffic = weekly.TRAFFIC
    found = {
        traffic: double("predictions per prediction of the same window a week before"),
        f"{traffic}_undefined": keyword(f"why `{traffic}` is null"),
    }
    for metric in weekly.METRICS:
        name = metric + weekly.SUFFIX
        found[name] = Field(
            "double", f"`{metric}` of the same window a week before minus this one: above 0 is worse", "", _COLUMN
        )
        found[f"{name}_low"] = Field("double", "lower end of its 95 % interval: above 0 is no chance", "", _COLUMN)
        found[f"{name}_high"] = Field("double", "its upper end", "", _COLUMN)
        found[f"{name}_undefined"] = keyword(f"why `{name}` is null")
    return found


PERFORMANCE = IndexContract(
    name="model-performance",
    alias="model_performance",
    suffix="%Y.%m",
    help="Metrics of each model, version, segment and window, by window start",
    fields={
        **_HEAD,
        **_metric_fields(),
        **_weekly_fields(),
        **_DRIFT,
        "state_blob": blob("the mergeable state that all numbers follow from"),
    },
    sample={
        "@timestamp": "2026-11-23T10:00:00Z",
        "window_start": "2026-11-23T10:00:00Z",
        "window_end": "2026-11-23T11:00:00Z",
        "window_size": "1h",
        "model_name": "click",
        "model_version": "1",
        "segment": "labels.scene=search",
        "labels": {"scene": "search"},
        "state": STATE_FINAL,
        "revision": 3,
        "maturity": 1.0,
        "coverage": 1.0,
        "lost_lines": 0,
        "alertable": False,
        "not_alertable": [FEW_POSITIVES],
        **metrics.measure(metrics.WindowState(tp=1, fp=1, tn=2), seconds=3600.0),
        "state_blob": metrics.WindowState(tp=1, fp=1, tn=2).to_blob(),
    },
)
