"""Drift of a window: the search that counts it, as a literal, and the samples in its response."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from monitor_agent.metrics.data_quality import FeatureCounts, UsualValues
from monitor_agent.metrics.drift import CategoricalReference, NumericReference, NumericSample
from monitor_agent.pipeline import window_drift
from monitor_agent.pipeline.countable import COUNTABLE_BINARY
from monitor_agent.pipeline.documents import MetricsKey
from monitor_agent.pipeline.drift_references import OTHER_CATEGORIES, DriftReference
from monitor_agent.pipeline.window_quality import FeatureValues
from monitor_agent.pipeline.windows import Window

START = datetime(2026, 3, 2, 10, tzinfo=timezone.utc)
HOUR = Window(START, START + timedelta(hours=1), "1h")
REFERENCE = DriftReference(
    "training",
    START,
    {
        "numeric.price": NumericReference((1.5, 2.5), (3, 4, 5), 0.0, 9.0, 1.0, 6),
        "label": CategoricalReference({"0": 30, "1": 2}),
        "categorical.shop": CategoricalReference({"a": 20, "b": 10, OTHER_CATEGORIES: 2}),
    },
    usual={"label": UsualValues(32), "categorical.shop": UsualValues(32, 0, ("a", "b", "c"))},
)
PRICE = {"field": "features.numeric.price"}
SHOP = {"field": "features.categorical.shop"}
LABEL = {"field": "prediction.label"}


def _without(field: str) -> dict[str, Any]:
    return {"bool": {"must_not": [{"exists": {"field": field}}]}}


def test_a_window_is_counted_in_the_bins_of_its_reference() -> None:
    """By version: numbers by range, categories by name, the predicted label as a number."""
    assert window_drift.body("click", HOUR, REFERENCE) == {
        "size": 0,
        "track_total_hits": False,
        "query": {
            "bool": {
                "filter": [
                    {"term": {"model.name": "click"}},
                    {
                        "range": {
                            "@timestamp": {"gte": 1772445600000, "lt": 1772449200000, "format": "epoch_millis"},
                        }
                    },
                    COUNTABLE_BINARY,
                ]
            }
        },
        "aggs": {
            "versions": {
                "terms": {"field": "model.version", "size": 500},
                "aggs": {
                    "numeric.price": {
                        "range": {**PRICE, "ranges": [{"to": 1.5}, {"from": 1.5, "to": 2.5}, {"from": 2.5}]}
                    },
                    "numeric.price stats": {"stats": PRICE},
                    "label": {"terms": {**LABEL, "include": [0, 1], "size": 2}},
                    "label stats": {"value_count": LABEL},
                    "categorical.shop": {"terms": {**SHOP, "include": ["a", "b"], "size": 2}},
                    "categorical.shop stats": {"value_count": SHOP},
                    "requests": {"filter": {"bool": {"must_not": [{"range": {"prediction.rank": {"gt": 1}}}]}}},
                    "numeric.price quality": {
                        "filters": {
                            "filters": {
                                "missing": _without("features.numeric.price"),
                                "below": {"range": {"features.numeric.price": {"lt": 0.0}}},
                                "above": {"range": {"features.numeric.price": {"gt": 9.0}}},
                            }
                        }
                    },
                    "label quality": {"filters": {"filters": {"missing": _without("prediction.label")}}},
                    "categorical.shop quality": {
                        "filters": {
                            "filters": {
                                "missing": _without("features.categorical.shop"),
                                "new": {
                                    "bool": {
                                        "filter": [{"exists": SHOP}],
                                        "must_not": [{"terms": {"features.categorical.shop": ["a", "b", "c"]}}],
                                    }
                                },
                            }
                        }
                    },
                },
            }
        },
    }


def _answer(**changed: Any) -> dict[str, Any]:
    return {
        "numeric.price": {"buckets": [{"doc_count": 1}, {"doc_count": 0}, {"doc_count": 4}]},
        "numeric.price stats": {"count": 5, "min": 0.5, "max": 7.0},
        "label": {"buckets": [{"key": 0, "doc_count": 5}]},
        "label stats": {"value": 5},
        "categorical.shop": {"buckets": [{"key": "b", "doc_count": 2}]},
        "categorical.shop stats": {"value": 5},
        **changed,
    }


def test_a_response_is_a_sample_of_each_feature() -> None:
    """A value outside the reference's categories counts as other, or as new if the reference has no others."""
    samples = window_drift.samples(_answer(**{"label stats": {"value": 6}}), REFERENCE.features)

    assert samples == {
        "numeric.price": NumericSample((1, 0, 4), 0.5, 7.0),
        "label": {"0": 5, window_drift.NEW_CATEGORIES: 1},
        "categorical.shop": {"b": 2, OTHER_CATEGORIES: 3},
    }


def test_a_feature_that_is_missing_everywhere_is_an_empty_sample() -> None:
    """It has no drift, and a sample that is merged with it does not change."""
    nothing = {"buckets": [{"doc_count": 0}] * 3}
    answer = _answer(**{"numeric.price": nothing, "numeric.price stats": {"count": 0, "min": None, "max": None}})
    empty = window_drift.samples(answer, REFERENCE.features)["numeric.price"]
    full = NumericSample((1, 1, 1), 1.0, 3.0)

    assert window_drift.merged([empty, full]) == full
    key = MetricsKey("click", "1", "all", HOUR)
    ((_, document),) = window_drift.documents(key, REFERENCE, {"numeric.price": FeatureValues(empty, None)}, 9, 1)
    assert (document["n"], document["drifted"], document["undefined"]) == (0, None, "insufficient_data")


def test_a_document_has_all_measures_that_fit() -> None:
    """The deciding measure has value and threshold; numbers have no chi-square, categories no Wasserstein distance."""
    samples = window_drift.samples(_answer(), REFERENCE.features)
    values = {name: FeatureValues(sample, FeatureCounts(5, 5, missing=1)) for name, sample in samples.items()}
    documents = dict(window_drift.documents(MetricsKey("click", "1", "all", HOUR), REFERENCE, values, 5, 1))

    assert {name: document["method"] for name, document in documents.items()} == {
        "numeric.price": "ks",
        "label": "z",
        "categorical.shop": "chisquare",
    }
    assert {"psi", "jensenshannon", "wasserstein", "ks"} <= documents["numeric.price"].keys()
    assert {"psi", "jensenshannon", "chisquare"} <= documents["categorical.shop"].keys()
    assert "wasserstein" not in documents["categorical.shop"]
    assert window_drift.restored(documents["numeric.price"]["sample"]) == values["numeric.price"]


def test_points_of_few_values_name_the_values() -> None:
    """Each value has a point; a bin between values has one only if it is not empty; a bin keeps its number."""
    reference = NumericReference.from_values([0.0] * 6 + [1.0] * 4)
    sample = NumericSample.from_values([0.0, 0.5, 1.0, 1.0], reference)

    points = list(window_drift.points("numeric.flag", reference, sample))

    assert [(point["bin"], point["bin_label"], point["share"], point["share_reference"]) for point in points] == [
        (1, "0", 0.25, 0.6),
        (2, "0 to 1", 0.25, 0.0),
        (3, "1", 0.5, 0.4),
    ]
    without = window_drift.points("numeric.flag", reference, NumericSample.from_values([0.0, 1.0], reference))
    assert [(point["bin"], point["bin_label"]) for point in without] == [(1, "0"), (3, "1")]
