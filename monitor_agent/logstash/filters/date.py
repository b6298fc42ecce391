"""The filter `date`: a time in a field becomes the event's time, to the millisecond."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from typing import Any

import structlog

from monitor_agent.logstash.decoration import decoration
from monitor_agent.logstash.events.date_patterns import parser
from monitor_agent.logstash.events.event_fields import tag
from monitor_agent.logstash.events.timestamps import Timestamp, zone_of
from monitor_agent.logstash.language.field_references import FieldError
from monitor_agent.logstash.language.sprintf import compile_template, is_dynamic, static_reference
from monitor_agent.logstash.plugin import Event, PipelineContext, PluginConfig, PluginOption, PluginSpec

Parse = Callable[[Any, tzinfo | None], Timestamp]

_log = structlog.get_logger()


class DateFilter:
    """Tries the patterns in their order. A text without a zone is in `timezone`, by default that of this machine."""

    def __init__(self, config: PluginConfig, _context: PipelineContext) -> None:
        options, at = config.options, config.at
        match = [str(item) for item in options["match"]]
        if len(match) < 2:
            raise at.error("match needs a field and at least one pattern", 'such as ["time", "ISO8601"]')
        if not (options["locale"] or "en").lower().startswith("en"):
            raise at.error(f"the locale {options['locale']!r} is not known here", "use en")
        self._source = static_reference(match[0], at)
        self._target = static_reference(options["target"], at)
        try:
            self._parsers: list[Parse] = [parser(pattern) for pattern in match[1:]]
            self._zone_of = _zones(options["timezone"], config)
        except ValueError as error:
            raise at.error(str(error), "correct match or timezone") from None
        self._failure_tags: list[str] = options["tag_on_failure"]
        self._decorate = decoration(config)
        self._configured = config

    def filter(self, event: Event) -> bool:
        """Return True; if no pattern fits the text, the event gets a tag."""
        value = self._source.get(event)
        if value is None:
            return True
        self._match(event, value)
        return True

    def _match(self, event: Event, value: Any) -> None:
        try:
            self._target.set(event, self._parsed(event, value))
        except (ValueError, FieldError) as error:
            _log.debug("no time in a field", plugin=self._configured.id, reason=str(error))
            for name in self._failure_tags:
                self._configured.counters.fail(name)
            tag(event, self._failure_tags)
            return
        self._decorate(event)

    def _parsed(self, event: Event, value: Any) -> Timestamp:
        zone = self._zone_of(event)
        for parse in self._parsers:
            try:
                return parse(value, zone)
            except ValueError:
                continue
        raise ValueError(f"{value!r} fits no pattern")


def _zones(name: str | None, config: PluginConfig) -> Callable[[Event], tzinfo | None]:
    if name is None:
        return lambda _event: None
    if is_dynamic(name):
        render = compile_template(name, config.at)
        return lambda event: zone_of(render(event))
    fixed = zone_of(name)
    return lambda _event: fixed


SPEC = PluginSpec(
    "filter",
    "date",
    (
        PluginOption("match", "array", default=[]),
        PluginOption("target", default="@timestamp"),
        PluginOption("timezone"),
        PluginOption("locale"),
        PluginOption("tag_on_failure", "array", default=["_dateparsefailure"]),
    ),
    DateFilter,
)
