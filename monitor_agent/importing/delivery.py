"""The configured pipeline in this process: rows go in as event lines, and Elasticsearch acknowledges all of them."""

from __future__ import annotations

import dataclasses
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monitor_agent.contracts.deadletter import DEADLETTERS
from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.errors import ConfigurationError, StoppedError
from monitor_agent.files import readable_name
from monitor_agent.importing.portions import STOPPED, RowFeed, RowLine, RowPortion
from monitor_agent.importing.progress import RefusedRow
from monitor_agent.logstash import compiler, runner
from monitor_agent.logstash.delivery.bulk import BulkItem
from monitor_agent.logstash.events.event_fields import message_event
from monitor_agent.logstash.events.json_text import read
from monitor_agent.logstash.inputs.file import FileInput
from monitor_agent.logstash.language.variables import pipeline_variables
from monitor_agent.logstash.outputs.elasticsearch import ElasticsearchOutput
from monitor_agent.logstash.plugin import Event, EventBatch, PipelineContext
from monitor_agent.settings import Settings

FOLDER = "import"
"""Below PIPELINE_DATA_DIR: what an import keeps on disk; only one import at a time has it."""
VIA = "import"
"""`[@metadata][via]` of the events: the filters accept labels in their predictions."""


class ImportPipeline:
    """The configured pipeline with rows of tables in the place of its inputs.

    Attributes
    ----------
    folder : where the import keeps its files.
    stopping : set to stop the delivery.

    Raises
    ------
    ConfigurationError
        If the configuration is wrong, or reads no files.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self.folder = Path(settings.pipeline.data_dir) / FOLDER
        pipeline = dataclasses.replace(settings.pipeline, data_dir=str(self.folder))
        config = pipeline.config
        self._context = PipelineContext(
            pipeline,
            sys.stdin.buffer,
            sys.stdout.buffer,
            readable_name(socket.gethostname()),
            ca_certs=settings.elasticsearch.ca_certs,
        )
        sections = compiler.parse_sources(compiler.read_sources(config))
        variables = pipeline_variables(settings, environ)
        self.program = compiler.compile_sections(sections, variables, self._context)
        inputs = [source for source in self.program.inputs if isinstance(source, FileInput)]
        if not inputs:
            raise ConfigurationError("there is no file input", path=config, hint="its codec reads the lines")
        self._lines = inputs[0]

    @property
    def stopping(self) -> threading.Event:
        """The event that stops the delivery."""
        return self._context.stopping

    def events_of(self, line: RowLine, path: str) -> list[Event]:
        """Return the events of a line; a refused row is an event that has its reason already."""
        if line.reason:
            event = message_event(line.text.decode(errors="replace"))
            event["@metadata"] = {
                "path": path, "host": self._context.host, "reject": line.reason, "problem": line.explanation
            }  # fmt: skip
            if not line.explanation:
                del event["@metadata"]["problem"]
            events = [event]
        else:
            events = self._lines.events_of(line.text, path)
        for event in events:
            event["@metadata"] |= {"via": VIA, "row": str(line.number)}
        return events

    def takes_joined_labels(self, line: RowLine) -> bool:
        """Return whether the filters leave the label in a prediction; a copy of an earlier release removes it.

        Parameters
        ----------
        line : a prediction with its label.
        """
        events = self.program.filter(self.events_of(line, ""))
        return bool(events) and isinstance(events[0].get("feedback"), dict)

    def deliver(self, feed: RowFeed) -> None:
        """Return when everything is acknowledged.

        Raises
        ------
        PipelineError
            If the delivery cannot go on.
        StoppedError
            If a signal stopped it.
        """
        rows = _Rows(feed, self)
        self.program.inputs = [rows]
        self.program.outputs = [
            _WatchedOutput(output) if isinstance(output, ElasticsearchOutput) else output
            for output in self.program.outputs
        ]
        runner.run(self.program, self._context)
        if not feed.finished:
            raise StoppedError(STOPPED)


class _Rows:
    """The input of the pipeline."""

    id = "import"

    def __init__(self, feed: RowFeed, pipeline: ImportPipeline) -> None:
        self._feed = feed
        self._pipeline = pipeline

    def open(self) -> None:
        """Do nothing: the feed opens its files one after another."""

    def read(self, limit: int) -> EventBatch | None:
        """Return the events of up to `limit` rows; None if there are none now."""
        portion = self._feed.take(limit)
        if portion is None:
            return None
        return EventBatch(self._events(portion), portion)

    def _events(self, portion: RowPortion) -> Any:
        for line in portion.lines:
            for event in self._pipeline.events_of(line, portion.path):
                event["@metadata"]["portion"] = portion
                yield event

    @property
    def finished(self) -> bool:
        """Whether all rows are delivered."""
        return self._feed.finished

    def acknowledge(self, positions: Sequence[RowPortion]) -> None:
        """Note what is delivered."""
        self._feed.settle(positions)

    def close(self) -> None:
        """Do nothing."""


class _WatchedOutput:
    """An `elasticsearch` output that counts what becomes of each row."""

    concurrent = True

    def __init__(self, output: ElasticsearchOutput) -> None:
        self._output = output
        self.parked_folder = output.parked_folder
        self._portions: dict[tuple[str, str], list[tuple[RowPortion, str]]] = {}
        output.observe(self)

    @property
    def trouble(self) -> str:
        """Return the reasons why documents cannot be delivered at the moment."""
        return self._output.trouble

    def open(self) -> None:
        """Open the output."""
        self._output.open()

    def prepare(self, events: Sequence[Event]) -> list[BulkItem]:
        """Return the documents of events, and count them."""
        items = self._output.prepare(events)
        for event, item in zip(events, items, strict=True):
            metadata = event["@metadata"]
            self._count(metadata["portion"], metadata["row"], item)
        return items

    def send(self, prepared: Sequence[BulkItem]) -> None:
        """Return when every document is in Elasticsearch or is a dead letter."""
        self._output.send(prepared)
        for item in prepared:
            self._portions.pop((item.index, item.id), None)

    def close(self) -> None:
        """Close the output."""
        self._output.close()

    def parked(self) -> list[Any]:
        """Return the number of documents that wait on disk."""
        return self._output.parked()

    def present(self, item: BulkItem) -> None:
        """Note that a document was there already."""
        if not item.index.startswith(f"{PREDICTIONS.name}-"):
            return
        for portion, _ in self._portions.get((item.index, item.id), ()):
            portion.counts.present += 1
            portion.present.append((item.index, item.id))

    def refused(self, item: BulkItem, reason: str) -> None:
        """Note that Elasticsearch refused a document."""
        for portion, row in self._portions.get((item.index, item.id), ()):
            portion.counts.add_refusal(RefusedRow(portion.path, int(row), "refused", reason))

    def _count(self, portion: RowPortion, row: str, item: BulkItem) -> None:
        counts = portion.counts
        if item.index.startswith(f"{DEADLETTERS.name}-"):
            error = read(item.source).get("error", {})
            refusal = RefusedRow(portion.path, int(row), str(error.get("type", "")), str(error.get("message", "")))
            counts.add_refusal(refusal)
            return
        if item.index.startswith(f"{PREDICTIONS.name}-"):
            counts.predictions += 1
            counts.labels += len(portion.labelled.get(item.id, ())[:1])
        elif item.index.startswith(f"{FEEDBACK.name}-"):
            counts.labels += 1
        self._portions.setdefault((item.index, item.id), []).append((portion, row))
