"""`model-server evaluate`: any served model on a file of rows gives the numbers of scikit-learn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from sklearn import metrics

from model_server.cli import main as model_server_command
from model_server.evaluation import score_counts
from tests.foreign_models import MATRIX, ForeignModel, models

MODELS = models()
ROWS = 700
CLASSES = ["boots", "hats", "bags"]


def evaluated(capsys: pytest.CaptureFixture[str], model: Path, data: Path, *words: str) -> dict[str, Any]:
    """Return the result of the command as JSON."""
    status = model_server_command(["evaluate", "--model-dir", str(model), "--data", str(data), "--json", *words])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    result: dict[str, Any] = json.loads(captured.out)
    return result


def vectors() -> np.ndarray:
    return np.random.default_rng(3).normal(1.0, 20.0, (ROWS, 3)).astype(np.float32)


def outputs(folder: Path, foreign: ForeignModel, rows: np.ndarray) -> np.ndarray:
    """Return what a direct call of the saved signature gives for a matrix."""
    import tensorflow as tf

    call = tf.saved_model.load(str(folder)).signatures[foreign.signature]
    values: np.ndarray = call(x=tf.constant(rows))[foreign.output].numpy()
    return values


def write_rows(path: Path, rows: np.ndarray, truth: list[Any]) -> Path:
    """Write NDJSON whose rows are instances of the server."""
    lines = [json.dumps({"x": row.tolist(), "label": label}) for row, label in zip(rows, truth, strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_binary_model_has_the_numbers_of_scikit_learn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows without a label are left out and counted; card, file and output have the same result."""
    foreign, rows = MODELS["a matrix of floats"], vectors()
    foreign.save(tmp_path / "shop" / "3")
    scores = outputs(tmp_path / "shop" / "3", foreign, rows)
    labels = (np.random.default_rng(1).random(ROWS) < scores).astype(int)
    truth: list[Any] = labels.tolist()
    data = write_rows(tmp_path / "clicks.ndjson", rows, [None, None, *truth[2:]])

    result = evaluated(capsys, tmp_path / "shop", data, "--card", "--out", str(tmp_path / "result.json"))

    scores, labels = scores[2:], labels[2:]
    predicted = scores >= np.float32(0.5)
    assert result["model"] == {"name": "other", "version": "3", "kind": "binary", "threshold": 0.5}
    assert result["data"]["rows"] == ROWS - 2
    assert result["data"]["cleaning"] == [{"rule": "the label is missing", "rows": 2, "action": "dropped"}]
    for name, value in {
        "accuracy": metrics.accuracy_score(labels, predicted),
        "precision": metrics.precision_score(labels, predicted),
        "recall": metrics.recall_score(labels, predicted),
        "f1": metrics.f1_score(labels, predicted),
        "auc": metrics.roc_auc_score(labels, scores),
    }.items():
        assert result["metrics"][name]["value"] == pytest.approx(value, abs=1e-9), name
        assert result["metrics"][name]["low"] < value < result["metrics"][name]["high"], name
    tn, fp, fn, tp = metrics.confusion_matrix(labels, predicted).ravel().tolist()
    assert result["tables"][0]["rows"][0] == ["the threshold", 0.5, tp, fp, tn, fn]
    assert json.loads((tmp_path / "result.json").read_text()) == result
    card = json.loads((tmp_path / "shop" / "3" / "model_card.json").read_text())
    assert card["quantitative_analyses"] == [{key: result[key] for key in ("name", "data", "metrics", "tables")}]
    assert card["signatures"][0]["inputs"] == ["x float32 (?, 3)"]
    assert "### evaluation on clicks.ndjson" in (tmp_path / "shop" / "3" / "MODEL_CARD.md").read_text()


