"""Drift: one document per feature of a window, against the model's reference."""

from __future__ import annotations

from monitor_agent.contracts.index_contract import Field, IndexContract, boolean, date, double, keyword, long, stored

SCORE, LABEL = "score", "label"
NUMERIC, CATEGORICAL = "numeric", "categorical"
KS_LOW = "ks_low"
AGE = "age_s"
"""The member of `features` with the ages of features."""

_CHECKS = {
    "missing": "of predictions without a value of the feature",
    "out_of_range": "of values below `range_low` or above `range_high` (numeric)",
    "new_category": "of values that the reference does not have (categorical)",
    "wrong_type": "of lines that were refused because the feature was no number, among them and the predictions",
    "stale": "of values more than twice as old as 95 % of those of the reference",
}
_WITH_REFERENCE = ("missing", "new_category", "stale")


def _share_fields(name: str, meaning: str) -> dict[str, Field]:
    reference = {f"{name}_share_reference": double(f"`{name}_share` of the reference; null = unknown", "share")}
    return {
        f"{name}_share": double(f"share {meaning}; null = not measured", "share"),
        f"{name}_share_low": double(
            "lower end of its 95 % interval; predictions of one request count as one, since they share values"
        ),
        f"{name}_share_high": double("upper end of its 95 % interval"),
        **(reference if name in _WITH_REFERENCE else {}),
        f"{name}_undefined": keyword(f"why `{name}_share` is null, or has no reference"),
    }


QUALITY_FIELDS: dict[str, Field] = {
    "requests": long("predictions that are the first of their request"),
    "missing": long("predictions without a value of the feature"),
    "below_range": long("predictions with a value below `range_low`"),
    "above_range": long("predictions with a value above `range_high`"),
    "range_low": double("smallest value of the reference (numeric)"),
    "range_high": double("largest value of the reference (numeric)"),
    "new_category": long("predictions with a value, but none that the reference has (categorical)"),
    "wrong_type": long("lines that the pipeline refused because the feature was no number"),
    **{field: entry for name, meaning in _CHECKS.items() for field, entry in _share_fields(name, meaning).items()},
    "constant": boolean("whether all values are equal, although those of the reference are not; null = not measured"),
    "constant_undefined": keyword("why `constant` is null"),
    "age_mean": double("mean age of the feature at scoring, where it is logged (`features.age_s`)", "s"),
    "age_p95": double("95 % of the ages are at most this, within 13 %", "s"),
    "age_max": double("largest age", "s"),
    "age_p95_reference": double("`age_p95` of the reference", "s"),
    "quality_measured": long("checks that could be compared with the reference"),
    "broken": keyword(
        "the checks that are worse than in the reference, and not by chance: `missing`, `out_of_range`, "
        "`new_category`, `wrong_type`, `constant`, `stale`"
    ),
    "worst_share": double(
        "the largest share of the checks, minus that of the reference; a feature that does not vary any more has 1",
        "share",
    ),
}
"""The data quality of a feature."""

FIELDS: dict[str, Field] = {
    "@timestamp": date("start of the window"),
    "window_start": date("start of the window"),
    "window_end": date("end of the window (exclusive)"),
    "window_size": keyword("`1h`, `1d`, ..."),
    "model_name": keyword("the model"),
    "model_version": keyword("its version; `all` = across versions"),
    "metrics_id": keyword("`_id` of the window's metrics document"),
    "feature": keyword("`score`, `label` (as predicted), or a logged feature such as `numeric.price`"),
    "feature_kind": keyword("`numeric` or `categorical`"),
    "reference": keyword("the reference of the comparison"),
    "predictions": long("predictions of the window, with or without the feature"),
    "n": long("values in the window"),
    "n_reference": long("values in the reference"),
    "method": keyword(
        "the measure that decides, as in Evidently: `wasserstein` (numeric) or `jensenshannon` (few values, "
        "categories); for up to 1,000 reference values `ks`, `chisquare` or `z`"
    ),
    "value": double("value of that measure"),
    "threshold": double("limit of that measure: a distance at or above it is drift, a p-value below it is drift"),
    "drifted": boolean("whether the measure says drift"),
    "undefined": keyword("why there is no value: `insufficient_data`"),
    "psi": double("population stability index in ten bins of equal mass: 0.1 is a warning, 0.25 an alert"),
    "jensenshannon": double("Jensen-Shannon distance, 0 to 0.83"),
    "wasserstein": double("Wasserstein distance in standard deviations of the reference (numeric)"),
    "ks": double(
        "p-value of the Kolmogorov-Smirnov test (numeric), from the counts in the reference's bins: an upper bound of "
        "the p-value of the values themselves"
    ),
    KS_LOW: double("lower bound of that p-value; equal to `ks` if each value of the reference has a bin"),
    "chisquare": double("p-value of the chi-square test (categorical)"),
    **QUALITY_FIELDS,
    "sample": stored(
        "the counts in the reference's bins, and of the data quality; larger windows are merged from them"
    ),
}

DRIFT = IndexContract(
    name="model-drift",
    alias="model-drift",
    suffix="%Y.%m",
    help="Drift of scores, predicted labels and features, by window start; not of base windows of less than an hour",
    fields=FIELDS,
    sample={
        "@timestamp": "2026-11-23T10:00:00Z",
        "window_start": "2026-11-23T10:00:00Z",
        "window_end": "2026-11-23T11:00:00Z",
        "window_size": "1h",
        "model_name": "click",
        "model_version": "1",
        "metrics_id": "5f0f8a3a1a8e4d4f9a53a7f5c2f0e1d2",
        "feature": "categorical.category",
        "feature_kind": CATEGORICAL,
        "reference": "2026-11-16T00:00:00Z to 2026-11-23T00:00:00Z #5f0f8a",
        "predictions": 2000,
        "n": 2000,
        "n_reference": 90_000,
        "method": "jensenshannon",
        "value": 0.04,
        "threshold": 0.1,
        "drifted": False,
        "psi": 0.006,
        "jensenshannon": 0.04,
        "chisquare": 0.31,
        "requests": 2000,
        "missing": 0,
        "new_category": 0,
        "wrong_type": 0,
        "missing_share": 0.0,
        "missing_share_low": 0.0,
        "missing_share_high": 0.0019,
        "missing_share_reference": 0.0,
        "constant": False,
        "quality_measured": 4,
        "broken": [],
        "worst_share": 0.0,
        "sample": {"counts": {"c1": 1500, "c2": 500}},
    },
)
