"""The searches that count a window, as literals: a change of a search is visible here."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from monitor_agent.metrics.score_histogram import score_bins
from monitor_agent.pipeline import counting, ranked_lists
from monitor_agent.pipeline.countable import COUNTABLE_BINARY
from monitor_agent.pipeline.counting import CountRequest
from monitor_agent.pipeline.score_resolution import RefinedBins
from monitor_agent.pipeline.segments import EVERYTHING, segments
from monitor_agent.pipeline.windows import Window
from monitor_agent.settings import AgentSettings

START = datetime(2026, 3, 2, 10, tzinfo=timezone.utc)
MINUTE = Window(START, START + timedelta(minutes=1), "1m")
NOW = START + timedelta(hours=1)
DEFAULTS = AgentSettings()

IN_THE_MINUTE = {"range": {"@timestamp": {"gte": 1772445600000, "lt": 1772445660000, "format": "epoch_millis"}}}
OLD_ENOUGH = {"range": {"@timestamp": {"lte": 1772447400000, "format": "epoch_millis"}}}
IMPRESSION = {"bool": {"must_not": [{"term": {"prediction.shadow": True}}], "filter": []}}
MATURE = {"bool": {"filter": [IMPRESSION, OLD_ENOUGH]}}
CLICKED = {"term": {"feedback.label": 1}}
LABELLED = {"bool": {"should": [CLICKED, {"bool": {"must_not": [CLICKED]}}]}}
IN_A_LIST = {"bool": {"filter": [{"exists": {"field": "ranking.id"}}, {"range": {"ranking.rank": {"gte": 1}}}]}}
FIRST_ITEM = {
    "bool": {
        "filter": [{"exists": {"field": "ranking.id"}}, {"term": {"ranking.rank": 1}}],
        "must_not": [{"term": {"prediction.shadow": True}}],
    }
}


def histogram(field: str, interval: float, low: float, high: float) -> dict[str, Any]:
    """Return a histogram aggregation that returns filled bins only."""
    bounds = {"min": low, "max": high}
    return {"histogram": {"field": field, "interval": interval, "min_doc_count": 1, "hard_bounds": bounds}}


def three_digits(name: str, field: str) -> dict[str, Any]:
    """Return the histograms of a number from 0 to 1: three significant digits, down to a millionth."""
    return {
        f"{name}_0": histogram(field, 9.999999999999997e-07, 0.0, 0.0009994999999999997),
        f"{name}_1": histogram(field, 9.999999999999997e-06, 0.0009949999999999998, 0.009994999999999997),
        f"{name}_2": histogram(field, 9.999999999999998e-05, 0.009949999999999997, 0.09994999999999998),
        f"{name}_3": histogram(field, 0.0009999999999999998, 0.09949999999999998, 1.0004999999999997),
    }


SCORES = {
    "predicted": {"filter": {"term": {"prediction.label": 1}}},
    "score": {"extended_stats": {"field": "prediction.score"}},
    **three_digits("scores", "prediction.score"),
}


SUM_AND_SCORES = {"score": {"sum": {"field": "prediction.score"}}, **three_digits("scores", "prediction.score")}


def impressions(impression: dict[str, Any]) -> dict[str, Any]:
    """Return what is counted of predictions that were shown: those predicted positive, for estimates."""
    predicted = {"filter": {"term": {"prediction.label": 1}}, "aggs": SUM_AND_SCORES}
    return {"filter": impression, "aggs": {"predicted": predicted}}


def unknown(impression: dict[str, Any]) -> dict[str, Any]:
    """Return what is counted of predictions without a known label, and of the shown ones among them."""
    return {**SCORES, "shown": {"filter": impression, "aggs": SUM_AND_SCORES}}


def labelled(loss: str) -> dict[str, Any]:
    """Return what is counted of the predictions with one label."""
    return {
        **SCORES,
        "exact": {"terms": {"field": "prediction.score", "size": 256}},
        **three_digits("propensity", "prediction.propensity"),
        "loss": {"sum": {"field": loss}},
        "without_loss": {
            "filter": {"bool": {"must_not": [{"exists": {"field": loss}}]}},
            "aggs": three_digits("scores", "prediction.score"),
        },
        "positions": histogram("item.position", 1, 1, 100),
    }


def up_to_1000_seconds(name: str, field: str) -> dict[str, Any]:
    """Return the histograms of a time: steps of 10 ns, then two significant digits, and what lies beyond both ends."""
    return {
        f"{name}_linear": histogram(field, 10, 0, 990),
        f"{name}_3": histogram(field, 100, 1_000, 9_900),
        f"{name}_4": histogram(field, 1_000, 10_000, 99_000),
        f"{name}_5": histogram(field, 10_000, 100_000, 990_000),
        f"{name}_6": histogram(field, 100_000, 1_000_000, 9_900_000),
        f"{name}_7": histogram(field, 1_000_000, 10_000_000, 99_000_000),
        f"{name}_8": histogram(field, 10_000_000, 100_000_000, 990_000_000),
        f"{name}_9": histogram(field, 100_000_000, 1_000_000_000, 9_900_000_000),
        f"{name}_10": histogram(field, 1_000_000_000, 10_000_000_000, 99_000_000_000),
        f"{name}_11": histogram(field, 10_000_000_000, 100_000_000_000, 990_000_000_000),
        f"{name}_ends": {"range": {"field": field, "ranges": [{"to": 0}, {"from": 1_000_000_000_000}]}},
        f"{name}_stats": {"stats": {"field": field}},
    }


DELAYS = {
    "delay_linear": histogram("feedback.delay", 100_000, 0, 9_900_000),
    "delay_7": histogram("feedback.delay", 1_000_000, 10_000_000, 99_000_000),
    "delay_8": histogram("feedback.delay", 10_000_000, 100_000_000, 990_000_000),
    "delay_9": histogram("feedback.delay", 100_000_000, 1_000_000_000, 9_900_000_000),
    "delay_10": histogram("feedback.delay", 1_000_000_000, 10_000_000_000, 99_000_000_000),
    "delay_11": histogram("feedback.delay", 10_000_000_000, 100_000_000_000, 990_000_000_000),
    "delay_12": histogram("feedback.delay", 100_000_000_000, 1_000_000_000_000, 9_900_000_000_000),
    "delay_13": histogram("feedback.delay", 1_000_000_000_000, 10_000_000_000_000, 99_000_000_000_000),
    "delay_14": histogram("feedback.delay", 10_000_000_000_000, 100_000_000_000_000, 990_000_000_000_000),
    "delay_15": histogram("feedback.delay", 100_000_000_000_000, 1_000_000_000_000_000, 9_900_000_000_000_000),
    "delay_16": histogram("feedback.delay", 1_000_000_000_000_000, 10_000_000_000_000_000, 99 * 10**15),
    "delay_ends": {"range": {"field": "feedback.delay", "ranges": [{"to": 0}, {"from": 10**17}]}},
    "delay_stats": {"stats": {"field": "feedback.delay"}},
}

SEGMENT: dict[str, Any] = {
    "impressions": impressions(IMPRESSION),
    "unknown": {"filter": {"bool": {"must_not": [{"bool": {"filter": [MATURE]}}]}}, "aggs": unknown(IMPRESSION)},
    "mature": {
        "filter": MATURE,
        "aggs": {
            "first_items": {"filter": FIRST_ITEM, "aggs": {"labelled": {"filter": LABELLED}}},
            "clicked": {"filter": {"term": {"feedback.types": "click"}}},
            "bought": {
                "filter": {"term": {"feedback.types": "purchase"}},
                "aggs": {"clicked": {"filter": {"term": {"feedback.types": "click"}}}},
            },
            "value": {"sum": {"field": "feedback.value"}},
        },
    },
    "judged": {
        "filter": MATURE,
        "aggs": {
            "pos": {"filter": CLICKED, "aggs": labelled("prediction.log_loss_1")},
            "neg": {"filter": {"bool": {"must_not": [CLICKED]}}, "aggs": labelled("prediction.log_loss_0")},
        },
    },
    "requests": {
        "filter": {"term": {"prediction.rank": 1}},
        "aggs": {
            **up_to_1000_seconds("duration", "event.duration"),
            **up_to_1000_seconds("queue_time", "prediction.queue_time"),
            **up_to_1000_seconds("compute_time", "prediction.compute_time"),
        },
    },
    "with_feedback": {
        "filter": {"exists": {"field": "feedback.count"}},
        "aggs": {
            "count": {"sum": {"field": "feedback.count"}},
            "duplicates": {"sum": {"field": "feedback.duplicates"}},
            "too_late": {"sum": {"field": "feedback.too_late"}},
            **DELAYS,
        },
    },
}


def body(request: CountRequest, window: Window = MINUTE, settings: AgentSettings = DEFAULTS) -> dict[str, Any]:
    """Return the search of a request."""
    return counting.body(request, window, settings)


def segment_aggregations(search: dict[str, Any]) -> dict[str, Any]:
    """Return what a search counts in each segment."""
    aggs: dict[str, Any] = search["aggs"]["versions"]["aggs"]["segments"]["aggs"]
    return aggs


ALL = CountRequest("click", [EVERYTHING], NOW)


def test_a_window_is_counted_by_one_search() -> None:
    """The search is of one model and one window: by version, each prediction once, by its label."""
    assert body(ALL) == {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": [{"term": {"model.name": "click"}}, IN_THE_MINUTE, COUNTABLE_BINARY]}},
        "aggs": {
            "versions": {
                "terms": {"field": "model.version", "size": 500},
                "aggs": {"segments": {"filters": {"filters": {"0": {"match_all": {}}}}, "aggs": SEGMENT}},
            },
            "in_lists": {"filter": IN_A_LIST},
        },
    }


def test_one_version_is_a_further_filter() -> None:
    """If there are more versions than a response holds, each version has a search of its own."""
    search = counting.body(ALL, MINUTE, DEFAULTS, version="7")

    assert search["query"] == {
        "bool": {
            "filter": [
                {"term": {"model.name": "click"}},
                IN_THE_MINUTE,
                COUNTABLE_BINARY,
                {"term": {"model.version": "7"}},
            ]
        }
    }


def test_segments_are_filters() -> None:
    """Two labels: each selected value and the rest; predictions without the first label complete `all`."""
    search = body(CountRequest("click", segments({"scene": ["search", "ad"], "shop": ["a"]}), NOW))

    assert search["aggs"]["versions"]["aggs"]["segments"]["filters"]["filters"] == {
        "0": {"term": {"labels.scene": "search"}},
        "1": {"term": {"labels.scene": "ad"}},
        "2": {
            "bool": {
                "filter": [{"exists": {"field": "labels.scene"}}],
                "must_not": [{"terms": {"labels.scene": ["search", "ad"]}}],
            }
        },
        "3": {"bool": {"must_not": [{"exists": {"field": "labels.scene"}}]}},
        "4": {"term": {"labels.shop": "a"}},
        "5": {
            "bool": {
                "filter": [{"exists": {"field": "labels.shop"}}],
                "must_not": [{"terms": {"labels.shop": ["a"]}}],
            }
        },
    }
    assert segment_aggregations(search) == SEGMENT


def test_explicit_impressions_need_an_event() -> None:
    """The event is then part of the filters for impressions, mature and unknown predictions."""
    aggs = segment_aggregations(body(ALL, settings=AgentSettings(impressions="explicit")))
    confirmed = {
        "bool": {"must_not": [{"term": {"prediction.shadow": True}}], "filter": [{"term": {"feedback.shown": True}}]}
    }
    mature = {"bool": {"filter": [confirmed, OLD_ENOUGH]}}

    assert aggs == {
        **SEGMENT,
        "impressions": impressions(confirmed),
        "unknown": {"filter": {"bool": {"must_not": [{"bool": {"filter": [mature]}}]}}, "aggs": unknown(confirmed)},
        "mature": {"filter": mature, "aggs": SEGMENT["mature"]["aggs"]},
        "judged": {"filter": mature, "aggs": SEGMENT["judged"]["aggs"]},
    }


def test_absent_feedback_can_mean_unknown() -> None:
    """A negative then needs feedback; predictions without feedback are unknown, however old."""
    aggs = segment_aggregations(body(ALL, settings=AgentSettings(absent_feedback="unknown")))
    labelled_filters = [MATURE, {"exists": {"field": "feedback.label"}}]

    assert aggs["unknown"]["filter"] == {"bool": {"must_not": [{"bool": {"filter": labelled_filters}}]}}
    assert aggs["judged"]["aggs"]["neg"]["filter"] == {"term": {"feedback.label": 0}}
    assert aggs["judged"]["filter"] == MATURE


def test_labels_that_are_final_when_they_come_count_at_once() -> None:
    """The label of every shown prediction counts; clicks still need the attribution window."""
    settings = AgentSettings(feedback_type="label", absent_feedback="unknown")
    aggs = segment_aggregations(body(ALL, settings=settings))

    assert aggs["judged"]["filter"] == IMPRESSION
    assert aggs["mature"]["filter"] == MATURE
    labelled_filter = {"bool": {"filter": [IMPRESSION, {"exists": {"field": "feedback.label"}}]}}
    assert aggs["unknown"]["filter"] == {"bool": {"must_not": [labelled_filter]}}


def test_another_attribution_window_is_another_age() -> None:
    """With an attribution window of one hour, a prediction of ten is mature at eleven."""
    aggs = segment_aggregations(body(ALL, settings=AgentSettings(attribution_window=timedelta(hours=1))))

    oldest = {"lte": 1772445600000, "format": "epoch_millis"}
    assert aggs["mature"]["filter"] == {"bool": {"filter": [IMPRESSION, {"range": {"@timestamp": oldest}}]}}


def test_refined_bins_are_counted_for_known_labels() -> None:
    """A refined bin has a hundred parts, for positives and negatives alone, in windows that begin later."""
    request = replace(ALL, refined=RefinedBins(tuple(score_bins([0.00369]).tolist()), START))
    fine = {
        "fine_0": histogram("prediction.score", 9.999999999999997e-08, 0.0036899499999999987, 0.0036999499999999987)
    }

    aggs = segment_aggregations(body(request))
    earlier = Window(START - timedelta(minutes=1), START, "1m")
    before = segment_aggregations(body(request, earlier))

    judged = aggs["judged"]["aggs"]
    assert judged["pos"]["aggs"] == {**labelled("prediction.log_loss_1"), **fine}
    assert judged["neg"]["aggs"] == {**labelled("prediction.log_loss_0"), **fine}
    assert aggs["unknown"] == SEGMENT["unknown"]
    assert before == SEGMENT


def test_items_of_lists_are_searched_by_their_columns() -> None:
    """The hits are clicked items that were shown; they hold the columns of an item, and what is known of its label."""
    search = ranked_lists.clicked_items("click", MINUTE, AgentSettings(segments=("scene", "shop")), NOW)
    old = {"bool": {"should": [OLD_ENOUGH, {"bool": {"must_not": [IMPRESSION]}}]}}

    assert search == {
        "query": {
            "bool": {
                "filter": [
                    {"term": {"model.name": "click"}},
                    IN_THE_MINUTE,
                    COUNTABLE_BINARY,
                    IN_A_LIST,
                    IMPRESSION,
                    CLICKED,
                ],
                "should": [
                    {"bool": {"filter": [old], "_name": "old"}},
                    {"bool": {"filter": [MATURE], "_name": "mature"}},
                    {"bool": {"filter": [MATURE, LABELLED], "_name": "labelled"}},
                ],
            }
        },
        "_source": False,
        "stored_fields": "_none_",
        "docvalue_fields": [
            "ranking.id",
            "ranking.rank",
            "model.version",
            "event.id",
            {"field": "@timestamp", "format": "epoch_millis"},
            "labels.scene",
            "labels.shop",
        ],
    }
