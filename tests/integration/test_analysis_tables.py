"""The tables for analysts, read from the documents that the agent wrote for real events."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from monitor_agent import analysis
from monitor_agent.cli import main
from monitor_agent.errors import ElasticsearchError, SettingsError
from tests.cluster import Cluster
from tests.command_environments import analyst_variables
from tests.factories import START, Document, make_feedback, make_prediction
from tests.integration.agent_world import MUCH_LATER, World, world_on

DAY = ("2026-03-02", "2026-03-03")
PREDICTIONS = 120


@pytest.fixture(scope="module")
def traffic() -> list[Document]:
    """Return predictions of two hours and two versions, one of them in shadow, and clicks on some of them."""
    dice = random.Random(11)
    predictions = [
        make_prediction(
            START + timedelta(minutes=dice.choice((1, 61)), seconds=number),
            dice.random(),
            version=dice.choice("12"),
            scene=dice.choice(["search", None]),
        )
        for number in range(PREDICTIONS)
    ]
    predictions[0]["prediction"]["shadow"] = True
    return [*predictions, *(make_feedback(prediction) for prediction in predictions[1::3])]


@pytest.fixture(scope="module")
def world(installed: Cluster, traffic: list[Document]) -> Iterator[World]:
    """Yield the world after one cycle over the traffic; no test here writes to it."""
    with world_on(installed) as module_world:
        module_world.deliver(*traffic)
        module_world.cycle(START + MUCH_LATER)
        yield module_world


@pytest.fixture(autouse=True)
def analyst(
    world: World,  # noqa: ARG001 - the functions read its documents
    elasticsearch: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Let the environment name an analyst."""
    for name, value in analyst_variables(elasticsearch).items():
        monkeypatch.setenv(name, value)


def test_metrics_are_the_documents_of_the_agent(world: World) -> None:
    """Each row of metrics has the values of one document; the columns do not depend on the rows."""
    table = analysis.metrics(*DAY, window="1h", version="all")
    empty = analysis.metrics("2020-01-01", "2020-01-02")

    rows = table.to_pylist()
    assert [row["window_start"].hour for row in rows] == [10, 11]
    for row in rows:
        document = world.window("1h", f"{row['window_start']:%Y-%m-%dT%H}")
        assert {name: row[name] for name in ("n", "tp", "ctr", "ctr_low", "state")} == {
            name: document[name] for name in ("n", "tp", "ctr", "ctr_low", "state")
        }
        assert row["not_alertable"] == document["not_alertable"]
    assert empty.num_rows == 0
    stable = [field for field in table.schema if not field.name.startswith("labels.")]
    assert {field.name: field.type for field in stable}.items() <= {
        field.name: field.type for field in empty.schema
    }.items()


def test_predictions_have_the_labels_that_metrics_count() -> None:
    """The labels of the table give the counts of the metrics document of the day; a shadow has no label."""
    table = analysis.predictions(*DAY)
    (day,) = analysis.metrics(*DAY, window="1d", version="all").to_pylist()

    frame = table.to_pandas()
    judged = frame[frame["label"].notna()]
    assert len(frame) == PREDICTIONS
    assert len(judged) == day["n"] == PREDICTIONS - 1
    assert int(judged["label"].sum()) == day["tp"] + day["fn"]
    assert int(((judged["label"] == 1) & (judged["prediction.label"] == 1)).sum()) == day["tp"]
    assert set(frame["labels.scene"].dropna()) == {"search"}
    assert frame["@timestamp"].is_monotonic_increasing


def test_curves_count_every_label() -> None:
    """The points of the reliability curve of the day hold all labelled predictions."""
    points = analysis.curves(*DAY, "reliability", version="all").to_pylist()
    (day,) = analysis.metrics(*DAY, window="1d", version="all").to_pylist()

    assert [point["bin"] for point in points] == list(range(len(points)))
    assert sum(point["n"] for point in points) == day["n"]


def test_the_example_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The example in docs/queries.md prints the labelled predictions and their rate of positives by scene."""
    page = (Path(__file__).parents[2] / "docs" / "queries.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(example, "docs/queries.md", "exec"), {})

    assert re.search(r"^search +\d+ +0\.\d+$", capsys.readouterr().out, re.MULTILINE)


def test_a_range_that_does_not_end_after_it_starts_is_refused() -> None:
    """The line says what to give."""
    with pytest.raises(SettingsError, match="does not end after it starts"):
        analysis.metrics("2026-03-03", "2026-03-02")


def test_an_unreachable_elasticsearch_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong address ends in an error of the product that names the setting."""
    monkeypatch.setenv("ELASTICSEARCH_URL", "http://127.0.0.1:9")
    with pytest.raises(ElasticsearchError, match="ELASTICSEARCH_URL"):
        analysis.metrics(*DAY)


def test_totals_as_csv_and_parquet_are_those_of_json(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The three formats of the totals have the same values."""
    argv = ("totals", "--from", DAY[0], "--to", DAY[1], "--by", "version")
    assert main((*argv, "--json")) == 0
    objects = json.loads(capsysbinary.readouterr().out)["totals"]
    assert main((*argv, "--format", "csv")) == 0
    texts = list(csv.DictReader(io.StringIO(capsysbinary.readouterr().out.decode(), newline="")))
    assert main((*argv, "--format", "parquet", "--out", str(tmp_path / "totals.parquet"))) == 0
    rows = pq.read_table(tmp_path / "totals.parquet").to_pylist()

    names = ("model_version", "predictions", "n", "ctr", "auc_low", "f1")
    assert [{name: row[name] for name in names} for row in rows] == [
        {name: entry[name] for name in names} for entry in objects
    ]
    assert [_values(text, names) for text in texts] == [_values(entry, names) for entry in objects]


def test_a_table_that_cannot_be_written_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A folder that does not exist, and Parquet without a file, end in one line that says what to do."""
    argv = ("totals", "--from", DAY[0], "--to", DAY[1], "--format")
    assert main((*argv, "csv", "--out", str(tmp_path / "no" / "totals.csv"))) == 1
    assert "cannot be written" in capfd.readouterr().err
    assert main((*argv, "parquet")) == 1
    assert "--out totals.parquet" in capfd.readouterr().err


def _values(row: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    return ["" if row[name] is None else str(row[name]) for name in names]
