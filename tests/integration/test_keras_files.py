"""Files of Keras 2 and Keras 3 are served as a direct call computes them, or refused with what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_server.cli import main as model_server_command
from model_server.engines.engine import Engine
from model_server.engines.loaded_graph import LoadedGraph
from model_server.engines.loading import engine_of_graph
from model_server.predict_request import PredictParser
from model_server.releases.available import available_models
from model_server.signatures.instance_inputs import InputReader
from monitor_agent.errors import MissingPackageError, ModelError
from monitor_agent.settings import ServerSettings
from tests.foreign_models import MATRIX

NOW = datetime(2026, 11, 29, tzinfo=timezone.utc)
VECTORS = [{"inputs": {"x": row}} for row in MATRIX]
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefgh"]


def load(path: Path) -> Engine:
    """Return the only model at a path, warmed up."""
    (model,) = available_models(ServerSettings(model_dir=str(path)))
    (version,) = model.choose()
    card = model.cards[version]
    engine = engine_of_graph(card, LoadedGraph(card.folder))
    engine.warm_up(2)
    return engine


def scores(engine: Engine, instances: list[dict[str, Any]]) -> np.ndarray:
    parser = PredictParser(ServerSettings(), InputReader(engine.plan.forms, engine.limits))
    inputs = [entry.inputs for entry in parser.parse({"instances": instances}, NOW).instances]
    return np.asarray(engine.compute(inputs).scores)


def keras_3_dense() -> Any:
    import keras

    return keras.Sequential([keras.Input((3,), name="x"), keras.layers.Dense(1, activation="sigmoid", name="score")])


def keras_2_dense() -> Any:
    import tf_keras

    layers = [tf_keras.Input((3,), name="x"), tf_keras.layers.Dense(1, activation="sigmoid", name="score")]
    return tf_keras.Sequential(layers)


@pytest.mark.parametrize("make", [keras_3_dense, keras_2_dense])
@pytest.mark.parametrize("suffix", [".keras", ".h5", ".hdf5"])
def test_a_file_is_served_as_a_direct_call_computes_it(suffix: str, make: Callable[[], Any], tmp_path: Path) -> None:
    """As the model folder, or in the folder of a version; the version that wrote the file decides what loads it."""
    written = make()
    (tmp_path / "models" / "shop" / "3").mkdir(parents=True)
    path = tmp_path / "models" / "shop" / "3" / f"best{suffix}"
    written.save(path, **({"save_format": "h5"} if suffix == ".hdf5" and make is keras_2_dense else {}))
    expected = written.predict(np.array(MATRIX, np.float32), verbose=0)[:, 0]

    for root, name in ((path, "best"), (path.parent, "shop"), (path.parent.parent, "shop")):
        engine = load(root)
        np.testing.assert_allclose(scores(engine, VECTORS), expected, rtol=1e-5)
        assert (engine.card.name, engine.card.version, engine.kind) == (name, "3", "binary")
        (signature,) = engine.signatures
        assert [str(tensor) for tensor in signature.inputs] == ["x float32 (?, 3)"]


def test_named_inputs_and_outputs_keep_their_names(tmp_path: Path) -> None:
    """Also texts and whole numbers, and a `model.json` beside the file."""
    import keras

    inputs = {
        "price": keras.Input((1,), name="price"),
        "brand": keras.Input((), dtype="string", name="brand"),
        "user": keras.Input((1,), dtype="int64", name="user"),
    }
    lookup = keras.layers.StringLookup(vocabulary=["hat", "shoe"], output_mode="one_hot")(inputs["brand"])
    embedded = keras.layers.Flatten()(keras.layers.Embedding(10, 2)(inputs["user"]))
    together = keras.layers.Concatenate()([inputs["price"], lookup, embedded])
    outputs = {
        "buy": keras.layers.Dense(1, activation="sigmoid", name="a")(together),
        "click": keras.layers.Dense(1, activation="sigmoid", name="b")(together),
    }
    written = keras.Model(inputs, outputs)
    written.save(tmp_path / "shop.keras")
    (tmp_path / "model.json").write_text(json.dumps({"name": "other", "version": "7", "output": "click"}))
    rows = [{"price": 1.5, "brand": "hat", "user": 7}, {"price": -2.0, "brand": "none", "user": 1}]

    engine = load(tmp_path / "shop.keras")

    import tensorflow as tf

    direct = written({
        "price": tf.constant([[1.5], [-2.0]]),
        "brand": tf.constant(["hat", "none"]),
        "user": tf.constant([[7], [1]], tf.int64),
    })  # fmt: skip
    np.testing.assert_allclose(scores(engine, [{"inputs": row} for row in rows]), direct["click"][:, 0], rtol=1e-5)
    assert (engine.card.name, engine.card.version) == ("other", "7")


def test_a_bert_model_of_keras_2_with_a_layer_of_the_hub_is_served(tmp_path: Path) -> None:
    """The form of many published click models: three inputs of ids, `hub.KerasLayer`, one H5 file."""
    import tensorflow_hub
    import tf_keras

    from model_server.training.encoder import EncoderConfig, save_encoder

    words = tmp_path / "vocab.txt"
    words.write_text("\n".join(PIECES) + "\n")
    config = EncoderConfig(layers=1, hidden=16, heads=2, intermediate=32)
    save_encoder(tmp_path / "encoder", words, config, lower_case=True, seed=1)
    names = ("input_word_ids", "input_mask", "input_type_ids")
    ids = {name: tf_keras.Input((8,), dtype="int32", name=name) for name in names}
    encoder = tensorflow_hub.KerasLayer(str(tmp_path / "encoder"), trainable=True)
    pooled = encoder(ids)["pooled_output"]
    written = tf_keras.Model(list(ids.values()), tf_keras.layers.Dense(1, activation="sigmoid")(pooled))
    (tmp_path / "models").mkdir()
    written.save(tmp_path / "models" / "bert.h5")
    rows = {"input_seq": [2, 5, 6, 3], "input_mask": [1, 1, 1, 1], "segment_ids": [0, 0, 0, 0]}

    engine = load(tmp_path / "models")

    padded = [np.array([[*values, 0, 0, 0, 0]], np.int32) for values in rows.values()]
    expected = written.predict(padded, verbose=0)[0]
    np.testing.assert_allclose(scores(engine, [rows]), expected, rtol=1e-4)


def keras_3_lambda() -> Any:
    import keras

    doubled = keras.layers.Lambda(lambda x: x * 2, name="doubled", output_shape=(3,))
    return keras.Sequential([keras.Input((3,), name="x"), doubled, keras.layers.Dense(1, activation="sigmoid")])


def keras_2_lambda() -> Any:
    import tf_keras

    inner = tf_keras.layers.TimeDistributed(tf_keras.layers.Lambda(lambda x: x * 2, name="doubled"))
    layers = [tf_keras.Input((3, 1), name="x"), inner, tf_keras.layers.Flatten(), tf_keras.layers.Dense(1)]
    return tf_keras.Sequential(layers)


@pytest.mark.parametrize(("make", "name"), [
    (keras_3_lambda, "a.keras"), (keras_3_lambda, "a.h5"), (keras_2_lambda, "a.h5"), (keras_2_lambda, "a.keras"),
])  # fmt: skip
def test_code_in_a_file_is_never_run(make: Callable[[], Any], name: str, tmp_path: Path) -> None:
    """A file with a Lambda layer is refused; the line says how somebody who trusts it exports it."""
    make().save(tmp_path / name)

    with pytest.raises(ModelError) as refused:
        load(tmp_path)

    assert f"{name} has the Lambda layer doubled, whose code could do anything: if you trust its" in str(refused.value)
    assert "safe_mode=False" in str(refused.value)


def test_the_command_of_the_line_exports_a_file_that_the_server_then_serves(tmp_path: Path) -> None:
    """A file with a layer that nobody knows names the command; it works where the layer is known."""
    keras_3_lambda().save(tmp_path / "shop.keras")
    with pytest.raises(ModelError) as refused:
        load(tmp_path)
    command = str(refused.value).partition("`")[2].rpartition("`")[0]

    subprocess.run(["bash", "-c", command.replace("python", sys.executable, 1)], check=True, capture_output=True)

    assert load(tmp_path / "shop").card.name == "shop"


def test_what_cannot_be_loaded_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights alone, garbage, several files, an unknown layer, and tf_keras that is missing."""
    import keras

    @keras.saving.register_keras_serializable("shop")
    class Private(keras.layers.Layer):  # type: ignore[misc,name-defined]
        def call(self, x: Any) -> Any:
            return x

    dense = keras_3_dense()
    for name in ("weights", "garbage", "private", "several", "old"):
        (tmp_path / name).mkdir()
    for name in ("weights", "private"):
        dense.save_weights(tmp_path / name / "a.weights.h5")
    (tmp_path / "garbage" / "a.h5").write_bytes(b"garbage")
    layers = [keras.Input((3,), name="x"), Private(), keras.layers.Dense(1, activation="sigmoid")]
    keras.Sequential(layers).save(tmp_path / "private" / "a.keras")
    keras.saving.get_custom_objects().clear()
    for name in ("a.h5", "b.keras"):
        dense.save(tmp_path / "several" / name)
    keras_2_dense().save(tmp_path / "old" / "a.h5")
    reasons = {
        "weights": "a.weights.h5 holds weights, but no model: save the whole model: model.save(...)",
        "garbage": "a.h5 is no file of Keras that can be read (",
        "private": "a.keras cannot be loaded (",
    }
    for name, reason in reasons.items():
        with pytest.raises(ModelError) as refused:
            load(tmp_path / name / "a.weights.h5" if name == "weights" else tmp_path / name)
        assert reason in str(refused.value)
        assert "\n" not in str(refused.value)
    assert "export it by `python -c " in str(refused.value)
    (several,) = available_models(ServerSettings(model_dir=str(tmp_path / "several")))
    assert "has several files of Keras: a.h5, b.keras: leave one" in str(several.first_problem)
    monkeypatch.setitem(sys.modules, "tf_keras", None)
    with pytest.raises(MissingPackageError, match=r"a file of Keras 2 needs tf-keras, .*\[keras\]"):
        load(tmp_path / "old")


def test_inspect_shows_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a SavedModel, with a `model.json` for the folder of the file."""
    keras_3_dense().save(tmp_path / "shop.keras")

    status = model_server_command(["inspect", str(tmp_path / "shop.keras")])

    printed = capsys.readouterr().out
    assert status == 0
    assert "signature serving_default\n  input   x float32 (?, 3)\n  output  score float32 (?, 1)\n" in printed
    assert '"output": "score"' in printed
