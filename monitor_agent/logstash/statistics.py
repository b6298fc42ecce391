"""The statistics of a pipeline: one JSON file in the data folder, written about every second."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from monitor_agent.errors import DataError, PipelineError
from monitor_agent.logstash.delivery.parked_documents import ParkedCount
from monitor_agent.logstash.events.timestamps import Timestamp
from monitor_agent.logstash.files.durable import write_file
from monitor_agent.logstash.plugin import BacklogSource, Output, ParkingOutput
from monitor_agent.vocabulary.counted_nouns import counted

if TYPE_CHECKING:
    from monitor_agent.logstash.compiler import Program

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
        """Write the present statistics; a failure is logged once and stops nothing.

        Parameters
        ----------
        state : `running`, `stopped` or `failed`.
        batches : the number of batches that are not delivered yet.
        """
        try:
            write_file(self._path, orjson.dumps(self.document(state, batches)), sync=False)
            self._failed = False
        except PipelineError as error:
            if not self._failed:
                self._failed = True
                _log.warning("statistics cannot be written", reason=str(error))

    def document(self, state: str, batches: int) -> dict[str, Any]:
        """Return the statistics; `delivered` means that each line is in Elasticsearch or is a dead letter.

        `parked` counts the documents that wait on disk, because their index takes none.
        """
        inputs = {source.id: source.backlog() for source in self._program.inputs if isinstance(source, BacklogSource)}
        parked = [asdict(count) for count in parked_counts(self._program.outputs)]
        troubles = [trouble for output in self._program.outputs if (trouble := getattr(output, "trouble", ""))]
        return {
            "updated": Timestamp.now(),
            "started": self._started,
            "process": os.getpid(),
            "state": state,
            "trouble": "; ".join(troubles),
            "delivered": batches == 0
            and not parked
            and all(backlog["bytes_behind"] == 0 for backlog in inputs.values()),
            "batches_in_flight": batches,
            "parked": parked,
            "inputs": inputs,
            "plugins": dict(self._program.counters),
        }


def parked_counts(outputs: Sequence[Output]) -> list[ParkedCount]:
    """Return the documents that wait on disk, by index and reason."""
    return [count for output in outputs if isinstance(output, ParkingOutput) for count in output.parked()]


def read_statistics(folder: Path) -> dict[str, Any]:
    """Return the content of the file.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    path = folder / FILE_NAME
    try:
        document: dict[str, Any] = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise DataError(
            f"{path} cannot be read ({reason})", "start the pipeline with this PIPELINE_DATA_DIR"
        ) from error
    return document


def report(document: dict[str, Any]) -> list[str]:
    """Return a statistics file as lines for people.

    >>> lines = report({"state": "running", "process": 7, "started": "2026-11-23T10:00:00.000Z", "delivered": False,
    ...     "updated": "2026-11-23T10:05:00.000Z", "trouble": "", "batches_in_flight": 2, "plugins": {},
    ...     "inputs": {"log": {"files": 1, "bytes": 9000, "bytes_behind": 4000, "seconds_behind": 0.3,
    ...     "unfinished_bytes": 12}}})
    >>> print(lines[1])
    log: 4,000 of 9,000 bytes in 1 file are not delivered yet, 0.3 s behind; 12 bytes are of unfinished last lines
    """
    lines = [
        f"{document['state']}, process {document['process']}, since {document['started'][:19]}Z, "
        f"as of {document['updated'][:23]}Z"
    ]
    for name, backlog in document["inputs"].items():
        line = (
            f"{name}: {backlog['bytes_behind']:,} of {backlog['bytes']:,} bytes in {counted(backlog['files'], 'file')} "
            f"are not delivered yet, {backlog['seconds_behind']:.1f} s behind"
        )
        if unfinished := backlog.get("unfinished_bytes"):
            line += f"; {unfinished:,} bytes are of unfinished last lines"
        if unreadable := backlog.get("files_unreadable"):
            line += f"; {unreadable:,} files cannot be read"
        lines.append(line)
    lines.append(f"batches on their way: {document['batches_in_flight']}")
    for parked in document.get("parked", ()):
        lines.append(
            f"parked on disk: {parked['documents']:,} documents ({parked['bytes']:,} bytes) for {parked['index']}, "
            f"{parked['reason']}"
        )
    if document["trouble"]:
        lines.append(f"trouble: {document['trouble']}")
    worked = {name: counts for name, counts in document["plugins"].items() if any(counts.values())}
    lines += ["", f"{'plugin':40} {'in':>12} {'out':>12} {'seconds':>9}  else"]
    for name, counts in worked.items():
        failures = ", ".join(f"{count:,} {reason}" for reason, count in sorted(counts["failures"].items()))
        row = (
            f"{name[:40]:40} {counts['events_in']:12,} {counts['events_out']:12,} {counts['seconds']:9.1f}  {failures}"
        )
        lines.append(row.rstrip())
    return lines
