"""The events follow the contracts."""

from __future__ import annotations

import hashlib
import hmac
import math
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor_agent.contracts import uuid7
from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.request_error import ERRORS
from monitor_agent.prediction_log import (
    Features,
    FeedbackRecord,
    PredictionAnswer,
    Ranking,
    ReleaseChange,
    RequestFailure,
    ScoredRequest,
    ServiceLog,
    VersionAssignment,
)
from monitor_agent.prediction_log.records import RequestContext
from tests.dry_pipeline import document_of
from tests.unit.monitor_agent.prediction_log.factories import (
    KEY,
    NOW,
    ScoredInstance,
    lines_in,
    make_call,
    make_log,
    make_origin,
    make_prediction_log,
)

FULL = ScoredInstance(
    item_id="79",
    position=2,
    propensity=0.25,
    features=Features({"price": 1.5}, {"brand": "b"}, {"colour": "red"}),
    shadow=True,
)
CONTEXT = RequestContext("session-1", "user-1", "red hat", {"scene": "search"})
Event = dict[str, Any]


def make_predictions(
    folder: Path,
    *instances: ScoredInstance,
    context: RequestContext = CONTEXT,
    request: dict[str, Any] | None = None,
    **options: Any,
) -> tuple[list[PredictionAnswer], list[Event]]:
    """Return the answers and the events of one request."""
    options = {"service_name": "model-server", "service_version": "0.1.0", **options}
    with make_prediction_log(folder, **options) as log:
        scored = ScoredRequest(make_call(), context, 99, **(request or {}))
        answers = log.write_scored(scored, instances, instances)
    return answers, lines_in(folder)


def leaves(document: Any, prefix: str = "") -> dict[str, Any]:
    """Return the values of a document by their dotted names."""
    if not isinstance(document, dict):
        return {prefix: document}
    return {
        name: value
        for key, child in document.items()
        for name, value in leaves(child, f"{prefix}.{key}" if prefix else key).items()
    }


def unknown(event: Event, contract: IndexContract) -> set[str]:
    """Return the fields of an event that are not in its contract."""
    opened = tuple(f"{name}." for name, entry in contract.fields.items() if entry.type in {"object", "flattened"})
    return {name for name in leaves(event) if name not in contract.fields and not name.startswith(opened)}


def of_server(contract: IndexContract) -> set[str]:
    """Return the fields of a contract's sample that a server writes: all but those of the pipeline."""
    return set(leaves(contract.sample)) - {"event.ingested", "log.file.path", "host.name"}


def test_a_prediction_has_the_fields_of_its_contract(tmp_path: Path) -> None:
    """A full request gives an event with fields of the mapping only, and with all fields of the sample."""
    _, (event,) = make_predictions(tmp_path, FULL, log_query_text=True)

    assert unknown(event, PREDICTIONS) == set()
    named = {name for name in leaves(event) if not name.startswith("features.")}
    assert {name for name in of_server(PREDICTIONS) if not name.startswith("features.")} <= named


def test_a_prediction_event_matches_the_answer(tmp_path: Path) -> None:
    """Id, score, label, rank and times are those of the answer; the id holds the event's time."""
    (answer,), (event,) = make_predictions(tmp_path, FULL)

    assert event["event"]["id"] == event["prediction"]["id"] == answer.id
    assert uuid7.time_of(answer.id) == NOW.replace(microsecond=123000)
    assert event["@timestamp"] == "2026-11-23T10:00:00.123456Z"
    assert event["prediction"] == {
        "id": answer.id,
        "score": 0.5,
        "label": 1,
        "threshold": 0.5,
        "rank": 1,
        "request_size": 1,
        "batch_size": 3,
        "log_loss_1": 0.6931471805599453,
        "log_loss_0": 0.6931471805599453,
        "shadow": True,
        "propensity": 0.25,
        "queue_time": 11,
        "compute_time": 22,
    }
    assert (event["event"]["duration"], event["item"]) == (99, {"id": "79", "position": 2})
    assert (event["trace"], event["span"]) == ({"id": "a" * 32}, {"id": "b" * 16})
    assert event["features"] == {"numeric": {"price": 1.5}, "categorical": {"brand": "b"}, "other": {"colour": "red"}}


