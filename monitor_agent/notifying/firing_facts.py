"""What is known of firings: the numbers of the documents with their worst values, and the features that are broken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from monitor_agent.alerting import kql
from monitor_agent.alerting.definitions import Alert
from monitor_agent.alerting.firings import Firing
from monitor_agent.contracts.alert import SEGMENT
from monitor_agent.contracts.model_names import ALL_VERSIONS
from monitor_agent.contracts.performance import ALL_SEGMENT
from monitor_agent.contracts.verdict import VERDICTS
from monitor_agent.durations import parse_duration
from monitor_agent.es.gateway import Gateway
from monitor_agent.notifying.messages import FiringFacts, facts_of, with_broken_features
from monitor_agent.pipeline import instants

VERDICT_AGE = timedelta(hours=1)
_OF_FEATURES = {"model-quality", "drift"}
"""The dashboards of the alerts that a broken feature may explain."""


def read_facts(gateway: Gateway, firings: Iterable[Firing], alerts: Mapping[str, Alert]) -> dict[str, FiringFacts]:
    """Return what is known of firings, by their ids; those of alerts that are in no list any more are left out."""
    searched = [firing for firing in firings if firing.measure and firing.rule in alerts]
    of_features = [firing for firing in searched if firing.dashboard in _OF_FEATURES]
    searches = [worst_document(alerts[firing.rule], firing) for firing in searched]
    searches += [_broken_features(firing) for firing in of_features]
    answers = gateway.msearch(searches) if searches else []
    documents: list[Mapping[str, Any]] = [
        next((hit["_source"] for hit in answer["hits"]["hits"]), {}) for answer in answers
    ]
    facts = {}
    for firing, document in zip(searched, documents, strict=False):
        if document and firing.measure:
            facts[firing.id] = facts_of(firing.measure, document)
    for firing, verdict in zip(of_features, documents[len(searched) :], strict=True):
        if verdict:
            facts[firing.id] = with_broken_features(facts.get(firing.id, FiringFacts()), verdict)
    return facts


def worst_document(alert: Alert, firing: Firing) -> tuple[str, dict[str, Any]]:
    """Return the search for the document with the worst value of a firing: index and body."""
    measure = firing.measure or ""
    worse, _ = alert.limits().get(measure, ("max", 0.0))
    last = firing.end or firing.evaluated
    times = instants.range_filter("@timestamp", gte=firing.start - parse_duration(alert.look_back), lte=last)
    groups = [{"term": {name: value}} for name, value in firing.group]
    order = {"order": "desc" if worse == "max" else "asc", "unmapped_type": "double"}
    body: dict[str, Any] = {
        "size": 1,
        "query": {"bool": {"filter": [times, kql.query(alert.where), *groups]}},
        "sort": [{measure: order}],
        "_source": {"excludes": ["state_blob"]},
    }
    return alert.index, body


def _broken_features(firing: Firing) -> tuple[str, dict[str, Any]]:
    """Return the search for the newest verdict that names broken features during a firing: index and body."""
    times = instants.range_filter("@timestamp", gte=firing.start - VERDICT_AGE, lte=firing.end or firing.evaluated)
    # Features are judged over all segments together.
    group = {"model_version": ALL_VERSIONS, **dict(firing.group), SEGMENT: ALL_SEGMENT}
    groups = [{"term": {name: value}} for name, value in group.items()]
    filters = [times, {"range": {"broken_features": {"gte": 1}}}, *groups]
    body = {"size": 1, "query": {"bool": {"filter": filters}}, "sort": [{"@timestamp": "desc"}], "_source": ["broken"]}
    return VERDICTS.pattern, body
