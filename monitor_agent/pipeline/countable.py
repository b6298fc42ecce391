"""Which stored predictions and errors can be counted, and why others are not: as query bodies (pure).

The pipeline refuses events that lack required fields or contradict their contract. But documents may have come another
way: by another Logstash, by a direct write, or before a rule existed. The agent does not count these documents; it
reports how many there are. It never guesses a value that is missing. The reasons are those of the dead letters.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from monitor_agent.contracts.bounds import Bounds
from monitor_agent.contracts.deadletter import OF_THE_AGENT, UNNAMED_KIND, out_of_bounds
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.kinds import BINARY, KINDS, PredictionKind
from monitor_agent.contracts.model_names import ALL_VERSIONS
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.request_error import ERRORS
from monitor_agent.pipeline.instants import in_calendar

Query = dict[str, Any]

MOST_KINDS = 20

_NOTHING: Query = {"match_none": {}}

# Elasticsearch orders -0.0 before 0.0; both are zero.
_ZERO = -0.0

_NAMED: dict[str, Query] = {
    # A name that is too long is not indexed (`ignore_above`).
    "bad model.name": {
        "bool": {"filter": [{"exists": {"field": "model.name"}}], "must_not": [{"term": {"model.name": ""}}]}
    },
    "bad model.version": {
        "bool": {
            "filter": [{"exists": {"field": "model.version"}}],
            "must_not": [{"terms": {"model.version": ["", ALL_VERSIONS]}}],
        }
    },
}
_KIND: dict[str, Query] = {
    BINARY.name: {
        "bool": {
            "should": [
                {"bool": {"must_not": [{"exists": {"field": "prediction.kind"}}]}},
                {"term": {"prediction.kind": BINARY.name}},
            ]
        }
    },
    **{kind.name: {"term": {"prediction.kind": kind.name}} for kind in KINDS if kind is not BINARY},
}
"""Name of a kind -> the filter for the predictions of this kind."""

_OTHER_KIND: Query = {
    "bool": {
        "filter": [{"exists": {"field": "prediction.kind"}}],
        "must_not": [{"terms": {"prediction.kind": list(_KIND)}}],
    }
}

_UNNAMED_KIND: Query = {
    "bool": {
        "must_not": [
            {
                "bool": {
                    "filter": [{"exists": {"field": "prediction.class"}}],
                    "must_not": [{"exists": {"field": "prediction.kind"}}],
                }
            }
        ]
    }
}
"""The filter for predictions that name their kind, or no class: a model of several classes is not a binary one."""


def _beyond(name: str, bounds: Bounds) -> list[Query]:
    """Return the queries for documents of which any value of a field is out of its bounds."""
    low = bounds.low if bounds.is_whole else bounds.low or _ZERO
    return [{"range": {name: {"lt": low}}}, {"range": {name: {"gt": bounds.high}}}]


def _beyond_in_any(name: str, bounds: Bounds) -> list[Query]:
    """Return the same for a field with names of clients, whichever they are."""
    below, above = f"[* TO {bounds.low:.0f}}}", f"{{{bounds.high:.0f} TO *]"
    return [{"query_string": {"query": f"{below} OR {above}", "fields": [f"{name}.*"]}}]


def _within_bounds(contract: IndexContract, needed: Iterable[str] = ()) -> dict[str, Query]:
    """Return reason -> the filter for documents whose numbers are within their bounds.

    Parameters
    ----------
    needed : the numbers that a document must have.
    """
    beyond: dict[str, list[Query]] = {}
    required: dict[str, list[Query]] = {}
    for name, entry in contract.fields.items():
        if entry.bounds is None:
            continue
        reason = OF_THE_AGENT if name.startswith("feedback.") else out_of_bounds(name)
        queries = _beyond_in_any if entry.options.get("dynamic") else _beyond
        beyond.setdefault(reason, []).extend(queries(name, entry.bounds))
        if name in needed:
            required.setdefault(reason, []).append({"exists": {"field": name}})
    return {
        reason: {"bool": {"filter": required.get(reason, []), "must_not": queries}}
        for reason, queries in beyond.items()
    }


_TIMED: dict[str, Query] = {"bad timestamp": in_calendar()}


def _rules_of_kind(kind: PredictionKind) -> dict[str, Query]:
    """Return reason -> the filter for the predictions of a kind to which the reason does not apply."""
    rules = {**_TIMED, **_NAMED, **_within_bounds(PREDICTIONS, kind.required)}
    if kind is BINARY:
        return {**rules, UNNAMED_KIND: _UNNAMED_KIND}
    for name in kind.required:
        if PREDICTIONS.fields[name].bounds is None:
            must_not = [{"term": {name: ""}}]
            rules[f"bad {name}"] = {"bool": {"filter": [{"exists": {"field": name}}], "must_not": must_not}}
    return rules


_PREDICTED: dict[str, dict[str, Query]] = {kind.name: _rules_of_kind(kind) for kind in KINDS}
_REFUSED: dict[str, Query] = {**_TIMED, **_NAMED, **_within_bounds(ERRORS)}
"""Reason -> the filter for the documents to which the reason does not apply; of predictions by their kind."""

COUNTABLE_OF_KIND: dict[str, Query] = {
    kind: {"bool": {"filter": [_KIND[kind], *rules.values()]}} for kind, rules in _PREDICTED.items()
}
"""Name of a kind -> the filter for the predictions of this kind that metrics are made of."""

COUNTABLE_BINARY: Query = COUNTABLE_OF_KIND[BINARY.name]
"""The filter for the binary predictions that metrics are made of."""

COUNTABLE_PREDICTION: Query = {"bool": {"should": list(COUNTABLE_OF_KIND.values()), "minimum_should_match": 1}}
"""The filter for the predictions that metrics are made of."""

COUNTABLE_ERROR: Query = {"bool": {"filter": list(_REFUSED.values())}}
"""The filter for the request errors that metrics are made of."""

OF_A_VERSION: Query = {"bool": {"filter": list(_NAMED.values())}}
"""The filter for documents that name a model and one of its versions."""

RULES = hashlib.sha256(json.dumps([_PREDICTED, _REFUSED], sort_keys=True).encode()).hexdigest()[:16]
"""Stands for these rules: documents that were counted by other rules are counted again."""


def countable(contract: IndexContract, kind: str = "") -> Query:
    """Return the filter for the documents of predictions or errors that metrics are made of.

    Parameters
    ----------
    kind : only predictions of this kind count (the setting `kind` of their model); empty = those of all kinds do.
    """
    if contract is not PREDICTIONS:
        return COUNTABLE_ERROR
    return COUNTABLE_OF_KIND[kind] if kind else COUNTABLE_PREDICTION


def set_aside(contract: IndexContract, kind: str = "") -> dict[str, Any]:
    """Return the aggregation that counts the documents that metrics leave out, by reason; a document has one reason.

    Parameters
    ----------
    kind : as in `countable`; predictions of another kind have the reason `kind <name>`.
    """
    if contract is not PREDICTIONS:
        return {"filter": {"bool": {"must_not": [COUNTABLE_ERROR]}}, "aggs": _by_reason(_REFUSED)}
    kinds = {"terms": {"field": "prediction.kind", "size": MOST_KINDS, "exclude": list(_KIND)}}
    aggs = {
        "of_other_kind": {"filter": _OTHER_KIND, "aggs": {"kinds": kinds}},
        **{
            name: {
                "filter": _KIND[name],
                "aggs": _by_reason(rules if kind in ("", name) else {f"kind {name}": _NOTHING}),
            }
            for name, rules in _PREDICTED.items()
        },
    }
    return {"filter": {"bool": {"must_not": [countable(contract, kind)]}}, "aggs": aggs}


def _by_reason(rules: Mapping[str, Query]) -> dict[str, Any]:
    reasons: dict[str, Query] = {}
    earlier: list[Query] = []
    for reason, rule in rules.items():
        reasons[reason] = {"bool": {"filter": list(earlier), "must_not": [rule]}}
        earlier.append(rule)
    return {"reasons": {"filters": {"filters": reasons}}}


def counts_by_reason(aggregation: Mapping[str, Any]) -> dict[str, int]:
    """Return reason -> number of documents, in the response to `set_aside`; reasons without documents are left out.

    >>> counts_by_reason({"reasons": {"buckets": {"bad model.name": {"doc_count": 2}}}})
    {'bad model.name': 2}
    """
    counts: Counter[str] = Counter()
    for of_kind in [aggregation, *(aggregation[kind] for kind in _KIND if kind in aggregation)]:
        if "reasons" in of_kind:
            counts.update({reason: bucket["doc_count"] for reason, bucket in of_kind["reasons"]["buckets"].items()})
    if "of_other_kind" in aggregation:
        kinds = aggregation["of_other_kind"]["kinds"]
        counts.update({f"kind {bucket['key']}": bucket["doc_count"] for bucket in kinds["buckets"]})
        counts["other kinds"] = kinds["sum_other_doc_count"]
    return {reason: count for reason, count in counts.items() if count}
