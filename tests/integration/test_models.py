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
from tests.factories import make_prediction
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
