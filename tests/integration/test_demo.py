"""The main job, end to end: real processes, real calls, real Elasticsearch; its results against scikit-learn.

The finished demo runs from the installed wheel, in an empty folder.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.dashboards.library import read_library
from monitor_agent.demo.folder import DemoFolder
from tests import oracle
from tests.installation import Installation
from tests.waiting import processes_in, wait_until

IMPRESSIONS = 1560
"""A day and some hours of the next one: the agent runs a cycle between them."""
WITHOUT_DATA = {f"drift/drift-{name}" for name in ("map", "psi-over-time", "quality", "quality-over-time", "share")} | {
    "alerts/silences",
    "overview/overview-verdicts",
    "serving/server-releases",
    "serving/serving-error-budgets",
    "model-quality/quality-positive-rate",
    "model-quality/quality-positive-rate-over-time",
    "versions-compared/versions-positive-rate",
    "versions-compared/versions-positive-rate-interval",
}
"""Panels without data: so short a demo has no second whole day, its server starts long after the log's week, clicks
judge its model, nobody silences alerts, no version has a reference, and it has no service level objective."""
OF_OTHER_KINDS = ("multiclass/", "regression/")
"""Dashboards for models of other kinds than the demo's."""
ROOT = Path(__file__).parents[2]


def demo_words(out: Path, model: Path) -> list[str]:
    """Return the words of a short demo with a model that is there already."""
    return ["demo", "--out", str(out), "--model", str(model), "--limit", str(IMPRESSIONS)]


@pytest.fixture(scope="module")
def workspace() -> Iterator[Path]:
    """A folder that is deleted afterwards; if root runs the test, Elasticsearch's own account must be able to enter."""
    folder = Path(tempfile.mkdtemp(prefix="model-monitor-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def demo(workspace: Path, saved_model: Path, installation: Installation) -> Path:
    """The folder of a finished short demo."""
    out, empty = workspace / "finished", workspace / "empty"
    empty.mkdir(mode=0o711)
    done = installation.run("monitor-agent", *demo_words(out, saved_model), cwd=empty, seconds=400)
    (out / "stdout.txt").write_text(done.stdout)
    return out


@pytest.fixture(scope="module")
def summary(demo: Path) -> dict[str, Any]:
    """The summary that the demo wrote."""
    document: dict[str, Any] = json.loads((demo / "summary.json").read_text())
    return document


@pytest.fixture(scope="module")
def responses(demo: Path) -> list[dict[str, Any]]:
    """The answers of `/predict`."""
    return [json.loads(line) for line in (demo / "responses.ndjson").read_text().splitlines()]


def test_all_accepted_events_are_in_elasticsearch_exactly_once(
    summary: dict[str, Any], responses: list[dict[str, Any]]
) -> None:
    """Each accepted prediction and click is indexed once, and the agent matched every click."""
    clicks = sum(row["click"] for row in responses)

    assert len({row["prediction_id"] for row in responses}) == len(responses) == IMPRESSIONS
    assert summary["predictions"] == IMPRESSIONS
    assert summary["feedback"] == clicks > 0
    assert summary["indexed"]["predictions"] == IMPRESSIONS
    assert summary["indexed"]["feedback"] == clicks
    assert summary["indexed"]["deadletters"] == 0
    assert summary["feedback_status"] == {"matched": clicks}


def test_the_log_files_hold_every_event_without_a_gap(demo: Path, summary: dict[str, Any]) -> None:
    """The sequence numbers in the event files run from 1 to the number of events, with that of the loaded version."""
    lines = [json.loads(line) for path in (demo / "log").glob("*.ndjson") for line in path.read_text().splitlines()]

    sequences = sorted(line["event"]["sequence"] for line in lines)
    assert sequences == list(range(1, summary["predictions"] + summary["feedback"] + 2))


def test_the_totals_equal_scikit_learn(summary: dict[str, Any], responses: list[dict[str, Any]]) -> None:
    """Counts are equal, ratios and log loss to 1e-9, the AUC within its bound."""
    versions = {row["model_version"] for row in responses}

    assert set(summary["totals"]) == versions
    for version, total in summary["totals"].items():
        assert oracle.differences(total, [row for row in responses if row["model_version"] == version]) == []


@pytest.mark.parametrize("size", ["1h", "1d"])
def test_every_window_equals_scikit_learn(summary: dict[str, Any], responses: list[dict[str, Any]], size: str) -> None:
    """The values of each window's document are those that scikit-learn computes from its answers."""
    windows = oracle.by_window(responses, size)
    documents = {
        datetime.fromisoformat(row["window_start"].replace("Z", "+00:00")).isoformat(): row
        for row in summary["windows"]
        if row["window_size"] == size and row["segment"] == "all" and row["model_version"] == "all"
    }

    assert set(documents) == set(windows)
    for start, document in documents.items():
        assert oracle.differences(document, windows[start]) == [], start
        assert (document["state"], document["maturity"]) == ("final", 1.0)


def test_the_windows_of_a_segment_add_up(summary: dict[str, Any]) -> None:
    """The counts of all slots of a day add up to the counts of all predictions."""
    days = [row for row in summary["windows"] if row["window_size"] == "1d" and row["model_version"] == "all"]
    slots = [row for row in days if row["segment"].startswith("labels.slot=")]

    assert {row["segment"] for row in slots} == {"labels.slot=left", "labels.slot=center", "labels.slot=right"}
    for count in ("n", "tp", "fp", "tn", "fn"):
        assert sum(row[count] for row in slots) == sum(row[count] for row in days if row["segment"] == "all")


def test_tables_and_files_are_printed(demo: Path) -> None:
    """The output holds the tables and the paths of the files."""
    printed = (demo / "stdout.txt").read_text()

    for expected in ("windows of 1h", "windows of 1d", "totals by model version", "summary.json", "responses.ndjson"):
        assert expected in printed


def test_every_panel_of_every_dashboard_has_content(demo: Path) -> None:
    """The report holds all panels; a panel without data gives the reason in words."""
    report = (demo / "report.html").read_text()
    content_by_panel = dict(re.findall(r'data-panel="([^"]+)" data-shows="([^"]+)"', report))
    dashboards = read_library(ROOT / "kibana").dashboards.values()

    assert set(content_by_panel) == {
        f"{dashboard.id}/{panel.id}" for dashboard in dashboards for panel in dashboard.panels if not panel.links
    }
    assert set(content_by_panel.values()) <= {"chart", "table", "tiles", "text", "good", "empty"}
    empty = {name for name, content in content_by_panel.items() if content == "empty"}
    assert {name for name in empty if not name.startswith(OF_OTHER_KINDS)} == WITHOUT_DATA
    assert {name.split("/")[0] + "/" for name in empty} >= set(OF_OTHER_KINDS)
    assert "No data in this time range" not in report


def test_an_interrupted_demo_stops_its_children_and_can_run_again(workspace: Path, saved_model: Path) -> None:
    """Ctrl-C during the start ends every process; another demo may start in the same folder."""
    out = workspace / "interrupted"
    process = subprocess.Popen(
        [sys.executable, "-m", "monitor_agent", *demo_words(out, saved_model)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    server_log, elasticsearch_log = (
        out / "stack" / "log" / f"{name}.log" for name in ("model-server", "elasticsearch")
    )
    wait_until(lambda: server_log.exists() and elasticsearch_log.exists(), 60)
    assert len(processes_in(out)) >= 2
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert processes_in(out) == []
    with DemoFolder(out).locked():
        assert not (out / "stack").exists()
