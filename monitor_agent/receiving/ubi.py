"""Turns queries and events of User Behavior Insights into predictions and feedback (pure).

Source: User Behavior Insights 1.3.0, `query.request.schema.json` and `event.schema.json`; the documents of the indices
`ubi_queries` and `ubi_events` of OpenSearch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import orjson

from monitor_agent.errors import RecordError
from monitor_agent.prediction_log.limits import MAX_ID_LENGTH, MAX_QUERY_LENGTH
from monitor_agent.prediction_log.record_fields import RecordFields, kind_of
from monitor_agent.receiving.cloud_events import rfc3339
from monitor_agent.receiving.outputs import outcome_of
from monitor_agent.receiving.payloads import Cell, value_at
from monitor_agent.receiving.source_events import (
    SourceEvents,
    SourceFeedback,
    SourceInstance,
    SourcePredictions,
    identity,
    instance_of,
)
from monitor_agent.settings.source_mapping import (
    IMPRESSIONS,
    QUERIES,
    UNNAMED_VERSION,
    SourceMapping,
    SourceMappings,
    mapping_of,
)

SERVICE = "ubi"
"""Stands for an application without a name."""
SCORE = "score"
HITS = "query_response_hit_ids"
OBJECT_ID, ORDINAL = "event_attributes.object.object_id", "event_attributes.position.ordinal"
IMPRESSION = "impression"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MOST_MILLISECONDS = 10**14
_TEXTS = ("application", "query_id", "session_id", "client_id", "user_id", "action_name")


def prediction_id(query_id: str, object_id: str) -> str:
    """Return the id of the prediction that put an object into the answer to a query.

    Queries, impressions and clicks name both, so each of them leads to the prediction without the other ones.
    """
    return identity(SERVICE, query_id, object_id)


def read_queries(body: Any, mappings: SourceMappings, now: datetime, most: int) -> SourceEvents:
    """Return what queries say: a prediction for each hit that has a score.

    Parameters
    ----------
    body : a document of `ubi_queries`, or a list of them.
    most : the highest number of documents, and of hits of one query.

    Raises
    ------
    RecordError
        If a field is wrong; it names the path of the field.
    """
    source = SourceEvents()
    for document in _documents(body, most, now):
        mapping = mapping_of(mappings, document.application or SERVICE)
        if mapping.predictions_from != QUERIES:
            source.skip("query")
            continue
        _read_query(document, mapping, source, most)
    return source


def read_user_events(body: Any, mappings: SourceMappings, now: datetime, most: int) -> SourceEvents:
    """Return what events say: impressions, clicks and purchases as feedback, and predictions if impressions make them.

    Parameters
    ----------
    body : a document of `ubi_events`, or a list of them.
    most : the highest number of documents.

    Raises
    ------
    RecordError
        If a field is wrong; it names the path of the field.
    """
    source = SourceEvents()
    for document in _documents(body, most, now):
        _read_event(document, mapping_of(mappings, document.application or SERVICE), source)
    return source


class _Document:
    """A document of UBI at a path."""

    def __init__(self, entry: Any, path: str, now: datetime) -> None:
        if not isinstance(entry, dict):
            raise RecordError(path or "the body", f"an object is expected, {kind_of(entry)} given")
        self.path = path
        self.content: dict[str, Any] = entry
        self._node = RecordFields(entry, path, entry.keys())
        texts = {name: self._node.text(name, MAX_ID_LENGTH) if entry.get(name) != "" else None for name in _TEXTS}
        self.application = texts["application"] or ""
        self.query_id = texts["query_id"] or ""
        self.action = texts["action_name"] or ""
        self.time = self._time(now)
        # UBI has no user without a login: there, the browser stands for the person.
        people = {"user_id": texts["user_id"] or texts["client_id"], "session_id": texts["session_id"]}
        self.context = {name: text for name, text in people.items() if text}
        self.context_paths = {
            "user_id": self.place("user_id" if texts["user_id"] else "client_id"),
            "session_id": self.place("session_id"),
        }

    def place(self, name: str) -> str:
        """Return the path of a field in the body."""
        return f"{self.path}.{name}" if self.path else name

    def refuse(self, name: str, reason: str) -> RecordError:
        """Return the error of a field."""
        return RecordError(self.place(name), reason)

    def require(self, name: str, text: str) -> str:
        """Return a text that must be there."""
        if not text:
            raise self.refuse(name, "is missing")
        return text

    def value(self, path: str) -> Cell | None:
        """Return the value at a path; None if there is none."""
        value = value_at(self.content, path)
        return None if value is None else Cell(value, self.place(path))

    def _time(self, now: datetime) -> datetime:
        value = self.content.get("timestamp")
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_MILLISECONDS:
            value = _EPOCH + timedelta(milliseconds=value)
        elif isinstance(value, str):
            value = rfc3339(value)
        moment = RecordFields({"timestamp": value}, self.path, ["timestamp"]).moment("timestamp", now)
        if moment is None:
            raise self.refuse("timestamp", "is missing: without it, a document that comes twice may count twice")
        return moment


def _documents(body: Any, most: int, now: datetime) -> list[_Document]:
    if not isinstance(body, list):
        return [_Document(body, "", now)]
    if not 1 <= len(body) <= most:
        raise RecordError("the body", f"1 to {most} documents are expected, {len(body)} given")
    return [_Document(entry, f"[{index}]", now) for index, entry in enumerate(body)]


def _read_query(document: _Document, mapping: SourceMapping, source: SourceEvents, most: int) -> None:
    query_id = document.require("query_id", document.query_id)
    hits = document.content.get(HITS) or []
    if not isinstance(hits, list) or len(hits) > most:
        raise document.refuse(HITS, f"a list of at most {most} ids is expected")
    scores = _of_hits(document, mapping.inputs.get(SCORE, ""), len(hits)) or (
        [1 / rank for rank in range(1, len(hits) + 1)] if mapping.rank_scores else None
    )
    if not hits or scores is None:
        source.skip("query without hits" if not hits else "query without scores")
        return
    instances: dict[str, SourceInstance] = {}
    for place, hit in enumerate(hits):
        object_id = str(hit) if isinstance(hit, int) and not isinstance(hit, bool) else hit
        if not isinstance(object_id, str) or not object_id:
            raise document.refuse(f"{HITS}[{place}]", f"an id is expected, {kind_of(hit)} given")
        if object_id not in instances:  # only the first of two equal hits can be told from a click
            instances[object_id] = _hit(document, mapping, place, object_id, scores)
    source.predictions.append(_batch(document, mapping, query_id, list(instances.values()), is_list=True))


def _hit(
    document: _Document, mapping: SourceMapping, place: int, object_id: str, scores: Sequence[Any]
) -> SourceInstance:
    def read(path: str) -> Cell | None:
        cell = document.value(path)
        if cell is None or not isinstance(cell.value, list):
            return cell
        inside = place < len(cell.value) and cell.value[place] is not None
        return Cell(cell.value[place], f"{cell.path}[{place}]") if inside else None

    score_place = f"{document.place(mapping.inputs.get(SCORE, HITS))}[{place}]"
    outcome = outcome_of(Cell(scores[place], score_place), mapping)
    instance = instance_of(prediction_id(document.query_id, object_id), outcome, mapping, read)
    size = len(scores)
    ranking = {"id": document.query_id, "rank": place + 1, "size": size}
    standard = {"item_id": object_id, "position": place + 1, **({"ranking": ranking} if size > 1 else {})}
    return _with_context(document, instance, standard, f"{HITS}[{place}]")


def _of_hits(document: _Document, path: str, size: int) -> list[Any] | None:
    """Return the value of each hit; None if the document has none. OpenSearch stores attributes as texts."""
    cell = document.value(path) if path else None
    if cell is None:
        return None
    values = cell.value
    if isinstance(values, str):
        try:
            values = orjson.loads(values)
        except orjson.JSONDecodeError:
            values = None
    if not isinstance(values, list) or len(values) != size:
        raise RecordError(cell.path, f"a list of {size} numbers is expected, one for each hit")
    return values


def _read_event(document: _Document, mapping: SourceMapping, source: SourceEvents) -> None:
    action = mapping.action(document.require("action_name", document.action))
    cell = document.value(OBJECT_ID)
    if not action:
        source.skip("other action")
        return
    if cell is None or cell.value == "" or not document.query_id:
        source.skip("no query_id or object_id")
        return
    object_id = str(cell.value) if isinstance(cell.value, int) and not isinstance(cell.value, bool) else cell.value
    if not isinstance(object_id, str):
        raise RecordError(cell.path, f"an id is expected, {kind_of(object_id)} given")
    if action == IMPRESSION and mapping.predictions_from == IMPRESSIONS:
        _read_impression(document, mapping, source, object_id)
    record: dict[str, Any] = {
        "prediction_id": prediction_id(document.query_id, object_id),
        "type": action,
        "event_id": hashlib.sha256(orjson.dumps(document.content, option=orjson.OPT_SORT_KEYS)).hexdigest(),
        "timestamp": document.time,
    }
    value = document.value(mapping.inputs.get("value", "")) if "value" in mapping.inputs else None
    if value is not None:
        record["value"] = value.value
    source.feedback.append(SourceFeedback(document.application or SERVICE, record, document.path))


def _read_impression(document: _Document, mapping: SourceMapping, source: SourceEvents, object_id: str) -> None:
    score = document.value(mapping.inputs.get(SCORE, ""))
    ordinal = document.value(ORDINAL)
    if score is None and mapping.rank_scores and ordinal is not None and isinstance(ordinal.value, int):
        score = Cell(1 / max(ordinal.value, 1), ordinal.path)
    if score is None:
        source.skip("impression without a score")
        return
    outcome = outcome_of(score, mapping)
    instance = instance_of(prediction_id(document.query_id, object_id), outcome, mapping, document.value)
    standard = {"item_id": object_id, **({"position": ordinal.value} if ordinal is not None else {})}
    complete = _with_context(document, instance, standard, ORDINAL)
    source.predictions.append(_batch(document, mapping, document.query_id, [complete], is_list=False))


def _with_context(
    document: _Document, instance: SourceInstance, standard: Mapping[str, Any], path: str
) -> SourceInstance:
    """Return an instance with what UBI says of it where the mapping names nothing else."""
    context = dict(document.context)
    user_query = document.content.get("user_query")
    if isinstance(user_query, str) and user_query:
        context["query"] = user_query[:MAX_QUERY_LENGTH]
    paths = {**dict.fromkeys(standard, document.place(path)), **document.context_paths}
    return SourceInstance(
        instance.id,
        {**standard, **instance.record},
        {**context, **instance.context},
        {**paths, "query": document.place("user_query"), **instance.paths},
    )


def _batch(
    document: _Document, mapping: SourceMapping, query_id: str, instances: list[SourceInstance], *, is_list: bool
) -> SourcePredictions:
    service = document.application or SERVICE
    return SourcePredictions(
        service=service,
        model=mapping.model or service,
        version=mapping.version or UNNAMED_VERSION,
        kind=mapping.kind,
        threshold=mapping.threshold,
        moment=document.time,
        request_id=query_id,
        instances=instances,
        is_list=is_list,
    )
