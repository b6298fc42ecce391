"""The product's pipeline in this process: lines go in, and the documents that it would send come out."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from monitor_agent.contracts.event_catalogue import EVENT_CONTRACTS
from monitor_agent.logstash import compiler
from monitor_agent.logstash.events.json_text import read
from monitor_agent.logstash.inputs.file import FileInput
from monitor_agent.logstash.outputs.elasticsearch import ElasticsearchOutput
from monitor_agent.logstash.plugin import Event, PipelineContext
from monitor_agent.settings import PipelineSettings

PIPELINE = Path(__file__).parents[1] / "logstash" / "pipeline"
ENVIRON = {
    "MODEL_LOG_DIR": "/logs",
    "PIPELINE_DATA_DIR": "/data",
    "PIPELINE_PASSWORD": "secret",
    "PIPELINE_HTTP_USERNAME": "shop",
    "PIPELINE_HTTP_PASSWORD": "secret",
}
MAPPINGS = {contract.name: contract.mapping() for contract in EVENT_CONTRACTS}


def program(environ: Mapping[str, str] | None = None) -> compiler.Program:
    """Return the product's pipeline with its HTTP input; `environ` are further variables, or other values of these."""
    return _program(tuple({**ENVIRON, **(environ or {})}.items()))


@lru_cache
def _program(environ: tuple[tuple[str, str], ...]) -> compiler.Program:
    sources = [source for folder in (PIPELINE, PIPELINE / "http-on") for source in compiler.read_sources(str(folder))]
    context = PipelineContext(PipelineSettings(), io.BytesIO(), io.BytesIO(), "host-1")
    return compiler.compile_sections(compiler.parse_sources(sources), dict(environ), context)


def source_of(kind: type) -> Any:
    """Return the input of a type."""
    (source,) = [source for source in program().inputs if isinstance(source, kind)]
    return source


def documents_of(
    events: Sequence[Event], environ: Mapping[str, str] | None = None
) -> list[tuple[str, str, dict[str, Any]]]:
    """Return index, id and content of the documents that the pipeline makes of events."""
    ((output, share),) = program(environ).route(program(environ).filter(events)) or [(None, [])]
    assert output is None or isinstance(output, ElasticsearchOutput)
    items = output.prepare(share) if output is not None else []
    return [(item.index, item.id, read(item.source)) for item in items]


def document_of(event: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the content of the document that the pipeline makes of a line with this event."""
    events = source_of(FileInput).events_of(json.dumps(event).encode(), "/logs/a.ndjson")
    ((_, _, document),) = documents_of(events, environ)
    return document
