"""The events follow the contracts."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import orjson
import pytest

from model_server import events
from model_server.batching import InstanceScore
from model_server.feedback_request import ClientFeedback
from model_server.json_object import JsonObject
from model_server.predict_request import Features, PredictInstance, PredictRequest, Ranking, RequestContext
from monitor_agent.contracts import uuid7
from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.request_error import ERRORS
from tests.dry_pipeline import document_of
from tests.unit.model_server.factories import KEY, NOW, make_call, make_origin, make_pseudonym, make_reader

TEXT = make_reader().read(JsonObject({"text_a": "red", "text_b": "hat"}, "", ("text_a", "text_b")))
FULL = PredictInstance(
    TEXT,
    item_id="79",
    position=2,
    propensity=0.25,
    features=Features({"price": 1.5}, {"brand": "b"}, {"colour": "red"}),
    shadow=True,
)
CONTEXT = RequestContext("session-1", "user-1", "red hat", {"scene": "search"})


def make_predictions(
    *instances: PredictInstance,
    scores: tuple[float, ...] = (0.5,),
    context: RequestContext = CONTEXT,
    query_text: bool = False,
) -> list[events.PredictionAnswer]:
    computed = [InstanceScore(score, queue_time=11, compute_time=22, batch_size=3) for score in scores]
    request = PredictRequest(list(instances), context, single=False)
    predictions = events.predictions(
        request, computed, make_call(), make_origin(), 99, make_pseudonym(), query_text=query_text
    )
    for number, prediction in enumerate(predictions):
        prediction.event["event"] |= {"created": events.iso(NOW), "sequence": number}
    return predictions


def leaves(document: Any, prefix: str = "") -> dict[str, Any]:
    """Return the values of a document by their dotted names."""
    if not isinstance(document, dict):
        return {prefix: document}
    return {
        name: value
        for key, child in document.items()
        for name, value in leaves(child, f"{prefix}.{key}" if prefix else key).items()
    }


def unknown(event: events.Event, contract: IndexContract) -> set[str]:
    """Return the fields of an event that are not in its contract."""
    opened = tuple(f"{name}." for name, entry in contract.fields.items() if entry.type in {"object", "flattened"})
    return {name for name in leaves(event) if name not in contract.fields and not name.startswith(opened)}


def of_server(contract: IndexContract) -> set[str]:
    """Return the fields of a contract's sample that this server writes: all but those of the pipeline."""
    return set(leaves(contract.sample)) - {"event.ingested", "log.file.path", "host.name"}


def test_a_prediction_has_the_fields_of_its_contract() -> None:
    """A full request gives an event with fields of the mapping only, and with all fields of the sample."""
    event = make_predictions(FULL, query_text=True)[0].event

    assert unknown(event, PREDICTIONS) == set()
    named = {name for name in leaves(event) if not name.startswith("features.")}
    assert {name for name in of_server(PREDICTIONS) if not name.startswith("features.")} <= named


