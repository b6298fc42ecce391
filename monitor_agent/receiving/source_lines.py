"""Turns what sources have said into event lines, within the bounds of the contracts (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from monitor_agent.contracts.model_names import problem_of_name, problem_of_version
from monitor_agent.errors import RecordError
from monitor_agent.prediction_log import events
from monitor_agent.prediction_log.event_log import EventLine, line_of
from monitor_agent.prediction_log.limits import MAX_ID_LENGTH
from monitor_agent.prediction_log.prediction_lines import PredictionTemplate
from monitor_agent.prediction_log.prediction_log import outcomes_of_records
from monitor_agent.prediction_log.pseudonyms import Pseudonyms
from monitor_agent.prediction_log.record_checks import RecordReader, feedback_of
from monitor_agent.prediction_log.records import Call, Origin, RequestContext, ScoredRequest
from monitor_agent.receiving.source_events import (
    SourceEvents,
    SourceFeedback,
    SourceInstance,
    SourcePredictions,
    identity,
)

MODELS_AT_ONCE = 256
"""Templates that are remembered: clients choose the names of versions."""
_RECORD = re.compile(r"predictions\[(\d+)\]\.?(.*)", re.DOTALL)


class SourceLines:
    """Makes the lines.

    Parameters
    ----------
    node : the writer's name.
    environment : `service.environment` of the events.
    query_text : whether the search query itself is logged, not only its pseudonym.
    """

    def __init__(self, node: str, environment: str, pseudonyms: Pseudonyms, *, query_text: bool) -> None:
        self._node = node
        self._environment = environment
        self._pseudonyms = pseudonyms
        self._query_text = query_text
        self._template = lru_cache(MODELS_AT_ONCE)(self._new_template)

    def of(self, source: SourceEvents, now: datetime) -> list[EventLine]:
        """Return the lines of all that a request has said.

        Raises
        ------
        RecordError
            If a field is wrong; it names the path of the field in the source.
        """
        lines = [line for batch in source.predictions for line in self._predictions(batch, now)]
        return lines + [self._feedback(entry, now) for entry in source.feedback]

    def _predictions(self, batch: SourcePredictions, now: datetime) -> list[EventLine]:
        for name, problem in (
            (batch.model, problem_of_name(batch.model)),
            (batch.version, problem_of_version(batch.version)),
        ):
            if problem:
                raise RecordError("the model" if name is batch.model else "the version", problem)
        origin = self._origin(batch)
        template, reader = self._template(origin)
        try:
            rows = reader.predictions([instance.record for instance in batch.instances], now)
        except RecordError as error:
            raise _in_source(error, batch.instances) from error
        request = ScoredRequest(
            Call(
                batch.request_id,
                "",
                batch.moment,
                batch.trace,
                list_id=identity(batch.service, batch.request_id),
            ),
            duration=batch.duration,
            is_list=batch.is_list,
            ids=[instance.id for instance in batch.instances],
            contexts=[_context(reader, instance, now) for instance in batch.instances],
        )
        return template.lines(request, rows, rows, outcomes_of_records(rows, origin))[1]

    def _feedback(self, entry: SourceFeedback, now: datetime) -> EventLine:
        try:
            (record,) = feedback_of([entry.record], now)
        except RecordError as error:
            _, _, name = error.field.partition(".")
            raise RecordError(f"{entry.path}.{name}" if entry.path else name, error.reason) from error
        origin = Origin(entry.service, "", self._environment, self._node)
        return line_of(events.feedback(record, Call("", "", now, None), origin))

    def _origin(self, batch: SourcePredictions) -> Origin:
        return Origin(
            service_name=batch.service[:MAX_ID_LENGTH],
            service_version="",
            environment=self._environment,
            node=self._node,
            model_name=batch.model,
            model_version=batch.version,
            threshold=batch.threshold,
            kind=batch.kind,
        )

    def _new_template(self, origin: Origin) -> tuple[PredictionTemplate, RecordReader]:
        template = PredictionTemplate(origin, self._pseudonyms, query_text=self._query_text)
        return template, RecordReader(origin.kind, (), None)


def _context(reader: RecordReader, instance: SourceInstance, now: datetime) -> RequestContext:
    """Return session, user, query and labels of an instance."""
    if not instance.context:
        return RequestContext()
    try:
        return reader.request(instance.context, now).context
    except RecordError as error:
        raise RecordError(_path(error.field, instance.paths), error.reason) from error


def _in_source(error: RecordError, instances: Sequence[SourceInstance]) -> RecordError:
    """Return an error of a record with the path that the field has in the source."""
    match = _RECORD.fullmatch(error.field)
    if match is None:
        return error
    return RecordError(_path(match[2], instances[int(match[1])].paths), error.reason)


def _path(field: str, paths: Mapping[str, str]) -> str:
    """Return the path in the source of a field, or of what it is a member of."""
    if field in paths:
        return paths[field]
    above, dot, _ = field.rpartition(".")
    if dot:
        return _path(above, paths)
    inside = [path for name, path in paths.items() if name.startswith(f"{field}.")]
    return inside[0] if inside else field
