"""Queries and events of UBI become predictions and feedback that mean each other without any memory."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.settings import SourceMapping
from tests.source_requests import hits_query, local_receiver, user_event

SCORES = SourceMapping(inputs={"score": "query_attributes.scores"})
QUERIES, EVENTS = "/ubi/queries", "/ubi/events"


def prediction_id(query_id: str, object_id: str) -> str:
    """Return the id as the documentation tells clients to compute it."""
    return hashlib.sha256(f"ubi {query_id} {object_id}".encode()).hexdigest()


@pytest.mark.parametrize("scores", [[0.75, 0.25], "[0.75, 0.25]"], ids=["list", "text"])
def test_a_query_makes_a_prediction_for_each_hit(tmp_path: Path, scores: Any) -> None:
    """The hits are one ranked list with the id of the query; OpenSearch stores attributes as texts."""
    with local_receiver(tmp_path, {"default": SCORES}) as receiver:
        answer = receiver.send([hits_query(query_attributes={"scores": scores})], path=QUERIES)
        first, second = receiver.lines()

    assert (answer.status, answer.json) == (202, {"predictions": 2})
    assert [event["prediction"]["id"] for event in (first, second)] == [prediction_id("q1", hit) for hit in "ab"]
    assert first["item"] == {"id": "a", "position": 1}
    assert second["ranking"] == {"id": "q1", "rank": 2, "size": 2}
    assert (first["prediction"]["score"], first["prediction"]["label"], first["prediction"]["rank"]) == (0.75, 1, 1)
    assert first["model"] == {"name": "ubi", "version": "unversioned"}
    assert len(first["query"]["hash"]) == len(first["user"]["id"]) == 64
    assert "text" not in first["query"]
    assert "boots" not in json.dumps(first)


def test_a_query_without_scores_makes_no_prediction(tmp_path: Path) -> None:
    """The receiver guesses none; 1 / rank counts only if the mapping says so."""
    with local_receiver(tmp_path) as receiver:
        answer = receiver.send(hits_query(), path=QUERIES)
        assert (answer.status, answer.json) == (202, {"skipped: query without scores": 1})
        assert receiver.lines() == []
    with local_receiver(tmp_path, {"ubi": SourceMapping(rank_scores=True, model="search")}) as receiver:
        receiver.send(hits_query(hits=("a", "b", "c", "a")), path=QUERIES)
        assert [event["prediction"]["score"] for event in receiver.lines()] == [1, 1 / 2, 1 / 3]


def test_events_are_feedback_on_the_hits(tmp_path: Path) -> None:
    """Impressions, clicks and purchases; other actions and events without a query make no line."""
    mapping = SourceMapping(
        actions={"add_to_cart": "click", "click_through": "ignore"}, inputs={"value": "event_attributes.price"}
    )
    purchase = user_event("purchase", 7)
    purchase["event_attributes"]["price"] = 19.5
    sent = [
        user_event("impression"),
        user_event("click"),
        purchase,
        user_event("add_to_cart", "b"),
        user_event("click_through"),
        user_event("login"),
        user_event("click", query_id=""),
    ]
    with local_receiver(tmp_path, {"default": mapping}) as receiver:
        answer = receiver.send(sent, path=EVENTS)
        events = receiver.lines()

    assert answer.json == {"feedback": 4, "skipped: other action": 2, "skipped: no query_id or object_id": 1}
    assert [event["feedback"]["type"] for event in events] == ["impression", "click", "purchase", "click"]
    assert [event["prediction"]["id"] for event in events] == [prediction_id("q1", hit) for hit in "aa7b"]
    assert events[2]["feedback"]["value"] == 19.5
    assert {event["@timestamp"] for event in events} == {"2026-11-25T10:00:09.000000Z"}


def test_a_second_delivery_has_the_same_ids(tmp_path: Path) -> None:
    """The order of the names does not matter, the content does."""
    click = user_event("click")
    backwards = dict(reversed(click.items()))
    with local_receiver(tmp_path) as receiver:
        for event in (click, backwards, user_event("click", timestamp="2026-11-25T10:00:10Z")):
            assert receiver.send(event, path=EVENTS).status == 202
        first, second, third = [event["event"]["id"] for event in receiver.lines()]

    assert first == second != third


def test_impressions_make_predictions_if_the_mapping_says_so(tmp_path: Path) -> None:
    """With the ordinal as position, a score among the attributes, and labels and features."""
    mapping = SourceMapping(
        predictions_from="impressions",
        inputs={
            "score": "event_attributes.score",
            "labels.scene": "event_attributes.scene",
            "features.numeric.price": "event_attributes.object.price",
            "features.age_s.price": "event_attributes.object.price_age",
            "propensity": "event_attributes.propensity",
        },
    )
    event = user_event("impression", ordinal=3, application="shop")
    event["event_attributes"] |= {"score": 0.6, "scene": "home", "propensity": 0.1}
    event["event_attributes"]["object"] |= {"price": 2, "price_age": 86_400}
    with local_receiver(tmp_path, {"shop": mapping}) as receiver:
        assert receiver.send(hits_query(application="shop"), path=QUERIES).json == {"skipped: query": 1}
        assert receiver.send(event, path=EVENTS).json == {"predictions": 1, "feedback": 1}
        prediction, feedback = receiver.lines()

    assert prediction["item"] == {"id": "a", "position": 3}
    assert (prediction["prediction"]["score"], prediction["prediction"]["propensity"]) == (0.6, 0.1)
    assert prediction["labels"] == {"scene": "home"}
    assert prediction["features"] == {"numeric": {"price": 2.0}, "age_s": {"price": 86_400}}
    assert prediction["model"]["name"] == "shop"
    assert feedback["prediction"]["id"] == prediction["prediction"]["id"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (QUERIES, [hits_query(), {**hits_query(), "timestamp": None}], "[1].timestamp"),
        (QUERIES, hits_query(timestamp="2026-11-25T10:00:00"), "timestamp"),
        (QUERIES, hits_query(query_id=""), "query_id"),
        (QUERIES, hits_query(query_response_hit_ids="a"), "query_response_hit_ids"),
        (QUERIES, hits_query(query_attributes={"scores": [0.5]}), "query_attributes.scores"),
        (QUERIES, hits_query(query_attributes={"scores": [0.5, 2]}), "query_attributes.scores[1]"),
        (QUERIES, hits_query(hits=("a", ""), query_attributes={"scores": [1, 0]}), "query_response_hit_ids[1]"),
        (QUERIES, [], "the body"),
        (QUERIES, 5, "the body"),
        (EVENTS, [user_event("click", user_id=5)], "[0].user_id"),
        (EVENTS, [user_event("")], "[0].action_name"),
        (EVENTS, user_event("click", ["a"]), "event_attributes.object.object_id"),
        (EVENTS, {**user_event("click"), "event_attributes": None, "timestamp": "2999-01-01T00:00:00Z"}, "timestamp"),
        (EVENTS, user_event("purchase", value="much"), "value"),
    ],
)
def test_a_wrong_document_is_refused_with_the_path_of_its_field(
    tmp_path: Path, path: str, body: Any, field: str
) -> None:
    """Nothing of the request is written."""
    mapping = SourceMapping(inputs={"score": "query_attributes.scores", "value": "value"})
    with local_receiver(tmp_path, {"default": mapping}) as receiver:
        answer = receiver.send(body, path=path)

        assert (answer.status, answer.json["error"]["field"]) == (400, field), answer.json
        assert receiver.lines() == []


def test_times_of_opensearch(tmp_path: Path) -> None:
    """Its plugin writes milliseconds since 1970."""
    with local_receiver(tmp_path, {"default": SourceMapping(rank_scores=True)}) as receiver:
        receiver.send(hits_query(hits=["a"], timestamp=1764064800250), path=QUERIES)
        (event,) = receiver.lines()

    assert event["@timestamp"] == "2025-11-25T10:00:00.250000Z"
    assert "ranking" not in event