def test_people_are_pseudonymous(tmp_path: Path) -> None:
    """Ids and query appear only as HMAC-SHA256; the text of the query only if the settings allow it."""
    _, (event,) = make_predictions(tmp_path / "pseudonyms", FULL)
    (file,) = (tmp_path / "pseudonyms").glob("*.ndjson")

    for name, text in (("session.id", "session-1"), ("user.id", "user-1"), ("query.hash", "red hat")):
        assert leaves(event)[name] == hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
        assert text not in file.read_text()
    _, (event,) = make_predictions(tmp_path / "text", FULL, log_query_text=True)
    assert event["query"]["text"] == "red hat"


def test_details_that_a_request_lacks_are_absent(tmp_path: Path) -> None:
    """An event has no empty objects and no nulls."""
    bare = ScoredInstance(queue_time=None, compute_time=None, batch_size=None)
    _, (event,) = make_predictions(tmp_path, bare, context=RequestContext(), service_version="")

    assert not {"labels", "session", "user", "query", "item", "features"} & set(event)
    assert not {None, ""} & set(leaves(event).values())


def test_the_best_score_has_rank_1(tmp_path: Path) -> None:
    """Ranks follow the score within the request; equal scores keep their order."""
    answers, events = make_predictions(tmp_path, *(ScoredInstance(score) for score in (0.2, 0.9, 0.2, 0.4)))

    assert [answer.rank for answer in answers] == [3, 1, 4, 2]
    assert [answer.outcome["label"] for answer in answers] == [0, 1, 0, 0]
    assert {event["prediction"]["request_size"] for event in events} == {4}
    assert len({answer.id for answer in answers}) == 4


def test_a_request_of_several_instances_is_a_ranked_list(tmp_path: Path) -> None:
    """Its items are ranked by their scores; a single instance has no ranking, nor have instances that are no list."""
    pair = (ScoredInstance(0.2), ScoredInstance(0.9))
    _, events = make_predictions(tmp_path / "list", *pair)

    (request_id,) = {event["http"]["request"]["id"] for event in events}
    assert [event["ranking"] for event in events] == [
        {"id": request_id, "rank": 2, "size": 2},
        {"id": request_id, "rank": 1, "size": 2},
    ]
    _, alone = make_predictions(tmp_path / "one", ScoredInstance())
    _, unranked = make_predictions(tmp_path / "batch", *pair, request={"is_list": False})
    assert not any("ranking" in event for event in (*alone, *unranked))


def test_a_client_may_score_the_items_of_a_list_one_by_one(tmp_path: Path) -> None:
    """The client's ranking is logged unchanged; the rank within the request stays."""
    (answer,), (event,) = make_predictions(tmp_path, ScoredInstance(ranking=Ranking("page-7", 3, 5)))

    assert event["ranking"] == {"id": "page-7", "rank": 3, "size": 5}
    assert (answer.rank, event["prediction"]["rank"]) == (1, 1)


def test_a_shadow_version_names_the_primary_prediction(tmp_path: Path) -> None:
    """Its event has the id of the prediction that the client got, the engine, and the assignment of the request."""
    more = {"primary_ids": ("p1",), "assignment": VersionAssignment("canary", "user", 0.1)}

    _, (event,) = make_predictions(tmp_path, ScoredInstance(), request=more, engine="litert")

    assert event["prediction"]["shadow"] is True
    assert event["prediction"]["primary_id"] == "p1"
    assert event["prediction"]["engine"] == "litert"
    assert event["prediction"]["assignment"] == {"name": "canary", "unit": "user", "propensity": 0.1}


