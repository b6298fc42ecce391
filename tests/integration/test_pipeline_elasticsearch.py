"""The product's pipeline delivers event files to a real Elasticsearch, with the rights of its role."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from monitor_agent.contracts.kinds import KINDS, PredictionKind
from monitor_agent.contracts.prediction import PREDICTIONS
from tests.cluster import Cluster
from tests.factories import START, feedback_id, make_error, make_feedback, make_prediction
from tests.pipelines import PipelineSandbox, stop
from tests.waiting import wait_until

LATER = START + timedelta(days=1)


@pytest.fixture
def sandbox(cluster: Cluster, tmp_path: Path) -> PipelineSandbox:
    """Return a pipeline with only the rights of its role."""
    return PipelineSandbox(tmp_path, cluster.url, "pipeline_writer", cluster.users["pipeline_writer"])


def documents(cluster: Cluster) -> dict[tuple[str, str], dict[str, object]]:
    """Return every document by index and id."""
    with cluster.client() as client:
        client.cluster.health(wait_for_status="yellow")
        client.indices.refresh(index="model-*")
        hits = client.search(index="model-*,-model-settings", size=1000, ignore_unavailable=True)["hits"]["hits"]
    return {(hit["_index"], hit["_id"]): hit["_source"] for hit in hits}


def test_events_go_to_the_index_of_their_day(sandbox: PipelineSandbox, cluster: Cluster) -> None:
    """Predictions and errors by their day, feedback by the day of its prediction, all once; refused lines as well."""
    prediction = make_prediction(START + timedelta(hours=13, microseconds=123456))
    click = make_feedback(prediction, after=timedelta(hours=2))
    failure = make_error(LATER)
    sandbox.append(prediction, click, failure, click, b'{"cut off', {"event": {"id": "x", "dataset": "model.other"}})
    process = sandbox.spawn()
    try:
        wait_until(lambda: sandbox.statistics().get("delivered") and len(documents(cluster)) == 5)
    finally:
        seconds = stop(process)

    stored = documents(cluster)
    events = {key: value for key, value in stored.items() if "deadletters" not in key[0]}
    assert set(events) == {
        ("model-predictions-2026.03.02", prediction["event"]["id"]),
        ("model-feedback-2026.03.02", feedback_id(click)),
        ("model-errors-2026.03.03", failure["event"]["id"]),
    }
    document = events["model-predictions-2026.03.02", prediction["event"]["id"]]
    assert document["@timestamp"] == prediction["@timestamp"]
    assert document["prediction"] == prediction["prediction"]
    assert {name for name in document if name not in prediction} == {"host", "log"}
    assert (process.returncode, seconds < 2.0) == (0, True)


def _truth(kind: PredictionKind) -> dict[str, object]:
    return {name: value for name, value in kind.feedback_sample.items() if name != "type"}


def test_events_of_every_kind_fit_the_mappings(sandbox: PipelineSandbox, cluster: Cluster) -> None:
    """The samples of the contract are stored and found; a class may have any name."""
    predictions = [{**make_prediction(), "prediction": dict(kind.sample)} for kind in KINDS]
    predictions[1]["prediction"]["scores"] = {"score": 0.5, "a.b": 0.25, "[x": 0.25}
    feedback = [make_feedback(make_prediction(), type_="label", **_truth(kind)) for kind in KINDS]
    sandbox.append(*predictions, *feedback)
    with sandbox.running():
        wait_until(lambda: sandbox.statistics().get("delivered"))

    stored = documents(cluster)
    assert sorted({index for index, _ in stored}) == ["model-feedback-2026.03.02", "model-predictions-2026.03.02"]
    assert len(stored) == 2 * len(KINDS)
    with cluster.client() as client:
        answer = client.search(index=PREDICTIONS.alias, query={"term": {"prediction.scores.score": "0.5"}})
    assert [hit["_id"] for hit in answer["hits"]["hits"]] == [predictions[1]["event"]["id"]]


def test_a_refused_document_becomes_a_dead_letter(sandbox: PipelineSandbox, cluster: Cluster) -> None:
    """A document that the mapping refuses is in a file and in Elasticsearch, with text and reason."""
    good, bad = make_prediction(), make_prediction(score=0.5)
    bad["prediction"]["surprise"] = "a field that no contract knows"
    sandbox.append(good, bad)
    with sandbox.running():
        wait_until(lambda: sandbox.statistics().get("delivered"))

    stored = documents(cluster)
    (letter,) = [value for (index, _), value in stored.items() if "deadletters" in index]
    assert ("model-predictions-2026.03.02", good["event"]["id"]) in stored
    assert letter["error"]["type"] == "refused"
    assert "surprise" in letter["error"]["message"]
    assert letter["http"] == {"response": {"status_code": 400}}
    assert bad["event"]["id"] in letter["message"]
    assert len(list((sandbox.data / "dead_letters").glob("*.ndjson"))) == 1


def test_a_user_without_rights_loses_nothing(sandbox: PipelineSandbox, cluster: Cluster) -> None:
    """401: the pipeline reports it and waits; with the right password everything is delivered."""
    sandbox.append(make_prediction())
    wrong = PipelineSandbox(sandbox.folder, sandbox.url, sandbox.user, "wrong")
    with wrong.running():
        wait_until(lambda: "PIPELINE_PASSWORD" in wrong.statistics().get("trouble", ""))
    with sandbox.running():
        wait_until(lambda: len(documents(cluster)) == 1)
