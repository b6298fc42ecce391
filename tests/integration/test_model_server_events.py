"""Elasticsearch accepts the events of the server with the strict mappings of the contracts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from model_server.batch_tickets import InstanceScore
from model_server.predict_request import PredictParser
from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.request_error import ERRORS
from monitor_agent.prediction_log import FeedbackRecord, RequestFailure, ScoredRequest
from monitor_agent.settings import ServerSettings
from tests.cluster import Cluster
from tests.unit.model_server.factories import IDS, TEXTS, make_reader
from tests.unit.monitor_agent.prediction_log.factories import NOW, lines_in, make_call, make_prediction_log

SETTINGS = ServerSettings(
    labels=("scene",), numeric_features=("price",), categorical_features=("brand",), log_other_features=True
)
FEATURES = {"price": 1.5, "brand": "b" * 1000, "colour": "r" * 1000, "a.b": 1, "a": "ü", "size of shoe": 4.5}
BODY = {
    "instances": [IDS, {**TEXTS, "item_id": "ä" * 256, "position": 1, "propensity": 1e-9, "features": FEATURES}],
    "context": {"session_id": "s", "user_id": "u", "query": "q" * 4096, "labels": {"scene": "ä" * 256}},
}


def index(cluster: Cluster, contract: IndexContract, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Create the lines in an index of their contract; return the documents of a search."""
    with cluster.client() as client:
        name = contract.index_for(NOW)
        client.indices.create(index=name, mappings=contract.mapping())
        for line in lines:
            client.create(index=name, id=line["event"]["id"], document=line)
        client.indices.refresh(index=name)
        return [hit["_source"] for hit in client.search(index=name, sort=["event.sequence"])["hits"]["hits"]]


def test_predictions_are_accepted(clean_indices: Cluster, tmp_path: Path) -> None:
    """A request that passes the server's checks is indexed: long texts, odd names, all types of features."""
    request = PredictParser(SETTINGS, make_reader()).parse(BODY, NOW)
    scores = [InstanceScore(0.25, 1, 2, 2), InstanceScore(1.0, 1, 2, 2)]
    log = make_prediction_log(tmp_path, log_query_text=True)
    log.write_scored(ScoredRequest(make_call(), request.context, 9), request.instances, scores)
    lines = lines_in(tmp_path)

    assert index(clean_indices, PREDICTIONS, lines) == lines


def test_feedback_is_accepted(clean_indices: Cluster, tmp_path: Path) -> None:
    """All types, with the longest ids that the server accepts."""
    feedback = [
        FeedbackRecord("p" * 256, NOW, "impression"),
        FeedbackRecord("p1", None, "purchase", label=1, value=-1e12, event_id="😀" * 128),
    ]
    make_prediction_log(tmp_path).write_feedback(feedback, make_call())
    lines = lines_in(tmp_path)

    assert index(clean_indices, FEEDBACK, lines) == lines


def test_errors_are_accepted(clean_indices: Cluster, tmp_path: Path) -> None:
    """Refusals with long messages and paths are indexed."""
    call = make_call(path="/" + "ä" * 999)
    make_prediction_log(tmp_path).write_error(call, RequestFailure(9, 400, "ValidationError", "é" * 5000))
    lines = lines_in(tmp_path)

    assert index(clean_indices, ERRORS, lines) == lines
