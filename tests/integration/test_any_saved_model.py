"""SavedModels of many kinds are served as a direct call computes them, or refused with the line to write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_server.cli import main as model_server_command
from model_server.engines.loaded_graph import specs_of
from model_server.engines.meta_graph import subgraph_for
from model_server.engines.saved_model import SavedModel
from model_server.predict_request import PredictParser
from model_server.releases.available import cards_to_serve
from model_server.signatures.instance_inputs import InputReader
from monitor_agent.errors import ModelError
from monitor_agent.settings import ServerSettings
from tests.foreign_models import BERT, ForeignModel, models

ONES = {"input_mask": [1, 1, 1], "segment_ids": [0, 0, 0]}
NOW = datetime(2026, 11, 29, tzinfo=timezone.utc)
MODELS = models()


def load(folder: Path) -> SavedModel:
    return SavedModel(cards_to_serve(ServerSettings(model_dir=str(folder)))[0])


def answers(model: SavedModel, foreign: ForeignModel) -> list[Any]:
    """Return the scores of the instances, each in the group that the batcher would make of it."""
    parser = PredictParser(ServerSettings(), InputReader(model.plan.forms, model.limits))
    inputs = [entry.inputs for entry in parser.parse({"instances": foreign.instances}, NOW).instances]
    groups: dict[Any, list[int]] = {}
    for place, entry in enumerate(inputs):
        groups.setdefault(entry.group, []).append(place)
    scores: dict[int, Any] = {}
    for places in groups.values():
        scores |= dict(zip(places, model.compute([inputs[place] for place in places]).scores, strict=True))
    return [scores[place] for place in range(len(inputs))]


def test_several_threads_compute_a_small_model_at_a_time(tmp_path: Path) -> None:
    """Each gets the scores of its instances."""
    MODELS["a matrix of floats"].save(tmp_path)
    model = load(tmp_path)
    model.warm_up(4)
    parser = PredictParser(ServerSettings(), InputReader(model.plan.forms, model.limits))

    def scores(number: int) -> list[float]:
        rows = [{"inputs": {"x": [float(number), 0.0, float(place)]}} for place in range(1 + number % 5)]
        entries = parser.parse({"instances": rows}, NOW).instances
        return [float(score) for score in model.compute([entry.inputs for entry in entries]).scores]

    one_by_one = [scores(number) for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(scores, range(200)))

    assert together == one_by_one
    assert model.parallel == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    "name", ["bert of the hub, fixed length", "an unknown rank", "ragged rows", "columns of texts and truths"]
)
def test_the_file_says_what_the_signatures_are(name: str, tmp_path: Path) -> None:
    """A session serves all outputs too: TensorFlow's own functions are not loaded at all."""
    foreign = MODELS[name]
    foreign.save(tmp_path)
    model = load(tmp_path)
    model.warm_up(4)
    parser = PredictParser(ServerSettings(), InputReader(model.plan.forms, model.limits))
    entries = parser.parse({"instances": foreign.instances}, NOW).instances
    inputs = [
        replace(entry.inputs, has_all_outputs=True)
        for entry in entries
        if entry.inputs.group == entries[0].inputs.group
    ]

    outputs = model.compute(inputs).outputs

    is_light = not model.graph.is_loaded
    np.testing.assert_allclose(outputs["score"][:1], foreign.expected(tmp_path)[:1], rtol=1e-6)
    assert model.signatures == specs_of(model.graph.functions)
    assert is_light


