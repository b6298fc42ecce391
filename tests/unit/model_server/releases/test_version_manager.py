"""Versions come and go while others serve; real folders, and a load that needs no TensorFlow."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from model_server.model_card import ModelCard
from model_server.releases import version_manager
from model_server.releases.served_version import Serving
from model_server.releases.version_manager import VersionManager, VersionUse
from monitor_agent.errors import ModelError, MonitorError
from monitor_agent.prediction_log import ReleaseChange
from monitor_agent.settings import ServerSettings

BROKEN = b"broken"
NOBODY = 65534


class World:
    """A model folder, and a manager whose versions are the contents of their graphs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[tuple[str, str, str]] = []
        self.reasons: list[str] = []
        self.closed: list[str] = []
        self.freed = threading.Event()
        self.manager: VersionManager[str] = self.new_manager()

    def new_manager(self, folder: Path | None = None, **settings: Any) -> VersionManager[str]:
        use = VersionUse(self.load, self.closed.append, self.report, self.freed.set, 0.05)
        return VersionManager(ServerSettings(model_dir=str(folder or self.folder), **settings), use)

    def load(self, card: ModelCard) -> str:
        content = (card.folder / "saved_model.pb").read_bytes()
        if content == BROKEN:
            raise ModelError(f"{card.folder} cannot be loaded", "copy it again")
        return f"{card.version} {content.decode()}"

    def report(self, release: ReleaseChange) -> None:
        self.events.append((release.action, release.model_version, ",".join(release.labels)))
        self.reasons.append(release.reason)

    def put(self, version: str, content: bytes = b"good", entries: Any = None) -> None:
        folder = self.folder / version
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.json").write_text(json.dumps({"name": "click", "threshold": 0.5, **(entries or {})}))
        (folder / "saved_model.pb").write_bytes(content)

    def rules(self, text: str) -> None:
        (self.folder / "models.toml").write_text(f"[models.click]\n{text}\n")

    def contents(self) -> list[str]:
        return [version.content for version in self.manager.serving.models["click"].versions.values()]

    def take_events(self) -> list[tuple[str, str, str]]:
        events, self.events = self.events, []
        return events


@contextmanager
def unreadable(*folders: Path) -> Iterator[None]:
    """Take the rights on folders from this process, also if root runs the test."""
    account = os.geteuid()
    for folder in folders:
        folder.chmod(0)
    parents = [path for path in folders[0].parents if path.stat().st_uid == account and path != Path("/")]
    modes = {path: path.stat().st_mode for path in parents}
    for path, mode in modes.items():
        path.chmod(mode | 0o055)
    os.seteuid(NOBODY if account == 0 else account)
    try:
        yield
    finally:
        os.seteuid(account)
        for path, mode in modes.items():
            path.chmod(mode)
        for folder in folders:
            folder.chmod(0o700)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(version_manager, "SETTLE_SECONDS", 0.01)
    click = World(tmp_path / "click")
    click.put("1")
    yield click
    click.manager.stop()


def test_a_new_version_replaces_the_old_one(world: World) -> None:
    """The old one is freed after the last request that uses it."""
    world.manager.load_all()
    old = world.manager.serving.models["click"].versions["1"]
    world.put("2")

    world.manager.refresh()

    assert world.contents() == ["2 good"]
    assert world.take_events() == [
        ("version-loaded", "1", ""),
        ("version-loaded", "2", ""),
        ("version-unloaded", "1", ""),
    ]
    assert world.closed == ["1 good"]
    assert not old.acquire()


def test_a_broken_version_is_refused_once_and_the_old_one_goes_on(world: World) -> None:
    """It is loaded after its files have changed; a restart begins with the newest one that can be loaded."""
    world.manager.load_all()
    world.put("2", BROKEN)
    world.take_events()

    for _ in range(2):
        serving = world.manager.refresh()
        assert world.contents() == ["1 good"]
        assert [(entry.model, entry.version) for entry in serving.refused] == [("click", "2")]
    assert world.take_events() == [("version-refused", "2", "")]
    assert "2 cannot be loaded" in world.reasons[-1]

    restarted = world.new_manager()
    restarted.load_all()
    assert list(restarted.serving.models["click"].versions) == ["1"]
    assert world.take_events() == [("version-refused", "2", ""), ("version-loaded", "1", "")]
    restarted.stop()

    world.put("2", b"better")
    assert not world.manager.refresh().refused
    assert world.contents() == ["2 better"]


@pytest.mark.parametrize("damage", ["no graph", "no JSON", "other name", "same version"])
def test_a_version_that_is_not_whole_is_refused(world: World, damage: str) -> None:
    """Whatever is wrong with its files, the old version goes on."""
    world.manager.load_all()
    world.put("2", entries={"same version": {"version": "1"}, "other name": {"name": "buy"}}.get(damage))
    if damage == "no graph":
        (world.folder / "2" / "saved_model.pb").unlink()
    if damage == "no JSON":
        (world.folder / "2" / "model.json").write_text("{")

    serving = world.manager.refresh()

    assert world.contents() == ["1 good"]
    assert [entry.version for entry in serving.refused] == ["2"]


