"""The product's pipeline in this process: lines go in, and the documents that it would send come out."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from monitor_agent.contracts.event_catalogue import EVENT_CONTRACTS
from monitor_agent.logstash import compiler
from monitor_agent.logstash.events.json_text import read
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


@cache
def program() -> compiler.Program:
    """Return the product's pipeline with its HTTP input."""
    sources = [source for folder in (PIPELINE, PIPELINE / "http-on") for source in compiler.read_sources(str(folder))]
    context = PipelineContext(PipelineSettings(), io.BytesIO(), io.BytesIO(), "host-1")
    return compiler.compile_sections(compiler.parse_sources(sources), ENVIRON, context)


def source_of(kind: type) -> Any:
    """Return the input of a type."""
    (source,) = [source for source in program().inputs if isinstance(source, kind)]
    return source


def documents_of(events: Sequence[Event]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return index, id and content of the documents that the pipeline makes of events."""
    ((output, share),) = program().route(program().filter(events)) or [(None, [])]
    assert output is None or isinstance(output, ElasticsearchOutput)
    items = output.prepare(share) if output is not None else []
    return [(item.index, item.id, read(item.source)) for item in items]
