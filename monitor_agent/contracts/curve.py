"""Curves: one document per point, because charts cannot draw arrays in a document."""

from __future__ import annotations

from monitor_agent.contracts.index_contract import Field, IndexContract, closed, date, double, integer, keyword, long

RELIABILITY = "reliability"
THRESHOLD = "threshold"
SCORE = "score"
POSITION = "position"
FEATURE = "feature"
CONFUSION = "confusion"
CLASS = "class"
ERROR = "error"

FIELDS: dict[str, Field] = {
    "@timestamp": date("start of the window"),
    "window_start": date("start of the window"),
    "window_end": date("end of the window (exclusive)"),
    "window_size": keyword("`1h`, `1d`, ..."),
    "model_name": keyword("the model"),
    "model_version": keyword("its version; `all` = across versions"),
    "segment": keyword("`all`"),
    "labels": closed("keyword", "the segment's label and value", ignore_above=256),
    "metrics_id": keyword("`_id` of the window's metrics document"),
    "curve": keyword(
        "`reliability` (rate of positives in bins of scores of equal mass), `threshold` (counts and metrics at a "
        "threshold), `score` (distribution of scores), `position` (clicks by place on the page), `feature` "
        "(distribution of a logged feature and of its reference), `confusion` (predictions of a true and a predicted "
        "class), `class` (counts and metrics of one class against all others) or `error` (distribution of the errors "
        "of predicted numbers)"
    ),
    "feature": keyword("the feature of a `feature` point, such as `numeric.price`; else empty"),
    "true_class": keyword("the true class of a `confusion` point; the class of a `class` point; else empty"),
    "predicted_class": keyword("the predicted class of a `confusion` point; else empty"),
    "bin": integer("number of the point on its curve, from 0"),
    "bin_label": keyword("the meaning of the point, in words"),
    "x": double("x value: mean score, threshold, middle of the scores, position, or middle of the values"),
    "low": double("lower end of the bin (inclusive)"),
    "high": double("upper end of the bin (exclusive)"),
    "n": long("predictions in the bin; for `reliability`, `threshold` and `position` only those with a known label"),
    "positives": long("predictions in the bin with the label 1"),
    "negatives": long("predictions in the bin with the label 0"),
    "rate": double("positives / n", "share"),
    "rate_low": double("lower end of the 95 % interval of `rate`", "share"),
    "rate_high": double("upper end of the 95 % interval of `rate`", "share"),
    "share": double("n / n of the whole curve", "share"),
    "share_positive": double("positives / positives of the whole curve", "share"),
    "share_negative": double("negatives / negatives of the whole curve", "share"),
    "share_reference": double("for a `feature` point: the bin's share of the reference", "share"),
    "tp": long("true positives at the threshold, or of the class"),
    "fp": long("false positives at the threshold, or of the class"),
    "tn": long("true negatives at the threshold, or of the class"),
    "fn": long("false negatives at the threshold, or of the class"),
    "precision": double("precision at the threshold, or of the class", "share"),
    "recall": double("recall at the threshold, or of the class", "share"),
    "f1": double("F1 at the threshold, or of the class", "share"),
}

CURVES = IndexContract(
    name="model-curves",
    alias="model-curves",
    suffix="%Y.%m",
    help="Points of curves of the larger windows, by window start; a point is written again only if it differs",
    fields=FIELDS,
    sample={
        "@timestamp": "2026-11-23T10:00:00Z",
        "window_start": "2026-11-23T10:00:00Z",
        "window_end": "2026-11-23T11:00:00Z",
        "window_size": "1h",
        "model_name": "click",
        "model_version": "1",
        "segment": "all",
        "labels": {},
        "metrics_id": "5f0f8a3a1a8e4d4f9a53a7f5c2f0e1d2",
        "curve": THRESHOLD,
        "bin": 40,
        "bin_label": "0.05",
        "x": 0.05,
        "n": 1200,
        "positives": 9,
        "negatives": 1191,
        "tp": 6,
        "fp": 54,
        "tn": 1137,
        "fn": 3,
        "precision": 0.1,
        "recall": 0.6666666666666666,
        "f1": 0.17391304347826086,
    },
)