def test_a_function_in_the_place_of_another_one_stays() -> None:
    """TensorFlow chooses among functions that say the same about what they implement; all others are left out."""
    from google.protobuf import text_format
    from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

    meta_graph = text_format.Parse(
        """
        graph_def {
          node { name: "x" op: "Placeholder" }
          node { name: "y" op: "PartitionedCall" input: "x" attr { key: "f" value { func { name: "lstm_cpu" } } } }
          node { name: "gradient" op: "PartitionedCall" attr { key: "f" value { func { name: "unused" } } } }
          library {
            function { signature { name: "lstm_cpu" } attr { key: "api_implements" value { s: "lstm" } } }
            function {
              signature { name: "lstm_gpu" } attr { key: "api_implements" value { s: "lstm" } }
              node_def {
                name: "c" op: "Case"
                attr {
                  key: "branches"
                  value { list { func { name: "branch" attr { key: "g" value { func { name: "inner" } } } } } }
                }
              }
            }
            function { signature { name: "branch" } }
            function { signature { name: "inner" } }
            function { signature { name: "unused" } }
          }
        }
        signature_def {
          key: "serving_default"
          value { inputs { key: "x" value { name: "x:0" } } outputs { key: "y" value { name: "y:0" } } }
        }
        """,
        MetaGraphDef(),
    )

    subgraph = subgraph_for(meta_graph, ["serving_default"])

    assert [node.name for node in subgraph.node] == ["x", "y"]
    assert [entry.signature.name for entry in subgraph.library.function] == ["lstm_cpu", "lstm_gpu", "branch", "inner"]


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_served_as_a_direct_call_computes_it(name: str, tmp_path: Path) -> None:
    """Without a mapping where the signature is clear."""
    foreign = MODELS[name]
    foreign.save(tmp_path)
    model = load(tmp_path)
    model.warm_up(4)

    actual, expected = answers(model, foreign), foreign.expected(tmp_path)

    if model.kind == "multiclass":
        np.testing.assert_allclose(actual, [row for _, row in expected], rtol=1e-6)
        assert [model.classes[int(np.argmax(row))] for row in actual] == [best for best, _ in expected]
    else:
        np.testing.assert_allclose(actual, expected, rtol=1e-6)
        assert len(set(np.round(actual, 6))) == len(actual), "the instances must differ for this to say anything"


def save(folder: Path, outputs: Any, **card: Any) -> Path:
    """Write a model of a matrix."""
    ForeignModel({"x": ([None, 3], "float32")}, outputs, [], {}, card=card).save(folder)
    return folder


def refused(folder: Path) -> str:
    """Return why a model does not become ready: one line."""
    with pytest.raises(ModelError) as caught:
        load(folder).warm_up(4)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{folder}", "MODEL")


def of(x: Any) -> Any:
    """Return a probability for each row."""
    import tensorflow as tf

    return tf.sigmoid(tf.reduce_sum(tf.cast(x, tf.float32), axis=1) - 2.5)


REFUSED = [
    (
        lambda x: {"click": of(x), "buy": 1 - of(x)},
        "MODEL: serving_default has the outputs buy, click; it is not clear which one is the score: write the output "
        'with the score into model.json, such as "output": "buy"',
    ),
    (lambda x: {"class_id": of(x) > 0.5, "probability": of(x)}, "has the outputs class_id, probability"),
    (lambda x: {"logits": of(x)}, 'the output logits seems to hold logits, not probabilities: write "activation"'),
    (lambda x: {"y": of(x) * 5 - 1}, "the output y: it gives"),
    (lambda x: {"y": of(x) * float("nan")}, "the output y: it gives nan"),
    (lambda x: {"y": of(x)[0]}, "cannot be called (the model gave 1 scores for 4 instances)"),
    (lambda x: {"y": of(x) > 0.5}, "the output y holds bool, no probabilities"),
    (lambda x: {"y": of(x)[:, None, None] * 1.0}, "has more than two dimensions"),
]


@pytest.mark.parametrize(("outputs", "reason"), REFUSED, ids=[reason[-30:] for _, reason in REFUSED])
def test_an_unclear_output_is_refused_at_the_start(outputs: Any, reason: str, tmp_path: Path) -> None:
    """The line says what to write; a server that does not know its score never becomes ready."""
    assert reason in refused(save(tmp_path, outputs))


