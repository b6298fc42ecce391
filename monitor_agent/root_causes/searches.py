"""The counts of both sides of a comparison, by the values of many dimensions: searches and their answers (pure)."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations, pairwise
from typing import Any

from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import Interval, within
from monitor_agent.root_causes.label_rule import Body, LabelRule
from monitor_agent.root_causes.value_sums import HOUR, Change, Measure
from monitor_agent.vocabulary.prediction_kinds import MULTICLASS

LAST_WEEK, JUST_BEFORE = "last-week", "just-before"

MOST_VALUES = 200
MOST_OUTER, MOST_INNER = 100, 50
"""Values of the two fields of a pair."""
MOST_POSITIONS = 50
BINS = 10
MISSING, OTHER = "(missing)", "(other)"
PAIR = " x "

_SIDES = ("before", "after")
_VALUES, _PAIRED = "values", "paired"


@dataclass(frozen=True)
class Side:
    """The predictions of one side of a comparison.

    Attributes
    ----------
    version : empty = of all versions.
    """

    model: str
    interval: Interval
    version: str = ""

    def filters(self) -> list[Body]:
        """Return the filters for all its predictions."""
        return [
            {"term": {"model.name": self.model}},
            within(self.interval),
            *([{"term": {"model.version": self.version}}] if self.version else []),
        ]

    def query(self, rule: LabelRule) -> Body:
        """Return the filter for its predictions that count."""
        return {"bool": {"filter": [*self.filters(), *rule.filters()]}}


def in_words(side: Side) -> str:
    """Return a side in words: its version and its time."""
    version = f"version {side.version}" if side.version else "all versions"
    start, end = (instants.text(end.replace(microsecond=0)) for end in (side.interval.start, side.interval.end))
    return f"{version}, {start} to {end}"


@dataclass(frozen=True)
class DropQuestion:
    """What a person asks about a fall.

    Attributes
    ----------
    version : empty = of all versions.
    against : `last-week`, `just-before`, another version; empty = the first of these that has predictions.
    metric : one of `METRICS`; empty = the first one of the model's kind.
    age : `final`, or the age at which positives are counted, such as `5m`; empty = the usual one.
    """

    model: str
    version: str
    interval: Interval
    against: str = ""
    metric: str = ""
    age: str = ""

    def arguments(self) -> dict[str, str]:
        """Return what is asked, by the names of the options of `explain-drop` and of the fields of its page."""
        start, end = (
            instants.text(moment.replace(microsecond=0)) for moment in (self.interval.start, self.interval.end)
        )
        values = {
            "model": self.model,
            "version": self.version,
            "from": start,
            "to": end,
            "against": self.against,
            "metric": self.metric,
            "age": self.age,
        }
        return {name: value for name, value in values.items() if value}

    def command(self) -> str:
        """Return the command that answers it.

        >>> noon = instants.parse("2026-11-23T12:00:00Z")
        >>> DropQuestion("ads", "", Interval(noon, noon + timedelta(hours=1)), age="5m").command()
        'monitor-agent explain-drop --model ads --from 2026-11-23T12:00:00Z --to 2026-11-23T13:00:00Z --age 5m'
        """
        options = [word for name, value in self.arguments().items() for word in (f"--{name}", value)]
        return shlex.join(["monitor-agent", "explain-drop", *options])

    def after(self) -> Side:
        """Return the side in question."""
        return Side(self.model, self.interval, self.version)

    def moved(self, earlier_by: timedelta) -> Side:
        """Return the same side at an earlier time."""
        start, end = self.interval.start - earlier_by, self.interval.end - earlier_by
        return Side(self.model, Interval(start, end), self.version)


@dataclass(frozen=True)
class SideComparison:
    """Two sides: the predictions before, and those after; a cause that is left out.

    Attributes
    ----------
    without : filters of causes whose predictions are left out.
    """

    before: Side
    after: Side
    rule: LabelRule
    without: tuple[Body, ...] = ()

    @property
    def offset(self) -> timedelta:
        """How much later the side after is."""
        return self.after.interval.start - self.before.interval.start

    def sides(self) -> dict[str, Body]:
        """Return the filter of each side."""
        sides = zip(_SIDES, (self.before, self.after), strict=True)
        return {name: side.query(self.rule) for name, side in sides}

    def body(self, aggs: Mapping[str, Any]) -> Body:
        """Return the search over both sides."""
        query = {"should": list(self.sides().values()), "minimum_should_match": 1, "must_not": list(self.without)}
        return {"size": 0, "track_total_hits": False, "query": {"bool": query}, "aggs": dict(aggs)}

    def counts(self) -> Body:
        """Return the aggregations that count one value on both sides."""
        return {"sides": {"filters": {"filters": self.sides()}, "aggs": self.rule.aggregations()}}

    def change(self, bucket: Mapping[str, Any], measure: Measure) -> Change:
        """Return the sums of one value on both sides, from the answer."""
        sides = bucket["sides"]["buckets"]
        return Change(*(self.rule.sums(sides[name], measure) for name in _SIDES))


@dataclass(frozen=True)
class Dimension:
    """How predictions are split.

    Attributes
    ----------
    name : a field; of a pair, two fields.
    fields : one field or two; none for the hours.
    edges : of a numeric feature: what separates its bins.
    missing : stands for a prediction without a value; None = such a prediction is in no value.
    """

    name: str
    fields: tuple[str, ...]
    edges: tuple[float, ...] = ()
    missing: str | int | None = MISSING

    def aggregations(self, comparison: SideComparison) -> Body:
        """Return the aggregations that count each value on both sides."""
        counts = comparison.counts()
        if self.edges:
            bounds = [{"to": self.edges[0]}, *({"from": low, "to": high} for low, high in pairwise(self.edges))]
            ranges = {"field": self.fields[0], "ranges": [*bounds, {"from": self.edges[-1]}]}
            absent = {"missing": {"field": self.fields[0]}, "aggs": counts}
            return {_VALUES: {"range": ranges, "aggs": counts}, MISSING: absent}
        if not self.fields:
            hours = {"field": "@timestamp", "fixed_interval": "1h", "min_doc_count": 1}
            return {_VALUES: {"date_histogram": hours, "aggs": counts}}
        size = MOST_VALUES if len(self.fields) == 1 else MOST_INNER
        aggs: Body = {_VALUES: {"terms": self._terms(self.fields[-1], size), "aggs": counts}}
        if len(self.fields) == 1:
            return {**aggs, **counts}
        return {_PAIRED: {"terms": self._terms(self.fields[0], MOST_OUTER), "aggs": aggs}}

    def _terms(self, field: str, size: int) -> Body:
        return {"field": field, "size": size, **({} if self.missing is None else {"missing": self.missing})}

    def changes(
        self, aggregations: Mapping[str, Any], comparison: SideComparison, measure: Measure
    ) -> dict[str, Change]:
        """Return value -> its change, from the answer."""
        if not self.fields:
            return _hours(aggregations[_VALUES]["buckets"], comparison, measure)
        if len(self.fields) == 2:
            return {
                f"{self._value(outer)}{PAIR}{self._value(inner)}": comparison.change(inner, measure)
                for outer in aggregations[_PAIRED]["buckets"]
                for inner in outer[_VALUES]["buckets"]
            }
        changes = {
            self._value(bucket): comparison.change(bucket, measure) for bucket in aggregations[_VALUES]["buckets"]
        }
        if self.edges:
            return {**changes, MISSING: comparison.change(aggregations[MISSING], measure)}
        remainder = comparison.change(aggregations, measure)
        for change in changes.values():
            remainder -= change
        # A list of values is counted for each of them: then nothing remains that can be named.
        return {**changes, OTHER: remainder} if _is_possible(remainder, measure) else changes

    def _value(self, bucket: Mapping[str, Any]) -> str:
        if self.edges:
            low, high = bucket.get("from"), bucket.get("to")
            if low is None:
                return f"< {high:g}"
            return f">= {low:g}" if high is None else f"{low:g} to {high:g}"
        return MISSING if bucket["key"] == self.missing else str(bucket["key"])

    def filter(self, value: str) -> Body | None:
        """Return the filter for the predictions of a value; None if it has none of its own."""
        if self.edges or not self.fields or OTHER in value:
            return None
        names = value.split(PAIR) if len(self.fields) == 2 else [value]
        if len(names) != len(self.fields):
            return None
        filters = [
            {"bool": {"must_not": [{"exists": {"field": field}}]}} if name == MISSING else {"term": {field: name}}
            for field, name in zip(self.fields, names, strict=True)
        ]
        return {"bool": {"filter": filters}}


def dimensions(
    comparison: SideComparison, segments: Sequence[str], bins: Mapping[str, Sequence[float]]
) -> list[Dimension]:
    """Return the dimensions that a fall is split by.

    Parameters
    ----------
    segments : labels that metrics are split by, such as `scene`.
    bins : field of a number or a categorical feature -> the edges of its bins; a categorical feature has none.
    """
    fields, versions = [f"labels.{segment}" for segment in segments], not comparison.after.version
    classes = ["feedback.class"] if comparison.rule.kind == MULTICLASS else []
    single = [*fields, *(["model.version"] if versions else []), "host.name", *classes]
    pairs = list(combinations([*fields, *(["model.version"] if versions else [])], 2))
    return [
        *(Dimension(field, (field,)) for field in single),
        Dimension("item.position", ("item.position",), missing=-1),
        Dimension(HOUR, ()),
        *(Dimension(f"{first}{PAIR}{second}", (first, second)) for first, second in pairs),
        *(Dimension(field, (field,), tuple(edges)) for field, edges in bins.items()),
    ]


def _is_possible(remainder: Change, measure: Measure) -> bool:
    """Return whether predictions remain, and no count is below 0."""
    counts = [remainder.before.trials, remainder.after.trials]
    if measure.is_share:
        counts += [remainder.before.successes, remainder.before.failures]
    return min(counts) >= 0 < remainder.after.trials


def _hours(buckets: Sequence[Mapping[str, Any]], comparison: SideComparison, measure: Measure) -> dict[str, Change]:
    """Return the hours of the side after, each with the same hour of the side before."""
    changes: dict[str, Change] = {}
    for bucket in buckets:
        start = instants.parse(bucket["key"])
        change = comparison.change(bucket, measure)
        for later, of_side in (
            (start, Change(after=change.after)),
            (start + comparison.offset, Change(before=change.before)),
        ):
            if of_side.before.trials or of_side.after.trials:
                key = instants.text(later)
                changes[key] = changes.get(key, Change()) + of_side
    return changes
