"""Events as the contracts describe them."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta, timezone
from typing import Any

import orjson
import pytest

from model_server import events
from model_server.batching import InstanceScore
from model_server.feedback_request import ClientFeedback
from model_server.predict_request import Features, PredictInstance, PredictRequest, Ranking, RequestContext, TextPair
from monitor_agent.contracts import uuid7
from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.request_error import ERRORS
from tests.unit.model_server.factories import KEY, NOW, make_call, make_origin, make_pseudonym

TEXT = TextPair("red", "hat")
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
    scored = [InstanceScore(score, queue_time=11, compute_time=22, batch_size=3) for score in scores]
    request = PredictRequest(list(instances), context, single=False)
    made = events.predictions(request, scored, make_call(), make_origin(), 99, make_pseudonym(), query_text=query_text)
    for number, each in enumerate(made):
        each.event["event"] |= {"created": events.iso(NOW), "sequence": number}
    return made


def leaves(document: Any, prefix: str = "") -> dict[str, Any]:
    """Return dotted name -> value of everything in a document."""
    if not isinstance(document, dict):
        return {prefix: document}
    return {
        name: value
        for key, part in document.items()
        for name, value in leaves(part, f"{prefix}.{key}" if prefix else key).items()
    }


def unknown(event: events.Event, contract: IndexContract) -> set[str]:
    """Return the fields of an event that its contract does not have."""
    opened = tuple(f"{name}." for name, entry in contract.fields.items() if entry.type in {"object", "flattened"})
    return {name for name in leaves(event) if name not in contract.fields and not name.startswith(opened)}


def of_server(contract: IndexContract) -> set[str]:
    """Return the fields of a contract's sample that this server writes: all but those of the pipeline."""
    return set(leaves(contract.sample)) - {"event.ingested", "log.file.path", "host.name"}


def test_a_prediction_has_the_fields_of_its_contract() -> None:
    """Whatever a request carries, the event has only fields of the mapping, and all of the sample."""
    event = make_predictions(FULL, query_text=True)[0].event

    assert unknown(event, PREDICTIONS) == set()
    named = {name for name in leaves(event) if not name.startswith("features.")}
    assert {name for name in of_server(PREDICTIONS) if not name.startswith("features.")} <= named