@pytest.mark.parametrize(("score", "loss_1", "loss_0"), [(0.0, 16.118095651, 1e-7), (1.0, 1e-7, 16.118095651)])
def test_a_certain_score_has_a_finite_loss(tmp_path: Path, score: float, loss_1: float, loss_0: float) -> None:
    """Probabilities are clipped at 1e-7 before the logarithm."""
    _, (event,) = make_predictions(tmp_path, ScoredInstance(score))

    assert event["prediction"]["log_loss_1"] == pytest.approx(loss_1, rel=1e-6)
    assert event["prediction"]["log_loss_0"] == pytest.approx(loss_0, rel=1e-6)


def test_the_event_has_the_client_s_time(tmp_path: Path) -> None:
    """If the instance has a time, the event and its id have it."""
    moment = datetime(2019, 11, 24, 0, 0, 0, 250000, tzinfo=timezone.utc)

    answers, events = make_predictions(tmp_path, ScoredInstance(timestamp=moment), ScoredInstance())

    assert [event["@timestamp"] for event in events] == ["2019-11-24T00:00:00.250000Z", "2026-11-23T10:00:00.123456Z"]
    assert [uuid7.time_of(answer.id) for answer in answers] == [moment, NOW.replace(microsecond=123000)]


@pytest.mark.parametrize(("score", "label"), [(0.7, 1), (0.69999993, 0)])
def test_a_score_is_compared_with_the_threshold_as_float32(tmp_path: Path, score: float, label: int) -> None:
    """A float32 of 0.7 is 0.699999988; NumPy and TensorFlow say that it is at the threshold 0.7."""
    (answer,), (event,) = make_predictions(tmp_path, ScoredInstance(float(np.float32(score))), threshold=0.7)

    assert answer.outcome["label"] == event["prediction"]["label"] == label
    assert event["prediction"]["threshold"] == 0.7


@pytest.mark.parametrize(
    ("options", "instance", "outcome"),
    [
        (
            {"kind": "multiclass", "classes": ("boots", "hats")},
            ScoredInstance(0.75, classes=(0.25, 0.75)),
            {"class": "hats", "scores": {"boots": 0.25, "hats": 0.75}},
        ),
        ({"kind": "regression"}, ScoredInstance(12.5), {"value": 12.5}),
    ],
)
def test_predictions_of_other_kinds_are_logged_as_the_contract_says(
    tmp_path: Path, options: dict[str, Any], instance: ScoredInstance, outcome: dict[str, Any]
) -> None:
    """The pipeline accepts the line, and the fields of a binary prediction are absent."""
    (answer,), (event,) = make_predictions(tmp_path, instance, **options)

    assert answer.outcome == outcome
    assert event["prediction"].items() >= {"kind": options["kind"], **outcome}.items()
    assert not {"label", "score", "threshold", "log_loss_1"} & set(event["prediction"])
    document = document_of(event)
    assert document["prediction"].items() >= outcome.items()
    assert "error" not in document


def test_feedback_has_the_fields_of_its_contract(tmp_path: Path) -> None:
    """The event has prediction, type, label and value, and the status `new`."""
    purchase = FeedbackRecord("p1", NOW - timedelta(days=1), "purchase", label=1, value=12.5, event_id="e1")
    log = make_prediction_log(tmp_path, service_version="0.1.0")

    assert log.write_feedback([purchase], make_call()) == ["e1"]

    (event,) = lines_in(tmp_path)
    assert unknown(event, FEEDBACK) == set()
    assert of_server(FEEDBACK) <= set(leaves(event))
    assert event["event"]["id"] == "e1"
    assert event["prediction"] == {"id": "p1", "timestamp": "2026-11-22T10:00:00.123456Z"}
    assert event["feedback"] == {"type": "purchase", "status": "new", "label": 1, "value": 12.5}


