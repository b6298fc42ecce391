"""A served multiclass model and a served regression: from the answers to metrics that are those of scikit-learn.

The model server runs two SavedModels, the pipeline delivers its events into a real Elasticsearch, users say the true
classes and numbers, and the agent computes. The answers and the truths that were sent say what must come out.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as oracle

from tests.cluster import Cluster
from tests.foreign_models import ForeignModel
from tests.integration.agent_world import World
from tests.integration.test_model_server import Client, Server
from tests.integration.test_served_metrics import deliver

pytestmark = pytest.mark.usefixtures("frequent_statistics")
CLASSES = ("boots", "hats", "sandals", "socks")
SPECS: Mapping[str, tuple[list[int | None] | None, str]] = {"x": ([None, 3], "float32")}
REQUESTS, ROWS = 12, 20
SCENES = ("search", "ad")
SIZES = {"base_window": timedelta(hours=1), "larger_windows": (timedelta(days=7),), "segments": ("scene",)}
SOON, LATER = timedelta(minutes=1), timedelta(days=8)


def _shoes(x: Any) -> dict[str, Any]:
    import tensorflow as tf

    weights = [[1.0, -0.5, 0.3, 0.1], [-0.4, 0.9, 0.2, -0.8], [0.1, 0.2, -1.1, 0.7]]
    return {"p": tf.nn.softmax(tf.linalg.matmul(x, tf.constant(weights)))}


def _price(x: Any) -> dict[str, Any]:
    import tensorflow as tf

    return {"price": tf.linalg.matvec(x, tf.constant([20.0, -7.0, 3.0])) + 40.0}


MODELS = {
    "shoes": ForeignModel(SPECS, _shoes, [], {}, card={"name": "shoes", "classes": list(CLASSES)}),
    "price": ForeignModel(
        SPECS, _price, [], {}, card={"name": "price", "output": "price", "kind": "regression", "threshold": None}
    ),
}


@dataclass
class Users:
    """The users of a model: they send instances, and say the truth of three of four answers.

    Attributes
    ----------
    truth_of : the true class or number for an answer.
    truth_name : the field of the feedback that says it.
    rows : by scene, the answer of each judged prediction with its truth; the truth of the others is None.
    """

    client: Client
    model: str
    truth_name: str
    truth_of: Callable[[Mapping[str, Any], random.Random], Any]
    rows: list[tuple[str, Mapping[str, Any], Any]] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    def work(self) -> None:
        """Send the requests, each followed by its feedback."""
        for number in range(REQUESTS):
            scene = SCENES[number % 2]
            instances = [{"inputs": {"x": [self.chance.gauss(0.0, 2.0) for _ in range(3)]}} for _ in range(ROWS)]
            body = {"model": self.model, "instances": instances, "context": {"labels": {"scene": scene}}}
            answers = self.client.predict(body)["predictions"]
            truths = [self.truth_of(answer, self.chance) if self.chance.random() < 0.75 else None for answer in answers]
            self.rows += [(scene, *pair) for pair in zip(answers, truths, strict=True)]
            feedback = [
                {"prediction_id": answer["prediction_id"], "type": "label", self.truth_name: truth}
                for answer, truth in zip(answers, truths, strict=True)
                if truth is not None
            ]
            status, refusal = self.client.send("POST", "/feedback", feedback)
            assert status == 202, refusal

    def judged(self, scene: str | None = None) -> list[tuple[Mapping[str, Any], Any]]:
        """Return the judged answers of a scene, or of all, with their truths."""
        return [row for name, *row in self.rows if row[1] is not None and scene in (None, name)]


def drawn_class(answer: Mapping[str, Any], chance: random.Random) -> str:
    """Return a class, mostly by the probabilities of an answer."""
    names = list(answer["scores"])
    return chance.choices(names, [score + 0.05 for score in answer["scores"].values()])[0]


def drawn_number(answer: Mapping[str, Any], chance: random.Random) -> float:
    """Return a number near that of an answer; the answers are too high on the whole."""
    return round(answer["value"] - chance.gauss(2.0, 6.0), 2)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[Users, Users, Path]:
    """Return the users of both models, and the folder with the events of their server."""
    folder = tmp_path_factory.mktemp("kinds")
    for name, model in MODELS.items():
        model.save(folder / "models" / name / "1")
    server = Server(folder, folder / "models")
    try:
        server.wait_ready()
        shoes = Users(server.connect(), "shoes", "class", drawn_class)
        price = Users(server.connect(), "price", "truth", drawn_number)
        shoes.work()
        price.work()
        assert server.end() == 0
    finally:
        server.clean_up()
    return shoes, price, server.log_dir


def of_classes(rows: Sequence[tuple[Mapping[str, Any], Any]]) -> dict[str, float]:
    """Return scikit-learn's metrics of multiclass answers."""
    true, chosen = [truth for _, truth in rows], [answer["class"] for answer, _ in rows]
    scores = np.array([[answer["scores"][name] for name in CLASSES] for answer, _ in rows])
    scores /= scores.sum(axis=1, keepdims=True)
    averages = {
        f"{name}_{average}": float(function(true, chosen, average=average, zero_division=0))
        for name, function in (
            ("precision", oracle.precision_score),
            ("recall", oracle.recall_score),
            ("f1", oracle.f1_score),
        )
        for average in ("macro", "micro", "weighted")
    }
    return {
        "n": len(rows),
        "accuracy": oracle.accuracy_score(true, chosen),
        "balanced_accuracy": oracle.balanced_accuracy_score(true, chosen),
        "mcc": oracle.matthews_corrcoef(true, chosen),
        "log_loss": oracle.log_loss(true, scores, labels=list(CLASSES)),
        "top_3_accuracy": oracle.top_k_accuracy_score(true, scores, k=3, labels=list(CLASSES)),
        **averages,
    }


