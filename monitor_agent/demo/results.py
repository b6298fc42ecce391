"""The documents of a demo in Elasticsearch: counts while it fills, then all ids, statuses and metrics documents."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from monitor_agent.contracts.deadletter import DEADLETTERS
from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.model_names import version_order
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.request_error import ERRORS
from monitor_agent.errors import DataError, ElasticsearchError
from monitor_agent.es.gateway import Gateway
from monitor_agent.vocabulary.counted_nouns import counted

Document = dict[str, Any]

COUNTED = {"predictions": PREDICTIONS, "feedback": FEEDBACK, "errors": ERRORS, "deadletters": DEADLETTERS}
PAGE = 2000
POLL_SECONDS = 0.2
STALLED_SECONDS = 60.0


class Results:
    """The documents of a demo."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def counts(self) -> dict[str, int]:
        """Return how many predictions, feedback events, errors and dead letters can be searched."""
        body = {"size": 0, "track_total_hits": True}
        answers = self._gateway.msearch([(contract.alias, body) for contract in COUNTED.values()])
        return {name: answer["hits"]["total"]["value"] for name, answer in zip(COUNTED, answers, strict=True)}

    def wait_for(self, accepted: Mapping[str, int]) -> dict[str, int]:
        """Return the counts as soon as everything that the server has accepted can be searched.

        Parameters
        ----------
        accepted : number of predictions and of feedback events that the server has accepted.

        Raises
        ------
        ElasticsearchError
            If an event became a dead letter, or nothing has arrived for a minute.
        """
        best, deadline = -1, 0.0
        while True:
            counts = self.counts()
            arrived = sum(counts[name] for name in accepted)
            if all(counts[name] >= accepted[name] for name in accepted):
                return counts
            if counts["deadletters"]:
                raise ElasticsearchError(
                    f"{counted(counts['deadletters'], 'event')} became dead letters ({self._reason()})"
                )
            if arrived > best:
                best, deadline = arrived, time.monotonic() + STALLED_SECONDS
            if time.monotonic() > deadline:
                raise ElasticsearchError(
                    f"{arrived} of {sum(accepted.values())} events are in Elasticsearch, and none came for"
                    f" {STALLED_SECONDS:.0f} s",
                    "see the log of the pipeline",
                )
            time.sleep(POLL_SECONDS)

    def require_exactly_once(self, accepted: Mapping[str, Sequence[str]]) -> None:
        """Return if Elasticsearch holds every accepted event once, and no other event.

        Parameters
        ----------
        accepted : the ids by kind, `predictions` and `feedback`.

        Raises
        ------
        DataError
            If it does not.
        """
        for kind, ids in accepted.items():
            indexed = Counter(self._ids(COUNTED[kind]))
            lost, foreign = set(ids) - indexed.keys(), indexed.keys() - set(ids)
            doubled = [identifier for identifier, times in indexed.items() if times > 1]
            if lost or foreign or doubled or len(ids) != len(set(ids)):
                raise DataError(
                    f"{len(ids)} {kind} were accepted; of these, {len(lost)} are missing in Elasticsearch, and"
                    f" {len(doubled)} are there more than once; {len(foreign)} others are there"
                )

    def feedback_status(self) -> dict[str, int]:
        """Return the number of feedback events by status."""
        body = {"size": 0, "aggs": {"status": {"terms": {"field": "feedback.status", "size": 20}}}}
        aggregations = self._gateway.search(FEEDBACK.alias, body).get("aggregations")
        buckets = aggregations["status"]["buckets"] if aggregations else []
        return {bucket["key"]: bucket["doc_count"] for bucket in buckets}

    def windows(self) -> list[Document]:
        """Return all metrics documents, by window size and start, version and segment."""
        documents = [
            hit["_source"] for hit in self._gateway.scan(PERFORMANCE.alias, {"query": {"match_all": {}}}, PAGE)
        ]
        return sorted(documents, key=_order)

    def _ids(self, contract: IndexContract) -> list[str]:
        body = {"query": {"match_all": {}}, "_source": ["event.id"]}
        return [hit["_source"]["event"]["id"] for hit in self._gateway.scan(contract.alias, body, PAGE)]

    def _reason(self) -> str:
        hits = self._gateway.search(DEADLETTERS.alias, {"size": 1})["hits"]["hits"]
        error = hits[0]["_source"].get("error", {}) if hits else {}
        return str(error.get("message", "the reason is in model-deadletters"))[:200]


def _order(document: Document) -> tuple[Any, ...]:
    version = version_order(document["model_version"])
    return document["window_size"], document["window_start"], version, document["segment"]
