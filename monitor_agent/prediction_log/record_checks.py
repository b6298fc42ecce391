"""Turns the records of any Python program into what the log writes, within the bounds of the contracts (pure)."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, TypedDict

from monitor_agent.contracts.bounds import DURATION, NUMBER, POSITIVE_PROBABILITY, RANK
from monitor_agent.contracts.drift import AGE, CATEGORICAL, NUMERIC
from monitor_agent.contracts.ecs import MAX_LABELS
from monitor_agent.contracts.kinds import BINARY, MOST_CLASS_CHARACTERS, MULTICLASS, REGRESSION
from monitor_agent.contracts.model_names import MOST_CHARACTERS
from monitor_agent.contracts.prediction import ASSIGNMENT_UNITS
from monitor_agent.errors import RecordError
from monitor_agent.prediction_log import trace_context
from monitor_agent.prediction_log.feedback_fields import FEEDBACK_FIELDS, read_feedback
from monitor_agent.prediction_log.limits import (
    CLOCK_SKEW,
    MAX_FEATURE_LENGTH,
    MAX_FEATURE_NAME_LENGTH,
    MAX_ID_LENGTH,
    MAX_LABEL_LENGTH,
    MAX_QUERY_LENGTH,
)
from monitor_agent.prediction_log.names import NAME
from monitor_agent.prediction_log.record_fields import RecordFields, kind_of
from monitor_agent.prediction_log.records import (
    NO_FEATURES,
    Call,
    Features,
    FeedbackRecord,
    Ranking,
    RequestContext,
    ScoredRequest,
    VersionAssignment,
)
from monitor_agent.prediction_log.trace_context import Trace


@dataclass(frozen=True)
class PredictionRecord:
    """One scored instance; a mapping may have the same fields, with `class` in the place of `class_name`.

    Attributes
    ----------
    score : probability of a positive, 0..1; required for `binary`.
    class_name, scores : the predicted class, and the probability of each class; `multiclass` needs one of both.
    value : the predicted number; required for `regression`.
    item_id, position : the scored item, and its position on the page, 1 = first.
    propensity : probability of choosing the item that was shown; greater than 0, at most 1.
    ranking : place in a ranked list, for programs that score each item of the list by its own call.
    features : features that are logged: a mapping with `numeric`, `categorical`, and `age_s`, their ages in seconds.
    timestamp : the time of the event, with its offset; None = that of the request.
    shadow : whether the item was scored, but never shown.
    primary_id : for a shadow version, the id of the primary version's prediction.
    queue_time, compute_time : time of waiting for the model, and time in the model, ns.
    batch_size : instances that the model computed together.
    engine : what computed the score; "" = the engine of the log.
    """

    score: float | None = None
    class_name: str | None = None
    scores: Mapping[str, float] | None = None
    value: float | None = None
    item_id: str | None = None
    position: int | None = None
    propensity: float | None = None
    ranking: Ranking | None = None
    features: Features = NO_FEATURES
    timestamp: datetime | None = None
    shadow: bool = False
    primary_id: str | None = None
    queue_time: int | None = None
    compute_time: int | None = None
    batch_size: int | None = None
    engine: str = ""


class RequestFields(TypedDict, total=False):
    """What holds for all predictions of a request.

    Attributes
    ----------
    user_id, session_id, query : people's ids and search query; only their pseudonyms are logged.
    labels : segments, such as `{"scene": "search"}`.
    duration : time of the whole request so far: nanoseconds, or a timedelta.
    timestamp : the time of the request, with its offset; default now.
    trace : the header `traceparent` of the request.
    request_id : the request's id; default a random one.
    assignment : the version's share in a split of the traffic.
    is_list : whether the records are one ranked list, as the items of a page are; default True. A batch job says False.
    """

    user_id: str | None
    session_id: str | None
    query: str | None
    labels: Mapping[str, str] | None
    duration: int | timedelta | None
    timestamp: datetime | str | None
    trace: str | Trace | None
    request_id: str | None
    assignment: VersionAssignment | Mapping[str, Any] | None
    is_list: bool


_PREDICTION_NAMES = frozenset(
    "class" if entry.name == "class_name" else entry.name for entry in fields(PredictionRecord)
)
_REQUEST_NAMES = frozenset(RequestFields.__annotations__)
_FEEDBACK_NAMES = (*FEEDBACK_FIELDS, "prediction_time")
_OF_KIND = {BINARY.name: ("score",), MULTICLASS.name: ("class", "scores"), REGRESSION.name: ("value",)}


class RecordReader:
    """Reads the records for one model.

    Parameters
    ----------
    kind : kind of the model's predictions.
    classes : names of the model's classes; empty = any.
    labels : names that the labels of a request may have; None = any.
    """

    def __init__(self, kind: str, classes: Collection[str], labels: Collection[str] | None) -> None:
        self._kind = kind
        self._classes = frozenset(classes)
        self._labels = labels
        self._foreign = [name for other, names in _OF_KIND.items() if other != kind for name in names]

    def request(self, request: Mapping[str, Any], now: datetime) -> ScoredRequest:
        """Return what the predictions of a request share.

        Raises
        ------
        RecordError
            If a field is wrong.
        """
        node = RecordFields(request, "", _REQUEST_NAMES)
        identifier = uuid.uuid4().hex
        call = Call(
            request_id=node.text("request_id", MAX_ID_LENGTH) or identifier,
            path="",
            received=node.moment("timestamp", now) or now,
            trace=_trace(node),
            list_id=identifier,
        )
        context = RequestContext(
            session_id=node.text("session_id", MAX_ID_LENGTH),
            user_id=node.text("user_id", MAX_ID_LENGTH),
            query=node.text("query", MAX_QUERY_LENGTH),
            labels=self._labels_of(node),
        )
        return ScoredRequest(
            call=call,
            context=context,
            duration=node.nanoseconds("duration", DURATION),
            assignment=_assignment(node),
            is_list=node.get("is_list") is None or node.boolean("is_list"),
        )

    def predictions(self, records: Sequence[Any], now: datetime) -> list[PredictionRecord]:
        """Return the records of the instances.

        Raises
        ------
        RecordError
            If there is none, or if a field is wrong.
        """
        most = int(RANK.high)
        if isinstance(records, (str, bytes)) or not isinstance(records, Sequence):
            raise RecordError("predictions", f"a list of records is expected, {kind_of(records)} given")
        if not records:
            raise RecordError("predictions", "a list that is not empty is expected")
        if len(records) > most:
            raise RecordError("predictions", f"at most {most} records are expected, {len(records)} given")
        return [self._prediction(record, f"predictions[{index}]", now) for index, record in enumerate(records)]

    def _prediction(self, record: Any, path: str, now: datetime) -> PredictionRecord:
        node = RecordFields(record, path, _PREDICTION_NAMES)
        for name in self._foreign:
            if name in node:
                node.refuse(name, f"a {self._kind} model has no such field")
        scores = self._scores(node) if self._kind == MULTICLASS.name else {}
        return PredictionRecord(
            score=node.probability_of("score", node.required("score")) if self._kind == BINARY.name else None,
            class_name=self._class(node, scores) if self._kind == MULTICLASS.name else None,
            scores=scores,
            value=node.number_of("value", node.required("value"), NUMBER) if self._kind == REGRESSION.name else None,
            item_id=node.text("item_id", MAX_ID_LENGTH),
            position=node.whole("position", RANK),
            propensity=_propensity(node),
            ranking=_ranking(node),
            features=_features(node),
            timestamp=node.moment("timestamp", now),
            shadow=node.boolean("shadow"),
            primary_id=node.text("primary_id", MAX_ID_LENGTH),
            queue_time=node.nanoseconds("queue_time", DURATION),
            compute_time=node.nanoseconds("compute_time", DURATION),
            batch_size=node.whole("batch_size", RANK),
        )

    def _scores(self, node: RecordFields) -> dict[str, float]:
        scores = {}
        for name, value in _entries(node, "scores"):
            self._require_class(node, "scores", name)
            scores[name] = node.probability_of("scores", value)
        return scores

    def _class(self, node: RecordFields, scores: Mapping[str, float]) -> str:
        name = node.text("class", MOST_CLASS_CHARACTERS)
        if name is None:
            return max(scores, key=lambda entry: scores[entry]) if scores else node.require("class", None)
        self._require_class(node, "class", name)
        if scores and name not in scores:
            node.refuse("class", "the scores have no such class")
        return name

    def _require_class(self, node: RecordFields, field: str, name: Any) -> None:
        node.text_of(field, name, MOST_CLASS_CHARACTERS)
        if self._classes and name not in self._classes:
            node.refuse(field, f"one of the model's classes is expected: {', '.join(sorted(self._classes))}")

    def _labels_of(self, node: RecordFields) -> dict[str, str]:
        labels = {}
        for name, value in _entries(node, "labels"):
            if self._labels is not None and name not in self._labels:
                node.refuse("labels", f"unknown name; known are {', '.join(self._labels) or 'none'}")
            if not isinstance(name, str) or not NAME.fullmatch(name):
                node.refuse("labels", "a name has 1 to 64 letters, digits, _ and -")
            if value is not None:
                labels[name] = node.text_of(f"labels.{name}", value, MAX_LABEL_LENGTH)
        if len(labels) > MAX_LABELS:
            node.refuse("labels", f"at most {MAX_LABELS} labels are expected, {len(labels)} given")
        return labels


def feedback_of(records: Any, now: datetime) -> list[FeedbackRecord]:
    """Return the feedback of one record, or of a list of records.

    Raises
    ------
    RecordError
        If there is none, or if a field is wrong.
    """
    if isinstance(records, Sequence) and not isinstance(records, (str, bytes)):
        if not records:
            raise RecordError("feedback", "a list that is not empty is expected")
        return [_feedback(record, f"feedback[{index}]", now) for index, record in enumerate(records)]
    return [_feedback(records, "feedback", now)]


def _feedback(record: Any, path: str, now: datetime) -> FeedbackRecord:
    return read_feedback(RecordFields(record, path, _FEEDBACK_NAMES), now, now + CLOCK_SKEW)


def trace_of(trace: Any, field: str) -> Trace | None:
    """Return the trace of a header `traceparent`; None for an empty or invalid header.

    Raises
    ------
    RecordError
        If it is neither a text nor a Trace.
    """
    if trace is None or isinstance(trace, Trace):
        return trace
    if not isinstance(trace, str):
        raise RecordError(field, f"a header traceparent is expected, {kind_of(trace)} given")
    return trace_context.parse(trace)


def _trace(node: RecordFields) -> Trace | None:
    return trace_of(node.get("trace"), node.place("trace"))


def _propensity(node: RecordFields) -> float | None:
    return node.number("propensity", POSITIVE_PROBABILITY)


def _assignment(node: RecordFields) -> VersionAssignment | None:
    if "assignment" not in node:
        return None
    inner = RecordFields(node.get("assignment"), node.place("assignment"), ("name", "unit", "propensity"))
    return VersionAssignment(
        name=inner.require("name", inner.text("name", MOST_CHARACTERS)),
        unit=inner.require("unit", inner.choice("unit", ASSIGNMENT_UNITS)),
        propensity=inner.require("propensity", _propensity(inner)),
    )


def _ranking(node: RecordFields) -> Ranking | None:
    if "ranking" not in node:
        return None
    inner = RecordFields(node.get("ranking"), node.place("ranking"), ("id", "rank", "size"))
    identifier = inner.require("id", inner.text("id", MAX_ID_LENGTH))
    size = inner.require("size", inner.whole("size", RANK))
    rank = inner.require("rank", inner.whole("rank", RANK))
    if not rank <= size or size == 1:
        inner.refuse("rank", "a rank up to the size of the list, which is 2 or more, is expected")
    return Ranking(identifier, rank, size)


def _features(node: RecordFields) -> Features:
    value = node.get("features")
    if value is None or value is NO_FEATURES:
        return NO_FEATURES
    if isinstance(value, Features):
        value = {NUMERIC: value.numeric, CATEGORICAL: value.categorical, AGE: value.ages}
    inner = RecordFields(value, node.place("features"), (NUMERIC, CATEGORICAL, AGE))
    numeric, categorical, ages = {}, {}, {}
    for name, number in _feature_entries(inner, NUMERIC):
        numeric[name] = inner.number_of(f"numeric.{name}", number, NUMBER)
    for name, text in _feature_entries(inner, CATEGORICAL):
        categorical[name] = inner.text_of(f"categorical.{name}", text, MAX_FEATURE_LENGTH, shortest=0)
    for name, number in _feature_entries(inner, AGE):
        ages[name] = inner.number_of(f"{AGE}.{name}", number, NUMBER)
    return Features(numeric, categorical, ages=ages) if numeric or categorical or ages else NO_FEATURES


def _feature_entries(node: RecordFields, kind: str) -> list[tuple[str, Any]]:
    entries = [entry for entry in _entries(node, kind) if entry[1] is not None]
    for name, _ in entries:
        if not isinstance(name, str) or not 1 <= len(name) <= MAX_FEATURE_NAME_LENGTH or not name.isprintable():
            node.refuse(kind, f"a name has 1 to {MAX_FEATURE_NAME_LENGTH} printable characters")
    return entries


def _entries(node: RecordFields, name: str) -> list[tuple[Any, Any]]:
    """Return name and value of each entry of the mapping in a field; none when absent."""
    value = node.get(name)
    if value is None:
        return []
    if not isinstance(value, Mapping):
        node.refuse(name, f"a mapping is expected, {kind_of(value)} given")
    return list(value.items())
