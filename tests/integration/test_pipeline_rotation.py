"""Several writers rotate files in every usual way while the runner is up, down and restarting."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.factories import START, make_prediction
from tests.pipelines import PipelineSandbox
from tests.stand_in import Faults, StandIn
from tests.waiting import wait_until

WRITERS = 3
GENERATIONS = 3
LINES = 10

Rotate = Callable[[Path, int], None]
pytestmark = pytest.mark.usefixtures("frequent_statistics")


def rename(path: Path, number: int) -> None:
    """Rename within the pattern of the pipeline, as the model server does."""
    path.rename(path.with_name(f"{path.stem}.{number}.ndjson"))


def rename_away(path: Path, number: int) -> None:
    """Rename out of the pattern, as logrotate does."""
    path.rename(path.with_name(f"{path.name}.{number}"))


def copy_and_truncate(path: Path, number: int) -> None:
    """Copy and truncate, as logrotate does with `copytruncate`."""
    shutil.copy(path, path.with_name(f"{path.stem}.{number}.ndjson"))
    os.truncate(path, 0)


def delete(path: Path, _number: int) -> None:
    """Delete a delivered file; the next file may get the same inode."""
    path.unlink()


def turn_link(path: Path, number: int) -> None:
    """Turn the link of this name to another file."""
    target = path.parent.parent / "elsewhere" / f"{path.stem}-{number}"
    target.touch()
    fresh = path.with_suffix(".new")
    fresh.symlink_to(target)
    fresh.rename(path)


DELIVERED_BEFORE = {rename_away: 1, turn_link: 1, delete: LINES}
"""The lines of a file that must be delivered before a rotation that takes away its name, or the file itself."""
ROTATIONS = [rename, rename_away, copy_and_truncate, delete, turn_link]


class Writer:
    """Writes some generations of one file.

    Attributes
    ----------
    ids : of the events written.
    """

    def __init__(self, sandbox: PipelineSandbox, stand_in: StandIn, number: int, rotate: Rotate) -> None:
        self._place = sandbox
        self._stand_in = stand_in
        self._path = sandbox.logs / f"writer-{number}.ndjson"
        self._rotate = rotate
        self._number = number
        self._generation = 0
        self.ids: list[str] = []
        if rotate is turn_link:
            for folder in (sandbox.logs, sandbox.folder / "elsewhere"):
                folder.mkdir(exist_ok=True)
            turn_link(self._path, 0)

    def write(self, count: int) -> None:
        """Append events one by one."""
        for _ in range(count):
            event = make_prediction(START + timedelta(days=self._number, seconds=len(self.ids)))
            self._place.append(event, name=self._path.name)
            self.ids.append(event["event"]["id"])

    def rotate(self) -> None:
        """Rotate the file."""
        self._generation += 1
        self._rotate(self._path, self._generation)

    def write_all(self) -> None:
        """Write every generation, and rotate as soon as the runner has delivered enough of it."""
        for generation in range(GENERATIONS):
            first = DELIVERED_BEFORE.get(self._rotate, 0)
            self.write(first)
            wait_until(lambda: self.delivered())
            self.write(LINES - first)
            if generation < GENERATIONS - 1:
                self.rotate()

    def delivered(self) -> bool:
        """Return whether all events so far are delivered; True if the rotation does not depend on it."""
        return self._rotate not in DELIVERED_BEFORE or set(self.ids) <= set(self._stand_in.of("model-predictions"))


def finished(sandbox: PipelineSandbox, stand_in: StandIn, writers: list[Writer]) -> None:
    """Wait until the events of all writers are there, and check that they are there once."""
    expected = {identifier for writer in writers for identifier in writer.ids}
    wait_until(lambda: set(stand_in.of("model-predictions")) == expected)
    wait_until(lambda: sandbox.statistics().get("delivered"))
    assert len(stand_in.documents) == len(expected)


@pytest.mark.parametrize("rotate", ROTATIONS)
@pytest.mark.parametrize("restarts", [False, True], ids=["up", "restarting"])
def test_rotations_under_way(sandbox: PipelineSandbox, stand_in: StandIn, rotate: Rotate, restarts: bool) -> None:
    """Several writers rotate while the runner reads, or is stopped and started again and again."""
    sandbox.folder.mkdir(exist_ok=True)
    writers = [Writer(sandbox, stand_in, number, rotate) for number in range(WRITERS)]
    threads = [threading.Thread(target=writer.write_all) for writer in writers]
    with sandbox.running():
        for thread in threads:
            thread.start()
        if not restarts:
            for thread in threads:
                thread.join()
    while any(thread.is_alive() for thread in threads):
        with sandbox.running() as context:
            before = len(stand_in.documents)
            wait_until(lambda before=before: len(stand_in.documents) > before or not any(map(alive, threads)))
            context.stopping.set()
    with sandbox.running():
        finished(sandbox, stand_in, writers)


def alive(thread: threading.Thread) -> bool:
    return thread.is_alive()


@pytest.mark.parametrize("rotate", ROTATIONS)
def test_a_rotation_while_the_runner_is_down(sandbox: PipelineSandbox, stand_in: StandIn, rotate: Rotate) -> None:
    """Lines that were written before and after a rotation between two runs are delivered."""
    writers = [Writer(sandbox, stand_in, number, rotate) for number in range(WRITERS)]
    for writer in writers:
        writer.write(LINES)
    with sandbox.running():
        finished(sandbox, stand_in, writers)

    for writer in writers:
        if rotate is not delete:
            writer.write(LINES)
        writer.rotate()
        writer.write(LINES)

    with sandbox.running():
        finished(sandbox, stand_in, writers)


def test_a_link_that_turns_after_a_kill(sandbox: PipelineSandbox, stand_in: StandIn) -> None:
    """kill -9 before anything was delivered, then the link turns: the next run finishes the old target."""
    stand_in.faults = Faults(statuses={503: 1.0})
    writers = [Writer(sandbox, stand_in, number, turn_link) for number in range(WRITERS)]
    for writer in writers:
        writer.write(LINES)
    process = sandbox.spawn()
    wait_until(lambda: sandbox.statistics().get("trouble"))
    process.kill()
    process.wait()
    stand_in.faults = Faults()
    for writer in writers:
        writer.write(LINES)
        writer.rotate()
        writer.write(LINES)

    with sandbox.running():
        finished(sandbox, stand_in, writers)


def test_many_files_in_a_folder_that_comes_later(sandbox: PipelineSandbox, stand_in: StandIn) -> None:
    """The runner starts first; then the folder appears, with hundreds of files."""
    with sandbox.running():
        wait_until(sandbox.statistics)
        for number in range(300):
            event = make_prediction(START + timedelta(seconds=number))
            sandbox.append(event, name=f"events-{number}.ndjson")
        wait_until(lambda: len(stand_in.of("model-predictions")) == 300)
