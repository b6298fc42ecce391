"""The lines of predictions: what the events of a request share is turned into text once (pure).

The text of an event has the members, the order and the digits that orjson writes for the object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any

from monitor_agent.contracts import uuid7
from monitor_agent.contracts.drift import AGE, CATEGORICAL, NUMERIC
from monitor_agent.contracts.ecs import DATASET_PREDICTION, ECS_VERSION
from monitor_agent.prediction_log.event_log import EventLine
from monitor_agent.prediction_log.events import service_members, trace_members
from monitor_agent.prediction_log.json_text import iso, members_of, text_of
from monitor_agent.prediction_log.outcomes import Outcomes, rank
from monitor_agent.prediction_log.records import (
    NO_FEATURES,
    InstanceDetails,
    Origin,
    PredictionAnswer,
    Ranking,
    RequestContext,
    ScoredRequest,
    ScoreTiming,
)

_BEFORE_ID = f'","ecs":{{"version":"{ECS_VERSION}"}},"event":{{"id":"'
_AFTER_ID = f'","dataset":"{DATASET_PREDICTION}","kind":"event","outcome":"success"'


class PredictionTemplate:
    """Makes the lines of the predictions of one version of a model.

    Parameters
    ----------
    pseudonym : turns an id or a query into a pseudonym.
    query_text : whether the search query itself is logged, not only its pseudonym.
    """

    def __init__(self, origin: Origin, pseudonym: Callable[[str], str], *, query_text: bool) -> None:
        self._pseudonym = pseudonym
        self._query_text = query_text
        self._origin_members = members_of(
            {
                "service": service_members(origin),
                "log": {"level": "info"},
                "message": "prediction",
                "model": {"name": origin.model_name, "version": origin.model_version},
            }
        )
        self._engine = origin.engine

    def lines(
        self,
        request: ScoredRequest,
        instances: Sequence[InstanceDetails],
        timings: Sequence[ScoreTiming],
        outcomes: Outcomes,
    ) -> tuple[list[PredictionAnswer], list[EventLine]]:
        """Return the answer and the line of each instance, in the order of the instances."""
        size = len(instances)
        ids, moments = _identities(request, instances)
        ranks = rank(outcomes.order)
        before_prediction, of_split = self._shared(request)
        contexts = list(map(self._context, request.contexts)) or repeat(self._context(request.context), size)
        after_id = _AFTER_ID if request.duration is None else f'{_AFTER_ID},"duration":{request.duration}'
        list_id = text_of(request.call.list_id or request.call.request_id) if request.is_list and size > 1 else ""
        primary_ids = request.primary_ids or repeat("", size)
        details = zip(instances, self._timings(timings), contexts, strict=True)
        rows = zip(details, outcomes.members, ranks, ids, moments, primary_ids, strict=True)
        lines = []
        for (instance, (batch, times, engine), context), members, place, identifier, moment, primary in rows:
            shadow = "true" if instance.shadow or primary else "false"
            propensity = "" if instance.propensity is None else f',"propensity":{text_of(instance.propensity)}'
            of_primary = f',"primary_id":{text_of(primary)}' if primary else ""
            of_instance = _details(instance) + _ranking(instance.ranking, list_id, place, size)
            lines.append(
                (
                    f'{{"@timestamp":"{moment}{_BEFORE_ID}{identifier}{after_id}',
                    f'{before_prediction}{identifier}",{members},"rank":{place},"request_size":{size}{batch},"shadow":'
                    f"{shadow}{times}{propensity}{of_primary}{engine}{of_split}}}{context}{of_instance}}}\n",
                )
            )
        return list(map(PredictionAnswer, ids, ranks, outcomes.answers)), lines

    def _timings(self, timings: Sequence[ScoreTiming]) -> Iterator[tuple[str, str, str]]:
        """Yield the size of each batch, the times of waiting and computing, and the engine, as text after others."""
        texts: dict[tuple[int | str | None, ...], tuple[str, str, str]] = {}
        for timing in timings:
            batch_size, waited, spent, engine = timing.batch_size, timing.queue_time, timing.compute_time, timing.engine
            key = batch_size, waited, spent, engine
            if key not in texts:  # in a request, few are different
                of_batch = "" if batch_size is None else f',"batch_size":{batch_size}'
                of_waiting = "" if waited is None else f',"queue_time":{waited}'
                of_computing = "" if spent is None else f',"compute_time":{spent}'
                name = engine or self._engine
                of_engine = f',"engine":{text_of(name)}' if name else ""
                texts[key] = of_batch, of_waiting + of_computing, of_engine
            yield texts[key]

    def _shared(self, request: ScoredRequest) -> tuple[str, str]:
        """Return the text before the id of each prediction, and the end of its object."""
        assignment = request.assignment
        of_split = ""
        if assignment:
            fields = {"name": assignment.name, "unit": assignment.unit, "propensity": assignment.propensity}
            of_split = f',"assignment":{text_of(fields)}'
        return self._before_prediction(request), of_split

    def _context(self, context: RequestContext) -> str:
        """Return session, user, query and labels, as text that follows others."""
        return _members_after(_context_members(context, self._pseudonym, query_text=self._query_text))

    def _before_prediction(self, request: ScoredRequest) -> str:
        """Return the text from the brace that closes `event` to the id of the prediction."""
        trace = _members_after(trace_members(request.call.trace))
        request_id = text_of(request.call.request_id)
        return f'}},{self._origin_members}{trace},"http":{{"request":{{"id":{request_id}}}}},"prediction":{{"id":"'


def _identities(request: ScoredRequest, instances: Sequence[InstanceDetails]) -> tuple[Sequence[str], Any]:
    """Return the id of each prediction, and the text of its time."""
    received = request.call.received
    if request.ids:
        return request.ids, [iso(instance.timestamp or received) for instance in instances]
    if all(instance.timestamp is None for instance in instances):
        return uuid7.make_several(received, len(instances)), repeat(iso(received), len(instances))
    moments = [instance.timestamp or received for instance in instances]
    return [uuid7.make(moment) for moment in moments], map(iso, moments)


def _members_after(members: dict[str, Any]) -> str:
    """Return members as text that follows others."""
    return f",{members_of(members)}" if members else ""


def _context_members(context: RequestContext, pseudonym: Callable[[str], str], *, query_text: bool) -> dict[str, Any]:
    members: dict[str, Any] = {}
    if context.labels:
        members["labels"] = context.labels
    if context.session_id:
        members["session"] = {"id": pseudonym(context.session_id)}
    if context.user_id:
        members["user"] = {"id": pseudonym(context.user_id)}
    if context.query:
        members["query"] = {"hash": pseudonym(context.query)}
        if query_text:
            members["query"]["text"] = context.query
    return members


def _details(instance: InstanceDetails) -> str:
    """Return the objects `item` and `features` of an instance, as text that follows others."""
    objects: dict[str, Any] = {}
    if instance.item_id is not None:
        objects["item"] = {"id": instance.item_id}
    if instance.position is not None:
        objects.setdefault("item", {})["position"] = instance.position
    features = instance.features
    if features is not NO_FEATURES:
        by_type = (
            (NUMERIC, features.numeric),
            (CATEGORICAL, features.categorical),
            (AGE, features.ages),
            ("other", features.other),
        )
        if logged := {name: values for name, values in by_type if values}:
            objects["features"] = logged
    return _members_after(objects)


def _ranking(ranking: Ranking | None, list_id: str, place: int, size: int) -> str:
    """Return the object `ranking`, as text that follows others.

    Parameters
    ----------
    list_id : JSON text of the id of the list that the request is; "" = it is none.
    """
    if ranking is not None:
        fields = {"id": ranking.id, "rank": ranking.rank, "size": ranking.size}
        return f',"ranking":{text_of(fields)}' if ranking.size > 1 else ""
    return f',"ranking":{{"id":{list_id},"rank":{place},"size":{size}}}' if list_id else ""
