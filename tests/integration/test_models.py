"""`monitor-agent models`: the settings of models in the cluster, as their owner reads and changes them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.errors import ConflictError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.model_settings_store import ModelSettingsStore
from tests.cluster import Cluster
from tests.command_line import monitor_agent, set_up
from tests.factories import make_feedback, make_prediction
from tests.integration.agent_world import World
from tests.integration.test_service import environ_of

Models = Callable[..., Any]


@pytest.fixture
def prepared(world: World, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Yield the world after the set-up with an attribution window of an hour; the user of the set-up runs commands."""
    for name, value in environ_of(cluster).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MONITOR_ATTRIBUTION_WINDOW", "1h")
    assert set_up() == 0
    monkeypatch.delenv("MONITOR_ATTRIBUTION_WINDOW")
    if os.environ["STACK_SETUP_PASSWORD"]:
        monkeypatch.setenv("ELASTICSEARCH_USERNAME", "monitor_setup")
        monkeypatch.setenv("ELASTICSEARCH_PASSWORD", os.environ["STACK_SETUP_PASSWORD"])
    yield world
    cluster.clean()


@pytest.fixture
def models(prepared: World, capfd: pytest.CaptureFixture[str]) -> Models:  # noqa: ARG001
    """Return a function that runs an action and returns its JSON."""

    def run(*arguments: str) -> Any:
        capfd.readouterr()
        assert monitor_agent("models", *arguments, "--json") == 0
        return json.loads(capfd.readouterr().out)

    return run


def toml(folder: Path, text: str) -> str:
    """Return the path of a file with this text."""
    path = folder / "models.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_set_up_writes_the_first_settings_once(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are what the environment said then; a later set-up with other variables leaves them alone."""
    monkeypatch.setenv("MONITOR_ATTRIBUTION_WINDOW", "5h")
    assert set_up() == 0

    described = models("show", "click")

    assert described["settings"]["attribution_window"] == "1h"
    assert (described["table"], len(described["revisions"]), len(models("history"))) == ("default", 1, 1)


def test_a_file_changes_a_model_from_its_next_largest_window_on(models: Models, world: World, tmp_path: Path) -> None:
    """`diff` and a dry run change nothing; `apply` says from when on; the documents are what `show` tells."""
    now = datetime.now(timezone.utc)
    for model in ("click", "fraud-1"):
        world.deliver(make_prediction(now - timedelta(minutes=1), model=model))
    world.cycle(now)
    file = toml(tmp_path, '[models."fraud-*"]\nkind = "binary"\nattribution_window = "14d"\n')

    assert models("diff", file)["changes"] == models("apply", file, "--dry-run")["changes"]
    assert len(models("history")) == 1
    applied = models("apply", file)

    tomorrow = (now + timedelta(days=1)).strftime("%Y-%m-%dT00:00:00Z")
    assert applied["models"] == [{"model": "fraud-1", "revision": 2, "start": tomorrow, "end": None}]
    assert models("diff", file)["changes"] == []
    assert [row["end"] for row in models("show", "fraud-1")["revisions"]] == [tomorrow, None]
    assert models("show", "fraud-1")["settings"]["attribution_window"] == "14d"
    assert [row["revision"] for row in models("list")["models"]] == [1, 2]
    assert {document["settings_revision"] for document in world.documents().values()} == {1}


