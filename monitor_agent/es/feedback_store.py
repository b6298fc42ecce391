"""Feedback and its predictions in Elasticsearch: new feedback, the predictions it names, and the writes to both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from sys import intern
from typing import Any

from monitor_agent.contracts import uuid7
from monitor_agent.contracts.feedback import (
    FEEDBACK,
    STATUS_NEW,
    STATUS_ORPHAN,
    STATUS_TOO_LATE,
    STATUS_WAITING,
)
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.operations import DocumentVersion, Operation
from monitor_agent.es.retry import ResponseAction
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.attribution import FeedbackEvent
from monitor_agent.pipeline.instants import DAY, Interval, range_filter, within

FOREIGN_SEARCH = timedelta(days=8)
"""A prediction whose id contains no time is searched this far before its feedback."""

PAGES_IN_ONE, LONGEST_PAGE = 5, 10_000
"""Feedback and the fields that are read of its predictions are small: a page of feedback is this many times larger than
other pages, up to the number of hits that Elasticsearch returns at once (`index.max_result_window`)."""

_PREDICTION_FIELDS = ("@timestamp", "prediction.label", "model.name", "feedback", "outcome")
_FEEDBACK_FIELDS = ["@timestamp", "event.id", "prediction", "feedback", "model.name"]


@dataclass(frozen=True, slots=True)
class Feedback:
    """One feedback document.

    Attributes
    ----------
    version : the version that was read.
    event : its event.
    prediction_id : the id of the prediction that it is about; empty if it names none.
    predicted_at : the time of that prediction; the time of the event if the feedback names no such time.
    model : the model that it names; empty if it names none.
    status : its status, such as `new`.
    waiting_since : since when it has waited for its prediction; None if it does not wait.
    """

    version: DocumentVersion
    event: FeedbackEvent
    prediction_id: str
    predicted_at: datetime
    model: str
    status: str
    waiting_since: datetime | None

    @property
    def index(self) -> str:
        """The index of the document."""
        return self.version.index

    @property
    def id(self) -> str:
        """The document's `_id`."""
        return self.version.id


@dataclass(frozen=True, slots=True)
class Prediction:
    """One prediction, as far as feedback needs it.

    Attributes
    ----------
    version : the version that was read.
    made_at : its time.
    label : the predicted label, 0 or 1.
    model : its model.
    feedback : its fields below `feedback`.
    outcome : `tp`, `fn`, `fp`, `tn`, or None.
    """

    version: DocumentVersion
    made_at: datetime
    label: int
    model: str
    feedback: Mapping[str, Any]
    outcome: str | None

    @property
    def index(self) -> str:
        """The index of the document."""
        return self.version.index

    @property
    def id(self) -> str:
        """The document's `_id`."""
        return self.version.id


def index_of_prediction(identifier: str) -> str | None:
    """Return the index of a prediction by the time in its id; None if the id contains no time."""
    moment = uuid7.time_of(identifier)
    return PREDICTIONS.index_for(moment) if moment else None


