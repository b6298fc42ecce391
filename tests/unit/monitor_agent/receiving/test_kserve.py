"""The events of KServe's logger become predictions, each once, with the features of its request."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.settings import SourceMapping
from tests.source_requests import (
    INSTANCES,
    PREDICTIONS,
    REQUEST,
    RESPONSE,
    TIME,
    LocalReceiver,
    attributes,
    ce_headers,
    local_receiver,
    tensor,
)
from tests.waiting import wait_until

INPUTS = {"item": "item", "features.numeric.price": "price", "labels.scene": "scene", "user": "metadata.X-User"}
MAPPING = SourceMapping(inputs=INPUTS)
TENSORS = {
    "inputs": [tensor("item", [14, 15], datatype="INT64"), tensor("price", [2.5, 1.0], [2, 1])],
}


def predictions(receiver: LocalReceiver) -> list[dict[str, Any]]:
    """Return the events in the order of their scores."""
    return sorted(receiver.lines(), key=lambda event: event["prediction"].get("score", 0))


def exchange(receiver: LocalReceiver, request: Any, response: Any, identifier: str = "7b1c", **changed: str) -> None:
    """Send a request and its response."""
    assert receiver.send(request, ce_headers(REQUEST, identifier, **changed)).status == 202
    answer = receiver.send(response, ce_headers(RESPONSE, identifier, **changed))
    assert answer.status == 202, answer.json


@pytest.mark.parametrize("body", [INSTANCES, TENSORS], ids=["v1", "v2"])
@pytest.mark.parametrize("answer", [PREDICTIONS, {"outputs": [tensor("predict", [0.25, 0.75])]}], ids=["v1", "v2"])
def test_request_and_response_are_one_prediction_for_each_instance(tmp_path: Path, body: Any, answer: Any) -> None:
    """The line is there before the answer; it has the score, the item and the features."""
    metadata = json.dumps({"X-User": ["u1"]})
    with local_receiver(tmp_path, {"click": MAPPING}) as receiver:
        exchange(receiver, body, answer, metadata=metadata)
        low, high = predictions(receiver)

    assert (low["prediction"]["score"], low["prediction"]["label"]) == (0.25, 0)
    assert (high["prediction"]["score"], high["prediction"]["label"]) == (0.75, 1)
    assert (low["item"]["id"], low["features"]["numeric"]) == ("14", {"price": 2.5})
    assert (high["prediction"]["rank"], low["prediction"]["request_size"]) == (1, 2)
    assert low["model"] == {"name": "click", "version": "default"}
    assert low["@timestamp"] == "2026-11-25T10:00:00.250000Z"
    assert low["user"] == high["user"]
    assert len(low["user"]["id"]) == 64
    assert "ranking" not in low


def test_the_id_can_be_computed_by_a_client(tmp_path: Path) -> None:
    """It is the SHA-256 of the service, the id of the event, and the instance's number."""
    with local_receiver(tmp_path) as receiver:
        exchange(receiver, INSTANCES, PREDICTIONS)
        ids = [event["prediction"]["id"] for event in predictions(receiver)]

    assert ids == [hashlib.sha256(f"shop/click 7b1c {number}".encode()).hexdigest() for number in (0, 1)]


def test_a_second_delivery_changes_nothing(tmp_path: Path) -> None:
    """Neither at once nor after a restart of the receiver: the line is the same, or there is none."""
    with local_receiver(tmp_path, {"click": MAPPING}) as receiver:
        exchange(receiver, INSTANCES, PREDICTIONS)
        first = predictions(receiver)
        exchange(receiver, INSTANCES, PREDICTIONS)
        assert predictions(receiver) == first
        assert receiver.figure('events_total{outcome="repeated",source="kserve"}') == 1
    with local_receiver(tmp_path, {"click": MAPPING}) as receiver:
        exchange(receiver, INSTANCES, PREDICTIONS)
        events = predictions(receiver)

    for event in events:
        event["event"].pop("created")
        event["service"].pop("node")
    assert events[::2] == events[1::2]
    assert len(events) == 4