def test_replace_removes_what_the_file_does_not_name(models: Models, tmp_path: Path) -> None:
    """Without `--replace` a table that the file lacks stays."""
    models("apply", toml(tmp_path, "[models.click]\ngate_positives = 5\n"))
    file = toml(tmp_path, "[models.default]\nattribution_window = '1h'\n")

    assert models("apply", file)["applied"] is False
    assert {row["table"] for row in models("apply", file, "--replace")["changes"]} >= {"click"}
    assert models("list")["tables"] == {"default": {"attribution_window": "1h"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[models.click]\nlarger_windows = '90s'\n", 'models."click": larger_windows: 90s is no multiple of 1m'),
        ("[models.click]\nbase_windov = '1h'\n", 'models."click".base_windov is unknown: did you mean base_window?'),
        ("[agent]\nperiod = '1m'\n", "has no table of a model"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(
    models: Models, tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    """Nothing is changed, and the line names table and key."""
    capfd.readouterr()

    assert monitor_agent("models", "apply", toml(tmp_path, text)) == 1

    error = capfd.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert len(models("history")) == 1


def test_of_two_changes_at_the_same_time_one_is_refused(prepared: World) -> None:
    """Nobody overwrites a change that they have not seen."""
    store = ModelSettingsStore(Gateway(prepared.admin))
    stored = store.read()

    store.write(stored, stored.history.with_change({"default": {"kind": "binary"}}, datetime.now(timezone.utc)))
    with pytest.raises(ConflictError, match="apply again"):
        store.write(stored, stored.history.with_change({"default": {"kind": ""}}, datetime.now(timezone.utc)))

    assert store.read().history.tables["default"] == {"kind": "binary"}


def test_of_agents_that_meet_a_model_at_the_same_time_the_first_decides(prepared: World) -> None:
    """All of them then have one opinion on its first settings."""
    stores = [ModelSettingsStore(Gateway(prepared.agent)) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        met = [
            future.result()["click"]
            for future in [
                pool.submit(store.meet, ["click"], number, datetime.now(timezone.utc))
                for number, store in enumerate(stores, 1)
            ]
        ]

    assert len(set(met)) == 1


@pytest.mark.parametrize("command", [("once",), ("backfill", "--from", "now-1h", "--to", "now"), ("run",)])
def test_a_shell_with_other_variables_changes_no_document(
    models: Models,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    command: tuple[str, ...],
) -> None:
    """The command ends before it writes, with one line that names the setting, both values and the way out."""
    now = datetime.now(timezone.utc)
    world.deliver(make_prediction(now - timedelta(minutes=1)))
    world.cycle(now)
    before = world.documents()
    world.deliver(make_prediction(now - timedelta(minutes=2)))
    monkeypatch.setenv("MONITOR_ATTRIBUTION_WINDOW", "30s")
    monkeypatch.setenv("MONITOR_ABSENT_FEEDBACK", "negative")
    capfd.readouterr()

    assert monitor_agent(*command) == 1

    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error:")]
    assert errors == [
        "error: MONITOR_ATTRIBUTION_WINDOW=30s differs from the cluster, where models.default has attribution_window=1h"
        ": remove MONITOR_ATTRIBUTION_WINDOW, or change the cluster by `monitor-agent models apply FILE`"
    ]
    assert world.documents() == before
    monkeypatch.delenv("MONITOR_ATTRIBUTION_WINDOW")
    assert len(models("history")) == 1


def test_a_table_that_needs_more_retention_is_refused_with_its_cost(
    models: Models, world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The line names what to set, and how much disk the events would take."""
    world.deliver(make_prediction(datetime.now(timezone.utc)))
    capfd.readouterr()

    assert monitor_agent("models", "apply", toml(tmp_path, "[models.fraud]\nattribution_window = '90d'\n")) == 1

    error = capfd.readouterr().err
    assert 'models."fraud": attribution_window=90d' in error
    assert "MONITOR_RETENTION_EVENTS to 91d" in error
    assert "a day, so 91d of them would take" in error
    assert len(models("history")) == 1


def test_a_change_that_restates_leaves_the_windows_of_the_new_settings_alone(
    models: Models, world: World, tmp_path: Path
) -> None:
    """Windows of other sizes go away, the others are counted by the new settings, and a rerun changes nothing."""
    now = datetime.now(timezone.utc)
    yesterday = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    prediction = make_prediction(yesterday + timedelta(hours=1), 0.9)
    world.deliver(prediction, make_feedback(prediction, timedelta(hours=2)))
    world.cycle(now)
    assert {row["tp"] for row in world.documents().values()} == {0}
    file = toml(tmp_path, "[models.default]\nbase_window = '1h'\nlarger_windows = '1d'\nattribution_window = '3h'\n")

    models("apply", file, "--recompute", yesterday.isoformat())
    world.cycle(now)

    documents = world.documents()
    assert {row["window_size"] for row in documents.values()} == {"1h", "1d"}
    assert {(row["settings_revision"], row["tp"]) for row in documents.values()} == {(2, 1)}
    world.cycle(now)
    assert world.documents() == documents
