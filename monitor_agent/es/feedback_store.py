"""Feedback and its predictions in Elasticsearch: what is new, where the prediction is, what is written to both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from sys import intern
from typing import Any, NamedTuple

from monitor_agent.contracts import uuid7
from monitor_agent.contracts.feedback import (
    FEEDBACK,
    STATUS_NEW,
    STATUS_ORPHAN,
    STATUS_TOO_LATE,
    STATUS_WAITING,
)
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.gateway import Gateway, Operation
from monitor_agent.es.retry import ResponseAction
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.attribution import Event
from monitor_agent.pipeline.instants import Interval, range_filter, within

FOREIGN_SEARCH = timedelta(days=8)
"""Predictions whose id tells no time are looked for this far before their feedback."""

PAGES_IN_ONE, LONGEST_PAGE = 5, 10_000
"""Feedback and what is read of its predictions are small: so many pages of other documents are one of feedback, as
long as Elasticsearch answers so many hits at once (`index.max_result_window`)."""

_PREDICTION_FIELDS = ("@timestamp", "prediction.label", "model.name", "feedback", "outcome")
_FEEDBACK_FIELDS = ["@timestamp", "event.id", "prediction", "feedback", "model.name"]


class ConcurrencyToken(NamedTuple):
    """Which version of a document was read."""

    if_seq_no: int
    if_primary_term: int


@dataclass(frozen=True, slots=True)
class Feedback:
    """One feedback document: its event, the prediction that it names, and where it stood when it was read."""

    index: str
    id: str
    place: ConcurrencyToken
    event: Event
    prediction_id: str
    day: datetime
    model: str
    status: str
    waiting_since: datetime | None


@dataclass(frozen=True, slots=True)
class Prediction:
    """One prediction, as far as feedback matters to it."""

    index: str
    id: str
    place: ConcurrencyToken
    made_at: datetime
    label: int
    model: str
    feedback: Mapping[str, Any]
    outcome: str | None


def index_of_prediction(identifier: str) -> str | None:
    """Return the index that a prediction's id tells; None for ids made elsewhere."""
    moment = uuid7.time_of(identifier)
    return PREDICTIONS.index_for(moment) if moment else None


def index_of_event(prediction_id: str, event: Event) -> str:
    """Return the index that a feedback event is in."""
    return FEEDBACK.index_for(uuid7.time_of(prediction_id) or event.time)


def overdue_filter(now: datetime, horizon: timedelta) -> dict[str, Any]:
    """Return the filter for feedback whose prediction is not waited for any longer."""
    since = range_filter("feedback.waiting_since", lte=now - horizon)
    filters = [{"term": {"feedback.status": STATUS_WAITING}}, since]
    return {"bool": {"filter": filters}}