def test_an_input_may_say_how_old_a_feature_is(tmp_path: Path) -> None:
    """In seconds, as a member of the instance."""
    mapping = SourceMapping(inputs={**INPUTS, "features.age_s.price": "price_age"})
    instances = [{**instance, "price_age": 86_400} for instance in INSTANCES["instances"]]
    with local_receiver(tmp_path, {"click": mapping}) as receiver:
        exchange(receiver, {"instances": instances}, PREDICTIONS)
        events = predictions(receiver)

    assert [event["features"]["age_s"] for event in events] == [{"price": 86_400}] * 2


def test_a_response_without_its_request_is_kept_without_features(tmp_path: Path) -> None:
    """It counts, and the figures say that the request did not come; a request of another size does not fit."""
    with local_receiver(tmp_path, {"click": MAPPING}) as receiver:
        assert receiver.send(PREDICTIONS, ce_headers(RESPONSE, "a")).status == 202
        exchange(receiver, {"instances": [{"item": 1}]}, PREDICTIONS, "b")
        events = receiver.lines()
        assert receiver.figure("responses_without_request_total") == 2

    assert [event["prediction"]["score"] for event in events] == [0.25, 0.75, 0.25, 0.75]
    assert not any("features" in event or "item" in event for event in events)


def test_a_response_that_overtakes_its_request_gets_its_features(tmp_path: Path) -> None:
    """If the service logs requests, the response waits for the one that is on its way."""
    with local_receiver(tmp_path, {"click": MAPPING}, overtaking=timedelta(minutes=1)) as receiver:
        receiver.send(INSTANCES, ce_headers(REQUEST, "earlier"))
        answers: list[int] = []
        sending = threading.Thread(
            target=lambda: answers.append(receiver.send(PREDICTIONS, ce_headers(RESPONSE, "later")).status)
        )
        sending.start()
        receiver.send(INSTANCES, ce_headers(REQUEST, "later"))
        sending.join()

        assert answers == [202]
        assert [event["item"]["id"] for event in receiver.lines()] == ["14", "15"]


def test_a_service_that_logs_no_requests_never_waits(tmp_path: Path) -> None:
    """A response is written at once: here, a wait would last for an hour."""
    with local_receiver(tmp_path, overtaking=timedelta(hours=1)) as receiver:
        assert receiver.send(PREDICTIONS, ce_headers(RESPONSE)).status == 202
        assert len(receiver.lines()) == 2


def test_requests_are_remembered_in_bounded_memory_and_time(tmp_path: Path) -> None:
    """The oldest go when there is no room, and all go in the end; both is counted."""
    with local_receiver(tmp_path, max_waiting_bytes=8000, wait=timedelta(hours=1)) as receiver:
        for number in range(10):
            receiver.send(INSTANCES, ce_headers(REQUEST, str(number)))
        assert receiver.figure("waiting_bytes") <= 8000
        assert receiver.figure("requests_waiting") == 3
        assert receiver.figure("requests_dropped_total") == 7
    with local_receiver(tmp_path / "short", wait=timedelta(milliseconds=1)) as receiver:
        receiver.send(INSTANCES, ce_headers(REQUEST))
        wait_until(lambda: receiver.figure("requests_without_response_total") == 1)
        assert receiver.figure("requests_waiting") == 0
        assert receiver.lines() == []


@pytest.mark.parametrize("batch", [False, True])
def test_structured_events(tmp_path: Path, batch: bool) -> None:
    """An event may be a JSON object, and several may be a list; data may be in base64."""
    encoded = base64.b64encode(json.dumps(PREDICTIONS).encode()).decode()
    request = {**attributes(REQUEST), "datacontenttype": "application/json", "data": INSTANCES}
    response = {**attributes(RESPONSE), "data_base64": encoded}
    with local_receiver(tmp_path, {"click": MAPPING}) as receiver:
        if batch:
            kind = {"content-type": "application/cloudevents-batch+json; charset=utf-8"}
            answer = receiver.send([response, request], kind)
            assert (answer.status, answer.json) == (202, {"requests": 1, "predictions": 2})
        else:
            kind = {"content-type": "application/cloudevents+json"}
            assert [receiver.send(event, kind).status for event in (request, response)] == [202, 202]
        events = predictions(receiver)

    assert [event["features"]["numeric"]["price"] for event in events] == [2.5, 1.0]


