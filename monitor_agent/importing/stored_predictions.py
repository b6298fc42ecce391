"""The predictions that Elasticsearch has already: their times, and the labels that are joined with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from monitor_agent.contracts.identifiers import canonical, spellings
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.feedback_documents import joined_rows
from monitor_agent.es.gateway import Gateway
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import DAY

IDS_AT_ONCE = 2_000
_FIELDS = ["@timestamp", "event.id", "model.name"]


class StoredPredictions:
    """Reads predictions by their ids."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def refresh(self, days: Iterable[int]) -> None:
        """Make the predictions of days visible to searches.

        Parameters
        ----------
        days : numbers of days since 1970.
        """
        self._gateway.refresh(PREDICTIONS.index_for(instants.EPOCH + day * DAY) for day in days)

    def times(self, ids: Sequence[str]) -> dict[tuple[str, str], datetime]:
        """Return (model, id) -> time of the predictions that exist; the earliest, if several days have an id."""
        times: dict[tuple[str, str], datetime] = {}
        unique = sorted(set(ids))
        for first in range(0, len(unique), IDS_AT_ONCE):
            forms = [form for identifier in unique[first : first + IDS_AT_ONCE] for form in spellings(identifier)]
            body: dict[str, Any] = {"query": {"terms": {"event.id": forms}}, "_source": _FIELDS}
            for hit in self._gateway.scan(PREDICTIONS.alias, body, IDS_AT_ONCE):
                source = hit["_source"]
                key = str(source.get("model", {}).get("name")), canonical(str(source["event"]["id"]))
                moment = instants.parse(source["@timestamp"])
                times[key] = min(times.get(key, moment), moment)
        return times

    def joined_events(self, keys: Sequence[tuple[str, str]]) -> dict[str, set[str]]:
        """Return, by the id of a prediction, the ids of the feedback that is joined with it.

        Parameters
        ----------
        keys : index and id.
        """
        hits = self._gateway.mget(list(keys), ["feedback.events"])
        return {hit["_id"]: {str(row[0]) for row in joined_rows(hit["_source"].get("feedback") or {})} for hit in hits}
