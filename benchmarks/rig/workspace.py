"""The folders of a measured pipeline."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rig import event_files
from benchmarks.rig.runner_process import delivered_bytes


class Workspace:
    """Folders of one run after another, over the same event files.

    Attributes
    ----------
    logs, size : folder of the event files, and their bytes.
    """

    def __init__(self, folder: Path, count: int, files: int = 4) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.size = event_files.fill(self.logs, count, files)
        self.count = count // files * files

    @property
    def data(self) -> Path:
        """The data folder of the current run."""
        return self.folder / "data"

    def environ(self, url: str, password: str = "unused") -> dict[str, str]:
        """Return the pipeline's environment, with an empty data folder."""
        shutil.rmtree(self.data, ignore_errors=True)
        return {
            "MODEL_LOG_DIR": str(self.logs),
            "PIPELINE_DATA_DIR": str(self.data),
            "PIPELINE_USERNAME": "pipeline_writer",
            "PIPELINE_PASSWORD": password,
            "ELASTICSEARCH_URL": url,
        }

    def delivered(self) -> bool:
        """Return whether all events are delivered, and the position on disk says so."""
        return delivered_bytes(self.data) >= self.size


@contextlib.contextmanager
def temporary_workspace(count: int, files: int = 4) -> Iterator[Workspace]:
    """Yield a workspace, which is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="model-monitor-bench-") as folder:
        yield Workspace(Path(folder), count, files)
