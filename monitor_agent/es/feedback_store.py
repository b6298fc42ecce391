"""Feedback and its predictions in Elasticsearch: new feedback, the predictions it names, and the writes to both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from monitor_agent.contracts import uuid7
from monitor_agent.contracts.feedback import (
    FEEDBACK,
    STATUS_INVALID,
    STATUS_NEW,
    STATUS_ORPHAN,
    STATUS_TOO_LATE,
    STATUS_WAITING,
)
from monitor_agent.contracts.identifiers import spellings
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.feedback_documents import (
    FEEDBACK_FIELDS,
    PREDICTION_FIELDS,
    Feedback,
    Prediction,
    event_id_of,
    feedback_of,
    prediction_id_of,
    prediction_of,
)
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.operations import Operation
from monitor_agent.es.retry import ResponseAction
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import DAY, Interval, range_filter

FOREIGN_SEARCH = timedelta(days=8)
"""A prediction whose id contains no time is searched this far before its feedback."""

REVISED_AT_ONCE = 500
"""Predictions whose feedback gets revised statuses by one search."""

PAGES_IN_ONE, LONGEST_PAGE = 5, 10_000
"""Feedback and the fields that are read of its predictions are small: a page of feedback is this many times larger than
other pages, up to the number of hits that Elasticsearch returns at once (`index.max_result_window`)."""


def index_of_prediction(identifier: str) -> str | None:
    """Return the index of a prediction by the time in its id; None if the id contains no time."""
    moment = uuid7.time_of(identifier)
    return PREDICTIONS.index_for(moment) if moment else None


def new_filter() -> dict[str, Any]:
    """Return the filter for feedback that no agent has processed; other programs may write none of the statuses."""
    without_status = {"bool": {"must_not": [{"exists": {"field": "feedback.status"}}]}}
    return {"bool": {"should": [{"term": {"feedback.status": STATUS_NEW}}, without_status]}}


def predicted_filter(**bounds: datetime) -> dict[str, Any]:
    """Return the filter for feedback by the time of its prediction; its own time counts if it names no such time."""
    names_no_time = {
        "bool": {
            "must_not": [{"exists": {"field": "prediction.timestamp"}}],
            "filter": [range_filter("@timestamp", **bounds)],
        }
    }
    return {"bool": {"should": [range_filter("prediction.timestamp", **bounds), names_no_time]}}


def overdue_filter(now: datetime, horizon: timedelta) -> dict[str, Any]:
    """Return the filter for feedback that has waited too long for its prediction."""
    since = range_filter("feedback.waiting_since", lte=now - horizon)
    filters = [{"term": {"feedback.status": STATUS_WAITING}}, since]
    return {"bool": {"filter": filters}}


class FeedbackStore:
    """Feedback documents and the predictions that they are about."""

    def __init__(self, gateway: Gateway, page_size: int) -> None:
        self._gateway = gateway
        self._page_size = min(page_size * PAGES_IN_ONE, LONGEST_PAGE)

    def new(self, filters: Sequence[dict[str, Any]] = ()) -> Iterator[list[Feedback]]:
        """Yield pages of feedback that no agent has processed.

        Parameters
        ----------
        filters : further filters, such as those of an assignment.
        """
        yield from self._pages({"bool": {"filter": [new_filter(), *filters]}})

    def waiting(self, since: datetime) -> Iterator[list[Feedback]]:
        """Yield pages of waiting feedback about predictions since a moment."""
        filters = [{"term": {"feedback.status": STATUS_WAITING}}, predicted_filter(gte=since)]
        yield from self._pages({"bool": {"filter": filters}})

    def overdue(
        self, now: datetime, horizon: timedelta, filters: Sequence[dict[str, Any]] = ()
    ) -> Iterator[list[Feedback]]:
        """Yield pages of feedback that has waited for longer than the orphan horizon.

        Parameters
        ----------
        filters : further filters, such as those of an assignment.
        """
        yield from self._pages({"bool": {"filter": [overdue_filter(now, horizon), *filters]}})

    def not_joined(self, interval: Interval) -> Iterator[list[Feedback]]:
        """Yield pages of unjoined feedback, whatever its status, on predictions of an interval."""
        unjoined = {"terms": {"feedback.status": [STATUS_WAITING, STATUS_TOO_LATE, STATUS_ORPHAN, STATUS_INVALID]}}
        of_interval = predicted_filter(gte=interval.start, lt=interval.end)
        yield from self._pages({"bool": {"filter": [{"bool": {"should": [unjoined, new_filter()]}}, of_interval]}})

    def _pages(self, query: dict[str, Any]) -> Iterator[list[Feedback]]:
        body = {"query": query, "_source": list(FEEDBACK_FIELDS), "seq_no_primary_term": True}
        page: list[Feedback] = []
        for hit in self._gateway.scan(FEEDBACK.alias, body, self._page_size):
            page.append(feedback_of(hit))
            if len(page) == self._page_size:
                yield page
                page = []
        if page:
            yield page

    def predictions(self, feedback: Sequence[Feedback]) -> dict[str, Prediction]:
        """Return the predictions of feedback that exist, by the id that the feedback names."""
        indices: dict[str, str] = {}
        foreign: dict[str, Feedback] = {}
        for document in feedback:
            index = index_of_prediction(document.prediction_id)
            if index:
                indices[document.prediction_id] = index
            elif document.prediction_id:
                foreign[document.prediction_id] = document
        predictions = {
            prediction.id: prediction
            for prediction in self.current((index, identifier) for identifier, index in indices.items())
        }
        missing = {identifier: index for identifier, index in indices.items() if identifier not in predictions}
        if missing:
            predictions |= self._by_spelling(missing, ",".join(sorted(set(missing.values()))), [])
        if foreign:
            times = [document.predicted_at for document in foreign.values()]
            around = range_filter("@timestamp", gte=min(times) - FOREIGN_SEARCH, lte=max(times) + DAY)
            predictions |= self._by_spelling(foreign, PREDICTIONS.alias, [around])
        return predictions

    def current(self, ids: Iterable[tuple[str, str]]) -> list[Prediction]:
        """Return the latest versions of the predictions that exist.

        Parameters
        ----------
        ids : (index, id).
        """
        docs = self._gateway.mget(list(ids), PREDICTION_FIELDS)
        return [prediction for prediction in map(prediction_of, docs) if prediction is not None]

    def _by_spelling(
        self, identifiers: Iterable[str], indices: str, filters: Sequence[Mapping[str, Any]]
    ) -> dict[str, Prediction]:
        """Return the predictions whose ids contain no time, or are written in another form, by id."""
        values = [form for identifier in identifiers for form in spellings(identifier)]
        body = {
            "query": {"bool": {"filter": [_has_id(values), *filters]}},
            "_source": list(PREDICTION_FIELDS),
            "seq_no_primary_term": True,
        }
        # A search may return an older version: its update is refused then, and the latest version is read.
        hits = map(prediction_of, self._gateway.scan(indices, body, self._page_size))
        by_id: dict[str, Prediction] = {}
        for prediction in sorted((hit for hit in hits if hit is not None), key=lambda hit: (hit.index, hit.id)):
            by_id.setdefault(prediction.prediction_id, prediction)
        return by_id

    def update_predictions(self, updates: Iterable[tuple[Prediction, dict[str, Any]]]) -> list[Prediction]:
        """Write fields onto predictions; return the predictions that somebody else has changed in the meantime."""
        written: list[Prediction] = []

        def operations() -> Iterator[Operation]:
            for prediction, fields in updates:
                written.append(prediction)
                yield prediction.version.operation("update", {"doc": fields})

        results = self._gateway.bulk(operations())
        conflict = ResponseAction.CONFLICT
        return [prediction for prediction, result in zip(written, results, strict=True) if result is conflict]

    def set_status(self, statuses: Iterable[tuple[Feedback, str]], waiting_since: datetime | None = None) -> None:
        """Write statuses of feedback, unless another agent has changed it since it was read."""
        waiting = {} if waiting_since is None else {"waiting_since": instants.text(waiting_since)}
        self._gateway.bulk(
            document.version.operation(
                "update",
                {
                    "doc": {
                        "feedback": {
                            "status": status,
                            **waiting,
                            **({"problem": document.problem} if document.problem else {}),
                        }
                    }
                },
            )
            for document, status in statuses
        )

    def put_back(self, feedback: Iterable[Feedback]) -> None:
        """Make feedback new again, whoever has changed it since it was read."""
        self._gateway.bulk(_status_update(document.index, document.id, STATUS_NEW) for document in feedback)

    def revise_status(self, statuses: Mapping[tuple[str, str], str]) -> None:
        """Write statuses of events that other events have changed.

        Parameters
        ----------
        statuses : (id of the prediction, id of the event) -> status.

        An event on a prediction may be in several documents: an earlier release gave it another `_id`.
        """
        predictions = sorted({prediction_id for prediction_id, _ in statuses})
        for first in range(0, len(predictions), REVISED_AT_ONCE):
            batch = predictions[first : first + REVISED_AT_ONCE]
            values = [form for identifier in batch for form in spellings(identifier)]
            body = {
                "query": {"terms": {"prediction.id": values}},
                "_source": ["event.id", "prediction.id", "feedback.status"],
            }
            hits = self._gateway.scan(FEEDBACK.alias, body, self._page_size)
            self._gateway.bulk(_revisions(hits, statuses))

    def refresh(self) -> None:
        """Make written statuses visible to searches."""
        self._gateway.refresh([FEEDBACK.alias])


def _revisions(hits: Iterable[Mapping[str, Any]], statuses: Mapping[tuple[str, str], str]) -> Iterator[Operation]:
    for hit in hits:
        prediction_id, stored = prediction_id_of(hit), hit["_source"].get("feedback", {}).get("status")
        # Earlier releases took the `_id` of a document for the id of its event.
        status = statuses.get((prediction_id, event_id_of(hit))) or statuses.get((prediction_id, hit["_id"]))
        if status is not None and status != stored:
            yield _status_update(hit["_index"], hit["_id"], status)


def _status_update(index: str, identifier: str, status: str) -> Operation:
    return Operation("update", index, identifier, {"doc": {"feedback": {"status": status}}})


def _has_id(values: Sequence[str]) -> dict[str, Any]:
    """Return the filter of the predictions with one of these ids; only `event.id` is always there."""
    names = ("event.id", "prediction.id")
    return {"bool": {"should": [{"terms": {name: values}} for name in names], "minimum_should_match": 1}}
