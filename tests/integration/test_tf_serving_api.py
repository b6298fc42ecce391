"""Clients of TensorFlow Serving's REST API: the same paths, bodies and answers, and an event for each instance."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.foreign_models import MATRIX, models
from tests.served_models import Client, serving

MODELS = models()


def test_rows_and_columns(tmp_path: Path) -> None:
    """Both give the outputs of a direct call, in the order of the instances; each instance has an event."""
    foreign = MODELS["a matrix of floats"]
    with serving(tmp_path, foreign) as client:
        bodies: list[dict[str, Any]] = [
            {"instances": MATRIX},
            {"instances": [{"x": row} for row in MATRIX]},
            {"signature_name": "serving_default", "inputs": MATRIX},
            {"inputs": {"x": MATRIX}},
        ]
        answers = [client.post("/v1/models/shop:predict", body) for body in bodies]
        zipped = client.post(
            "/v1/models/shop/versions/3:predict",
            gzip.compress(json.dumps(bodies[0]).encode()),
            headers={"Content-Encoding": "gzip"},
        )
        events = client.events()

    expected = foreign.expected(tmp_path / "shop" / "3")
    for status, answer in [*answers[:2], zipped]:
        assert status == 200
        np.testing.assert_allclose(answer["predictions"], expected, rtol=1e-6)
    for status, answer in answers[2:]:
        assert status == 200
        np.testing.assert_allclose(answer["outputs"], expected, rtol=1e-6)
    logged = [event["prediction"] for event in events]
    assert [entry["id"] for entry in logged[:2]] == answers[0][1]["prediction_ids"]
    np.testing.assert_allclose([entry["score"] for entry in logged], expected * 5, rtol=1e-6)


def test_all_outputs_of_a_signature_are_answered(tmp_path: Path) -> None:
    """By their names; the events hold the score."""
    with serving(tmp_path, MODELS["several outputs, one is named"]) as client:
        rows = client.post("/v1/models/shop:predict", {"instances": [{"x": row} for row in MATRIX]})[1]
        columns = client.post("/v1/models/shop:predict", {"inputs": MATRIX})[1]
        scores = [event["prediction"]["score"] for event in client.events()]

    assert [sorted(row) for row in rows["predictions"]] == [["buy", "click"]] * 2
    np.testing.assert_allclose(columns["outputs"]["click"], [row["click"] for row in rows["predictions"]])
    np.testing.assert_allclose(scores[:2], [row["click"] for row in rows["predictions"]], rtol=1e-6)
    np.testing.assert_allclose(columns["outputs"]["buy"], np.array(columns["outputs"]["click"]) / 2, rtol=1e-6)


def test_tokens_texts_and_bytes(tmp_path: Path) -> None:
    """Ids come by the names of the signature, padded by the client; texts may be base64."""
    bert, text = MODELS["bert of the hub, fixed length"], MODELS["one text"]
    assert isinstance(bert.columns, dict)
    with serving(tmp_path / "bert", bert) as client:
        status, answer = client.post("/v1/models/shop:predict", {"inputs": bert.columns})
        short = client.post("/v1/models/shop:predict", {"inputs": {name: [[1]] for name in bert.columns}})
    np.testing.assert_allclose(answer["outputs"], bert.expected(tmp_path / "bert" / "shop" / "3"), rtol=1e-6)
    assert status == 200
    assert short[0] == 400

    with serving(tmp_path / "text", text) as client:
        rows = ["red hat", {"b64": "//4="}]
        status, answer = client.post("/v1/models/shop:predict", {"instances": rows})
    assert status == 200
    np.testing.assert_allclose(answer["predictions"], text.expected(tmp_path / "text" / "shop" / "3"), rtol=1e-6)


def test_examples_are_classified_and_regressed(tmp_path: Path) -> None:
    """Features in `context` hold for all examples."""
    foreign = MODELS["named columns"]
    body = {"context": {"age": 3}, "examples": [{"price": 1.5}, {"price": 2.0, "age": 40}]}
    with serving(tmp_path, foreign) as client:
        classified = client.post("/v1/models/shop:classify", body)[1]["result"]
        regressed = client.post("/v1/models/shop:regress", body)[1]["result"]

    expected = foreign.expected(tmp_path / "shop" / "3")
    np.testing.assert_allclose(regressed, expected, rtol=1e-6)
    assert [[name for name, _ in row] for row in classified] == [["0", "1"]] * 2
    np.testing.assert_allclose([row[1][1] for row in classified], expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["three classes", "a number", "half precision", "two classes"])
def test_the_events_of_each_kind_are_accepted(name: str, tmp_path: Path) -> None:
    """By the pipeline, from both routes, with the same prediction."""
    foreign = MODELS[name]
    vectors = [instance["inputs"] for instance in foreign.instances]
    with serving(tmp_path, foreign) as client:
        served = client.post("/predict", {"instances": foreign.instances}, content_type="application/json")
        rows = client.post("/v1/models/shop:predict", {"instances": vectors})
        events = client.events()

    assert (served[0], rows[0]) == (200, 200)
    fields = ("score", "label", "class", "scores", "value")
    logged = [{field: event["prediction"].get(field) for field in fields} for event in events]
    assert logged[: len(vectors)] == logged[len(vectors) :]


def test_status_and_metadata(tmp_path: Path) -> None:
    """Load tools ask them before they begin."""
    with serving(tmp_path, MODELS["a matrix of floats"]) as client:
        status = client.get("/v1/models/shop")
        metadata = client.get("/v1/models/shop/versions/3/metadata")

    assert status == (
        200,
        {
            "model_version_status": [
                {"version": "3", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
            ]
        },
    )
    assert metadata[1]["model_spec"] == {"name": "shop", "signature_name": "", "version": "3"}
    signature = metadata[1]["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"]["x"]["dtype"] == "DT_FLOAT"
    sizes = [size["size"] for size in signature["inputs"]["x"]["tensor_shape"]["dim"]]
    assert sizes == ["-1", "3"]


@pytest.mark.parametrize(
    ("path", "body", "status", "reason"),
    [
        (
            "/v1/models/other:predict",
            {"instances": MATRIX},
            404,
            "no model of this name; this server serves shop",
        ),
        ("/v1/models/shop/versions/4:predict", {"instances": MATRIX}, 404, "no such version; this server serves 3"),
        ("/v1/models/shop/labels/stable:predict", {"instances": MATRIX}, 404, "no such label; it has none"),
        ("/v1/models/shop:predict", {"instances": MATRIX, "signature_name": "x"}, 404, "serves serving_default"),
        ("/v1/models/shop:predict", {}, 400, "either instances or inputs is expected"),
        ("/v1/models/shop:predict", [], 400, "an object is expected"),
        ("/v1/models/shop:predict", b"{", 400, "not JSON"),
        ("/v1/models/shop:predict", {"instances": []}, 400, "a list that is not empty"),
        ("/v1/models/shop:predict", {"instances": [[1, 2]]}, 400, "instances[0]: a list of 3 values expected"),
        ("/v1/models/shop:predict", {"instances": [{"x": [1, 2, "a"]}]}, 400, "instances[0].x: a number is expected"),
        ("/v1/models/shop:predict", {"instances": [{"z": [1, 2, 3]}]}, 400, "instances[0].z: unknown field"),
        ("/v1/models/shop:predict", {"inputs": {"x": 3}}, 400, "inputs.x: a list that is not empty is expected"),
        ("/v1/models/shop:classify", {"examples": [3]}, 400, "examples[0]: an object is expected"),
        ("/v1/models/shop:regress", {"examples": [{"x": [1]}]}, 400, "examples[0].x: a list of 3 values expected"),
    ],
)
def test_errors_have_the_form_of_tensorflow_serving(
    path: str, body: Any, status: int, reason: str, matrix: Client
) -> None:
    """`error` is a text that names the place."""
    answer = matrix.post(path, body)

    assert answer[0] == status
    assert reason in answer[1]["error"]


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving(tmp_path_factory.mktemp("matrix"), MODELS["a matrix of floats"]) as client:
        yield client
