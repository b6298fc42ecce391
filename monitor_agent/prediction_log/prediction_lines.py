"""The lines of predictions: what the events of a request share is turned into text once (pure).

The text of an event has the members, the order and the digits that orjson writes for the object.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

from monitor_agent.contracts import uuid7
from monitor_agent.contracts.ecs import DATASET_PREDICTION, ECS_VERSION
from monitor_agent.prediction_log.event_log import EventLine
from monitor_agent.prediction_log.events import service_members, trace_members
from monitor_agent.prediction_log.json_text import iso, members_of, number_text, text_of
from monitor_agent.prediction_log.outcomes import Outcome, rank
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
        self._engine = f',"engine":{text_of(origin.engine)}' if origin.engine else ""

    def lines(
        self,
        request: ScoredRequest,
        instances: Sequence[InstanceDetails],
        timings: Sequence[ScoreTiming],
        outcomes: Sequence[Outcome],
    ) -> tuple[list[PredictionAnswer], list[EventLine]]:
        """Return the answer and the line of each instance, in the order of the instances."""
        call, size = request.call, len(instances)
        ids, moments = _identities(request, instances)
        after_id = _AFTER_ID if request.duration is None else f'{_AFTER_ID},"duration":{request.duration}'
        before_prediction = self._before_prediction(request)
        context = _members_after(_context_members(request.context, self._pseudonym, query_text=self._query_text))
        of_version = self._engine
        if request.assignment:
            assigned = request.assignment
            fields = {"name": assigned.name, "unit": assigned.unit, "propensity": assigned.propensity}
            of_version += f',"assignment":{text_of(fields)}'
        list_id = text_of(call.list_id or call.request_id) if request.is_list and size > 1 else ""
        answers, lines = [], []
        rows = zip(
            instances,
            timings,
            outcomes,
            rank([outcome.order for outcome in outcomes]),
            ids,
            moments,
            request.primary_ids or repeat("", size),
            strict=True,
        )
        for instance, timing, (_, answer, members), place, identifier, moment, primary in rows:
            details = _details(instance) if _has_details(instance) else ""
            ranking = _ranking(instance.ranking, list_id, place, size)
            propensity = "" if instance.propensity is None else f',"propensity":{number_text(instance.propensity)}'
            of_primary = f',"primary_id":{text_of(primary)}' if primary else ""
            shadow = "true" if instance.shadow or primary else "false"
            batch = "" if timing.batch_size is None else f',"batch_size":{timing.batch_size}'
            waited = "" if timing.queue_time is None else f',"queue_time":{timing.queue_time}'
            spent = "" if timing.compute_time is None else f',"compute_time":{timing.compute_time}'
            lines.append(
                EventLine(
                    f'{{"@timestamp":"{moment}{_BEFORE_ID}{identifier}{after_id}',
                    f'{before_prediction}{identifier}",{members},"rank":{place},"request_size":{size}{batch},'
                    f'"shadow":{shadow}{waited}{spent}{propensity}{of_primary}{of_version}}}'
                    f"{context}{details}{ranking}}}\n",
                )
            )
            answers.append(PredictionAnswer(identifier, place, answer))
        return answers, lines

    def _before_prediction(self, request: ScoredRequest) -> str:
        """Return the text from the brace that closes `event` to the id of the prediction."""
        trace = _members_after(trace_members(request.call.trace))
        request_id = text_of(request.call.request_id)
        return f'}},{self._origin_members}{trace},"http":{{"request":{{"id":{request_id}}}}},"prediction":{{"id":"'


def _identities(request: ScoredRequest, instances: Sequence[InstanceDetails]) -> tuple[Sequence[str], Any]:
    """Return the id of each prediction, and the text of its time."""
    received = request.call.received
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


def _has_details(instance: InstanceDetails) -> bool:
    """Return whether an instance has an item, a position or features."""
    return instance.item_id is not None or instance.position is not None or instance.features is not NO_FEATURES


def _details(instance: InstanceDetails) -> str:
    """Return the objects `item` and `features` of an instance, as text that follows others."""
    item = {"id": instance.item_id, "position": instance.position}
    by_type = instance.features
    features = {"numeric": by_type.numeric, "categorical": by_type.categorical, "other": by_type.other}
    objects = {
        "item": {name: value for name, value in item.items() if value is not None},
        "features": {name: values for name, values in features.items() if values},
    }
    return _members_after({name: members for name, members in objects.items() if members})


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