@pytest.mark.parametrize(
    ("mapping", "answer", "expected"),
    [
        ({"column": 1}, {"predictions": [[0.1, 0.9, 0.0]]}, {"score": 0.9}),
        ({"positive_class": "yes"}, {"predictions": [{"no": 0.4, "yes": 0.6}]}, {"score": 0.6}),
        ({"positive_class": "b", "classes": ("a", "b", "c")}, {"predictions": [[0.1, 0.7, 0.2]]}, {"score": 0.7}),
        ({"output": "proba"}, {"predictions": [{"class": 1, "proba": [0.2, 0.8]}]}, {"score": 0.8}),
        ({}, {"outputs": [tensor("p", [0.3, 0.7], [1, 2])]}, {"score": 0.7}),
        (
            {"output": "proba"},
            {"outputs": [tensor("label", [1]), tensor("proba", [[0.3, 0.7]], [1, 2])]},
            {"score": 0.7},
        ),
        ({"activation": "sigmoid"}, {"predictions": [0.0]}, {"score": 0.5}),
        ({"activation": "sigmoid"}, {"predictions": [-1e300]}, {"score": 0.0}),
        ({"activation": "softmax"}, {"predictions": [[0.0, 0.0]]}, {"score": 0.5}),
        ({"kind": "regression"}, {"predictions": [12.5]}, {"value": 12.5}),
        (
            {"kind": "multiclass"},
            {"predictions": [{"a": 0.2, "b": 0.8}]},
            {"class": "b", "scores": {"a": 0.2, "b": 0.8}},
        ),
        ({"kind": "multiclass", "classes": ("x", "y")}, {"predictions": [[0.6, 0.4]]}, {"class": "x"}),
        ({"kind": "multiclass", "classes": ("x", "y")}, {"predictions": [1]}, {"class": "y"}),
        ({"kind": "multiclass"}, {"outputs": [tensor("c", ["cat"], datatype="BYTES")]}, {"class": "cat"}),
    ],
)
def test_a_mapping_says_which_output_is_the_score(
    tmp_path: Path, mapping: dict[str, Any], answer: Any, expected: dict[str, Any]
) -> None:
    """Lists, objects and tensors of probabilities, classes, logits and numbers."""
    with local_receiver(tmp_path, {"shop/click": SourceMapping(**mapping)}) as receiver:
        sent = receiver.send(answer, ce_headers(RESPONSE))
        assert sent.status == 202, sent.json
        (event,) = receiver.lines()

    assert {name: event["prediction"].get(name) for name in expected} == expected


def test_names_versions_lists_and_times_of_the_mapping(tmp_path: Path) -> None:
    """The version comes from the mapping, else from the answer, else from the endpoint."""
    listed = SourceMapping(model="ranker", version="7", threshold=0.2, ranked_list=True, response_time=True)
    with local_receiver(tmp_path, {"default": listed}) as receiver:
        receiver.send(INSTANCES, ce_headers(REQUEST))
        receiver.send(PREDICTIONS, ce_headers(RESPONSE, time="2026-11-25T10:00:00.262000001Z"))
        event, _ = predictions(receiver)
    assert event["model"] == {"name": "ranker", "version": "7"}
    assert (event["prediction"]["label"], event["prediction"]["threshold"]) == (1, 0.2)
    assert (event["ranking"]["rank"], event["ranking"]["size"]) == (2, 2)
    assert event["event"]["duration"] == 12_000_000
    with local_receiver(tmp_path / "v2") as receiver:
        receiver.send({"model_version": "9", "outputs": [tensor("p", [0.5])]}, ce_headers(RESPONSE))
        receiver.send(PREDICTIONS, ce_headers(RESPONSE, "other", endpoint="canary"))
        assert [event["model"]["version"] for event in receiver.lines()] == ["9", "canary", "canary"]