def of_numbers(rows: Sequence[tuple[Mapping[str, Any], Any]]) -> dict[str, float]:
    """Return scikit-learn's metrics of predicted numbers, and NumPy's of their errors."""
    guess, truth = np.array([answer["value"] for answer, _ in rows]), np.array([number for _, number in rows])
    return {
        "n": len(rows),
        "mae": oracle.mean_absolute_error(truth, guess),
        "rmse": oracle.root_mean_squared_error(truth, guess),
        "r2": oracle.r2_score(truth, guess),
        "mape": oracle.mean_absolute_percentage_error(truth, guess),
        "bias": float(np.mean(guess - truth)),
        "truth_mean": float(np.mean(truth)),
    }


def test_served_classes_and_numbers_count_as_scikit_learn_counts(
    served: tuple[Users, Users, Path], world: World, installed: Cluster, tmp_path: Path
) -> None:
    """A week, over all and by scene; what a model is not of, is null with its kind as the reason."""
    shoes, price, logs = served
    deliver(sorted(logs.glob("*.ndjson")), installed, tmp_path / "pipeline")
    world.admin.indices.refresh(index="model-*")
    now = datetime.now(timezone.utc)

    assert world.cycle(now + SOON, **SIZES).not_counted == {}
    world.cycle(now + LATER, **SIZES)

    documents = {
        (document["model_name"], document["segment"]): document
        for document in world.documents().values()
        if (document["window_size"], document["model_version"]) == ("7d", "1")
    }
    for users, expected in ((shoes, of_classes), (price, of_numbers)):
        for segment, scene in {"all": None, "labels.scene=search": "search", "labels.scene=ad": "ad"}.items():
            document, values = documents[users.model, segment], expected(users.judged(scene))
            assert {name: document[name] for name in values} == pytest.approx(values, rel=1e-6), (users.model, segment)
        whole, judged = documents[users.model, "all"], users.judged()
        assert (whole["predictions"], whole["state"]) == (REQUESTS * ROWS, "final")
        assert whole["coverage"] == len(judged) / (REQUESTS * ROWS)
    _check_areas_and_quantiles(documents["shoes", "all"], shoes, documents["price", "all"], price)
    assert world.statuses() == ["matched"] * (len(shoes.judged()) + len(price.judged()))
    assert world.cycle(now + LATER, **SIZES).tally.written == 0


def _check_areas_and_quantiles(
    classes: Mapping[str, Any], shoes: Users, numbers: Mapping[str, Any], price: Users
) -> None:
    """Compare what is counted by bins, within the bounds of the bins."""
    true = [truth for _, truth in shoes.judged()]
    scores = np.array([[answer["scores"][name] for name in CLASSES] for answer, _ in shoes.judged()])
    area = np.mean([oracle.roc_auc_score(np.array(true) == name, scores[:, at]) for at, name in enumerate(CLASSES)])
    assert abs(classes["roc_auc_ovr"] - area) <= classes["roc_auc_ovr_error_bound"] < 0.02
    errors = np.array([answer["value"] - truth for answer, truth in price.judged()])
    for percent in (5, 50, 95):
        exact = np.quantile(errors, percent / 100, method="inverted_cdf")
        assert numbers[f"error_p{percent:02}"] == pytest.approx(exact, rel=0.005)