def test_logits_with_an_activation_are_probabilities(tmp_path: Path) -> None:
    """A sigmoid and a softmax make what TensorFlow makes."""
    import tensorflow as tf

    rows = [[0.0, 4.0, -90.0], [1.0, 2.0, 3.0]]
    save(tmp_path / "sigmoid", lambda x: {"logits": tf.reduce_sum(x, axis=1)}, activation="sigmoid")
    save(tmp_path / "softmax", lambda x: {"logits": x * 10.0}, activation="softmax")
    instances = [{"inputs": {"x": row}} for row in rows]
    scores = {}
    for name in ("sigmoid", "softmax"):
        model = load(tmp_path / name)
        model.warm_up(2)
        scores[name] = answers(model, ForeignModel({}, of, instances, {}))

    np.testing.assert_allclose(scores["sigmoid"], tf.sigmoid(tf.reduce_sum(tf.constant(rows), 1)), rtol=1e-6)
    np.testing.assert_allclose(scores["softmax"], tf.nn.softmax(tf.constant(rows) * 10.0), rtol=1e-5, atol=1e-30)


def test_a_rounding_above_one_is_clipped(tmp_path: Path) -> None:
    """A float32 sum that is 1.0000001 is the probability 1; 1.001 is none."""
    model = load(save(tmp_path / "rounded", lambda x: {"score": of(x) * 0 + 1.0000001}))
    model.warm_up(2)

    assert answers(model, ForeignModel({}, of, [{"inputs": [1, 2, 3]}], {})) == [1.0]
    assert "it gives 1.00" in refused(save(tmp_path / "above", lambda x: {"score": of(x) * 0 + 1.001}))


def test_both_forms_of_the_trained_model(saved_model: Path) -> None:
    """The model that `train` exports takes text and ids, singly and in batches."""
    model = load(saved_model)
    model.warm_up(2)
    rows = [{"text_a": "left", "text_b": "item1"}, {"text_a": "right hour2", "text_b": "item14 price4"}]

    of_texts = answers(model, ForeignModel({}, of, rows, {}))
    of_ids = answers(model, ForeignModel({}, of, [{name: [2, 5, 3] for name in BERT} | ONES], {}))

    assert [form.fields for form in model.plan.forms] == [tuple(BERT), ("text_a", "text_b")]
    assert all(0 < score < 1 for score in of_texts + of_ids)
    assert len(set(of_texts)) == 2


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    """A file that is no SavedModel gives one line."""
    (tmp_path / "saved_model.pb").write_bytes(b"garbage")
    (tmp_path / "model.json").write_text('{"threshold": 0.5}')

    assert refused(tmp_path).startswith("MODEL cannot be loaded (")


def test_inspect_prints_what_would_be_served_or_why_nothing_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a complete `model.json`; the exit status says which of both it is."""
    MODELS["named classes"].save(tmp_path / "clear")
    save(tmp_path / "unclear", lambda x: {"click": of(x), "buy": of(x)})

    served = model_server_command(["inspect", str(tmp_path / "clear"), "--json"])
    report = json.loads(capsys.readouterr().out)
    refused_status = model_server_command(["inspect", str(tmp_path / "unclear")])
    printed = capsys.readouterr().out

    assert (served, refused_status) == (0, 1)
    assert report["served"] == [
        {
            "signature": "serving_default",
            "inputs": ["x float32 (?, 3) <- inputs.x"],
            "output": "p -> multiclass",
            "engine": "tensorflow",
        }
    ]
    assert report["model.json"]["classes"] == ["boots", "hats", "bags"]
    assert "  output  buy float32 (?)\n  output  click float32 (?)\nnot served: " in printed
    assert 'such as "output": "buy"' in printed


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_the_same_in_a_fresh_process(seed: int) -> None:
    """No order of names, which a process chooses by chance, changes what is served."""
    command = [sys.executable, "-m", "pytest", "-q", __file__, "-k", "direct_call", "-p", "no:cacheprovider"]
    environ = {**os.environ, "PYTHONHASHSEED": str(seed)}
    subprocess.run(command, env=environ, check=True, capture_output=True, timeout=600)
