"""From answers to metrics: the events of each route and kind of model are valid, and count as scikit-learn counts.

The model server scores and logs, the pipeline delivers into a real Elasticsearch, and the agent computes. The answers
and the clicks that were sent say what must come out.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cluster import Cluster
from tests.command_line import monitor_agent
from tests.foreign_models import ForeignModel, models
from tests.integration.agent_world import World
from tests.oracle import by_window, differences
from tests.pipelines import PipelineSandbox
from tests.served_models import Client, serving
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
        answer = self._post("/predict", {"instances": self._instances()})
        self._click((entry["prediction_id"], entry["score"]) for entry in answer["predictions"])
        for route, name in self._other_routes().items():
            rows = [instance.get("inputs") or instance["features"] for instance in self._instances()]
            answer = self._post(f"/v1/models/shop:{route}", {name: rows})
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
        status, answer = self.client.post(path, body, content_type="application/json")
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


def check(kinds: Sequence[str], world: World, cluster: Cluster, folder: Path) -> None:
    """Serve the kinds in turn, deliver what they log, and compare what the agent computes."""
    rows: list[dict[str, Any]] = []
    for place, kind in enumerate(kinds):
        with serving(folder / str(place), MODELS[kind]) as client:
            visitor = Visitor(client, kind)
            visitor.visit()
        rows += visitor.rows
    logs = [log for place in range(len(kinds)) for log in (folder / str(place) / "log").glob("*.ndjson")]
    deliver(logs, cluster, folder / "pipeline")

    world.admin.indices.refresh(index="model-*")
    world.cycle(datetime.now(timezone.utc) + LATER)

    events = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
    times = {event["event"]["id"]: event["@timestamp"] for event in events}
    windows = by_window([{**row, "timestamp": times[row["id"]]} for row in rows], "1d")
    documents = {
        start: document
        for (_, version, segment, size, start), document in world.by_key().items()
        if (version, segment, size) == ("3", "all", "1d")
    }
    assert documents.keys() == windows.keys()
    assert [differences(documents[start], windows[start]) for start in windows] == [[]] * len(windows)
    assert all(0 < row["score"] < 1 for row in rows)
    assert len({row["score"] for row in rows}) > len(rows) / 2


def test_metrics_of_served_models_are_those_of_scikit_learn(world: World, installed: Cluster, tmp_path: Path) -> None:
    """Floats, ids and texts, over all routes."""
    check(QUICK, world, installed, tmp_path)


@pytest.mark.soak
def test_the_same_for_every_binary_kind(world: World, installed: Cluster, tmp_path: Path) -> None:
    """Every kind of signature that gives a probability."""
    check(BINARY, world, installed, tmp_path)
