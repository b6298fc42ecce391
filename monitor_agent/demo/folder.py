"""The folder of a demo: one demo at a time uses it, and empties it at its start."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from monitor_agent.errors import DataError
from monitor_agent.files import PRIVATE_FILE, PRIVATE_FOLDER
from monitor_agent.stack.account import give_passage, unprivileged_account
from monitor_agent.stack.instance import LOCK_FILE, RECORD_FILE, DataFolderLock
from monitor_agent.stack.local import delete_data

MARK = ".demo"
PERMANENT = (MARK, LOCK_FILE, RECORD_FILE)


class DemoFolder:
    """The files and folders that a demo writes.

    Attributes
    ----------
    log : the model server's event files.
    stack : data, logs and passwords of Elasticsearch, and the logs of the other components.
    pipeline : the pipeline's positions.
    responses, summary, report : the results.
    settings : the agent's settings, for `monitor-agent --config`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.log = self.path / "log"
        self.stack = self.path / "stack"
        self.pipeline = self.path / "pipeline"
        self.responses = self.path / "responses.ndjson"
        self.summary = self.path / "summary.json"
        self.report = self.path / "report.html"
        self.settings = self.path / "monitor.toml"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder for the block, and delete the files of an earlier demo.

        Raises
        ------
        StackError
            If another demo runs there.
        DataError
            If the folder holds something else, or cannot be written.
        """
        try:
            if self.path.exists() and not (self.path / MARK).exists() and any(self.path.iterdir()):
                raise DataError(f"{self.path} holds something other than a demo", "choose another folder with --out")
            self.path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            (self.path / MARK).touch(PRIVATE_FILE)
            lock = DataFolderLock(self.path)
            lock.acquire()
            give_passage(self.path, unprivileged_account())
        except OSError as error:
            raise _refused(self.path, error) from error
        try:
            self._empty()
            yield
        finally:
            lock.release()

    def _empty(self) -> None:
        try:
            delete_data(self.stack)
            for entry in self.path.iterdir():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                elif entry.name not in PERMANENT:
                    entry.unlink()
        except OSError as error:
            raise _refused(self.path, error) from error


def _refused(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path} cannot be written ({error.strerror})", "free disk space, or choose another folder (--out)"
    )