def test_a_prediction_says_what_was_answered() -> None:
    """Id, score, label, rank and times are those of the answer; the id tells the event's own time."""
    (made,) = make_predictions(FULL)
    event = made.event

    assert event["event"]["id"] == event["prediction"]["id"] == made.id
    assert uuid7.time_of(made.id) == NOW.replace(microsecond=123000)
    assert event["@timestamp"] == "2026-11-23T10:00:00.123456Z"
    assert event["prediction"] == {
        "id": made.id,
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
    """Ids and query appear as HMAC-SHA256 only; the query's text only where it is allowed."""
    event = make_predictions(FULL)[0].event

    for name, text in (("session.id", "session-1"), ("user.id", "user-1"), ("query.hash", "red hat")):
        assert leaves(event)[name] == hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
        assert text.encode() not in orjson.dumps(event)
    assert make_predictions(FULL, query_text=True)[0].event["query"]["text"] == "red hat"


def test_what_a_request_does_not_say_is_absent() -> None:
    """No empty objects, no nulls."""
    event = make_predictions(PredictInstance(TEXT), context=RequestContext())[0].event

    assert not {"labels", "session", "user", "query", "item", "features"} & set(event)
    assert None not in leaves(event).values()


def test_the_best_score_has_rank_1() -> None:
    """Ranks follow the score within the request; equal scores keep their order."""
    made = make_predictions(*[PredictInstance(TEXT)] * 4, scores=(0.2, 0.9, 0.2, 0.4))

    assert [each.rank for each in made] == [3, 1, 4, 2]
    assert [each.label for each in made] == [0, 1, 0, 0]
    assert {each.event["prediction"]["request_size"] for each in made} == {4}
    assert len({each.id for each in made}) == 4


def test_a_request_of_several_instances_is_a_ranked_list() -> None:
    """Its items are ranked by their scores; one instance alone is ranked among nothing."""
    made = make_predictions(*[PredictInstance(TEXT)] * 2, scores=(0.2, 0.9))

    (request_id,) = {each.event["http"]["request"]["id"] for each in made}
    assert [each.event["ranking"] for each in made] == [
        {"id": request_id, "rank": 2, "size": 2},
        {"id": request_id, "rank": 1, "size": 2},
    ]
    assert "ranking" not in make_predictions(PredictInstance(TEXT))[0].event


def test_a_list_may_be_scored_one_call_each() -> None:
    """What the client says of the list is logged as it is; the rank within the request stays."""
    (made,) = make_predictions(PredictInstance(TEXT, ranking=Ranking("page-7", 3, 5)))

    assert made.event["ranking"] == {"id": "page-7", "rank": 3, "size": 5}
    assert (made.rank, made.event["prediction"]["rank"]) == (1, 1)


@pytest.mark.parametrize(("score", "loss_1", "loss_0"), [(0.0, 16.118095651, 1e-7), (1.0, 1e-7, 16.118095651)])
def test_a_certain_score_has_a_finite_loss(score: float, loss_1: float, loss_0: float) -> None:
    """Probabilities are clipped at 1e-7 before the logarithm."""
    losses = events.log_losses(score)

    assert losses["log_loss_1"] == pytest.approx(loss_1, rel=1e-6)
    assert losses["log_loss_0"] == pytest.approx(loss_0, rel=1e-6)


def test_a_client_s_time_is_the_event_s() -> None:
    """Where the instance tells a time, the event and its id have it."""
    moment = datetime(2019, 11, 24, 0, 0, 0, 250000, tzinfo=timezone.utc)

    (made,) = make_predictions(PredictInstance(TEXT, timestamp=moment))

    assert made.event["@timestamp"] == "2019-11-24T00:00:00.250000Z"
    assert uuid7.time_of(made.id) == moment


def test_feedback_has_the_fields_of_its_contract() -> None:
    """The event names prediction, type and what was told of it, and is new."""
    said = ClientFeedback("p1", NOW - timedelta(days=1), "purchase", label=1, value=12.5, event_id="e1")

    event = events.feedback(said, make_call(), make_origin())
    event["event"] |= {"created": events.iso(NOW), "sequence": 1}

    assert unknown(event, FEEDBACK) == set()
    assert of_server(FEEDBACK) <= set(leaves(event))
    assert event["event"]["id"] == "e1"
    assert event["prediction"] == {"id": "p1", "timestamp": "2026-11-22T10:00:00.123456Z"}
    assert event["feedback"] == {"type": "purchase", "status": "new", "label": 1, "value": 12.5}


def test_feedback_on_an_id_made_elsewhere_has_its_own_time() -> None:
    """An id that tells no time leaves the feedback's own; an absent event id is made."""
    event = events.feedback(ClientFeedback("p1", None, "click"), make_call(), make_origin())

    assert event["prediction"]["timestamp"] == event["@timestamp"] == "2026-11-23T10:00:00.123456Z"
    assert uuid7.time_of(event["event"]["id"]) == NOW.replace(microsecond=123000)
    assert event["feedback"] == {"type": "click", "status": "new"}


@pytest.mark.parametrize(("status", "level"), [(400, "warning"), (413, "warning"), (500, "error"), (503, "error")])
def test_an_error_has_the_fields_of_its_contract(status: int, level: str) -> None:
    """The event says status, type, place and reason, cut to a length that fits a line."""
    event = events.request_error(make_call(path="/x" * 999), make_origin(), 7, status, "SomeError", "why " * 999)
    event["event"] |= {"created": events.iso(NOW), "sequence": 1}

    assert unknown(event, ERRORS) == set()
    assert of_server(ERRORS) <= set(leaves(event))
    assert (event["event"]["outcome"], event["log"]["level"]) == ("failure", level)
    assert event["http"] == {"request": {"id": "r1"}, "response": {"status_code": status}}
    assert len(orjson.dumps(event)) < 4096
