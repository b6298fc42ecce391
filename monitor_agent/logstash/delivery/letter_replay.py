"""The replay of dead letters: their lines become a new event file; a crash at any moment neither loses nor repeats one.

The steps: a list of the letters, a file with the lines under a name that no pipeline reads, the removal of the letters,
the file's final name. After a crash, the next replay finishes what the list and the file say.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from monitor_agent.errors import PipelineError
from monitor_agent.files import FileLock
from monitor_agent.logstash.files.durable import cannot_write, make_folder, sync_folder, write_file

LOCK_NAME = ".replay.lock"
PENDING = ".pending"
LIST = ".letters"


@dataclass(frozen=True)
class ReplayedLetter:
    """A letter to be sent again: where it is in Elasticsearch, and when it was made."""

    index: str
    id: str
    ingested: str


Remove = Callable[[Sequence[ReplayedLetter]], None]
"""Removes letters; a letter that does not exist any more is no error."""


class LetterReplay:
    """A folder of event files, for one replay at a time."""

    def __init__(self, folder: Path, remove: Remove) -> None:
        self._folder = folder
        self._remove = remove

    @contextlib.contextmanager
    def locked(self) -> Iterator[list[ReplayedLetter]]:
        """Lock the folder, finish an interrupted replay, and yield the letters that it had chosen.

        Raises
        ------
        PipelineError
            If another replay is at work, or the folder cannot be written.
        """
        lock = FileLock(make_folder(self._folder) / LOCK_NAME)
        try:
            locked = lock.acquire()
        except OSError as error:
            raise cannot_write(lock.path, error) from error
        if not locked:
            raise PipelineError(f"another replay writes to {self._folder}", "wait until it has ended")
        try:
            yield self._finish_interrupted()
        finally:
            lock.release()

    def send(self, letters: Sequence[ReplayedLetter], lines: Sequence[str]) -> None:
        """Write the lines into a new event file, and remove the letters.

        Raises
        ------
        PipelineError
            If a file cannot be written; the letters are still there then.
        """
        pending = self._folder / f"replay-{time.time_ns()}.ndjson{PENDING}"
        write_file(_list_of(pending), orjson.dumps([asdict(letter) for letter in letters]))
        write_file(pending, "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass"))
        sync_folder(self._folder)
        self._finish(pending, letters)

    def _finish(self, pending: Path, letters: Sequence[ReplayedLetter]) -> None:
        self._remove(letters)
        pending.rename(pending.with_name(pending.name.removesuffix(PENDING)))
        sync_folder(self._folder)
        _list_of(pending).unlink(missing_ok=True)

    def _finish_interrupted(self) -> list[ReplayedLetter]:
        finished: list[ReplayedLetter] = []
        for pending in sorted(self._folder.glob(f"replay-*.ndjson{PENDING}")):
            with contextlib.suppress(FileNotFoundError):  # an earlier version has made no list
                letters = [ReplayedLetter(**fields) for fields in orjson.loads(_list_of(pending).read_bytes())]
                finished += letters
                self._finish(pending, letters)
                continue
            self._finish(pending, [])
        for path in self._folder.glob(f".replay-*{LIST}"):
            path.unlink()  # the crash came before the lines were written, or after the file had its name
        return finished


def _list_of(pending: Path) -> Path:
    return pending.with_name(f".{pending.name.removesuffix(PENDING)}{LIST}")