def index_of_event(prediction_id: str, event: FeedbackEvent) -> str:
    """Return the index of a feedback event."""
    return FEEDBACK.index_for(uuid7.time_of(prediction_id) or event.time)


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
        yield from self._pages({"bool": {"filter": [{"term": {"feedback.status": STATUS_NEW}}, *filters]}})

    def waiting(self, since: datetime) -> Iterator[list[Feedback]]:
        """Yield pages of waiting feedback about predictions since a moment."""
        recent = range_filter("prediction.timestamp", gte=since)
        yield from self._pages({"bool": {"filter": [{"term": {"feedback.status": STATUS_WAITING}}, recent]}})

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
        statuses = [STATUS_NEW, STATUS_WAITING, STATUS_TOO_LATE, STATUS_ORPHAN]
        filters = [{"terms": {"feedback.status": statuses}}, within(interval, "prediction.timestamp")]
        yield from self._pages({"bool": {"filter": filters}})

    def _pages(self, query: dict[str, Any]) -> Iterator[list[Feedback]]:
        body = {"query": query, "_source": _FEEDBACK_FIELDS, "seq_no_primary_term": True}
        page: list[Feedback] = []
        for hit in self._gateway.scan(FEEDBACK.alias, body, self._page_size):
            page.append(_feedback(hit))
            if len(page) == self._page_size:
                yield page
                page = []
        if page:
            yield page

    def predictions(self, feedback: Sequence[Feedback]) -> dict[str, Prediction]:
        """Return the predictions of feedback that exist, by id."""
        indices: dict[str, str] = {}
        foreign: dict[str, Feedback] = {}
        for document in feedback:
            index = index_of_prediction(document.prediction_id)
            if index:
                indices[document.prediction_id] = index
            elif document.prediction_id:
                foreign[document.prediction_id] = document
        predictions = self.current((index, identifier) for identifier, index in indices.items())
        return {**predictions, **self._foreign(foreign)}

    def current(self, ids: Iterable[tuple[str, str]]) -> dict[str, Prediction]:
        """Return the latest versions of predictions, by id.

        Parameters
        ----------
        ids : (index, id).
        """
        docs = self._gateway.mget(list(ids), _PREDICTION_FIELDS)
        return {doc["_id"]: _prediction(doc) for doc in docs}

    def _foreign(self, feedback: Mapping[str, Feedback]) -> dict[str, Prediction]:
        """Return predictions whose ids contain no time.

        Parameters
        ----------
        feedback : prediction id -> a feedback document about it.
        """
        if not feedback:
            return {}
        times = [document.predicted_at for document in feedback.values()]
        around = range_filter("@timestamp", gte=min(times) - FOREIGN_SEARCH, lte=max(times) + DAY)
        filters = [{"terms": {"prediction.id": list(feedback)}}, around]
        body = {
            "query": {"bool": {"filter": filters}},
            "_source": list(_PREDICTION_FIELDS),
            "seq_no_primary_term": True,
        }
        hits = self._gateway.scan(PREDICTIONS.alias, body, self._page_size)
        # A search may return an older version: its update is refused then, and the latest version is read.
        return {hit["_id"]: _prediction(hit) for hit in hits}

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
            document.version.operation("update", {"doc": {"feedback": {"status": status, **waiting}}})
            for document, status in statuses
        )

    def flip_status(self, statuses: Iterable[tuple[str, str, str]]) -> None:
        """Write statuses of events that other events have changed.

        Parameters
        ----------
        statuses : (index, id, status).
        """
        self._gateway.bulk(
            Operation("update", index, identifier, {"doc": {"feedback": {"status": status}}})
            for index, identifier, status in statuses
        )

    def refresh(self) -> None:
        """Make written statuses visible to searches."""
        self._gateway.refresh([FEEDBACK.alias])


def _feedback(hit: Mapping[str, Any]) -> Feedback:
    source = hit["_source"]
    fields, prediction = source.get("feedback", {}), source.get("prediction", {})
    time = instants.parse(source["@timestamp"])
    since = fields.get("waiting_since")
    # Tens of thousands are in memory at once, with the same few texts: each text is stored once.
    return Feedback(
        version=DocumentVersion(intern(hit["_index"]), hit["_id"], hit["_seq_no"], hit["_primary_term"]),
        event=FeedbackEvent(
            time, hit["_id"], intern(str(fields.get("type", ""))), fields.get("label"), fields.get("value")
        ),
        prediction_id=str(prediction.get("id", "")),
        predicted_at=instants.parse(prediction.get("timestamp", source["@timestamp"])),
        model=intern(str(source.get("model", {}).get("name", ""))),
        status=intern(str(fields.get("status", STATUS_NEW))),
        waiting_since=instants.parse(since) if since else None,
    )


def _prediction(doc: Mapping[str, Any]) -> Prediction:
    source = doc["_source"]
    return Prediction(
        version=DocumentVersion.from_hit(doc),
        made_at=instants.parse(source["@timestamp"]),
        label=int(source.get("prediction", {}).get("label", 0)),
        model=source.get("model", {}).get("name", ""),
        feedback=source.get("feedback", {}),
        outcome=source.get("outcome"),
    )
