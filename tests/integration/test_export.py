"""`model-server export`: new versions, what they cost, and what is refused; the engine that computes them."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from model_server.cli import main as model_server
from model_server.engines import litert as litert_engine
from model_server.engines.engine import Engine
from model_server.engines.loading import load_engine
from model_server.json_object import JsonObject
from model_server.model_card import read_card
from model_server.signatures.instance_inputs import InputReader, InstanceInputs
from monitor_agent.errors import MissingPackageError, ModelError
from monitor_agent.settings import ServerSettings
from tests.foreign_models import models
from tests.lacking_packages import environ_without
from tests.served_models import serving

ROWS = 300
TEXTS = {"text_a": "ua81ce affinity0 history0 right hour2", "text_b": "item14 price4 ia3"}
EVERYTHING = "auc=1,log_loss=1000,flipped=1"


@pytest.fixture(scope="module")
def data(saved_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return labelled texts, all clicks among them."""
    with (saved_model.parent / "training.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    rows.sort(key=lambda row: row[-1], reverse=True)
    path = tmp_path_factory.mktemp("data") / "evaluation.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows[:ROWS]])
    return path


@pytest.fixture(scope="module")
def versions(saved_model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with version 1, and version 2 of LiteRT."""
    folder = tmp_path_factory.mktemp("versions") / "click"
    shutil.copytree(saved_model, folder)
    # The scores of this model are close to each other, and to its threshold.
    assert model_server(words(folder, "litert-int8", data, tolerance="flipped=0.5")) == 0
    return folder


def words(folder: Path, optimise: str, data: Path | None = None, **options: str) -> list[str]:
    """Return a command that optimises version 1."""
    command = ["export", "--model-dir", str(folder), "--model-version", "1", "--out", str(folder)]
    command += ["--optimize", optimise] if optimise else []
    command += ["--data", str(data)] if data else []
    return command + [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]


def engine_in(folder: Path) -> Engine:
    engine = load_engine(read_card(folder, ServerSettings(), folder.parent.name))
    engine.warm_up(4)
    return engine


@pytest.fixture(scope="module")
def engines(versions: Path) -> tuple[Engine, Engine]:
    """Return the loaded versions 1 and 2."""
    return engine_in(versions / "1"), engine_in(versions / "2")


def inputs_of(engine: Engine, *instances: dict[str, Any]) -> list[InstanceInputs]:
    reader = InputReader(engine.plan.forms, engine.limits)
    return [reader.read(JsonObject(instance, "", reader.fields)) for instance in instances]


def ids(*values: int) -> dict[str, Any]:
    return {"input_seq": list(values), "input_mask": [1] * len(values), "segment_ids": [0] * len(values)}


def test_the_card_of_the_new_version_has_sizes_times_and_differences(versions: Path) -> None:
    """The source stays as it is."""
    card = json.loads((versions / "2" / "model_card.json").read_text())
    entries = json.loads((versions / "2" / "model.json").read_text())
    (entry,) = card["optimizations"]
    (table,) = entry["tables"]
    rows = {row[0]: row[1:] for row in table["rows"]}

    assert (entries["version"], entries["engine"], entries["engine_file"]) == ("2", "litert", "model.tflite")
    assert card["model_details"]["version"] == "2"
    assert (entry["name"], entry["source_version"], entry["instances"]) == ("litert-int8", "1", ROWS)
    assert entry["data"]["rows"] == ROWS
    assert rows["engine"][:2] == ["tensorflow", "litert"]
    weights = rows["weights of the main signature, bytes"]
    assert weights[1] == (versions / "2" / "model.tflite").stat().st_size < 0.5 * weights[0]
    assert all(time > 0 for size in (1, 32, 64) for time in rows[f"latency of {size}, us"][:2])
    assert rows["AUC"][1] == pytest.approx(rows["AUC"][0], abs=0.005)
    assert 0 < rows["largest difference of a score"][1] < 0.1
    assert "| AUC |" in (versions / "2" / "MODEL_CARD.md").read_text()
    assert "engine" not in json.loads((versions / "1" / "model.json").read_text())


def test_litert_scores_as_the_savedmodel_whatever_the_shapes(engines: tuple[Engine, Engine]) -> None:
    """Ids of several lengths in batches of several sizes, and texts, which TensorFlow tokenises; in any order."""
    source, litert = engines
    random = np.random.default_rng(1)
    rows = [ids(*random.integers(5, 90, random.integers(1, 60)).tolist()) for _ in range(40)]
    alone = np.array([litert.compute([entry]).scores[0] for entry in inputs_of(litert, *rows)])
    np.testing.assert_allclose(alone, source.compute(inputs_of(source, *rows)).scores, rtol=0.3)
    for start, end in ((0, 1), (1, 3), (3, 40), (1, 2), (3, 40), (0, 12), (12, 13)):
        together = litert.compute(inputs_of(litert, *rows[start:end]))
        assert together.engine == "litert"
        np.testing.assert_allclose(together.scores, alone[start:end], rtol=1e-4)
    texts = [TEXTS, {"text_a": "left", "text_b": "item1"}]
    of_texts = litert.compute(inputs_of(litert, *texts))
    assert of_texts.engine == "litert"
    np.testing.assert_allclose(of_texts.scores, source.compute(inputs_of(source, *texts)).scores, rtol=0.3)
    assert [[engine.engine_of(served) for served in engine.plan.served] for engine in engines] == [
        ["tensorflow", "tensorflow"],
        ["litert", "litert"],
    ]


def test_a_failed_call_leaves_the_engine_usable(engines: tuple[Engine, Engine]) -> None:
    """The interpreter of a failed call is not used again."""
    engine = engines[1]
    (inputs,) = before = inputs_of(engine, ids(5, 6, 7))
    expected = engine.compute(before).scores
    broken = [InstanceInputs(inputs.form, tuple(np.full(3, 10**6, np.int32) for _ in inputs.values))]

    for _ in range(2):
        with pytest.raises(RuntimeError):
            engine.compute(broken)
        np.testing.assert_array_equal(engine.compute(before).scores, expected)


def test_answers_and_events_name_the_engine(versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts that nobody tokenises stay with TensorFlow; clients of TensorFlow Serving get all outputs."""
    monkeypatch.setattr(litert_engine, "TOKENIZE", "no such signature")
    columns = {"input_word_ids": [5, 6], "input_mask": [1, 1], "segment_ids": [0, 0]}
    bodies = ("/predict", ids(5, 6)), ("/predict", TEXTS), ("/v1/models/shop:predict", {"instances": [columns]})
    copy = SimpleNamespace(save=lambda target: shutil.copytree(versions / "2", target))
    with serving(tmp_path, copy) as client:
        answers = [client.post(path, body, content_type="application/json") for path, body in bodies]
        events = client.events()
        (status, ready), (_, metadata) = client.get("/readyz"), client.get("/v1/models/shop/metadata")

    assert [status for status, _ in answers] == [200, 200, 200], answers
    assert answers[2][1]["predictions"] == [pytest.approx(answers[0][1]["prediction"])]
    assert [event["prediction"]["engine"] for event in events] == ["litert", "tensorflow", "litert"]
    assert status == 200
    assert "litert" in json.dumps(ready)
    assert metadata["metadata"]["engine"] == "litert"


def test_a_worse_version_is_refused_and_nothing_stays(
    versions: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line has the numbers."""
    out = tmp_path / "click"
    command = ["export", "--model-dir", str(versions / "1"), "--out", str(out), "--data", str(data)]

    assert model_server([*command, "--optimize", "l2"]) == 1

    assert not out.exists()
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: l2 is worse than the tolerance allows: AUC 0.")
    assert " other labels (allowed: 2.0%): nothing is written; " in line


def test_a_wider_tolerance_takes_a_worse_version(versions: Path, data: Path, tmp_path: Path) -> None:
    """Only the weights of products differ, by the formula."""
    out = tmp_path / "click"
    command = ["export", "--model-dir", str(versions / "1"), "--out", str(out), "--data", str(data)]

    assert model_server([*command, "--optimize", "sign", "--tolerance", EVERYTHING]) == 0

    assert "engine" not in json.loads((out / "2" / "model.json").read_text())
    assert variables_that_differ(versions / "1", out / "2") >= 8


def variables_that_differ(source: Path, changed: Path) -> int:
    """Return how many variables differ: weights of products, and none of the tables of embeddings."""
    import tensorflow as tf

    readers = [tf.train.load_checkpoint(str(folder / "variables" / "variables")) for folder in (source, changed)]
    count = 0
    for name in readers[0].get_variable_to_dtype_map():
        before, after = (reader.get_tensor(name) for reader in readers)
        if np.array_equal(before, after):
            continue
        count += 1
        assert before.ndim >= 2
        assert "embedding" not in name
        np.testing.assert_allclose(abs(after), np.broadcast_to(abs(before).mean(axis=0), before.shape), rtol=1e-5)
    return count


def test_a_copy_is_a_new_version_and_none_is_overwritten(
    versions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --optimize; the next number is free."""
    out = tmp_path / "other"
    command = ["export", "--model-dir", str(versions / "1"), "--out", str(out)]

    statuses = [model_server(command), model_server(command), model_server([*command, "--new-version", "2"])]

    assert statuses == [0, 0, 1]
    assert f"error: {out / '2'} exists already: name another version" in capsys.readouterr().err
    assert sorted(path.name for path in out.iterdir()) == ["2", "3"]
    assert json.loads((out / "3" / "model.json").read_text())["version"] == "3"
    assert json.loads((out / "3" / "model_card.json").read_text())["model_details"]["made_from_version"] == "1"


FOREIGN = ["three classes", "a number", "a fixed number of instances"]


@pytest.mark.parametrize("name", FOREIGN)
def test_models_of_other_people_convert(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without data, the versions are compared on invented instances."""
    foreign = models()[name]
    foreign.save(tmp_path / "1")
    command = ["export", "--model-dir", str(tmp_path), "--out", str(tmp_path), "--optimize", "float16", "--json"]

    assert model_server(command) == 0, capsys.readouterr().err

    assert json.loads(capsys.readouterr().out)["optimization"]["instances"] == 512
    engine = engine_in(tmp_path / "2")
    result = engine.compute(inputs_of(engine, *foreign.instances))
    assert result.engine == "litert"
    expected = engine_in(tmp_path / "1")
    np.testing.assert_allclose(
        result.scores, expected.compute(inputs_of(expected, *foreign.instances)).scores, rtol=1e-3
    )


def test_what_cannot_be_converted_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written."""
    models()["one text"].save(tmp_path / "1")

    assert model_server(["export", "--model-dir", str(tmp_path), "--out", str(tmp_path), "--optimize", "float16"]) == 1

    assert capsys.readouterr().err.startswith("error: the signature serving_default takes or gives texts: ")
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_a_missing_package_is_one_line(versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install; a version that is there can also be served without its engine."""
    command = [sys.executable, "-m", "model_server", *words(versions, "litert-int8")]
    environ = environ_without(tmp_path, "ai_edge_litert")
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: model-server export --optimize needs ai-edge-litert, which is not installed: run "
    )
    assert done.stderr.count("\n") == 1

    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(
        MissingPackageError, match=r"not installed: run .*\[litert\]'?, or remove `engine` from model.json"
    ):
        engine_in(versions / "2")


def test_a_damaged_file_is_one_line(versions: Path, tmp_path: Path) -> None:
    """The file must be one of LiteRT."""
    version = tmp_path / "click" / "2"
    shutil.copytree(versions / "2", version)
    (version / "model.tflite").write_bytes(b"garbage")
    with pytest.raises(ModelError, match=r"model\.tflite cannot be loaded \("):
        engine_in(version)
