"""From answers to metrics: the events of each route and kind of model are valid, and count as scikit-learn counts.

The model server scores and logs, the pipeline delivers into a real Elasticsearch, and the agent computes. The answers
and the clicks that were sent say what must come out.
"""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cluster import Cluster
from tests.command_line import monitor_agent
from tests.foreign_models import ForeignModel, models
from tests.integration.agent_world import World
from tests.integration.test_model_server import Client, Server
from tests.oracle import by_window, differences
from tests.pipelines import PipelineSandbox
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("frequent_statistics")
MODELS = models()
QUICK = ("named columns", "half precision", "bert by its new names, int64", "one text")
BINARY = [name for name in MODELS if name not in ("three classes", "named classes", "a number")]
ROWS = 24
"""Instances of a request."""
PREDICT_ONLY = ("ragged rows",)
SPREAD = {"ragged rows": 2.0}
"""How far the numbers of an instance vary, by kind: a score of 0 or 1 would be clipped in the log loss."""
USUAL_SPREAD = 60.0
LATER = timedelta(hours=3)
"""By then no click can count any more."""


class Visitor:
    """Sends instances to each route of a server that takes them, and clicks on some of the predictions.

    Attributes
    ----------
    rows : what each prediction must count as: id, score, label, click.
    """

    def __init__(self, client: Client, kind: str) -> None:
        self.client = client
        self.rows: list[dict[str, Any]] = []
        self._kind, self._foreign = kind, MODELS[kind]
        self._chance = random.Random(kind)

    def visit(self) -> None:
        """Send a request to each route."""
        answer = self._post("/predict", {"model": name_of(self._kind), "instances": self._instances()})
        self._click((entry["prediction_id"], entry["score"]) for entry in answer["predictions"])
        for route, name in self._other_routes().items():
            rows = [instance.get("inputs") or instance["features"] for instance in self._instances()]
            answer = self._post(f"/v1/models/{name_of(self._kind)}:{route}", {name: rows})
            scores = [SCORE_OF[route](row, self._foreign) for row in answer[RESULT_OF[route]]]
            self._click(zip(answer["prediction_ids"], scores, strict=True))

    def _other_routes(self) -> dict[str, str]:
        """Return the routes of TensorFlow Serving that take these instances, with the name of the list in the body."""
        inputs = self._foreign.instances[0].get("inputs")
        if inputs is None or self._kind in PREDICT_ONLY:
            return {}
        routes = {"classify": "examples", "regress": "examples"} if isinstance(inputs, Mapping) else {}
        of_signature = not isinstance(inputs, Mapping) or inputs.keys() == self._foreign.specs.keys()
        return routes | ({"predict": "instances"} if of_signature else {})

    def _instances(self) -> list[Any]:
        spread = SPREAD.get(self._kind, USUAL_SPREAD)
        samples = self._foreign.instances
        return [varied(samples[number % len(samples)], self._chance, spread) for number in range(ROWS)]

    def _click(self, predictions: Iterable[tuple[str, float]]) -> None:
        """Click on predictions with a high score more often than on others."""
        clicked = []
        for identifier, answered in predictions:
            score = float(np.float32(answered))
            clicks = self._chance.random() < (0.7 if score >= 0.6 else 0.3)
            clicked += [identifier] if clicks else []
            self.rows.append({"id": identifier, "score": score, "label": int(score >= 0.5), "click": int(clicks)})
        self._post("/feedback", [{"prediction_id": identifier, "type": "click"} for identifier in clicked], 202)

    def _post(self, path: str, body: Any, expected: int = 200) -> Any:
        status, answer = self.client.send("POST", path, body)
        assert status == expected, (self._kind, path, answer)
        return answer


def varied(sample: Any, chance: random.Random, spread: float) -> Any:
    """Return an instance of the same form with other values; what is not free in it, such as a mask, stays."""
    if isinstance(sample, Mapping):
        fixed = {"b64", "input_mask", "segment_ids"}
        return {name: value if name in fixed else varied(value, chance, spread) for name, value in sample.items()}
    if isinstance(sample, list):
        return [varied(value, chance, spread) for value in sample]
    if isinstance(sample, bool):
        return chance.random() < 0.5
    if isinstance(sample, int):
        return chance.randrange(40)
    return chance.uniform(-spread, spread) if isinstance(sample, float) else "x" * chance.randrange(60)


