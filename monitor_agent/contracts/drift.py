"""Drift: one document per feature of a larger window, against the model's reference."""

from __future__ import annotations

from monitor_agent.contracts.index_contract import Field, IndexContract, boolean, date, double, keyword, long, stored

SCORE, LABEL = "score", "label"
NUMERIC, CATEGORICAL = "numeric", "categorical"
KS_LOW = "ks_low"

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
    "sample": stored("the counts in the reference's bins; larger windows are merged from them"),
}

DRIFT = IndexContract(
    name="model-drift",
    alias="model-drift",
    suffix="%Y.%m",
    help="Drift of scores, predicted labels and features of the larger windows, by window start",
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
        "sample": {"counts": {"c1": 1500, "c2": 500}},
    },
)
