"""The counts and facts that explain a fall, read from predictions, metrics, releases and cycles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from monitor_agent.contracts.cycle import CYCLES
from monitor_agent.contracts.model_names import ALL_VERSIONS
from monitor_agent.contracts.performance import ALL_SEGMENT, PERFORMANCE
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.release import RELEASES, SOURCE_SERVER
from monitor_agent.contracts.verdict import VERDICTS
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.logged_features import logged_features
from monitor_agent.pipeline.broken_features import broken_of
from monitor_agent.pipeline.instants import DAY, Interval, within
from monitor_agent.root_causes.causes import (
    MOST_CAUSES,
    ChangedFeature,
    Changes,
    ComparedValue,
    changed_features,
    findings,
    mix_shift,
    of_disjoint_causes,
)
from monitor_agent.root_causes.drop import ExplainedDrop, OtherChange
from monitor_agent.root_causes.label_rule import LabelRule
from monitor_agent.root_causes.searches import (
    BINS,
    MISSING,
    Dimension,
    Side,
    SideComparison,
    dimensions,
)
from monitor_agent.root_causes.value_sums import Change, Measure
from monitor_agent.vocabulary.prediction_kinds import BINARY, PREDICTION_KINDS, REGRESSION

MOST_FEATURES = 50
SEARCHES_AT_ONCE = 10
NOTABLE_MISSING = 0.02
"""A feature whose share of missing values moved by more than this is named."""

_NUMERIC = "features.numeric."
_TRUTH = "feedback.truth"


class RootCauseStore:
    """Reads what a fall comes from."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def kind(self, side: Side) -> str:
        """Return the kind that most predictions of a side have."""
        kinds = {"terms": {"field": "prediction.kind", "missing": BINARY}}
        body = {"size": 0, "track_total_hits": False, "query": {"bool": {"filter": side.filters()}}}
        answer = self._gateway.search(PREDICTIONS.alias, {**body, "aggs": {"kinds": kinds}}).get("aggregations", {})
        names = [bucket["key"] for bucket in answer.get("kinds", {}).get("buckets", ())]
        return next((name for name in names if name in PREDICTION_KINDS), BINARY)

    def predictions(self, side: Side, rule: LabelRule) -> int:
        """Return the number of predictions of a side that count."""
        body = {"size": 0, "track_total_hits": True, "query": side.query(rule)}
        response = self._gateway.search(PREDICTIONS.alias, body)
        count: int = response["hits"]["total"]["value"]
        return count

    def explain(
        self, comparison: SideComparison, measure: Measure, metric: str, *, other_changes: bool
    ) -> ExplainedDrop:
        """Return the explanation of the change between the two sides.

        Parameters
        ----------
        metric : the name under which the metric is shown.
        other_changes : whether it is also read what else changed.

        The first cause is the value that got worst against the rest. Its predictions are left out, and the rest is
        searched for the next one: values that only share predictions with it are no causes of their own.
        """
        split_by = self._dimensions(comparison)
        whole, changes = self._counted(comparison, split_by, measure)
        rows = findings(changes, whole, measure)
        moved = changed_features(changes)
        if moved:
            causes = _worst_values(moved, rows)
        else:
            causes = of_disjoint_causes(self._causes(comparison, split_by, measure, rows), whole, measure)
        simple = {dimension.name: changes[dimension.name] for dimension in split_by if len(dimension.fields) == 1}
        shift = mix_shift(simple, rows, measure, whole)
        further = self._other_changes(comparison, changes) if other_changes else []
        return ExplainedDrop(comparison, measure, metric, whole, rows, causes, shift, further, moved)

    def _other_changes(self, comparison: SideComparison, changes: Changes) -> list[OtherChange]:
        facts = [*self._releases(comparison), *self._windows(comparison), *self._cycles(comparison)]
        broken = self._broken_features(comparison.after)
        return [*broken, *facts, *([] if broken else _missing_values(changes))]

    def _causes(
        self, comparison: SideComparison, split_by: Sequence[Dimension], measure: Measure, rows: Sequence[ComparedValue]
    ) -> list[ComparedValue]:
        by_name = {dimension.name: dimension for dimension in split_by}
        causes: list[ComparedValue] = []
        without: tuple[dict[str, Any], ...] = ()
        while rows and rows[0].is_a_cause:
            causes.append(rows[0])
            of_cause = by_name[rows[0].dimension].filter(rows[0].value)
            if of_cause is None or len(causes) == MOST_CAUSES:
                break
            without = (*without, of_cause)
            remaining = replace(comparison, without=without)
            whole, changes = self._counted(remaining, split_by, measure)
            rows = findings(changes, whole, measure)
        return causes

    def _dimensions(self, comparison: SideComparison) -> list[Dimension]:
        fields = logged_features(self._gateway)[:MOST_FEATURES]
        percents = [100 * number / BINS for number in range(1, BINS)]
        numeric = [field for field in fields if field.startswith(_NUMERIC)]
        if comparison.rule.kind == REGRESSION:
            numeric.append(_TRUTH)
        aggs = {field: {"percentiles": {"field": field, "percents": percents, "keyed": False}} for field in numeric}
        answer: Mapping[str, Any] = {}
        if aggs:
            query = comparison.before.query(comparison.rule)
            body = {"size": 0, "track_total_hits": False, "query": query, "aggs": aggs}
            answer = self._gateway.search(PREDICTIONS.alias, body).get("aggregations", {})
        bins: dict[str, list[float]] = {field: [] for field in fields if field not in numeric}
        for field in numeric:
            values = answer.get(field, {}).get("values", ())
            edges = sorted({entry["value"] for entry in values if entry["value"] is not None})
            if edges:
                bins[field] = edges
        return dimensions(comparison, comparison.rule.settings.segments, bins)

    def _counted(
        self, comparison: SideComparison, split_by: Sequence[Dimension], measure: Measure
    ) -> tuple[Change, Changes]:
        """Return the change of the whole, and those of the values of each dimension."""
        bodies = [
            comparison.body(comparison.counts()),
            *(comparison.body(dimension.aggregations(comparison)) for dimension in split_by),
        ]
        responses: list[Mapping[str, Any]] = []
        for first in range(0, len(bodies), SEARCHES_AT_ONCE):
            batch = [(PREDICTIONS.alias, body) for body in bodies[first : first + SEARCHES_AT_ONCE]]
            responses += self._gateway.msearch(batch)
        answers = [response.get("aggregations") for response in responses]
        whole = comparison.change(answers[0], measure) if answers[0] else Change()
        changes = {
            dimension.name: dimension.changes(answer, comparison, measure) if answer else {}
            for dimension, answer in zip(split_by, answers[1:], strict=True)
        }
        return whole, changes

    def _releases(self, comparison: SideComparison) -> list[OtherChange]:
        after = comparison.after
        near = Interval(after.interval.start - DAY, after.interval.end)
        query = {"bool": {"filter": [{"term": {"model_name": after.model}}, within(near)]}}
        body = {"query": query, "size": 20, "sort": [{"@timestamp": "asc"}]}
        releases = [hit["_source"] for hit in self._gateway.search(RELEASES.name, body)["hits"]["hits"]]
        started = {release["model_version"] for release in releases if release.get("source") != SOURCE_SERVER}
        return [
            OtherChange("release", "", f"version {release['model_version']} at {release['@timestamp']}")
            for release in releases
            # A server reports that it loads a version; its start is the first prediction.
            if release.get("source") != SOURCE_SERVER or release["model_version"] not in started
        ]

    def _broken_features(self, after: Side) -> list[OtherChange]:
        """Return the broken features that the newest verdict of this time names."""
        filters = [
            {"term": {"model_name": after.model}},
            {"term": {"model_version": after.version or ALL_VERSIONS}},
            {"term": {"segment": ALL_SEGMENT}},
            {"exists": {"field": "broken_features"}},
            within(Interval(after.interval.start, after.interval.end + DAY)),
        ]
        body = {"size": 1, "sort": [{"@timestamp": "desc"}], "query": {"bool": {"filter": filters}}}
        hits = self._gateway.search(VERDICTS.alias, body).get("hits", {}).get("hits", ())
        return [
            OtherChange("data quality", "", feature.sentence()) for hit in hits for feature in broken_of(hit["_source"])
        ]

    def _windows(self, comparison: SideComparison) -> list[OtherChange]:
        """Return the facts of the metrics documents that differ."""
        aggs = {
            "coverage": {"avg": {"field": "coverage"}},
            "drift_share": {"max": {"field": "drift_share"}},
            "error_rate": {"max": {"field": "error_rate"}},
            "response_time_p95": {"max": {"field": "response_time_p95"}},
            "lost_lines": {"sum": {"field": "lost_lines"}},
        }
        searches = []
        for side in (comparison.before, comparison.after):
            filters = [
                {"term": {"model_name": side.model}},
                {"term": {"model_version": side.version or ALL_VERSIONS}},
                {"term": {"segment": ALL_SEGMENT}},
                within(side.interval),
            ]
            sizes = {"terms": {"field": "is_base_window", "size": 2}, "aggs": aggs}
            body = {"size": 0, "query": {"bool": {"filter": filters}}, "aggs": {"sizes": sizes, **aggs}}
            searches.append((PERFORMANCE.alias, body))
        answers = [response.get("aggregations", {}) for response in self._gateway.msearch(searches)]
        return _differing([_window_facts(answer) for answer in answers])

    def _cycles(self, comparison: SideComparison) -> list[OtherChange]:
        aggs = {"lag_seconds": {"max": {"field": "lag_seconds"}}}
        searches = [
            (CYCLES.alias, {"size": 0, "query": {"bool": {"filter": [within(side.interval)]}}, "aggs": aggs})
            for side in (comparison.before, comparison.after)
        ]
        answers = [response.get("aggregations", {}) for response in self._gateway.msearch(searches)]
        return _differing([{name: answer.get(name, {}).get("value") for name in aggs} for answer in answers])


