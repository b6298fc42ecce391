"""`monitor-agent import` on a real Elasticsearch: tables of others, labels of a second file, kills, repeats."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.clock import SystemClock
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.importing.reading_process import WORTH_ROWS
from tests.cluster import Cluster
from tests.command_environments import import_variables
from tests.command_line import monitor_agent, set_up
from tests.integration.agent_world import World, world_on
from tests.waiting import wait_until

HEADER = ["Case [no]", "decided at", "risk (model)", "defaulted?", "channel", "amount"]
MAP = (
    "id=Case [no],time=decided at,score=risk (model),label=defaulted?,"
    "labels.scene=channel,features.numeric.amount=amount"
)
COMMON = ("--model", "loans", "--version", "3", "--map", MAP, "--time-zone", "Europe/Berlin")
FIRST = datetime(2026, 7, 6, 8, 0, tzinfo=timezone.utc)
ROWS = 120
DAILY = "a row of each day\n"


@pytest.fixture
def world(clean_indices: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Yield the world of a cluster that the commands of the test use, with windows of an hour."""
    variables = {
        **import_variables(clean_indices, tmp_path),
        "MONITOR_BASE_WINDOW": "1h",
        "MONITOR_LARGER_WINDOWS": "1d",
        "STACK_SETUP_PASSWORD": clean_indices.users["monitor_setup"],
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert set_up() == 0
    with world_on(clean_indices) as world:
        yield world


def table(count: int = ROWS, seed: int = 3) -> list[list[str]]:
    """Return the rows of a stranger's table: local times without an offset, labels yes and no."""
    dice = random.Random(seed)
    rows = []
    for number in range(count):
        moment = FIRST + timedelta(minutes=2 * number + 120)  # Berlin is two hours ahead
        risk = dice.random()
        defaulted = "yes" if dice.random() < risk else "no"
        rows.append(
            [f"L-{number:04}", f"{moment:%Y-%m-%d %H:%M}", f"{risk:.4f}", defaulted, dice.choice("ab"), str(number)]
        )
    return rows


def write_csv(path: Path, rows: Iterable[list[str]], header: list[str] = HEADER) -> Path:
    """Write a table with semicolons, a byte order mark and the ends of lines of other systems."""
    with path.open("w", newline="", encoding="utf-8-sig") as stream:
        csv.writer(stream, delimiter=";", lineterminator="\r\n").writerows([header, *rows])
    return path


def imported(capfd: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, dict[str, Any]]:
    """Return the exit status and the report of an import."""
    capfd.readouterr()
    status = monitor_agent("import", *map(str, arguments), "--json")
    out, err = capfd.readouterr()
    assert out, err
    return status, json.loads(out)


def metrics(world: World) -> dict[tuple[str, ...], dict[str, Any]]:
    """Return the metrics documents by model, version, segment, size and start.

    Without their states: the order in which Elasticsearch adds up documents decides the last bits of sums.
    """
    return {
        key: {name: value for name, value in document.items() if name != "state_blob"}
        for key, document in world.by_key().items()
    }


def confusion(rows: list[list[str]]) -> dict[str, int]:
    """Return the counts that a reader of the table computes."""
    counts = dict.fromkeys(("tp", "fp", "tn", "fn"), 0)
    for row in rows:
        decision, truth = float(row[2]) >= 0.5, row[3] == "yes"
        counts[("t" if decision == truth else "f") + ("p" if decision else "n")] += 1
    return counts


def test_a_strangers_table_is_counted_and_its_broken_rows_are_dead_letters(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The numbers are those of the table; each broken row is a letter with file and row; a repeat changes nothing."""
    good = table()
    broken = [
        ["L-x1", "2026-07-06 25:00", "0.5", "no", "a", "1"],
        ["L-x2", "2026-07-06 10:00", "high", "no", "a", "1"],
        ["L-x3", "2026-07-06 10:00", "0.5", "maybe", "a", "1"],
        ["L-x4", "2026-07-06 10:00", "0.5"],
        ["L-x5", "2999-01-01 10:00", "0.5", "no", "a", "1"],
    ]
    path = write_csv(tmp_path / "loans.csv", [*good, *broken])

    status, report = imported(capfd, path, *COMMON)

    assert status == 1
    assert (report["predictions"], report["refused"], report["present"]) == (ROWS, 5, 0)
    assert report["days"] == ["2026-07-06"]
    letters = world.documents("model-deadletters").values()
    assert sorted((int(letter["log"]["file"]["row"]), letter["error"]["type"]) for letter in letters) == [
        (122, "bad timestamp"),
        (123, "bad prediction.score"),
        (124, "bad feedback.label"),
        (125, "malformed"),
        (126, "timestamp in the future"),
    ]
    assert {letter["log"]["file"]["path"] for letter in letters} == {str(path)}
    by_row = {int(letter["log"]["file"]["row"]): letter for letter in letters}
    assert "'risk (model)' (score) holds 'high', which is no number" in by_row[123]["error"]["message"]
    day = world.window("1d")
    assert {name: day[name] for name in ("tp", "fp", "tn", "fn")} == confusion(good)
    assert world.window("1d", segment="labels.scene=a")["n"] == sum(row[4] == "a" for row in good)
    before = world.documents(), world.documents("model-predictions"), world.documents("model-feedback")

    status, again = imported(capfd, path, *COMMON)

    assert status == 1
    assert again["present"] == ROWS
    assert (world.documents(), world.documents("model-predictions"), world.documents("model-feedback")) == before
    assert len(world.documents("model-deadletters")) == 5


def test_labels_of_a_second_file_give_the_numbers_of_labels_in_the_rows(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str], clean_indices: Cluster
) -> None:
    """Whether the join happens in the import or by events of their own; for CSV, Parquet and NDJSON alike."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = table(60)
    whole = write_csv(tmp_path / "whole.csv", rows)
    assert imported(capfd, whole, *COMMON, "--feedback-type", "click")[0] == 0
    expected = metrics(world)
    feedback_of = {id_: document["feedback"] for id_, document in world.documents("model-predictions").items()
                   if "feedback" in document}  # fmt: skip
    clean_indices.clean()
    assert set_up() == 0

    predictions = write_csv(tmp_path / "p.csv", [row[:3] + row[4:] for row in rows], HEADER[:3] + HEADER[4:])
    labels = tmp_path / "labels.ndjson"
    labels.write_text("".join(json.dumps({"Case [no]": row[0], "defaulted?": row[3]}) + "\n" for row in rows))
    status, report = imported(capfd, labels, predictions, *COMMON)

    assert (status, report["labels"]) == (0, sum(row[3] == "yes" for row in rows))
    assert metrics(world) == expected
    assert {id_: document["feedback"] for id_, document in world.documents("model-predictions").items()
            if "feedback" in document} == feedback_of  # fmt: skip
    assert set(world.statuses()) == {"matched"}
    clean_indices.clean()
    assert set_up() == 0

    local = [datetime.fromisoformat(row[1]) for row in rows]
    columns = {
        "Case [no]": pyarrow.array([row[0] for row in rows]).dictionary_encode(),
        "decided at": pyarrow.array(local, pyarrow.timestamp("ns")),
        "risk (model)": pyarrow.array([row[2] for row in rows]).cast(pyarrow.decimal128(6, 4)),
        "defaulted?": pyarrow.array([row[3] == "yes" for row in rows]),
        "channel": pyarrow.array([row[4] for row in rows]),
        "amount": pyarrow.array([int(row[5]) for row in rows], pyarrow.int32()),
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "whole.parquet")
    assert imported(capfd, tmp_path / "whole.parquet", *COMMON)[0] == 0
    assert metrics(world) == expected


def test_labels_that_come_later_in_the_same_table_are_added(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The predictions are there already; a last quarter's day is not deleted, although it is older than the limit."""
    rows = table(40)
    unknown = write_csv(tmp_path / "july.csv", [[*row[:3], "", *row[4:]] for row in rows])
    complete = write_csv(tmp_path / "october.csv", rows)
    assert imported(capfd, unknown, *COMMON, "--feedback-type", "label")[0] == 0
    late = (*COMMON, "--feedback-type", "click")

    status, report = imported(capfd, complete, *late)

    assert (status, report["present"], report["predictions"]) == (0, 40, 40)
    day = world.window("1d")
    assert {name: day[name] for name in ("tp", "fp", "tn", "fn")} == confusion(rows)
    before = world.documents()
    world.cycle(SystemClock().now(), retention=True)
    assert PREDICTIONS.index_for(FIRST) in world.agent.indices.get(index="model-predictions-*")
    assert world.documents().keys() >= before.keys()
    assert imported(capfd, complete, *late)[1]["present"] == 40
    assert len(world.documents("model-feedback")) == sum(row[3] == "yes" for row in rows)


def test_a_killed_import_goes_on_and_counts_nothing_twice(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the middle of the delivery; the next run sends the rest."""
    monkeypatch.setenv("PIPELINE_BATCH_SIZE", "10")
    rows = table(1500)
    path = write_csv(tmp_path / "loans.csv", [*rows, ["L-x", "soon", "0.5", "no", "a", "1"]])
    arguments = [sys.executable, "-m", "monitor_agent", "import", str(path), *COMMON, "--no-compute"]
    process = subprocess.Popen(arguments, env=dict(os.environ), stdout=subprocess.DEVNULL)
    folder = tmp_path / "pipeline" / "import"
    wait_until(lambda: list(folder.glob("import-*.json")) or process.poll() is not None, 120)
    process.send_signal(signal.SIGKILL)
    process.wait()
    delivered = json.loads(next(folder.glob("import-*.json")).read_bytes())["counts"]["rows"]

    status, report = imported(capfd, path, *COMMON)

    assert 0 < delivered < len(rows)
    assert report["resumed"]
    assert (status, report["rows"], report["predictions"], report["refused"]) == (1, 1501, 1500, 1)
    assert len(world.documents("model-predictions")) == 1500
    assert len(world.documents("model-deadletters")) == 1
    assert sum(document["n"] for key, document in metrics(world).items() if key[1:4] == ("all", "all", "1d")) == 1500
    assert list(folder.glob("import-*.json")) == []


def test_the_process_that_reads_the_rows_of_a_large_table_may_be_killed(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [[f"L-{number:05}", *row[1:]] for number, row in enumerate(table() * (WORTH_ROWS // ROWS + 1))]
    rows[7][2] = "high"
    path = write_csv(tmp_path / "large.csv", rows)
    command = [sys.executable, "-m", "monitor_agent", "import", str(path), *COMMON, "--no-compute", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        reader = wait_until(lambda: reading_process_of(process.pid))
        os.kill(reader, signal.SIGKILL)
        output, errors = process.communicate()
    assert (process.returncode, output) == (1, "")
    assert errors.splitlines() == [
        "error: the process that reads the rows has ended: was it killed, or is memory short? "
        "the same command goes on from there"
    ]

    status, report = imported(capfd, path, *COMMON, "--no-compute")

    assert (status, report["predictions"], report["refused"]) == (1, len(rows) - 1, 1)
    assert [(row["row"], row["reason"]) for row in report["refusals"]] == [(9, "bad prediction.score")]
    world.admin.indices.refresh(index="model-*")
    assert world.admin.count(index=PREDICTIONS.alias)["count"] == len(rows) - 1
    assert reading_process_of(os.getpid()) is None


def reading_process_of(parent: int) -> int | None:
    """Return the child of a process that reads rows for it."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split():
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    return None


def test_an_interrupted_import_says_how_to_go_on(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, with the exit status of an interruption; the same command delivers the rest."""
    monkeypatch.setenv("PIPELINE_BATCH_SIZE", "10")
    path = write_csv(tmp_path / "loans.csv", table(1500))
    arguments = [sys.executable, "-m", "monitor_agent", "import", str(path), *COMMON, "--no-compute"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    folder = tmp_path / "pipeline" / "import"
    wait_until(lambda: list(folder.glob("import-*.json")) or process.poll() is not None, 120)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)

    assert (process.returncode, output) == (130, "interrupted: the same command goes on from there\n")
    _, report = imported(capfd, path, *COMMON, "--no-compute")
    assert (report["resumed"], report["predictions"]) == (True, 1500)
    assert len(world.documents("model-predictions")) == 1500


def test_an_import_that_was_interrupted_begins_anew_in_another_cluster(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str], clean_indices: Cluster
) -> None:
    """Who deletes the cluster of an interrupted import and begins again misses no row."""
    path = write_csv(tmp_path / "loans.csv", table(1500))
    arguments = [sys.executable, "-m", "monitor_agent", "import", str(path), *COMMON, "--no-compute"]
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL, env={**os.environ, "PIPELINE_BATCH_SIZE": "10"})
    folder = tmp_path / "pipeline" / "import"
    wait_until(lambda: list(folder.glob("import-*.json")) or process.poll() is not None, 120)
    process.kill()
    process.wait()
    clean_indices.clean()
    assert set_up() == 0

    _, report = imported(capfd, path, *COMMON, "--no-compute")

    assert (report["resumed"], report["predictions"]) == (False, 1500)
    assert len(world.documents("model-predictions")) == 1500


def test_a_dry_run_shows_rows_and_refusals_and_sends_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It needs no Elasticsearch; texts with line breaks and duplicate ids are rows like all others.

    A row counts as after its attribution window: without a click, it is a negative.
    """
    monkeypatch.setenv("ELASTICSEARCH_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("PIPELINE_DATA_DIR", str(tmp_path / "pipeline"))
    rows = table(12)
    rows[1][4] = "two\nlines; quoted"
    rows[2][0] = rows[3][0]
    path = write_csv(tmp_path / "loans.csv", [*rows, ["L-x", "2026-03-29 02:30", "0.5", "no", "a", "1"]])

    assert monitor_agent("import", str(path), *COMMON, "--dry-run") == 1

    out, err = capfd.readouterr()
    assert err.startswith("warning: by the settings of this process, because those of models cannot be read: ")
    preview = [
        line.split()[-3:] for line in out.splitlines() if line.startswith("2026-07-06T") or " 2026-07-06T" in line
    ]
    labels = [int(row[3] == "yes") for row in rows[:10]]
    assert [int(label) for _, label, _ in preview] == labels
    assert [outcome for *_, outcome in preview] == [
        ("t" if label == (float(row[2]) >= 0.5) else "f") + ("p" if float(row[2]) >= 0.5 else "n")
        for row, label in zip(rows, labels, strict=False)
    ]
    assert "13 rows: 12 predictions" in out
    assert "2026-07-06T08:00:00Z" in out
    assert "which does not exist in Europe/Berlin: clocks were set forward" in out
    assert "nothing was sent" in out
    assert not (tmp_path / "pipeline").exists()


def test_a_dry_run_counts_by_the_stored_settings_of_the_model(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The threshold and what a missing click means are those of the model, not those of the process."""
    config = tmp_path / "models.toml"
    config.write_text('[models.loans]\nthreshold = 0.99\nabsent_feedback = "unknown"\n')
    with monkeypatch.context() as environment:
        environment.setenv("ELASTICSEARCH_USERNAME", "monitor_setup")
        environment.setenv("ELASTICSEARCH_PASSWORD", os.environ["STACK_SETUP_PASSWORD"])
        assert monitor_agent("models", "apply", str(config)) == 0
    path = write_csv(tmp_path / "loans.csv", table(10))

    status, report = imported(capfd, path, *COMMON, "--dry-run")

    assert status == 0
    assert {row["decision"] for row in report["first_rows"]} == {0}
    assert {(row["label"], row["outcome"]) for row in report["first_rows"]} == {(None, None), (1, "fn")}
    assert world.documents("model-predictions") == {}


def test_the_kind_of_a_model_decides_what_labels_alone_are(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """True classes come in a second run, by id; a table of another kind would never be counted."""
    config = tmp_path / "models.toml"
    config.write_text('[models.animals]\nkind = "multiclass"\n')
    with monkeypatch.context() as environment:
        environment.setenv("ELASTICSEARCH_USERNAME", "monitor_setup")
        environment.setenv("ELASTICSEARCH_PASSWORD", os.environ["STACK_SETUP_PASSWORD"])
        assert monitor_agent("models", "apply", str(config)) == 0
    options = ("--model", "animals", "--version", "1")
    for name, text in {
        "predictions": "id,time,class\na,2026-07-06T10:00:00Z,cat\nb,2026-07-06T10:01:00Z,dog\n",
        "truths": "id,label\na,cat\nb,cat\n",
        "scores": "id,time,score\nc,2026-07-06T10:00:00Z,0.5\n",
    }.items():
        (tmp_path / f"{name}.csv").write_text(text)

    assert imported(capfd, tmp_path / "predictions.csv", *options)[0] == 0
    assert imported(capfd, tmp_path / "truths.csv", *options)[0] == 0

    day = world.window("1d")
    assert (day["n"], day["accuracy"]) == (2, 0.5)
    assert monitor_agent("import", str(tmp_path / "scores.csv"), *options) == 1
    assert "the columns are those of a binary model, and animals is multiclass" in capfd.readouterr().err


def test_a_table_of_the_settings_file_stands_for_options(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The table names columns, model and time zone; an option comes before its key."""
    write_csv(tmp_path / "loans.csv", table(3))
    config = tmp_path / "monitor.toml"
    config.write_text(
        '[imports.loans]\nmodel = "loans"\nversion = "2"\ntime_zone = "Europe/Berlin"\nfeedback_type = "label"\n'
        '[imports.loans.map]\nid = "Case [no]"\ntime = "decided at"\nscore = "risk (model)"\n'
        'label = "defaulted?"\nlabels.scene = "channel"\n'
    )
    command = ("--config", str(config), "import", str(tmp_path / "loans.csv"), "--dry-run", "--json", "--table")

    assert monitor_agent(*command, "loans", "--version", "3") == 0
    report = json.loads(capfd.readouterr().out)
    assert (report["predictions"], report["labels"], report["refused"]) == (3, 3, 0)
    assert report["columns"]["labels.scene"] == "channel"
    assert {(row["model"], row["version"]) for row in report["first_rows"]} == {("loans", "3")}
    assert report["first_rows"][0]["time"] == "2026-07-06T08:00:00Z"

    assert monitor_agent(*command, "loan") == 1
    assert "there is no table [imports.loan]" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "options", "line"),
    [
        ("a.csv", "id,score,time\n1,0.5,2026-07-06 10:00\n", (), "a.csv:2 has a time without an offset"),
        ("a.csv", "id,score,when\n1,0.5,2026-07-06\n", (), "has no time (a prediction needs a time"),
        ("a.csv", "id,time\n1,2026-07-06\n", ("--map", "score=p"), "has no column p: score needs it; the columns are"),
        ("a.csv", "", (), "a.csv is empty"),
        ("a.csv", 'id,time,score\n1,2026-07-06T10:00:00Z,0.5\n"2,\n3,\n', (), "opens in line 3 and is never closed"),
        ("a.csv", "time,score\n" + DAILY * 801, (), "lie on more than 800 days: check --time-format"),
        ("a.csv", "time,score\n", ("--time-format", "%Y-%m-%d %Y"), "--time-format %Y-%m-%d %Y is unknown"),
        ("a.ndjson", '[\n{"id": "1"}\n]\n', (), "a.ndjson is a JSON array, not one object a line: convert it"),
        ("a.ndjson", '{"id": "1", "time": "2026-07-06T10:00:00Z"}\n', ("--map", "score=p"), "has no column p: score"),
        ("a.csv.gz", "id,score\n", (), "a.csv.gz cannot be read (Not a gzipped file"),
        ("a.csv", "PK\x03\x04\udcff", (), "a.csv is an archive, such as a file of Excel: save the table as CSV"),
        (
            "latin1.csv",
            "id,time,score\nB\udce4r,2026-07-06T10:00:00Z,0.5\n",
            (),
            "latin1.csv is not UTF-8 (line 2)",
        ),
        ("a.parquet", "id,score\n", (), "is no Parquet file that can be read"),
        ("none.csv", None, (), "none.csv cannot be read (No such file or directory)"),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(
    name: str,
    content: str | None,
    options: tuple[str, ...],
    line: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Before anything is sent."""
    if content is not None:
        for day in range(content.count(DAILY)):
            content = content.replace(DAILY, f"{FIRST - timedelta(days=day):%Y-%m-%d}T10:00:00Z,0.5\n", 1)
        (tmp_path / name).write_bytes(content.encode(errors="surrogateescape"))

    status = monitor_agent("import", str(tmp_path / name), "--model", "m", "--version", "1", *options, "--dry-run")

    (error,) = capfd.readouterr().err.splitlines()
    assert status == 1
    assert line in error
