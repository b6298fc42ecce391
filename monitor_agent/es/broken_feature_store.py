"""The features that are broken, read from the drift documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from monitor_agent.contracts.drift import DRIFT, LABEL
from monitor_agent.contracts.model_names import ALL_VERSIONS
from monitor_agent.es.damaged_documents import reading
from monitor_agent.es.gateway import Gateway
from monitor_agent.metrics.data_quality import CONSTANT, MARGIN
from monitor_agent.pipeline import instants, window_drift
from monitor_agent.pipeline.broken_features import BrokenFeature, BrokenWindow, broken_by_version
from monitor_agent.pipeline.broken_together import BrokenCheck, HourOfFeature, broken_together
from monitor_agent.pipeline.drift_references import DriftReference
from monitor_agent.pipeline.drift_verdicts import newest_since
from monitor_agent.pipeline.instants import DAY, Interval, within
from monitor_agent.pipeline.window_quality import CHECKS

MOST_ROWS = 2_000
MOST_VERSIONS = 100
MOST_FEATURES = 64
MOST_WINDOWS = 400
LOOK_BACK = 14 * DAY
"""A feature may be broken for so long."""

VARIES_IN = 0.1
"""A feature that varies in a smaller share of the windows is a step, such as the day of the week."""

_ANSWER = {"term": {"feature": LABEL}}
"""The predicted label is no feature; what is wrong with it follows from the scores."""
_ALL = {"term": {"model_version": ALL_VERSIONS}}

Measured = dict[tuple[str, str], list[datetime]]
"""(version, size) -> starts of windows, the newest first."""


class BrokenFeatureStore:
    """Reads which features are broken."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def broken(
        self,
        model: str,
        sizes: Sequence[str],
        until: datetime,
        references: Callable[[], Sequence[DriftReference]],
        refused: Sequence[BrokenWindow] = (),
    ) -> dict[str, list[BrokenFeature]]:
        """Return the broken features of each version of a model whose features are measured.

        Parameters
        ----------
        sizes : the sizes of the windows, the smallest first.
        until : the end of the time that is judged.
        references : returns those of the model; called only if features may be broken.
        refused : windows of the smallest size in which lines were refused for a feature.
        """
        interval = Interval(until - LOOK_BACK, until)
        filters: list[dict[str, Any]] = [
            {"term": {"model_name": model}},
            {"terms": {"window_size": list(sizes)}},
            within(interval),
        ]
        newest = _newest(model, sizes[0], until)
        answers = self._gateway.msearch(
            [(DRIFT.alias, body) for body in (_measured(filters), _rows(filters), _worse_features(newest))]
        )
        measured, rows = _starts(answers[0]), _broken_windows(answers[1])
        names = [bucket["key"] for bucket in _buckets(answers[2].get("aggregations", {}), "features")]
        if names:
            together = broken_together(self._hours(newest, names), references())
            rows = [*rows, *self._worse_windows(together, [*filters, {"term": {"window_size": sizes[0]}}])]
        for row in refused:
            starts = measured.setdefault((row.version, row.size), [])
            starts[:] = sorted({*starts, row.start}, reverse=True)
        rows = [*rows, *refused]
        if any(row.check == CONSTANT for row in rows):
            rows = self._without_steps(rows, filters)
        recent = self._recent(rows, model, sizes[0], until) if any(row.size != sizes[0] for row in rows) else {}
        return broken_by_version(rows, measured, sizes, until, recent)

    def _hours(self, newest: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[HourOfFeature]:
        """Return the values of some features in the newest hours."""
        query = {"filter": [*newest, {"terms": {"feature": names}}], "must_not": [_ANSWER, _ALL]}
        source = ["model_version", "feature", "window_start", "reference", "sample"]
        body = {"size": MOST_ROWS, "query": {"bool": query}, "sort": [{"@timestamp": "desc"}], "_source": source}
        hours = []
        for hit in self._gateway.search(DRIFT.alias, body)["hits"]["hits"]:
            with reading(hit):
                document = hit["_source"]
                version, start = document["model_version"], instants.parse(document["window_start"])
                values = window_drift.restored(document["sample"])
                hours.append(HourOfFeature(version, document["feature"], start, document["reference"], values))
        return hours

    def _worse_windows(self, checks: Sequence[BrokenCheck], filters: Sequence[Mapping[str, Any]]) -> list[BrokenWindow]:
        """Return the hours in which the share of a check that broke was above that of the reference."""
        searches = [(DRIFT.alias, _worse_hours(check, filters)) for check in checks]
        answers = self._gateway.msearch(searches) if searches else []
        return [
            BrokenWindow(
                version=check.version,
                size=hit["_source"]["window_size"],
                start=instants.parse(hit["_source"]["window_start"]),
                feature=check.feature,
                check=check.check,
                share=hit["_source"][f"{check.check}_share"],
                reference=check.reference,
            )
            for check, answer in zip(checks, answers, strict=True)
            for hit in answer["hits"]["hits"]
        ]

    def _recent(
        self, rows: Sequence[BrokenWindow], model: str, size: str, until: datetime
    ) -> dict[tuple[str, str, str], float]:
        """Return the mean share in the newest windows of a size: (version, feature, check) -> share.

        Only of those that broke in a larger window.
        """
        names = sorted({row.feature for row in rows if row.size != size})
        filters = [*_newest(model, size, until), {"terms": {"feature": names}}]
        shares = {check: {"avg": {"field": f"{check}_share"}} for check in CHECKS if check != CONSTANT}
        # The mean of a boolean is the share of windows in which it is true.
        aggs = {**shares, CONSTANT: {"avg": {"field": CONSTANT}}}
        features = {"terms": {"field": "feature", "size": len(names)}, "aggs": aggs}
        versions = {"terms": {"field": "model_version", "size": MOST_VERSIONS}, "aggs": {"features": features}}
        query = {"bool": {"filter": filters}}
        body = {"size": 0, "track_total_hits": False, "query": query, "aggs": {"versions": versions}}
        answer = self._gateway.search(DRIFT.alias, body)
        return {
            (version["key"], feature["key"], check): feature[check]["value"]
            for version in _buckets(answer.get("aggregations", {}), "versions")
            for feature in _buckets(version, "features")
            for check in aggs
            if feature[check]["value"] is not None
        }

    def _without_steps(self, rows: list[BrokenWindow], filters: Sequence[Mapping[str, Any]]) -> list[BrokenWindow]:
        """Return the rows without features that are constant in most windows, such as the day of the week."""
        names = sorted({row.feature for row in rows if row.check == CONSTANT})
        of_names = [*filters, {"terms": {"feature": names}}, _ALL]
        varied = {"filters": {"filters": {"yes": {"term": {CONSTANT: False}}, "no": {"term": {CONSTANT: True}}}}}
        sizes = {"terms": {"field": "window_size", "size": 10}, "aggs": {"varied": varied}}
        aggs = {"features": {"terms": {"field": "feature", "size": len(names)}, "aggs": {"sizes": sizes}}}
        body = {"size": 0, "track_total_hits": False, "query": {"bool": {"filter": of_names}}, "aggs": aggs}
        steps = set()
        for feature in _buckets(self._gateway.search(DRIFT.alias, body).get("aggregations", {}), "features"):
            for size in _buckets(feature, "sizes"):
                counts = {key: bucket["doc_count"] for key, bucket in size["varied"]["buckets"].items()}
                if counts["yes"] < VARIES_IN * (counts["yes"] + counts["no"]):
                    steps.add((feature["key"], size["key"]))
        return [row for row in rows if row.check != CONSTANT or (row.feature, row.size) not in steps]


def _measured(filters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the search for the newest windows of each version that have measured features."""
    query = {"filter": [*filters, {"range": {"quality_measured": {"gt": 0}}}], "must_not": [_ANSWER]}
    starts = {"terms": {"field": "@timestamp", "size": MOST_WINDOWS, "order": {"_key": "desc"}}}
    sizes = {"terms": {"field": "window_size", "size": 10}, "aggs": {"starts": starts}}
    versions = {"terms": {"field": "model_version", "size": MOST_VERSIONS}, "aggs": {"sizes": sizes}}
    return {"size": 0, "track_total_hits": False, "query": {"bool": query}, "aggs": {"versions": versions}}


def _rows(filters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the search for the windows in which a check broke, the newest first."""
    broken = {"exists": {"field": "broken"}}
    query = {"filter": [*filters, broken], "must_not": [_ANSWER, _ALL]}
    source = ["model_version", "window_size", "window_start", "feature", "broken", "*_share", "*_share_reference"]
    sort = [{"@timestamp": "desc"}]
    return {"size": MOST_ROWS, "query": {"bool": query}, "sort": sort, "_source": source}


def _newest(model: str, size: str, until: datetime) -> list[dict[str, Any]]:
    """Return the filters for the newest windows of the smallest size."""
    names = {"model_name": model, "window_size": size}
    return [
        *({"term": {name: value}} for name, value in names.items()),
        within(Interval(newest_since(size, until), until)),
    ]


def _worse_features(newest: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the search for the features that are worse than in the reference, be it by chance; mostly, none is."""
    query = {"filter": [*newest, {"range": {"worst_share": {"gt": MARGIN}}}], "must_not": [_ANSWER, _ALL]}
    features = {"terms": {"field": "feature", "size": MOST_FEATURES}}
    return {"size": 0, "track_total_hits": False, "query": {"bool": query}, "aggs": {"features": features}}


def _worse_hours(check: BrokenCheck, filters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    share = f"{check.check}_share"
    of_check: list[dict[str, Any]] = [
        {"term": {"model_version": check.version}},
        {"term": {"feature": check.feature}},
        {"range": {share: {"gt": check.reference + MARGIN}}},
    ]
    query = {"bool": {"filter": [*filters, *of_check]}}
    sort = [{"@timestamp": "desc"}]
    return {"size": MOST_WINDOWS, "query": query, "sort": sort, "_source": ["window_size", "window_start", share]}


def _starts(answer: Mapping[str, Any]) -> Measured:
    return {
        (version["key"], size["key"]): [instants.parse(start["key"]) for start in _buckets(size, "starts")]
        for version in _buckets(answer.get("aggregations", {}), "versions")
        for size in _buckets(version, "sizes")
    }


def _broken_windows(answer: Mapping[str, Any]) -> list[BrokenWindow]:
    rows = []
    for hit in answer["hits"]["hits"]:
        document = hit["_source"]
        for check in document["broken"]:
            rows.append(
                BrokenWindow(
                    version=document["model_version"],
                    size=document["window_size"],
                    start=instants.parse(document["window_start"]),
                    feature=document["feature"],
                    check=check,
                    share=1.0 if check == CONSTANT else document.get(f"{check}_share") or 0.0,
                    reference=document.get(f"{check}_share_reference") or 0.0,
                )
            )
    return rows


def _buckets(aggregations: Mapping[str, Any], name: str) -> Iterable[Mapping[str, Any]]:
    buckets: Iterable[Mapping[str, Any]] = aggregations.get(name, {}).get("buckets", ())
    return buckets
