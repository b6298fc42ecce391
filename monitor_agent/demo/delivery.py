"""The product's pipeline in this process: it delivers the lines of a replay as if each had arrived when it was written.

The filters and the output are those of the configuration that runs everywhere. Only `event.ingested` differs: it is the
time at which the line was written by the replay's clock, not the present. So the agent of a replay measures the delays
and the silences that it would have measured then.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor_agent.errors import ConfigurationError
from monitor_agent.logstash.inputs.file import FileInput
from monitor_agent.logstash.language.variables import pipeline_variables
from monitor_agent.logstash.plugin import Event, Output, PipelineContext
from monitor_agent.settings import Settings

if TYPE_CHECKING:
    from monitor_agent.logstash.compiler import Program

PORTION = 32
"""Events that are filtered together."""
BATCH = 1_500
"""Documents of one request."""
SENDERS = 2
MOST_WAITING = 4
"""Requests that may wait for their turn."""

Line = tuple[bytes, str]
"""A line of an event file, and the path of the file."""

Documents = Mapping[int, Sequence[Any]]
"""Documents by the place of their output in the configuration."""


class LineFilter:
    """Turns lines into documents, as the configuration of the pipeline says."""

    def __init__(self, program: Program) -> None:
        (self._input,) = [source for source in program.inputs if isinstance(source, FileInput)][:1]
        self._program = program
        self._places = {output: place for place, output in enumerate(program.outputs)}

    def documents(self, lines: Iterable[Line]) -> Documents:
        """Return the documents of lines, in the order of the lines."""
        documents: dict[int, list[Any]] = {}
        remaining = iter(lines)
        while portion := list(islice(remaining, PORTION)):
            events = [event for line, path in portion for event in self._input.events_of(line, path)]
            for output, share in self._program.route(self._program.filter(events)):
                for event in share:
                    _set_arrival(event)
                documents.setdefault(self._places[output], []).extend(output.prepare(share))
        return documents


class ReplayDelivery:
    """Delivers lines; every line that was handed over is in Elasticsearch, or is a dead letter, after `flush`."""

    def __init__(self, program: Program, pool: ThreadPoolExecutor) -> None:
        self._filter = LineFilter(program)
        self._outputs = program.outputs
        self._pool = pool
        self._sending: list[Future[None]] = []
        self._waiting: dict[Output, list[Any]] = {}

    def deliver(self, lines: Iterable[Line]) -> None:
        """Filter lines, and send their documents in large requests."""
        remaining = iter(lines)
        while portion := list(islice(remaining, PORTION)):
            self.send(self._filter.documents(portion))

    def send(self, documents: Documents) -> None:
        """Send documents in large requests."""
        for place, of_output in documents.items():
            waiting = self._waiting.setdefault(self._outputs[place], [])
            waiting.extend(of_output)
            if len(waiting) >= BATCH:
                self._send(self._outputs[place], self._waiting.pop(self._outputs[place]))

    def flush(self) -> None:
        """Return when everything has been sent.

        Raises
        ------
        PipelineError
            If it cannot be sent.
        """
        for output, prepared in self._waiting.items():
            self._send(output, prepared)
        self._waiting.clear()
        for future in self._sending:
            future.result()
        self._sending.clear()

    def _send(self, output: Output, prepared: list[Any]) -> None:
        if len(self._sending) >= MOST_WAITING:
            self._sending.pop(0).result()
        self._sending.append(self._pool.submit(output.send, prepared))


def _set_arrival(event: Event) -> None:
    """Say that an event arrived when its line was written."""
    fields = event.get("event")
    if type(fields) is dict and fields.get("created"):
        fields["ingested"] = fields["created"]


def compiled(settings: Settings, data_dir: Path, host: str) -> tuple[Program, PipelineContext]:
    """Return the pipeline of the settings, with its outputs closed, and what its plugins share.

    Parameters
    ----------
    data_dir : folder of dead letters that cannot be sent, and of documents that wait.
    host : the name of the machine in the events.

    Raises
    ------
    ConfigurationError
        If the configuration reads no event files.
    """
    # The packages of the pipeline are an extra, and `demo --help` works without them.
    from monitor_agent.logstash import compiler

    config = settings.pipeline.config
    variables = pipeline_variables(settings, {"PIPELINE_DATA_DIR": str(data_dir)})
    context = PipelineContext(settings.pipeline, io.BytesIO(), io.BytesIO(), host)
    sections = compiler.parse_sources(compiler.read_sources(config))
    program = compiler.compile_sections(sections, variables, context)
    if not any(isinstance(source, FileInput) for source in program.inputs):
        raise ConfigurationError("there is no file input", path=config, hint="its codec reads the lines")
    return program, context


@contextmanager
def delivery_of(settings: Settings, data_dir: Path, host: str) -> Iterator[ReplayDelivery]:
    """Yield the delivery by the pipeline of the settings; see `compiled` for the parameters.

    Raises
    ------
    ConfigurationError
        If the configuration reads no event files.
    """
    program, context = compiled(settings, data_dir, host)
    for output in program.outputs:
        output.open()
    try:
        with ThreadPoolExecutor(SENDERS, "delivery") as pool:
            yield ReplayDelivery(program, pool)
    finally:
        context.stopping.set()
        for output in program.outputs:
            output.close()
