"""A pipeline in a test: a configuration, lines for its standard input, and its output."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from monitor_agent.logstash.compiler import Program, compile_sections, parse_sources
from monitor_agent.logstash.plugin import Event, PipelineContext
from monitor_agent.settings import PipelineSettings

IN = "input { stdin { codec => json_lines } }\n"
OUT = "\noutput { stdout { codec => json_lines } }"


def context(lines: Sequence[str], path: Path, printed: io.BytesIO, ending: str = "\n") -> PipelineContext:
    """Return a context whose standard input is a file with these lines, each followed by `ending`."""
    path.write_bytes("".join(f"{line}{ending}" for line in lines).encode(errors="surrogateescape"))
    return PipelineContext(PipelineSettings(), path.open("rb"), printed, "host-1")


def compile_text(text: str, variables: Mapping[str, str], context: PipelineContext) -> Program:
    """Return the program of one text."""
    return compile_sections(parse_sources([("pipeline.conf", text)]), variables, context)


def printed_by(
    config: str, lines: Sequence[str], folder: Path, variables: Mapping[str, str] | None = None, *, ending: str = "\n"
) -> list[str]:
    """Return the lines that the pipeline prints for these lines of standard input."""
    printed = io.BytesIO()
    around = context(lines, folder / "stdin", printed, ending)
    with around.stdin:
        drain(compile_text(config, variables or {}, around))
    return printed.getvalue().decode().split("\n")[:-1]


def drain(program: Program) -> None:
    """Pass all events from the inputs to the outputs."""
    for source in program.inputs:
        source.open()
        while not source.finished:
            batch = source.read(125)
            if batch is not None:
                for output, share in program.route(program.filter(batch.events)):
                    output.send(output.prepare(share))


def filtered(filters: str, *events: Mapping[str, Any], folder: Path) -> list[Event]:
    """Return the remaining events, as printed by a pipeline of JSON lines with these filters."""
    lines = [orjson.dumps({"@timestamp": "2026-01-02T03:04:05.678901Z", **event}).decode() for event in events]
    config = (
        IN + "filter { " + filters + ' mutate { remove_field => ["@version", "host", "[event][original]"] } }' + OUT
    )
    return [orjson.loads(line) for line in printed_by(config, lines, folder)]