def _worst_values(moved: Sequence[ChangedFeature], rows: Sequence[ComparedValue]) -> list[ComparedValue]:
    """Return the value of each changed feature that fell most, if it fell more than the rest by more than chance."""
    worst = [next((row for row in rows if row.dimension == feature.dimension), None) for feature in moved]
    return [row for row in worst if row is not None and row.is_a_cause][:MOST_CAUSES]


def _window_facts(aggregations: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the facts: sums over base windows only, since a larger window holds the same lines again."""
    base = next(
        (bucket for bucket in aggregations.get("sizes", {}).get("buckets", ()) if bucket["key"] == 1), aggregations
    )
    names = ("coverage", "error_rate", "response_time_p95", "lost_lines")
    facts = {name: base.get(name, {}).get("value") for name in names}
    return {**facts, "drift_share": aggregations.get("drift_share", {}).get("value")}


def _differing(sides: Sequence[Mapping[str, float | None]]) -> list[OtherChange]:
    """Return the facts that are not nearly equal on both sides."""
    before, after = sides
    changed = []
    for name, value in after.items():
        base = before[name]
        if value != base and (value is None or base is None or abs(value - base) > 0.1 * max(abs(value), abs(base))):
            changed.append(OtherChange(name, _number(base), _number(value)))
    return changed


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4g}"


def _missing_values(changes: Changes) -> list[OtherChange]:
    """Return the features whose share of missing values changed."""
    gaps = []
    for dimension, by_value in changes.items():
        change = by_value.get(MISSING)
        if change is None or not dimension.startswith("features."):
            continue
        totals = [sum(getattr(entry, side).trials for entry in by_value.values()) for side in ("before", "after")]
        if not all(totals):
            continue
        before, after = change.before.trials / totals[0], change.after.trials / totals[1]
        if abs(after - before) > NOTABLE_MISSING:
            gaps.append(OtherChange(f"missing {dimension}", f"{before:.1%}", f"{after:.1%}"))
    return gaps