class FeedbackStore:
    """Feedback documents and the predictions that they are about."""

    def __init__(self, gateway: Gateway, page_size: int) -> None:
        self._gateway = gateway
        self._page_size = min(page_size * PAGES_IN_ONE, LONGEST_PAGE)

    def new(self, ours: Sequence[dict[str, Any]] = ()) -> Iterator[list[Feedback]]:
        """Yield pages of feedback that nobody has looked at.

        Parameters
        ----------
        ours : further filters, such as those of a share.
        """
        yield from self._pages({"bool": {"filter": [{"term": {"feedback.status": STATUS_NEW}}, *ours]}})

    def waiting(self, since: datetime) -> Iterator[list[Feedback]]:
        """Yield pages of waiting feedback about predictions made at `since` or later."""
        made = range_filter("prediction.timestamp", gte=since)
        yield from self._pages({"bool": {"filter": [{"term": {"feedback.status": STATUS_WAITING}}, made]}})

    def overdue(
        self, now: datetime, horizon: timedelta, ours: Sequence[dict[str, Any]] = ()
    ) -> Iterator[list[Feedback]]:
        """Yield pages of waiting feedback beyond the orphan horizon; `ours` are further filters."""
        yield from self._pages({"bool": {"filter": [overdue_filter(now, horizon), *ours]}})

    def not_joined(self, interval: Interval) -> Iterator[list[Feedback]]:
        """Yield pages of feedback on a stretch of time that is not joined with its prediction, for whatever reason."""
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
        known: dict[str, str] = {}
        foreign: dict[str, Feedback] = {}
        for each in feedback:
            index = index_of_prediction(each.prediction_id)
            if index:
                known[each.prediction_id] = index
            elif each.prediction_id:
                foreign[each.prediction_id] = each
        found = self.current((index, identifier) for identifier, index in known.items())
        return {**found, **self._foreign(foreign)}

    def current(self, places: Iterable[tuple[str, str]]) -> dict[str, Prediction]:
        """Return the latest versions of predictions at (index, id), by id."""
        docs = self._gateway.mget(list(places), _PREDICTION_FIELDS)
        return {doc["_id"]: _prediction(doc) for doc in docs}

    def _foreign(self, wanted: Mapping[str, Feedback]) -> dict[str, Prediction]:
        if not wanted:
            return {}
        days = [each.day for each in wanted.values()]
        around = range_filter("@timestamp", gte=min(days) - FOREIGN_SEARCH, lte=max(days) + timedelta(days=1))
        filters = [{"terms": {"prediction.id": list(wanted)}}, around]
        body = {
            "query": {"bool": {"filter": filters}},
            "_source": list(_PREDICTION_FIELDS),
            "seq_no_primary_term": True,
        }
        hits = self._gateway.scan(PREDICTIONS.alias, body, self._page_size)
        # The search may show an older version: the update is refused then, and the latest is read.
        return {hit["_id"]: _prediction(hit) for hit in hits}

    def update_predictions(self, changes: Iterable[tuple[Prediction, dict[str, Any]]]) -> list[Prediction]:
        """Write fields onto predictions; return those that somebody else has changed meanwhile."""
        written: list[Prediction] = []

        def operations() -> Iterator[Operation]:
            for prediction, fields in changes:
                written.append(prediction)
                yield Operation("update", prediction.index, prediction.id, {"doc": fields}, prediction.place._asdict())

        results = self._gateway.bulk(operations())
        return [each for each, result in zip(written, results, strict=True) if result is ResponseAction.CONFLICT]

    def set_status(self, changes: Iterable[tuple[Feedback, str]], waiting_since: datetime | None = None) -> None:
        """Write statuses, where the feedback is still as it was read: another agent may have been faster."""
        told = {} if waiting_since is None else {"waiting_since": instants.text(waiting_since)}
        self._gateway.bulk(
            Operation(
                "update", each.index, each.id, {"doc": {"feedback": {"status": status, **told}}}, each.place._asdict()
            )
            for each, status in changes
        )

    def flip_status(self, changes: Iterable[tuple[str, str, str]]) -> None:
        """Write statuses of events at (index, id, status) that other events have changed."""
        self._gateway.bulk(
            Operation("update", index, identifier, {"doc": {"feedback": {"status": status}}})
            for index, identifier, status in changes
        )

    def refresh(self) -> None:
        """Make written statuses visible to searches."""
        self._gateway.refresh([FEEDBACK.alias])


def _feedback(hit: Mapping[str, Any]) -> Feedback:
    source = hit["_source"]
    told, named = source.get("feedback", {}), source.get("prediction", {})
    time = instants.parse(source["@timestamp"])
    since = told.get("waiting_since")
    # Tens of thousands are held at once, and say the same: each text is kept once.
    return Feedback(
        index=intern(hit["_index"]),
        id=hit["_id"],
        place=_place(hit),
        event=Event(time, hit["_id"], intern(str(told.get("type", ""))), told.get("label"), told.get("value")),
        prediction_id=str(named.get("id", "")),
        day=instants.parse(named.get("timestamp", source["@timestamp"])),
        model=intern(str(source.get("model", {}).get("name", ""))),
        status=intern(str(told.get("status", STATUS_NEW))),
        waiting_since=instants.parse(since) if since else None,
    )


def _prediction(doc: Mapping[str, Any]) -> Prediction:
    source = doc["_source"]
    return Prediction(
        index=doc["_index"],
        id=doc["_id"],
        place=_place(doc),
        made_at=instants.parse(source["@timestamp"]),
        label=int(source.get("prediction", {}).get("label", 0)),
        model=source.get("model", {}).get("name", ""),
        feedback=source.get("feedback", {}),
        outcome=source.get("outcome"),
    )


def _place(doc: Mapping[str, Any]) -> ConcurrencyToken:
    return ConcurrencyToken(doc["_seq_no"], doc["_primary_term"])