def test_feedback_on_an_id_without_a_time_has_its_own_time(tmp_path: Path) -> None:
    """If the prediction's id holds no time, the feedback's time counts; a missing event id is created."""
    make_prediction_log(tmp_path).write_feedback([FeedbackRecord("p1", None, "click")] * 2, make_call())

    event, later = lines_in(tmp_path)
    assert event["prediction"]["timestamp"] == event["@timestamp"] == "2026-11-23T10:00:00.123456Z"
    assert later["@timestamp"] == "2026-11-23T10:00:00.123457Z"
    assert uuid7.time_of(event["event"]["id"]) == NOW.replace(microsecond=123000)
    assert event["feedback"] == {"type": "click", "status": "new"}


@pytest.mark.parametrize(("status", "level"), [(400, "warning"), (413, "warning"), (500, "error"), (503, "error")])
def test_an_error_has_the_fields_of_its_contract(tmp_path: Path, status: int, level: str) -> None:
    """The event has status, type, path and reason, cut to a length that fits a line."""
    failure = RequestFailure(7, status, "SomeError", "why " * 999)
    log = make_prediction_log(tmp_path, service_version="0.1.0")

    log.write_error(make_call(path="/x" * 999), failure)

    (event,) = lines_in(tmp_path)
    assert unknown(event, ERRORS) == set()
    assert of_server(ERRORS) <= set(leaves(event))
    assert (event["event"]["outcome"], event["log"]["level"]) == ("failure", level)
    assert event["http"] == {"request": {"id": "r1"}, "response": {"status_code": status}}
    assert log.log.path.stat().st_size < 4096


def test_an_error_whose_labels_are_too_long_is_logged_without_them(tmp_path: Path) -> None:
    """A control character takes six bytes in JSON."""
    labels = {f"label{number}": "\x01" * 256 for number in range(30)}

    make_prediction_log(tmp_path).write_error(make_call(labels=labels), RequestFailure(7, 400, "SomeError", "why"))

    (event,) = lines_in(tmp_path)
    assert "labels" not in event
    assert event["event"]["sequence"] == 1


def test_feedback_and_errors_may_name_no_model(tmp_path: Path) -> None:
    """A server of several models does not know the model of a prediction's id; the pipeline accepts the lines."""
    log = ServiceLog(make_log(tmp_path), make_origin(model_name="", model_version=""))

    log.write_feedback([FeedbackRecord("p1", None, "click")], make_call())
    log.write_error(make_call(), RequestFailure(7, 404, "NoSuchModelError", "why"))

    events = lines_in(tmp_path)
    assert not any("model" in event for event in events)
    assert not any("error" in document_of(event) for event in events[:1])
    assert document_of(events[1])["error"]["type"] == "NoSuchModelError"


@pytest.mark.parametrize(("succeeded", "level"), [(True, "info"), (False, "error")])
def test_a_release_says_what_the_server_did(tmp_path: Path, succeeded: bool, level: str) -> None:
    """The event has action, outcome, reason, duration, the model and its labels afterwards."""
    change = ReleaseChange("version-refused", "click", "8", succeeded, "the output is nan", 17, ("canary",))

    ServiceLog(make_log(tmp_path), make_origin(model_name="", model_version="")).write_release(change)

    (event,) = lines_in(tmp_path)
    assert (event["event"]["dataset"], event["event"]["action"]) == ("model.release", "version-refused")
    assert (event["event"]["outcome"] == "success", event["log"]["level"]) == (succeeded, level)
    assert (event["event"]["reason"], event["event"]["duration"]) == ("the output is nan", 17)
    assert event["model"] == {"name": "click", "version": "8"}
    assert event["release"] == {"labels": ["canary"]}
    assert event["message"] == "version refused"
    assert math.isclose(uuid7.time_of(event["event"]["id"]).timestamp(), NOW.timestamp(), abs_tol=0.001)
