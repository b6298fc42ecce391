"""The filter `json`: JSON in a field becomes fields."""

from __future__ import annotations

from typing import Any

import structlog

from monitor_agent.logstash.decoration import decoration
from monitor_agent.logstash.events.event_fields import TIMESTAMP_FAILURE, is_too_deep, tag
from monitor_agent.logstash.events.json_text import read
from monitor_agent.logstash.events.timestamps import Timestamp
from monitor_agent.logstash.events.values import ruby_text
from monitor_agent.logstash.language.field_code import begin, value_of
from monitor_agent.logstash.language.field_references import FieldError, field_reference, legal_tags
from monitor_agent.logstash.language.filter_code import FILTER_FAILURES, give_up
from monitor_agent.logstash.language.python_code import PythonCode
from monitor_agent.logstash.language.sprintf import static_reference
from monitor_agent.logstash.plugin import Event, PipelineContext, PluginConfig, PluginOption, PluginSpec

_log = structlog.get_logger()


class JsonFilter:
    """Puts the JSON of `source` into `target` or the event itself; unlike in the codec, no text may follow it."""

    def __init__(self, config: PluginConfig, _context: PipelineContext) -> None:
        options = config.options
        self._source = static_reference(options["source"], config.at)
        self._target = static_reference(options["target"], config.at) if options["target"] else None
        self._failure_tags: list[str] = options["tag_on_failure"]
        self._quiet: bool = options["skip_on_invalid_json"]
        self._decorate = decoration(config) if config.common.keys() - {"id"} else None
        self._configured = config

    def write(self, code: PythonCode) -> None:
        """Write the lines that read the text; a failure tags the event and changes nothing else."""
        code.line(f"text = {value_of(self._source, code)}")
        with code.block("if text is not None"):
            with code.block("try"):
                code.line(f"{code.name('read_json', self._read)}(event, text)")
            with code.block(f"except {code.name('failures', FILTER_FAILURES)} as failure"):
                code.line(f"{code.name('give_up', self._give_up)}(event, failure)")
            begin(code)

    def _give_up(self, event: Event, failure: Exception) -> None:
        give_up(self._configured, event, failure)

    def _read(self, event: Event, text: Any) -> None:
        try:
            if not isinstance(text, str):
                raise ValueError("not a text")
            value = read(text.encode())
            if is_too_deep(value, text):
                raise ValueError("nested too deeply")
        except ValueError as error:
            if not self._quiet:
                self._fail(event, error)
            return
        try:
            self._merge(event, value)
        except (ValueError, FieldError) as error:
            self._fail(event, error)
            return
        if self._decorate is not None:
            self._decorate(event)

    def _merge(self, event: Event, value: Any) -> None:
        if self._target is not None:
            self._target.set(event, value)
            return
        if type(value) is not dict:
            raise ValueError("not an object, and there is no target")
        time = value.pop("@timestamp", None)
        if value:
            if not legal_tags(value.get("tags", "")) or type(value.get("@metadata", value)) is not dict:
                raise ValueError("tags or @metadata of another type")
            fields = [(field_reference(name), item) for name, item in value.items()]
            for field, item in fields:
                field.set(event, item)
        if time is not None and time is not False:
            _set_time(event, time)

    def _fail(self, event: Event, error: Exception) -> None:
        _log.debug("JSON in a field is malformed", plugin=self._configured.id, reason=str(error))
        for name in self._failure_tags:
            self._configured.counters.fail(name)
        tag(event, self._failure_tags)


def _set_time(event: Event, time: Any) -> None:
    try:
        if not isinstance(time, str):
            raise ValueError("no text")
        event["@timestamp"] = Timestamp.parse(time)
    except ValueError:
        event["@timestamp"] = Timestamp.now()
        event["_@timestamp"] = ruby_text(time)
        tag(event, (TIMESTAMP_FAILURE,))


SPEC = PluginSpec(
    "filter",
    "json",
    (
        PluginOption("source", required=True),
        PluginOption("target"),
        PluginOption("tag_on_failure", "array", default=["_jsonparsefailure"]),
        PluginOption("skip_on_invalid_json", "boolean", default=False),
    ),
    JsonFilter,
)
