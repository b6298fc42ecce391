"""The present agent on the documents of an earlier release: it reads them, and changes nothing without cause."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.cli import main
from tests import release_sample
from tests.cluster import Cluster
from tests.command_line import set_up
from tests.factories import Document, make_feedback, make_prediction
from tests.integration.agent_world import World, world_on

NOW = datetime(2026, 3, 9, 11, 12, tzinfo=timezone.utc)
"""A minute after the last cycle of the release."""
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SETTINGS: dict[str, Any] = {"drift_samples": 100}
COUNTS = ("predictions", "shown", "mature", "n", "tp", "fp", "tn", "fn", "clicks", "requests", "orphan")

Documents = dict[tuple[str, ...], dict[str, Any]]


@pytest.fixture(scope="module")
def upgraded(elasticsearch: Cluster) -> Iterator[World]:
    """Yield a world with the release's documents, after `monitor-agent setup` of the present code."""
    elasticsearch.clean()
    with elasticsearch.client() as admin:
        release_sample.load(admin)
    with world_on(elasticsearch) as world:
        yield world
    elasticsearch.clean()


@pytest.fixture
def _environment(elasticsearch: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands reach the cluster as the agent's user."""
    settings = elasticsearch.settings("monitor_agent")
    monkeypatch.setenv("STACK_SETUP_PASSWORD", elasticsearch.users["monitor_setup"])
    for name, value in (("URL", settings.url[0]), ("USERNAME", settings.username), ("PASSWORD", settings.password)):
        monkeypatch.setenv(f"ELASTICSEARCH_{name}", value)


@pytest.mark.usefixtures("_environment")
def test_an_upgrade(upgraded: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Templates, cycles, restatements, a backfill and all commands that read, in the order of a user."""
    before = upgraded.by_key()
    assert set_up() == 0
    start, end = "2026-03-02T10:00:00Z", "2026-03-09T11:02:00Z"
    assert f"run `monitor-agent backfill --from {start} --to {end}`" in capsys.readouterr().out

    upgraded.cycle(NOW, **SETTINGS)

    after = upgraded.by_key()
    assert _week(after, "2026-03-02") == _week(before, "2026-03-02")
    assert _final_content(before, after)
    _check_sums(after, "2026-03-09")

    item, *narrow = _late_events(upgraded)
    upgraded.deliver(make_feedback(item, 9 * MINUTE), *narrow)
    report = upgraded.cycle(NOW + 2 * HOUR, **SETTINGS)

    assert report.feedback["matched"] == 1
    restated = upgraded.by_key()
    key = ("click", item["model"]["version"], "all", "1m", _minute(item))
    assert restated[key]["state"] == "restated"
    assert restated[key]["tp"] + restated[key]["fn"] == after[key]["tp"] + after[key]["fn"] + 1
    assert restated[key]["predictions"] == after[key]["predictions"]
    _check_sums(restated, "2026-03-09")
    drift = [document for document in upgraded.documents("model-drift").values() if document["model_name"] == "narrow"]
    assert {document["feature"] for document in drift} == {"score"}
    assert upgraded.cycle(NOW + 2 * HOUR, **SETTINGS).tally.written == 0

    upgraded.make_agent(NOW + 2 * HOUR, **SETTINGS).backfill(NOW - 7 * DAY - 11 * HOUR, NOW - 6 * DAY)

    counted = upgraded.by_key()
    for key, document in _week(before, "2026-03-02").items():
        assert counts_of(counted[key]) == counts_of(document), key
    _check_sums(counted, "2026-03-02")
    assert {key for key, document in _week(counted, "2026-03-02").items() if "is_base_window" not in document} == set()
    upgraded.make_agent(NOW + 2 * HOUR, **SETTINGS).backfill(NOW - DAY, NOW + HOUR)
    capsys.readouterr()
    assert set_up() == 0
    assert "backfill" not in capsys.readouterr().out
    _check_commands(tmp_path, capsys)


def _week(documents: Documents, day: str) -> Documents:
    return {key: document for key, document in documents.items() if key[-1].startswith(day)}


def _minute(prediction: Document) -> str:
    return f"{prediction['@timestamp'][:16]}:00+00:00"


def _final_content(before: Documents, after: Documents) -> bool:
    """Return whether each final document is either the same, or was restated with its history kept."""
    changed = [key for key, document in before.items() if document["state"] == "final" and after[key] != document]
    return all(after[key]["state"] == "restated" for key in changed)


def counts_of(document: Mapping[str, Any]) -> dict[str, int]:
    """Return the counts of a document; if its predictions are not binary, it has no counts of binary ones."""
    is_binary = document.get("prediction_kind", "binary") == "binary"
    return {name: document[name] if is_binary else document.get(name) or 0 for name in COUNTS}


def _check_sums(documents: Documents, day: str) -> None:
    """Each larger window is the sum of its smaller ones, whichever release wrote their states."""
    for key, document in _week(documents, day).items():
        smaller = {"1d": "1h", "1h": "1m"}.get(key[3])
        if smaller is None:
            continue
        inside = [
            other
            for other_key, other in documents.items()
            if other_key[:4] == (*key[:3], smaller)
            and document["window_start"] <= other["window_start"] < document["window_end"]
        ]
        summands = [counts_of(other) for other in inside]
        assert counts_of(document) == {name: sum(summand[name] for summand in summands) for name in COUNTS}, key


def _late_events(world: World) -> list[Document]:
    """Return a prediction without feedback in a final window, and predictions of the model with a broken reference."""
    predictions = world.documents("model-predictions").values()
    quiet = next(
        document
        for document in sorted(predictions, key=lambda document: document["@timestamp"])
        if document["@timestamp"].startswith("2026-03-09T10:01") and "feedback" not in document
    )
    at = NOW + 5 * MINUTE
    return [quiet, *(make_prediction(at, 0.0037 + number / 1e6, model="narrow", scene=None) for number in range(120))]


def _check_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All commands that read old documents."""
    time = ["--from", "2026-03-02", "--to", "2026-03-10"]
    for command in (
        ["totals", *time, "--by", "version", "--model", "click", "--json"],
        ["compare", *time, "--model", "click", "--baseline", "2", "--candidate", "10"],
        ["explain-window", "--model", "click", "--size", "1h", "--start", "2026-03-02T10:00:00Z"],
        ["reference", "--model", "click"],
        ["reference", "--model", "narrow"],
        ["release"],
        ["lost-lines"],
        ["alerts", "--all"],
        ["deadletters", "list"],
        ["report", "--dashboard", "versions-compared", *time, "--out", str(tmp_path / "report.html")],
    ):
        capsys.readouterr()
        status = main(command)
        output = capsys.readouterr()
        assert status == (1 if command[0] in ("alerts", "lost-lines") and status else 0), (command, output)
        assert "Traceback" not in output.err
        if command[0] == "totals":
            totals = json.loads(output.out)["totals"]
            assert [total["model_version"] for total in totals] == ["1", "2", "10"]
