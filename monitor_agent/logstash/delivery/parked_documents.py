"""Documents on disk that wait until their index takes documents again, so that the other indices need not wait."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from monitor_agent.errors import PipelineError
from monitor_agent.logstash.delivery.bulk import BulkItem, DocumentOrigin, json_line, origin_of
from monitor_agent.logstash.files.durable import append_file, make_folder
from monitor_agent.logstash.plugin import ParkingOutput

FOLDER_NAME = "parked"

_log = structlog.get_logger()


@dataclass(frozen=True)
class ParkedCount:
    """The documents of one index that wait on disk for one reason."""

    index: str
    reason: str
    documents: int
    bytes: int


@dataclass
class _Queue:
    """One file. `offset` is the place behind the documents that are delivered; `documents` counts those behind it."""

    path: Path
    index: str
    label: str
    documents: int = 0
    size: int = 0
    offset: int = 0


class ParkedDocuments:
    """Queues of documents, one file each; a document is on disk when `add` returns.

    A queue usually has the name of an index. Several threads may add; one thread reads and removes.
    A document is two lines: what the runner must know about it, and its source.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._queues: dict[str, _Queue] = {}
        self._lock = threading.Lock()

    def open(self) -> None:
        """Make the folder, and find the documents that an earlier run has left.

        Raises
        ------
        PipelineError
            If the folder cannot be made, or a file cannot be read.
        """
        make_folder(self._folder)
        for path in sorted(self._folder.glob("*.ndjson")):
            try:
                self._restore(path)
            except OSError as error:
                raise PipelineError(f"{path} cannot be read ({error.strerror})", "correct its permissions") from error

    def __bool__(self) -> bool:
        """Return whether there is any document."""
        return bool(self._queues)

    def holds(self, queue: str) -> bool:
        """Return whether there are documents in this queue."""
        return queue in self._queues

    def add(self, queue: str, label: str, items: Sequence[BulkItem]) -> bool:
        """Append documents, or return False if there is no room for them.

        Parameters
        ----------
        label : the reason in two or three words.
        """
        content = b"".join(_record(queue, label, item) for item in items)
        with self._lock:
            if sum(present.size for present in self._queues.values()) + len(content) > self._most_bytes:
                return False
            present = self._queues.get(queue) or _Queue(self._path_of(queue), items[0].index, label)
            try:
                append_file(present.path, content)
            except PipelineError as error:
                _log.warning(
                    "documents cannot be parked on disk; their lines wait in the event files", reason=str(error)
                )
                return False
            present.size += len(content)
            present.documents += len(items)
            self._queues[queue] = present
        return True

    def names(self) -> list[str]:
        """Return the names of all queues."""
        with self._lock:
            return list(self._queues)

    def read(self, queue: str, most: int) -> tuple[list[BulkItem], int]:
        """Return up to `most` documents from the first one that is not delivered, and the place behind them."""
        present = self._queues[queue]
        items: list[BulkItem] = []
        with present.path.open("rb") as stream:
            stream.seek(present.offset)
            while len(items) < most and stream.tell() < present.size:
                items.append(_item(stream.readline(), stream.readline()))
            return items, stream.tell()

    def advance(self, queue: str, place: int, documents: int) -> None:
        """Remember that all documents before `place` are delivered; remove the queue if there are no others."""
        with self._lock:
            present = self._queues[queue]
            present.offset = place
            present.documents -= documents
            if place >= present.size:
                present.path.unlink(missing_ok=True)
                del self._queues[queue]

    def relabel(self, queue: str, label: str) -> None:
        """Keep the present reason of a queue."""
        if label:
            self._queues[queue].label = label

    def counts(self) -> list[ParkedCount]:
        """Return the number of documents by index and reason."""
        documents: Counter[tuple[str, str]] = Counter()
        sizes: Counter[tuple[str, str]] = Counter()
        with self._lock:
            for queue in self._queues.values():
                documents[queue.index, queue.label] += queue.documents
                sizes[queue.index, queue.label] += queue.size - queue.offset
        return [ParkedCount(*key, count, sizes[key]) for key, count in sorted(documents.items())]

    def _path_of(self, queue: str) -> Path:
        return self._folder / f"{hashlib.sha256(queue.encode(errors='surrogatepass')).hexdigest()}.ndjson"

    def _restore(self, path: Path) -> None:
        """Count the documents of a file, and cut off the last one if a crash has left only a part of it."""
        documents = whole = 0
        with path.open("rb+") as stream:
            first = header = stream.readline()
            while (source := stream.readline()).endswith(b"\n"):
                documents += 1
                whole += len(header) + len(source)
                header = stream.readline()
            stream.truncate(whole)
        if not documents:
            path.unlink()
            return
        fields = json.loads(first)
        self._queues[fields["queue"]] = _Queue(path, fields["index"], fields["label"], documents, whole)


def warn_of_removed_outputs(data_dir: Path, outputs: Sequence[object]) -> None:
    """Warn of parked documents of outputs that the configuration does not have any more: nothing sends them."""
    folders = {output.parked_folder for output in outputs if isinstance(output, ParkingOutput)}
    for folder in sorted((data_dir / FOLDER_NAME).glob("*")):
        if folder not in folders and any(folder.glob("*.ndjson")):
            _log.warning(
                "parked documents of an output that the configuration does not have any more are not sent; "
                "give the output its former id",
                folder=str(folder),
            )


def _record(queue: str, label: str, item: BulkItem) -> bytes:
    header = {
        "queue": queue,
        "label": label,
        "index": item.index,
        "id": item.id,
        "action": item.action.decode(),
        "letter": item.origin is None,
        "origin": item.origin and item.origin._asdict(),
    }
    return json_line(header) + item.source


def _item(header: bytes, source: bytes) -> BulkItem:
    fields: dict[str, Any] = json.loads(header)
    origin = None
    if not fields["letter"]:
        present = fields.get("origin")  # earlier releases wrote the event's metadata
        origin = DocumentOrigin(**present) if present else origin_of({"@metadata": fields["metadata"]})
    return BulkItem(fields["index"], fields["id"], fields["action"].encode(), source, origin)
