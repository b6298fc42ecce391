"""Event files of somebody else's servers, from the file to the metrics: refused with a reason, or counted right."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.factories import START, Document, make_feedback, make_prediction
from tests.integration.agent_world import MUCH_LATER, World
from tests.integration.scored_clicks import OF_ALL, OF_EVERY_SECOND, make_sixty
from tests.pipelines import PipelineSandbox
from tests.waiting import wait_until

HOURS: dict[str, Any] = {"base_window": timedelta(hours=1), "larger_windows": (timedelta(days=1),)}


def make_clicked(model: str, count: int, **fields: Any) -> tuple[list[Document], list[Document]]:
    """Return predictions of a model, all labelled 1, and a click on each."""
    predictions = [make_prediction(START + timedelta(seconds=n), 0.6, model=model, **fields) for n in range(count)]
    return predictions, [make_feedback(prediction) for prediction in predictions]


def incomplete(model: str, *names: str) -> list[Document]:
    """Return sixty predictions with their clicks; every second one lacks fields."""
    predictions, clicks = make_sixty(model=model)
    for event in predictions[1::2]:
        for name in names:
            del event["prediction"][name]
    return [*predictions, *clicks]


def upper_case() -> list[Document]:
    """The second click names its prediction in upper case; the third prediction has the upper case itself."""
    predictions, clicks = make_clicked("upper", 3)
    clicks[1]["prediction"]["id"] = clicks[1]["prediction"]["id"].upper()
    for name in ("event", "prediction"):
        predictions[2][name]["id"] = predictions[2][name]["id"].upper()
    return [*predictions, *clicks]


def orders() -> list[Document]:
    predictions, clicks = make_clicked("order", 9)
    for number, click in enumerate(clicks):
        click["event"]["id"] = f"order-{number // 3}"
    return [*predictions, *clicks]


def versions() -> list[Document]:
    return [event for version in ("1", "2", "all") for event in make_clicked("versions", 4, version=version)[0]]


def logits() -> list[Document]:
    predictions, clicks = make_clicked("logits", 4)
    for event, score in zip(predictions, (0.7, -2.0, 1.9, 0.4), strict=True):
        event["prediction"]["score"] = score
    return [*predictions, *clicks]


def many_labels() -> list[Document]:
    first, *later = make_clicked("labels", 31)[0]
    first["labels"] = {f"req_{number}": "x" for number in range(420)}
    return [first, *later]


def without_status() -> list[Document]:
    predictions, clicks = make_clicked("plain", 3)
    for click in clicks:
        del click["feedback"]["status"]
    return [*predictions, *clicks]


def without_prediction_id() -> list[Document]:
    """The predictions have ids of their server, and only in `event.id`; the clicks name no time of the prediction."""
    predictions, clicks = make_clicked("request-ids", 3)
    for number, (prediction, click) in enumerate(zip(predictions, clicks, strict=True)):
        prediction["event"]["id"] = f"request-{number}"
        del prediction["prediction"]["id"]
        click["prediction"] = {"id": f"request-{number}"}
    return [*predictions, *clicks]


def test_foreign_events_are_refused_or_counted(cluster: Cluster, world: World, tmp_path: Path) -> None:
    """Each model is a server of its own."""
    sandbox = PipelineSandbox(tmp_path, cluster.url, "pipeline_writer", cluster.users["pipeline_writer"])
    events = [
        *incomplete("no-score", "score"),
        *incomplete("no-log-loss", "log_loss_0", "log_loss_1"),
        *upper_case(),
        *orders(),
        *versions(),
        *logits(),
        *many_labels(),
        *without_status(),
        *without_prediction_id(),
    ]
    sandbox.append(*events)
    with sandbox.running():
        wait_until(lambda: sandbox.statistics().get("delivered"))
    world.admin.indices.refresh(index="model-*")

    report = world.cycle(START + MUCH_LATER, **HOURS)

    days = {
        (model, version, segment): document
        for (model, version, segment, size, _), document in world.by_key().items()
        if size == "1d"
    }
    day = {model: days[model, "all", "all"] for model in {key[0] for key in days}}
    half = {name: day["no-score"][name] for name in OF_EVERY_SECOND}
    assert half == pytest.approx(OF_EVERY_SECOND, abs=5e-7)
    assert {name: day["no-log-loss"][name] for name in OF_ALL} == pytest.approx(OF_ALL, abs=0.002)
    assert 0 < day["no-log-loss"]["log_loss_error_bound"] < 0.002
    assert (day["upper"]["n"], day["upper"]["tp"]) == (3, 3)
    assert (day["order"]["n"], day["order"]["tp"]) == (9, 9)
    assert {key[1]: document["n"] for key, document in days.items() if key[::2] == ("versions", "all")} == {
        "1": 4, "2": 4, "all": 8
    }  # fmt: skip
    assert (day["logits"]["n"], day["logits"]["score_mean"]) == (2, pytest.approx(0.55))
    assert (day["labels"]["n"], days["labels", "all", "labels.scene=search"]["n"]) == (31, 30)
    assert (day["plain"]["n"], day["plain"]["tp"]) == (3, 3)
    assert (day["request-ids"]["n"], day["request-ids"]["tp"]) == (3, 3)
    assert not report.not_counted
    refused = Counter(letter["error"]["type"] for letter in world.documents("model-deadletters").values())
    assert refused == {"bad prediction.score": 32, "bad model.version": 4}