def test_several_classes_and_numbers_have_the_numbers_of_scikit_learn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Classes by their names, in a Parquet file; numbers by their errors."""
    rows, random = vectors(), np.random.default_rng(2)
    MODELS["named classes"].save(tmp_path / "classes")
    MODELS["a number"].save(tmp_path / "number")
    scores = outputs(tmp_path / "classes", MODELS["named classes"], rows)
    values = outputs(tmp_path / "number", MODELS["a number"], rows).reshape(-1)
    right = random.integers(0, 3, ROWS)
    truth = values + random.normal(0, 5, ROWS)
    table = pyarrow.table({"x": rows.tolist(), "best": [CLASSES[number] for number in right]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")

    of_classes = evaluated(capsys, tmp_path / "classes", tmp_path / "a.parquet", "--label", "best")
    of_numbers = evaluated(capsys, tmp_path / "number", write_rows(tmp_path / "a.ndjson", rows, truth.tolist()))

    predicted = scores.argmax(axis=1)
    macro = metrics.f1_score(right, predicted, average="macro")
    assert of_classes["metrics"]["accuracy"]["value"] == metrics.accuracy_score(right, predicted)
    assert of_classes["metrics"]["macro_f1"]["value"] == pytest.approx(macro)
    confusion = next(entry for entry in of_classes["tables"] if entry["title"] == "confusion")
    assert [row[1:] for row in confusion["rows"]] == metrics.confusion_matrix(right, predicted).tolist()
    error = metrics.mean_absolute_error(truth, values)
    assert of_numbers["metrics"]["mean_absolute_error"]["value"] == pytest.approx(error)
    assert of_numbers["metrics"]["r2"]["value"] == pytest.approx(metrics.r2_score(truth, values))
    assert of_numbers["model"]["threshold"] is None


def test_the_trained_model_is_evaluated_by_text_columns(
    saved_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Columns of other names are chosen; the text for people names model, rows and metrics."""
    data = tmp_path / "clicks.csv"
    rows = (f"left hour{number % 5},item{number % 7} price{number % 3},{number % 4 // 3}" for number in range(300))
    data.write_text("\n".join(["user,item,clicked", *rows]) + "\n")
    words = ["--text-a", "user", "--text-b", "item", "--label", "clicked"]

    result = evaluated(capsys, saved_model, data, *words)
    status = model_server_command(["evaluate", "--model-dir", str(saved_model), "--data", str(data), *words])
    lines = capsys.readouterr().out.splitlines()

    assert status == 0
    assert result["metrics"]["positive_rate"]["value"] == 0.25
    assert lines[0].startswith("name click, version 1, kind binary, threshold 0.")
    assert lines[1] == "300 labelled rows of clicks.csv, 0 without a label"
    assert [line.split()[0] for line in lines[3:6]] == ["metric", "positive_rate", "accuracy"]
    assert {"confusion", "calibration"} < set(lines)


@pytest.mark.parametrize(
    ("lines", "words", "reason"),
    [
        ('{"x": [1, 2], "label": 1}', [], "a.ndjson:1: x: a list of 3 values expected, a list of 2 values given"),
        ('{"x": [1, 2, 3], "label": 2}', [], "a.ndjson:1: label: 2 is neither 0 nor 1"),
        ('{"x": [1, 2, 3]}', [], "a.ndjson:1 has no column label; it has x"),
        ('{"x": [1, 2, 3], "label": 1}', ["--text-a", "q"], "a.ndjson:1 has no column q; it has x, label"),
        ('{"x": [1, 2, 3], "label": null}', [], "a.ndjson has no row with a value in label"),
        ('{"x": [1, 2, 3], "label": 1}', ["--model-version", "9"], "has no version 9: it has 3"),
        ('{"x": [1, 2, 3], "label": 1}', ["--model", "b"], "there is no model b: choose one with --model: other"),
        ('{"x": [1e30, 2, 3], "label": 1}', [], "a.ndjson:1 the model gives nan, not a probability"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(
    lines: str, words: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names the row, or what there is to choose."""
    import tensorflow as tf

    def compute(x: Any) -> Any:
        total = tf.reduce_sum(x, axis=1)
        return {"score": tf.where(total > 1e20, float("nan"), tf.sigmoid(total))}

    ForeignModel({"x": ([None, 3], "float32")}, compute, [], {}).save(tmp_path / "shop" / "3")
    (tmp_path / "a.ndjson").write_text(lines + "\n")
    command = ["evaluate", "--model-dir", str(tmp_path / "shop"), "--data", str(tmp_path / "a.ndjson"), *words]

    with pytest.raises(SystemExit) as ended:
        raise SystemExit(model_server_command(command))

    errors = capsys.readouterr().err
    assert ended.value.code == 1
    assert reason in errors.replace("inputs.x: ", "x: ")
    assert "Traceback" not in errors


def test_memory_does_not_grow_with_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times as many rows take no more memory, once the buffer of scores is full."""
    import tracemalloc

    from model_server.engines.loaded_graph import LoadedGraph
    from model_server.engines.loading import engine_of_graph
    from model_server.evaluation.file_evaluation import evaluate_file
    from model_server.releases.available import available_models
    from monitor_agent.settings import ServerSettings
    from monitor_agent.tables.table_file import TableFile

    foreign = MODELS["a matrix of floats"]
    foreign.save(tmp_path / "3")
    (model,) = available_models(ServerSettings(model_dir=str(tmp_path)))
    engine = engine_of_graph(model.cards["3"], LoadedGraph(tmp_path / "3"))
    engine.warm_up(2)
    monkeypatch.setattr(score_counts, "BUFFERED", 1000)
    peaks = []
    for count in (1500, 6000):
        rows = np.tile(np.array(MATRIX, np.float32), (count // 2, 1))
        data = write_rows(tmp_path / f"{count}.ndjson", rows, [0, 1] * (count // 2))
        tracemalloc.start()
        evaluate_file(engine, TableFile(data))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < peaks[0] + 50_000
