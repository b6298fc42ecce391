"""What the pipeline did and how far it is behind: one JSON file in the data folder, written about every second."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson
import structlog

from monitor_agent.errors import DataError, PipelineError
from monitor_agent.stack.embedded.logstash.compiler import Program
from monitor_agent.stack.embedded.logstash.durable import replace_file
from monitor_agent.stack.embedded.logstash.plugin import Followed
from monitor_agent.stack.embedded.logstash.timestamps import Timestamp

FILE_NAME = "statistics.json"

_log = structlog.get_logger()


class Statistics:
    """Writes the file."""

    def __init__(self, folder: Path, program: Program) -> None:
        self._path = folder / FILE_NAME
        self._program = program
        self._started = Timestamp.now()
        self._failed = False

    def write(self, state: str, batches: int) -> None:
        """Write what is so now; a failure is told once and stops nothing.

        Parameters
        ----------
        state : `running`, `stopped` or `failed`.
        batches : those on their way.
        """
        try:
            replace_file(self._path, orjson.dumps(self.document(state, batches)), sync=False)
            self._failed = False
        except PipelineError as error:
            if not self._failed:
                self._failed = True
                _log.warning("statistics cannot be written", reason=str(error))

    def document(self, state: str, batches: int) -> dict[str, Any]:
        """Return what is written; `delivered`: all that was in the files is in Elasticsearch, or a dead letter."""
        inputs = {source.id: source.backlog() for source in self._program.inputs if isinstance(source, Followed)}
        troubles = [trouble for output in self._program.outputs if (trouble := getattr(output, "trouble", ""))]
        return {
            "updated": Timestamp.now(),
            "started": self._started,
            "process": os.getpid(),
            "state": state,
            "trouble": "; ".join(troubles),
            "delivered": batches == 0 and all(backlog["bytes_behind"] == 0 for backlog in inputs.values()),
            "batches_in_flight": batches,
            "inputs": inputs,
            "plugins": dict(self._program.counters),
        }


def read_statistics(folder: Path) -> dict[str, Any]:
    """Return what the file says; DataError where there is none that can be read."""
    path = folder / FILE_NAME
    try:
        document: dict[str, Any] = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error})", "start the pipeline with this PIPELINE_DATA_DIR") from error
    return document
