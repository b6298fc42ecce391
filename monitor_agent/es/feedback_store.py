"""Feedback in Elasticsearch: what is new, waits or is overdue, and its statuses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from monitor_agent.contracts.feedback import (
    FEEDBACK,
    STATUS_DUPLICATE,
    STATUS_INVALID,
    STATUS_NEW,
    STATUS_ORPHAN,
    STATUS_TOO_LATE,
    STATUS_WAITING,
)
from monitor_agent.contracts.identifiers import spellings
from monitor_agent.errors import RefusedDocumentError
from monitor_agent.es.damaged_documents import REPAIR
from monitor_agent.es.feedback_documents import (
    FEEDBACK_FIELDS,
    EventStatus,
    Feedback,
    event_id_of,
    feedback_of,
    prediction_id_of,
    time_of,
)
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.operations import Operation
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.failure_scopes import FailureScopes
from monitor_agent.pipeline.instants import Interval, range_filter, within

REVISED_AT_ONCE = 500
"""Predictions whose feedback gets revised statuses by one search."""

PAGES_IN_ONE, LONGEST_PAGE = 5, 10_000
"""Feedback and the fields that are read of its predictions are small: a page of feedback is this many times larger than
other pages, up to the number of hits that Elasticsearch returns at once (`index.max_result_window`)."""


WAITING: dict[str, Any] = {"term": {"feedback.status": STATUS_WAITING}}
"""The filter for feedback that waits for its prediction."""


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
    return {"bool": {"filter": [WAITING, since]}}


class FeedbackStore:
    """Feedback documents.

    Parameters
    ----------
    scopes : records the documents whose update Elasticsearch refuses; the other updates are made.
    """

    def __init__(self, gateway: Gateway, page_size: int, scopes: FailureScopes | None = None) -> None:
        self._gateway = gateway
        self._scopes = scopes or FailureScopes()
        self.page_size = min(page_size * PAGES_IN_ONE, LONGEST_PAGE)

    def new(self, filters: Sequence[dict[str, Any]] = ()) -> Iterator[list[Feedback]]:
        """Yield pages of feedback that no agent has processed.

        Parameters
        ----------
        filters : further filters, such as those of an assignment.
        """
        yield from self._pages({"bool": {"filter": [new_filter(), *filters]}})

    def waiting(self, *filters: dict[str, Any]) -> Iterator[list[Feedback]]:
        """Yield pages of waiting feedback, whichever model it names: its prediction may be another model's.

        Parameters
        ----------
        filters : further filters.
        """
        yield from self._pages({"bool": {"filter": [WAITING, *filters]}})

    def waiting_for(self, prediction_ids: Sequence[str]) -> Iterator[list[Feedback]]:
        """Yield pages of waiting feedback on predictions with these ids."""
        yield from self.waiting(_on(prediction_ids))

    def matching(self, *filters: Mapping[str, Any]) -> Iterator[list[Feedback]]:
        """Yield pages of feedback that fits all filters."""
        yield from self._pages({"bool": {"filter": list(filters)}})

    def not_counted(self, predicted: Interval, sent: Interval) -> Iterator[list[Feedback]]:
        """Yield pages of feedback that does not count, whatever its status.

        Duplicates are among it: earlier releases called further purchases duplicates, and clicks that are taken back.

        Parameters
        ----------
        predicted : feedback that names a time of its prediction in this interval.
        sent : further feedback, by its own time: the time of its prediction is unknown, or may be wrong.
        """
        statuses = [STATUS_WAITING, STATUS_TOO_LATE, STATUS_ORPHAN, STATUS_INVALID, STATUS_DUPLICATE]
        uncounted = {"terms": {"feedback.status": statuses}}
        in_time = {"bool": {"should": [within(predicted, "prediction.timestamp"), within(sent)]}}
        yield from self._pages({"bool": {"filter": [{"bool": {"should": [uncounted, new_filter()]}}, in_time]}})

    def with_status(self, events: Iterable[Feedback]) -> set[tuple[str, str]]:
        """Return those of some events of which a document has its status, by the ids of the prediction and the event.

        Statuses are written after the windows that count the events.
        """
        predictions = sorted({event.prediction_id for event in events})
        without = {"bool": {"should": [WAITING, new_filter()]}}
        statuses: set[tuple[str, str]] = set()
        for first in range(0, len(predictions), REVISED_AT_ONCE):
            query = {"filter": [_on(predictions[first : first + REVISED_AT_ONCE])], "must_not": [without]}
            body = {"query": {"bool": query}, "_source": ["@timestamp", "event.id", "prediction.id"]}
            for hit in self._gateway.scan(FEEDBACK.alias, body, self.page_size):
                statuses.add((prediction_id_of(hit), event_id_of(hit)))
        return statuses

    def _pages(self, query: dict[str, Any]) -> Iterator[list[Feedback]]:
        body = {"query": query, "_source": list(FEEDBACK_FIELDS), "seq_no_primary_term": True}
        page: list[Feedback] = []
        for hit in self._gateway.scan(FEEDBACK.alias, body, self.page_size):
            page.append(feedback_of(hit))
            if len(page) == self.page_size:
                yield page
                page = []
        if page:
            yield page

    def set_status(self, statuses: Iterable[tuple[Feedback, str]]) -> None:
        """Write statuses of feedback, unless another agent has changed it since it was read."""
        self._update(
            document.version.operation("update", {"doc": {"feedback": {"status": status, **_problem(document)}}})
            for document, status in statuses
        )

    def let_wait(self, feedback: Iterable[Feedback], since: datetime) -> None:
        """Make feedback wait for its predictions, unless another agent has changed it since it was read.

        If a document does not name the time of its prediction, it gets the time in the id: searches need it.
        """
        waiting = {"feedback": {"status": STATUS_WAITING, "waiting_since": instants.text(since)}}
        self._update(
            document.version.operation("update", {"doc": {**waiting, **_time_in_id(document)}}) for document in feedback
        )

    def name_times(self, feedback: Iterable[Feedback]) -> None:
        """Write the time in the id of its prediction into feedback that earlier releases let wait without it."""
        self._update(document.version.operation("update", {"doc": _time_in_id(document)}) for document in feedback)

    def put_back(self, feedback: Iterable[Feedback]) -> None:
        """Make feedback new again, whoever has changed it since it was read."""
        self._update(_status_update(document.index, document.id, STATUS_NEW) for document in feedback)

    def revise_status(self, statuses: Mapping[tuple[str, str], EventStatus]) -> None:
        """Write statuses of events that other events have changed.

        Parameters
        ----------
        statuses : (id of the prediction, id of the event) -> its status.

        An event on a prediction may be in several documents: an earlier release gave it another `_id`, or it was sent
        again without a time and is in the index of another day.
        """
        predictions = sorted({prediction_id for prediction_id, _ in statuses})
        for first in range(0, len(predictions), REVISED_AT_ONCE):
            batch = predictions[first : first + REVISED_AT_ONCE]
            body = {
                "query": _on(batch),
                "_source": ["@timestamp", "event.id", "prediction.id", "feedback.status"],
            }
            hits = self._gateway.scan(FEEDBACK.alias, body, self.page_size)
            self._update(_revisions(hits, statuses))

    def _update(self, operations: Iterable[Operation]) -> None:
        self._gateway.bulk(operations, self._refused)

    def _refused(self, operation: Operation, reason: str) -> None:
        with self._scopes.step(f"the feedback in {operation.index}"):
            raise RefusedDocumentError(f"update of {operation.id}: {reason}", REPAIR)

    def refresh(self) -> None:
        """Make written statuses visible to searches."""
        self._gateway.refresh([FEEDBACK.alias])


def _on(prediction_ids: Iterable[str]) -> dict[str, Any]:
    """Return the filter for feedback on predictions with these ids."""
    return {"terms": {"prediction.id": [form for identifier in prediction_ids for form in spellings(identifier)]}}


def _problem(feedback: Feedback) -> dict[str, str]:
    return {"problem": feedback.problem} if feedback.problem else {}


def _time_in_id(feedback: Feedback) -> dict[str, Any]:
    if feedback.names_its_window:
        return {}
    return {"prediction": {"timestamp": instants.text(feedback.predicted_at)}}


def _revisions(
    hits: Iterable[Mapping[str, Any]], statuses: Mapping[tuple[str, str], EventStatus]
) -> Iterator[Operation]:
    for hit in hits:
        prediction_id, stored = prediction_id_of(hit), hit["_source"].get("feedback", {}).get("status")
        # Earlier releases took the `_id` of a document for the id of its event.
        revised = statuses.get((prediction_id, event_id_of(hit))) or statuses.get((prediction_id, hit["_id"]))
        if revised is not None and (status := revised.of(time_of(hit))) != stored:
            yield _status_update(hit["_index"], hit["_id"], status)


def _status_update(index: str, identifier: str, status: str) -> Operation:
    return Operation("update", index, identifier, {"doc": {"feedback": {"status": status}}})