def test_a_prediction_event_matches_the_answer() -> None:
    """Id, score, label, rank and times are those of the answer; the id holds the event's time."""
    (prediction,) = make_predictions(FULL)
    event = prediction.event

    assert event["event"]["id"] == event["prediction"]["id"] == prediction.id
    assert uuid7.time_of(prediction.id) == NOW.replace(microsecond=123000)
    assert event["@timestamp"] == "2026-11-23T10:00:00.123456Z"
    assert event["prediction"] == {
        "id": prediction.id,
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


def test_people_are_pseudonymous() -> None:
    """Ids and query appear only as HMAC-SHA256; the text of the query only if the settings allow it."""
    event = make_predictions(FULL)[0].event

    for name, text in (("session.id", "session-1"), ("user.id", "user-1"), ("query.hash", "red hat")):
        assert leaves(event)[name] == hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
        assert text.encode() not in orjson.dumps(event)
    assert make_predictions(FULL, query_text=True)[0].event["query"]["text"] == "red hat"


def test_details_that_a_request_lacks_are_absent() -> None:
    """An event has no empty objects and no nulls."""
    event = make_predictions(PredictInstance(TEXT), context=RequestContext())[0].event

    assert not {"labels", "session", "user", "query", "item", "features"} & set(event)
    assert None not in leaves(event).values()


def test_the_best_score_has_rank_1() -> None:
    """Ranks follow the score within the request; equal scores keep their order."""
    predictions = make_predictions(*[PredictInstance(TEXT)] * 4, scores=(0.2, 0.9, 0.2, 0.4))

    assert [prediction.rank for prediction in predictions] == [3, 1, 4, 2]
    assert [prediction.outcome["label"] for prediction in predictions] == [0, 1, 0, 0]
    assert {prediction.event["prediction"]["request_size"] for prediction in predictions} == {4}
    assert len({prediction.id for prediction in predictions}) == 4


def test_a_request_of_several_instances_is_a_ranked_list() -> None:
    """Its items are ranked by their scores; a single instance has no ranking."""
    predictions = make_predictions(*[PredictInstance(TEXT)] * 2, scores=(0.2, 0.9))

    (request_id,) = {prediction.event["http"]["request"]["id"] for prediction in predictions}
    assert [prediction.event["ranking"] for prediction in predictions] == [
        {"id": request_id, "rank": 2, "size": 2},
        {"id": request_id, "rank": 1, "size": 2},
    ]
    assert "ranking" not in make_predictions(PredictInstance(TEXT))[0].event


def test_a_client_may_score_the_items_of_a_list_one_by_one() -> None:
    """The client's ranking is logged unchanged; the rank within the request stays."""
    (prediction,) = make_predictions(PredictInstance(TEXT, ranking=Ranking("page-7", 3, 5)))

    assert prediction.event["ranking"] == {"id": "page-7", "rank": 3, "size": 5}
    assert (prediction.rank, prediction.event["prediction"]["rank"]) == (1, 1)


@pytest.mark.parametrize(("score", "loss_1", "loss_0"), [(0.0, 16.118095651, 1e-7), (1.0, 1e-7, 16.118095651)])
def test_a_certain_score_has_a_finite_loss(score: float, loss_1: float, loss_0: float) -> None:
    """Probabilities are clipped at 1e-7 before the logarithm."""
    losses = events.log_losses(score)

    assert losses["log_loss_1"] == pytest.approx(loss_1, rel=1e-6)
    assert losses["log_loss_0"] == pytest.approx(loss_0, rel=1e-6)


def test_the_event_has_the_client_s_time() -> None:
    """If the instance has a time, the event and its id have it."""
    moment = datetime(2019, 11, 24, 0, 0, 0, 250000, tzinfo=timezone.utc)

    (prediction,) = make_predictions(PredictInstance(TEXT, timestamp=moment))

    assert prediction.event["@timestamp"] == "2019-11-24T00:00:00.250000Z"
    assert uuid7.time_of(prediction.id) == moment


def test_feedback_has_the_fields_of_its_contract() -> None:
    """The event has prediction, type, label and value, and the status `new`."""
    purchase = ClientFeedback("p1", NOW - timedelta(days=1), "purchase", label=1, value=12.5, event_id="e1")

    event = events.feedback(purchase, make_call(), make_origin())
    event["event"] |= {"created": events.iso(NOW), "sequence": 1}

    assert unknown(event, FEEDBACK) == set()
    assert of_server(FEEDBACK) <= set(leaves(event))
    assert event["event"]["id"] == "e1"
    assert event["prediction"] == {"id": "p1", "timestamp": "2026-11-22T10:00:00.123456Z"}
    assert event["feedback"] == {"type": "purchase", "status": "new", "label": 1, "value": 12.5}


def test_feedback_on_an_id_without_a_time_has_its_own_time() -> None:
    """If the prediction's id holds no time, the feedback's time counts; a missing event id is created."""
    event = events.feedback(ClientFeedback("p1", None, "click"), make_call(), make_origin())

    assert event["prediction"]["timestamp"] == event["@timestamp"] == "2026-11-23T10:00:00.123456Z"
    assert uuid7.time_of(event["event"]["id"]) == NOW.replace(microsecond=123000)
    assert event["feedback"] == {"type": "click", "status": "new"}


@pytest.mark.parametrize(("status", "level"), [(400, "warning"), (413, "warning"), (500, "error"), (503, "error")])
def test_an_error_has_the_fields_of_its_contract(status: int, level: str) -> None:
    """The event has status, type, path and reason, cut to a length that fits a line."""
    event = events.request_error(make_call(path="/x" * 999), make_origin(), 7, status, "SomeError", "why " * 999)
    event["event"] |= {"created": events.iso(NOW), "sequence": 1}

    assert unknown(event, ERRORS) == set()
    assert of_server(ERRORS) <= set(leaves(event))
    assert (event["event"]["outcome"], event["log"]["level"]) == ("failure", level)
    assert event["http"] == {"request": {"id": "r1"}, "response": {"status_code": status}}
    assert len(orjson.dumps(event)) < 4096


@pytest.mark.parametrize(("score", "label"), [(0.7, 1), (0.69999993, 0)])
def test_a_score_is_compared_with_the_threshold_as_float32(score: float, label: int) -> None:
    """A float32 of 0.7 is 0.699999988; NumPy and TensorFlow say that it is at the threshold 0.7."""
    request = PredictRequest([PredictInstance(TEXT)], RequestContext(), single=True)
    computed = InstanceScore(float(np.float32(score)), 1, 1, 1)

    (answer,) = events.predictions(
        request, [computed], make_call(), make_origin(threshold=0.7), 1, make_pseudonym(), query_text=False
    )

    assert answer.outcome["label"] == answer.event["prediction"]["label"] == label


@pytest.mark.parametrize(
    ("origin", "computed", "outcome"),
    [
        (
            {"kind": "multiclass", "classes": ("boots", "hats")},
            InstanceScore(0.75, 1, 1, 1, (0.25, 0.75)),
            {"class": "hats", "scores": {"boots": 0.25, "hats": 0.75}},
        ),
        ({"kind": "regression"}, InstanceScore(12.5, 1, 1, 1), {"value": 12.5}),
    ],
)
def test_predictions_of_other_kinds_are_logged_as_the_contract_says(
    origin: dict[str, Any], computed: InstanceScore, outcome: dict[str, Any]
) -> None:
    """The pipeline accepts the line, and the fields of a binary prediction are absent."""
    request = PredictRequest([PredictInstance(TEXT)], RequestContext(), single=True)

    (answer,) = events.predictions(
        request, [computed], make_call(), make_origin(**origin), 1, make_pseudonym(), query_text=False
    )

    assert answer.outcome == outcome
    assert answer.event["prediction"].items() >= {"kind": origin["kind"], **outcome}.items()
    assert not {"label", "score", "threshold", "log_loss_1"} & set(answer.event["prediction"])
    document = document_of(answer.event | {"event": answer.event["event"] | {"created": "2026-11-23T10:00:00Z"}})
    assert document["prediction"].items() >= outcome.items()
    assert "error" not in document