def test_other_components_are_skipped(tmp_path: Path) -> None:
    """A transformer logs the same call again: only the predictor counts."""
    with local_receiver(tmp_path) as receiver:
        answer = receiver.send({"anything": 1}, ce_headers(RESPONSE, component="transformer"))

        assert (answer.status, answer.json) == (202, {"skipped: other component": 1})
        assert receiver.lines() == []


@pytest.mark.parametrize(
    ("body", "headers", "field"),
    [
        ({"predictions": [0.5, "high"]}, {}, "predictions[1]"),
        ({"predictions": [1.5]}, {}, "predictions[0]"),
        ({"predictions": [[0.1, 0.2, 0.7]]}, {}, "predictions[0]"),
        ({"predictions": [{"a": 0.1, "b": 0.9}]}, {}, "predictions[0]"),
        ({"predictions": []}, {}, "predictions"),
        ({"predictions": [0.5] * 5000}, {}, "predictions"),
        ({"explanations": []}, {}, "the body"),
        ([], {}, "the body"),
        (b"{", {}, "the body"),
        (b'{"predictions": [NaN]}', {}, "the body"),
        ({"outputs": [tensor("a", [0.5]), tensor("b", [0.5])]}, {}, "outputs"),
        ({"outputs": [tensor("a", [0.5], [2])]}, {}, "outputs[0].data"),
        ({"outputs": [tensor("a", [0.5], [-1])]}, {}, "outputs[0].shape"),
        ({"outputs": [{**tensor("a", [0.5]), "name": 5}]}, {}, "outputs[0].name"),
        (
            {"outputs": [{"name": "a", "shape": [1], "datatype": "FP32", "parameters": {"binary_data_size": 4}}]},
            {},
            "outputs[0].parameters.binary_data_size",
        ),
        (PREDICTIONS, {"id": ""}, "ce-id"),
        (PREDICTIONS, {"time": ""}, "ce-time"),
        (PREDICTIONS, {"time": "yesterday"}, "ce-time"),
        (PREDICTIONS, {"time": "2999-01-01T00:00:00Z"}, "ce-time"),
        (PREDICTIONS, {"specversion": "0.3"}, "ce-specversion"),
        (PREDICTIONS, {"type": "dev.knative.ping"}, "ce-type"),
        (PREDICTIONS, {"endpoint": "all"}, "the version"),
    ],
)
def test_a_wrong_event_is_refused_with_the_path_of_its_field(
    tmp_path: Path, body: Any, headers: dict[str, str], field: str
) -> None:
    """Nothing is written, and the service's log is not filled."""
    with local_receiver(tmp_path) as receiver:
        changed = dict(headers)
        role = changed.pop("type", RESPONSE)
        answer = receiver.send(body, ce_headers(role, changed.pop("id", "7b1c"), changed.pop("time", TIME), **changed))

        assert (answer.status, answer.json["error"]["field"]) == (400, field), answer.json
        assert receiver.lines() == []


def test_a_wrong_input_is_refused_with_its_path(tmp_path: Path) -> None:
    """An input that the mapping calls a number must be one; the response then counts without features."""
    with local_receiver(tmp_path, {"click": MAPPING}) as receiver:
        wrong = {"instances": [{"item": 1, "price": 1}, {"item": 2, "price": "cheap"}]}
        answer = receiver.send(wrong, ce_headers(REQUEST))

        assert (answer.status, answer.json["error"]["field"]) == (400, "instances[1].price")
        assert receiver.send(PREDICTIONS, ce_headers(RESPONSE)).status == 202
        assert [event["prediction"]["score"] for event in receiver.lines()] == [0.25, 0.75]