def test_a_version_that_the_account_cannot_read_is_refused(world: World) -> None:
    """The old one goes on; `lost+found` of a file system is no version."""
    world.manager.load_all()
    world.put("2")
    (world.folder / "lost+found").mkdir()

    with unreadable(world.folder / "2", world.folder / "lost+found"):
        serving = world.manager.refresh()

    assert world.contents() == ["1 good"]
    ((version, reason),) = [(entry.version, entry.reason) for entry in serving.refused]
    assert (version, "cannot be read (Permission denied)" in reason) == ("2", True)


def test_a_version_whose_files_change_in_place_is_loaded_again(world: World) -> None:
    """And if they are broken then, the loaded one goes on."""
    world.manager.load_all()

    world.put("1", b"changed")
    world.manager.refresh()
    assert world.contents() == ["1 changed"]

    world.put("1", BROKEN)
    world.manager.refresh()
    assert world.contents() == ["1 changed"]
    assert world.closed == ["1 good"]


def test_a_label_rolls_back(world: World) -> None:
    """`stable` answers; it moves to an older version, and not to one that cannot be loaded."""
    world.put("2")
    world.rules('labels = {stable = "2"}')
    world.manager.load_all()
    assert world.manager.serving.models["click"].default == "2"
    world.take_events()

    world.rules('labels = {stable = "1"}')
    world.manager.refresh()
    assert world.manager.serving.models["click"].default == "1"
    assert world.take_events() == [("version-loaded", "1", "stable"), ("label-moved", "1", "stable")]

    world.put("3", BROKEN)
    world.rules('labels = {stable = "3"}')
    world.manager.refresh()
    assert world.manager.serving.models["click"].default == "1"


def test_shadows_and_splits_load_their_versions(world: World) -> None:
    """A shadow never answers, even if it is the newest version."""
    world.put("2")
    world.put("3")
    world.rules('shadow = ["3"]\nsplit = {"1" = 1, "2" = 1}')
    world.manager.load_all()

    model = world.manager.serving.models["click"]

    assert (list(model.versions), model.shadows) == (["1", "2", "3"], ("3",))
    assert {model.choose(f"user-{number}", "", "")[0] for number in range(40)} == {"1", "2"}
    assert model.default == "2"


def test_broken_rules_and_a_missing_folder_leave_all_as_it_is(world: World) -> None:
    """The reason is there to be read, until it is gone."""
    world.manager.load_all()
    world.rules("versions = 3")
    assert "versions is 3" in world.manager.refresh().problem

    away = world.folder.with_name("away")
    world.folder.rename(away)
    assert "there is no model folder" in world.manager.refresh().problem
    assert world.contents() == ["1 good"]

    away.rename(world.folder)
    world.rules('versions = "all"')
    assert world.manager.refresh().problem == ""


def test_models_come_and_go(tmp_path: Path, world: World) -> None:
    """A folder of models: each has its versions."""
    world.manager = several = world.new_manager(tmp_path)
    several.load_all()
    world.put("../buy/1", entries={"name": "buy"})
    assert list(several.refresh().models) == ["buy", "click"]

    shutil.rmtree(tmp_path / "click")
    serving = several.refresh()

    assert list(serving.models) == ["buy"]
    assert world.take_events()[-1] == ("version-unloaded", "1", "")


def test_what_no_server_can_begin_with(tmp_path: Path, world: World) -> None:
    """Nothing that can be loaded, settings of one model for several, one name twice."""
    world.put("1", BROKEN)
    with pytest.raises(ModelError, match="1 cannot be loaded"):
        world.manager.load_all()

    world.put("../buy/1", entries={"name": "buy"})
    manager = world.new_manager(tmp_path, model_name="click")
    with pytest.raises(MonitorError, match="MODEL_SERVER_MODEL_NAME is for one model"):
        manager.load_all()

    world.put("../buy/1", entries={"name": "click"})
    manager = world.new_manager(tmp_path)
    with pytest.raises(MonitorError, match="hold the model click"):
        manager.load_all()


def test_an_old_version_waits_for_its_requests(world: World) -> None:
    """A request that began before the swap ends with the version that it began with."""
    world.manager.load_all()
    old = world.manager.serving.models["click"].versions["1"]
    assert old.acquire()
    world.put("2")
    closed_early: list[str] = []
    world.manager._use = VersionUse(world.load, closed_early.append, world.report, world.freed.set, 30.0)
    refreshing = threading.Thread(target=world.manager.refresh)
    refreshing.start()
    while list(world.manager.serving.models["click"].versions) != ["2"]:
        refreshing.join(0.01)

    assert closed_early == []
    old.release()
    refreshing.join()
    assert closed_early == ["1 good"]


def test_nothing_is_served_after_the_end(world: World) -> None:
    """All versions are freed once."""
    world.put("2")
    world.rules('versions = "all"')
    world.manager.load_all()

    world.manager.stop()

    assert sorted(world.closed) == ["1 good", "2 good"]
    assert world.manager.serving == Serving()


def test_it_looks_regularly_and_when_it_is_woken(world: World) -> None:
    """The memory of an old version is freed after the swap."""
    world.manager = regular = world.new_manager(poll=timedelta(milliseconds=10))
    regular.load_all()
    regular.start()
    world.put("2")
    assert world.freed.wait(20)
    assert world.contents() == ["2 good"]
    regular.stop()

    world.freed.clear()
    world.manager = woken = world.new_manager(poll=timedelta(0))
    woken.load_all()
    woken.start()
    world.put("3")
    woken.wake()
    assert world.freed.wait(20)
    assert world.contents() == ["3 good"]
