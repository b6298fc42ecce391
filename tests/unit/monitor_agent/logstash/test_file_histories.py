"""Random histories of files: every line of a followed file is read at least once, and no other line ever."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor_agent.logstash.files import descriptors, file_set, followed_file
from monitor_agent.logstash.files.line_batch import Checkpoint
from tests.unit.monitor_agent.logstash.file_reader import Reader, append

STEPS = 40
NAMES = ("a", "b", "c", "d", "e", "f", "g", "h")


class History:
    """Files that change at random while they are read.

    Attributes
    ----------
    written : every line that must be read.
    """

    def __init__(self, folder: Path, dice: random.Random) -> None:
        self.reader = Reader(folder)
        self.written: set[str] = set()
        self._folder = folder
        self._dice = dice
        self._numbers = itertools.count()
        self._late: list[Checkpoint] = []
        self._steps: list[Callable[[], object]] = [
            *[self.write] * 8,
            *[self.read] * 3,
            self.read_without_acknowledgement,
            self.rename,
            self.rename_away,
            self.delete,
            self.truncate,
            self.restart,
            self.kill,
            self.write_strangers_file,
        ]

    def step(self) -> None:
        """Do something."""
        self._dice.choice(self._steps)()

    def write(self) -> None:
        """Append lines to a file, which may be new; some lines begin as all others do."""
        path = self._folder / f"{self._dice.choice(NAMES)}.ndjson"
        length = self._dice.choice((0, 10, 300))
        lines = [f"{'x' * length}{next(self._numbers)}" for _ in range(self._dice.randrange(1, 5))]
        append(path, *lines)
        self.written |= set(lines)

    def read(self) -> None:
        """Read some lines, or all of them."""
        self.reader.read(self._dice.choice((1, 3, 1000)))

    def deliver(self) -> None:
        """Read everything, and deliver it."""
        self.reader.files.acknowledge(self._late)
        self._late.clear()
        for _ in range(100):
            self.reader.read()
            backlog = self.reader.files.backlog()
            if backlog["bytes"] == backlog["bytes_read"]:
                return
        pytest.fail("the files are not read to their end")

    def read_without_acknowledgement(self) -> None:
        """Read lines that are delivered only later, if the process does not end before that."""
        batch = self.reader.files.read(1000)
        if batch is not None:
            self.reader.lines += [line.decode() for _, lines in batch.pieces for line in lines]
            self._late.append(batch.checkpoint)

    def rename(self) -> None:
        """Rotate within the pattern."""
        path = self._any()
        if path is not None:
            path.rename(path.with_name(f"{path.stem}.{next(self._numbers)}.ndjson"))

    def rename_away(self) -> None:
        """Rotate out of the pattern, as soon as the reader follows the file."""
        path = self._any()
        if path is not None:
            self.deliver()
            path.rename(path.with_name(f"{path.name}.{next(self._numbers)}"))

    def delete(self) -> None:
        """Delete a delivered file."""
        path = self._any()
        if path is not None:
            self.deliver()
            path.unlink()

    def truncate(self) -> None:
        """Truncate a delivered file; the reader may see it at once, or when it has grown again."""
        path = self._any()
        if path is not None:
            self.deliver()
            os.truncate(path, 0)
            if self._dice.random() < 0.5:
                self.reader.read()

    def restart(self) -> None:
        """Stop and start the reader."""
        self._late.clear()
        self.reader.restart()

    def kill(self) -> None:
        """Start another reader; the old one stores nothing any more."""
        self._late.clear()
        files = self.reader.files
        self.reader.start()
        content = self.reader.positions.read_bytes() if self.reader.positions.exists() else None
        self.reader.running.discard(files)
        files.close()
        if content is not None:
            self.reader.positions.write_bytes(content)

    def write_strangers_file(self) -> None:
        """Write a file outside the patterns, which often gets the inode of a deleted file."""
        (self._folder / f"private-{next(self._numbers)}").write_text("a stranger's line\n" * 30, encoding="utf-8")

    def _any(self) -> Path | None:
        paths = sorted(self._folder.glob("*.ndjson"))
        return self._dice.choice(paths) if paths else None


@pytest.mark.parametrize("most_files", [None, 2], ids=["", "two open files"])
@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(6, 1000))])
def test_a_random_history(folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int, most_files: int | None) -> None:
    """Whatever happens to the files, in any order, the next reads find every line."""
    monkeypatch.setattr(followed_file, "CHUNK_BYTES", 512)
    monkeypatch.setattr(file_set, "GONE_SECONDS", 0.0)
    if most_files is not None:
        monkeypatch.setattr(descriptors, "LEAST_FILES", most_files)
        monkeypatch.setattr(descriptors, "most_files", lambda: most_files)
    history = History(folder, random.Random(seed))
    for _ in range(STEPS):
        history.step()
    history.deliver()

    lines = set(history.reader.lines)
    assert (history.written - lines, lines - history.written) == (set(), set())
