"""Predictions as the join needs them: found by the ids that feedback names, read, and updated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from monitor_agent.contracts import uuid7
from monitor_agent.contracts.identifiers import canonical, spellings
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.errors import RefusedDocumentError
from monitor_agent.es.damaged_documents import REPAIR
from monitor_agent.es.feedback_documents import PREDICTION_FIELDS, Feedback, Prediction, prediction_id_of, prediction_of
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.operations import Operation
from monitor_agent.es.retry import ResponseAction
from monitor_agent.pipeline.failure_scopes import FailureScopes
from monitor_agent.pipeline.instants import Interval, merged, within
from monitor_agent.pipeline.prediction_times import place, searched_intervals
from monitor_agent.settings import AgentSettings

INTERVALS_AT_ONCE = 500
"""Intervals of one search: Elasticsearch takes about a thousand clauses."""

IDS_AT_ONCE = 5_000


def index_of_prediction(identifier: str) -> str | None:
    """Return the index of a prediction by the time in its id; None if the id contains no time."""
    moment = uuid7.time_of(identifier)
    return PREDICTIONS.index_for(moment) if moment else None


class PredictionStore:
    """The predictions that feedback is about.

    Parameters
    ----------
    scopes : records the models of predictions whose update Elasticsearch refuses; the other updates are made.
    """

    def __init__(self, gateway: Gateway, settings: AgentSettings, scopes: FailureScopes | None = None) -> None:
        self._gateway = gateway
        self._scopes = scopes or FailureScopes()
        self._settings = settings

    def of(self, feedback: Sequence[Feedback]) -> list[Prediction | None]:
        """Return the prediction of each feedback event; None if it does not exist, or lies outside the days searched.

        The index of the day that the id tells is asked first. Then one search looks for the remaining ids in the days
        around the feedback.
        """
        named = {event.prediction_id: index_of_prediction(event.prediction_id) for event in feedback}
        read = self.current((index, identifier) for identifier, index in named.items() if index)
        exact = {prediction.id: prediction for prediction in read}
        missing = [event for event in feedback if event.prediction_id and event.prediction_id not in exact]
        candidates = self._searched(missing) if missing else {}
        return [
            exact.get(event.prediction_id) or self._nearest(event, candidates.get(event.prediction_id, ()))
            for event in feedback
        ]

    def current(self, ids: Iterable[tuple[str, str]]) -> list[Prediction]:
        """Return the latest versions of the predictions that exist.

        Parameters
        ----------
        ids : (index, id).
        """
        docs = self._gateway.mget(list(ids), PREDICTION_FIELDS)
        return [prediction for prediction in map(prediction_of, docs) if prediction is not None]

    def ids_in(self, intervals: Sequence[Interval]) -> Iterator[list[str]]:
        """Yield the ids of all predictions of some intervals, thousands at a time."""
        body = {"query": _in_intervals(intervals), "_source": ["prediction.id"]}
        ids: list[str] = []
        for hit in self._gateway.scan(PREDICTIONS.alias, body, IDS_AT_ONCE):
            ids += {prediction_id_of(hit), canonical(hit["_id"])} - {""}
            if len(ids) >= IDS_AT_ONCE:
                yield ids
                ids = []
        if ids:
            yield ids

    def with_feedback(self, interval: Interval, models: Sequence[str]) -> Iterator[list[Prediction]]:
        """Yield pages of the predictions of models in an interval that feedback was joined with."""
        filters = [within(interval), {"terms": {"model.name": models}}, {"exists": {"field": "feedback.count"}}]
        body = {
            "query": {"bool": {"filter": filters}},
            "_source": list(PREDICTION_FIELDS),
            "seq_no_primary_term": True,
        }
        page: list[Prediction] = []
        for hit in self._gateway.scan(PREDICTIONS.alias, body, IDS_AT_ONCE):
            prediction = prediction_of(hit)
            if prediction is not None:
                page.append(prediction)
            if len(page) == IDS_AT_ONCE:
                yield page
                page = []
        if page:
            yield page

    def update(self, updates: Iterable[tuple[Prediction, dict[str, Any]]]) -> tuple[list[Prediction], list[Prediction]]:
        """Write fields onto predictions.

        Returns
        -------
        conflicts : the predictions that somebody else has changed in the meantime.
        refused : the predictions whose update Elasticsearch refuses.
        """
        written: list[Prediction] = []
        reasons: list[str] = []

        def operations() -> Iterator[Operation]:
            for prediction, fields in updates:
                written.append(prediction)
                yield prediction.version.operation("update", {"doc": fields})

        results = self._gateway.bulk(operations(), lambda _operation, reason: reasons.append(reason))
        by_result: dict[ResponseAction, list[Prediction]] = {}
        for prediction, result in zip(written, results, strict=True):
            by_result.setdefault(result, []).append(prediction)
        refused = by_result.get(ResponseAction.REFUSED, [])
        for prediction, reason in zip(refused, reasons, strict=True):
            with self._scopes.model(prediction.model):
                raise RefusedDocumentError(f"update of {prediction.index}/{prediction.id}: {reason}", REPAIR)
        return by_result.get(ResponseAction.CONFLICT, []), refused

    def _searched(self, feedback: Sequence[Feedback]) -> dict[str, list[Prediction]]:
        """Return the predictions whose ids contain no time or a wrong one, or have another form, by their ids."""
        ids = dict.fromkeys(event.prediction_id for event in feedback)
        values = [form for identifier in ids for form in spellings(identifier)]
        intervals = merged(interval for event in feedback for interval in self._intervals(event))
        by_id: dict[str, list[Prediction]] = {}
        for first in range(0, len(intervals), INTERVALS_AT_ONCE):
            filters = [_has_id(values), _in_intervals(intervals[first : first + INTERVALS_AT_ONCE])]
            body = {
                "query": {"bool": {"filter": filters}},
                "_source": list(PREDICTION_FIELDS),
                "seq_no_primary_term": True,
            }
            # A search may return an older version: its update is refused then, and the latest version is read.
            for prediction in map(prediction_of, self._gateway.scan(PREDICTIONS.alias, body, IDS_AT_ONCE)):
                if prediction is not None:
                    for identifier in {prediction.prediction_id, canonical(prediction.id)}:
                        by_id.setdefault(identifier, []).append(prediction)
        return by_id

    def _nearest(self, event: Feedback, candidates: Iterable[Prediction]) -> Prediction | None:
        """Return the prediction of an event; other events of a page do not change the answer."""
        intervals = self._intervals(event)
        return min(
            (
                prediction
                for prediction in candidates
                if any(interval.holds(prediction.made_at) for interval in intervals)
            ),
            key=lambda prediction: (
                *place(event.event.time, prediction.made_at, self._settings),
                prediction.index,
                prediction.id,
            ),
            default=None,
        )

    def _intervals(self, event: Feedback) -> list[Interval]:
        return searched_intervals(event.prediction_id, event.event.time, self._settings)


def _in_intervals(intervals: Iterable[Interval]) -> dict[str, Any]:
    return {"bool": {"should": [within(interval) for interval in intervals], "minimum_should_match": 1}}


def _has_id(values: Sequence[str]) -> Mapping[str, Any]:
    """Return the filter of the predictions with one of these ids; only `event.id` is always there."""
    names = ("event.id", "prediction.id")
    return {"bool": {"should": [{"terms": {name: values}} for name in names], "minimum_should_match": 1}}