def _score_of_outputs(row: Any, foreign: ForeignModel) -> float:
    output = row[foreign.output] if isinstance(row, Mapping) else row
    return float(foreign.read(np.asarray(output, dtype=np.float32)))


RESULT_OF = {"predict": "predictions", "classify": "result", "regress": "result"}
SCORE_OF: dict[str, Callable[[Any, ForeignModel], float]] = {
    "predict": _score_of_outputs,
    "classify": lambda row, _: dict(row)["1"],
    "regress": lambda row, _: row,
}


def deliver(logs: Sequence[Path], cluster: Cluster, folder: Path) -> None:
    """Check the event files as a user does before the delivery, then send all of them."""
    sandbox = PipelineSandbox(folder, cluster.url, "pipeline_writer", cluster.users["pipeline_writer"])
    sandbox.logs.mkdir(parents=True)
    files = [shutil.copy(log, sandbox.logs / f"{place}.ndjson") for place, log in enumerate(logs)]
    assert monitor_agent("pipeline", "validate", *map(str, files)) == 0
    with sandbox.running():
        wait_until(lambda: sandbox.statistics().get("delivered"), 60)


def saved(kinds: Sequence[str], folder: Path) -> Path:
    """Write a folder with a model of each kind, and a version of the first one that cannot be loaded."""
    for kind in kinds:
        foreign = MODELS[kind]
        replace(foreign, card={**foreign.card, "name": name_of(kind)}).save(folder / name_of(kind) / "1")
    broken = folder / name_of(kinds[0]) / "2"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"no graph")
    return folder


def name_of(kind: str) -> str:
    """Return the name of the model of a kind."""
    return re.sub(r"\W+", "-", kind).lower()


def events_and_rows(kinds: Sequence[str], folder: Path) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """Serve the kinds; return what the server logged, and by model what each prediction must count as."""
    server = Server(folder, saved(kinds, folder / "models"))
    try:
        server.wait_ready()
        visitors = {kind: Visitor(server.connect(), kind) for kind in kinds}
        for visitor in visitors.values():
            visitor.visit()
        assert server.end() == 0
    finally:
        server.clean_up()
    return server.all_events(), {name_of(kind): visitor.rows for kind, visitor in visitors.items()}


def check(kinds: Sequence[str], world: World, cluster: Cluster, folder: Path) -> None:
    """Compare what the agent computes of each model with scikit-learn, and what the history of the versions says."""
    events, rows = events_and_rows(kinds, folder)
    deliver(sorted((folder / "log").glob("*.ndjson")), cluster, folder / "pipeline")
    world.admin.indices.refresh(index="model-*")

    world.cycle(datetime.now(timezone.utc) + LATER)

    times = {event["event"]["id"]: event["@timestamp"] for event in events}
    expected = {
        (name, start): window
        for name in rows
        for start, window in by_window([{**row, "timestamp": times[row["id"]]} for row in rows[name]], "1d").items()
    }
    documents = {
        (name, start): document
        for (name, version, segment, size, start), document in world.by_key().items()
        if (version, segment, size) == ("1", "all", "1d")
    }
    assert documents.keys() == expected.keys()
    assert {key: differences(documents[key], window) for key, window in expected.items()} == {
        key: [] for key in expected
    }
    scores = {row["score"] for name in rows for row in rows[name]}
    assert 0 < min(scores) < 0.5 < max(scores) < 1
    assert len(scores) > ROWS
    releases = world.documents("model-releases").values()
    loaded = {(entry["model_name"], entry["model_version"]) for entry in releases if is_of(entry, "version-loaded")}
    (refused,) = [entry for entry in releases if is_of(entry, "version-refused")]
    assert loaded == {(name, "1") for name in rows}
    assert (refused["model_name"], refused["model_version"]) == (name_of(kinds[0]), "2")
    assert refused["event"]["reason"]


def is_of(release: Mapping[str, Any], action: str) -> bool:
    """Return whether a release is an event of a server with an action."""
    return bool(release["source"] == "server" and release["event"]["action"] == action)


def test_metrics_of_served_models_are_those_of_scikit_learn(world: World, installed: Cluster, tmp_path: Path) -> None:
    """Floats, ids and texts, over all routes."""
    check(QUICK, world, installed, tmp_path)


@pytest.mark.soak
def test_the_same_for_every_binary_kind(world: World, installed: Cluster, tmp_path: Path) -> None:
    """Every kind of signature that gives a probability."""
    check(BINARY, world, installed, tmp_path)
