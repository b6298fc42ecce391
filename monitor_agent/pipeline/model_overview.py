"""Is everything all right? What the start page says about each model: the searches, and their answers (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from monitor_agent.contracts.alert import ALERTS, CRITICAL, STATE_ACTIVE, STATE_PENDING
from monitor_agent.contracts.cycle import CYCLES
from monitor_agent.contracts.model_names import ALL_VERSIONS, version_order
from monitor_agent.contracts.performance import ALL_SEGMENT, PERFORMANCE, segment_name
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.release import RELEASES, SOURCE_SERVER
from monitor_agent.contracts.verdict import MEASURES, VERDICTS
from monitor_agent.metrics import ConfidenceInterval
from monitor_agent.metrics.positive_rate import CLICK, rate_name
from monitor_agent.metrics.wilson import wilson_interval
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.broken_features import BrokenFeature, broken_of
from monitor_agent.pipeline.instants import DAY, HOUR, WEEK, Interval, within
from monitor_agent.vocabulary.prediction_kinds import MULTICLASS, REGRESSION

ModelState = Literal["critical", "warning", "silent", "ok"]
STATES: tuple[ModelState, ...] = ("critical", "warning", "silent", "ok")
"""The worst first."""

SPAN = DAY
SILENT_AFTER = HOUR
AGENT_SILENT_AFTER = timedelta(minutes=10)
LONGEST_LOOK_BACK = 30 * DAY
ACCURACY, MAE = "accuracy", "mae"
MOST_MODELS, MOST_VERSIONS, MOST_FIRINGS = 200, 50, 1000
VERDICT_AGE, VERDICT_LOOK_BACK = 2 * HOUR, WEEK
"""A verdict older than the first is told as an old one; the overview reads no verdict older than the second."""

Search = tuple[str, dict[str, Any]]
Document = Mapping[str, Any]


@dataclass(frozen=True)
class FigureOfADay:
    """The headline metric of a day: the share of positives, the accuracy of several classes, or the error of a number.

    Attributes
    ----------
    name : `ctr`, `positive_rate`, `accuracy` or `mae`.
    value : None = not measured.
    interval : its 95 % interval; None = it has none.
    """

    name: str
    value: float | None = None
    interval: ConfidenceInterval | None = None

    @property
    def is_share(self) -> bool:
        """Whether it lies between 0 and 1."""
        return self.name != MAE


@dataclass(frozen=True)
class FallenMeasure:
    """A measure that a verdict calls fallen, not by chance.

    Attributes
    ----------
    name : such as `auc`.
    value, reference : since the fall began, and in the same hours of the reference.
    since : when it began, as far as one can tell.
    drop : the 95 % interval of reference minus value; None = there is none.
    """

    name: str
    value: float
    reference: float
    since: datetime
    drop: ConfidenceInterval | None = None


@dataclass(frozen=True)
class OldVerdict:
    """A verdict that says nothing about the present: its time, and whether the version had fallen then."""

    at: datetime
    fell: bool


@dataclass(frozen=True)
class VersionRow:
    """A version of a model.

    Attributes
    ----------
    figure : its headline metric of the last day.
    against : `version` or `last_weeks`; empty = it was not judged.
    against_version : the older version beside it; empty = none.
    fallen : the measures that have fallen.
    broken : the features that are broken.
    old_verdict : the newest verdict, if it is older than `VERDICT_AGE`; None = it is not, or there is none.
    """

    version: str
    predictions: int
    figure: FigureOfADay
    against: str = ""
    against_version: str = ""
    fallen: Sequence[FallenMeasure] = ()
    broken: Sequence[BrokenFeature] = ()
    old_verdict: OldVerdict | None = None


@dataclass(frozen=True)
class OpenFiring:
    """A firing that is pending or active.

    Attributes
    ----------
    id : the document's `_id`.
    model, version, segment : empty = all.
    dashboard : the dashboard that shows the trouble.
    """

    id: str
    alert: str
    title: str
    message: str
    state: str
    severity: str
    model: str
    version: str
    segment: str
    since: datetime
    inhibited_by: Sequence[str]
    dashboard: str


@dataclass(frozen=True)
class ModelRow:
    """A model.

    Attributes
    ----------
    newest : time of its newest event; None = not within the last 30 days.
    predictions_last_week : its predictions of the same day of the last week.
    figure, last_week : its headline metric of the last day, and of the same day of the last week.
    coverage : mean share of its predictions with known labels, among those that are old enough; None = none is.
    lost_lines : lines that never came and may belong to its windows of the last day.
    release : its newest version and the time of its first prediction.
    """

    name: str
    newest: datetime | None
    predictions: int
    figure: FigureOfADay
    last_week: FigureOfADay
    coverage: float | None
    lost_lines: int
    versions: Sequence[VersionRow]
    release: tuple[str, datetime] | None
    firings: Sequence[OpenFiring] = ()
    state: ModelState = "ok"
    predictions_last_week: int = 0


@dataclass(frozen=True)
class Overview:
    """What the start page says.

    Attributes
    ----------
    now : the moment of the answer.
    models : those with trouble first.
    firings : those that concern no model.
    newest_cycle : end of the newest cycle that an agent finished; None = not within 30 days.
    """

    now: datetime
    models: Sequence[ModelRow]
    firings: Sequence[OpenFiring] = field(default=())
    newest_cycle: datetime | None = None

    @property
    def agent_is_silent(self) -> bool:
        """Whether no agent has finished a cycle for ten minutes: then all that the page says is old."""
        return self.newest_cycle is None or self.now - self.newest_cycle > AGENT_SILENT_AFTER

    @property
    def troubled(self) -> list[ModelRow]:
        """The models that need attention."""
        return [row for row in self.models if row.state != "ok"]


def searches(now: datetime, span: timedelta = SPAN) -> list[Search]:
    """Return the searches (index, body); `overview` reads their answers in this order.

    Parameters
    ----------
    span : the time that is counted, a day or a week; it is compared with the same time a week before.
    """
    day, month = Interval(now - span, now), Interval(now - LONGEST_LOOK_BACK, now)
    a_week_ago = Interval(day.start - WEEK, day.end - WEEK)
    newest = {"newest": {"max": {"field": "@timestamp"}}}
    ends = {"newest": {"max": {"field": "window_end"}}}
    open_states = {"terms": {"state": [STATE_PENDING, STATE_ACTIVE]}}
    starts = {"bool": {"must_not": [{"term": {"source": SOURCE_SERVER}}]}}
    release = {"release": {"top_hits": {"size": 1, "sort": [{"@timestamp": "desc"}]}}}
    verdict = {"verdict": {"top_hits": {"size": 1, "sort": [{"@timestamp": "desc"}]}}}
    everything = {"term": {"segment": ALL_SEGMENT}}
    return [
        (PERFORMANCE.alias, _counted([_base(), within(day)], {"versions": _by_version(_SUMS)})),
        (PERFORMANCE.alias, _counted([_base(), within(a_week_ago), _over_all()], _SUMS)),
        (PERFORMANCE.alias, _counted([_base(), within(month), _over_all()], ends)),
        (PREDICTIONS.alias, _counted([within(day)], newest)),
        (
            VERDICTS.alias,
            _counted([everything, within(Interval(now - VERDICT_LOOK_BACK, now))], {"versions": _by_version(verdict)}),
        ),
        (RELEASES.name, _counted([starts], release)),
        (ALERTS.alias, {"size": MOST_FIRINGS, "query": open_states}),
        (CYCLES.alias, {"size": 0, "query": {"bool": {"filter": [{"term": {"outcome": "done"}}]}}, "aggs": newest}),
    ]


_OF_MODELS = ("today", "week", "ends", "events", "verdicts", "releases")
"""The searches that count by model, in order."""

_SUMS: dict[str, Any] = {name: {"sum": {"field": name}} for name in ("predictions", "n", "tp", "fp", "fn", "tn")} | {
    **{name: {"weighted_avg": {"value": {"field": name}, "weight": {"field": "n"}}} for name in (ACCURACY, MAE)},
    "kinds": {"terms": {"field": "prediction_kind", "size": 3}},
    "lost_lines": {"sum": {"field": "lost_lines"}},
    "coverage": {"avg": {"field": "coverage"}},
    "judged_by": {"terms": {"field": "judged_by", "size": 1}},
}


def _base() -> dict[str, Any]:
    return {"bool": {"filter": [{"term": {"is_base_window": True}}, {"term": {"segment": ALL_SEGMENT}}]}}


def _over_all() -> dict[str, Any]:
    return {"term": {"model_version": ALL_VERSIONS}}


def _by_version(aggs: Mapping[str, Any]) -> dict[str, Any]:
    return {"terms": {"field": "model_version", "size": MOST_VERSIONS}, "aggs": dict(aggs)}


def _counted(filters: Sequence[Mapping[str, Any]], aggs: Mapping[str, Any]) -> dict[str, Any]:
    models = {"terms": {"field": "model_name", "size": MOST_MODELS}, "aggs": dict(aggs)}
    query = {"bool": {"filter": list(filters)}}
    return {"size": 0, "track_total_hits": False, "query": query, "aggs": {"models": models}}


def overview(answers: Sequence[Mapping[str, Any]], now: datetime) -> Overview:
    """Return the overview from the answers to `searches`."""
    *of_models, firings, cycles = answers
    by_model = dict(zip(_OF_MODELS, map(_models, of_models), strict=True))
    opened = [_firing(hit["_id"], hit["_source"]) for hit in firings.get("hits", {}).get("hits", ())]
    alerted = (firing.model for firing in opened if firing.model)
    names = dict.fromkeys([*by_model["today"], *by_model["ends"], *alerted])
    rows = [
        _row(name, {search: models.get(name, {}) for search, models in by_model.items()}, opened, now) for name in names
    ]
    cycle = cycles.get("aggregations", {}).get("newest", {}).get("value")
    return Overview(
        now,
        sorted(rows, key=lambda row: (STATES.index(row.state), row.name)),
        [firing for firing in opened if not firing.model],
        None if cycle is None else instants.parse(cycle),
    )


def _models(answer: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    buckets = answer.get("aggregations", {}).get("models", {}).get("buckets", ())
    return {bucket["key"]: bucket for bucket in buckets}


def _firing(identifier: str, document: Document) -> OpenFiring:
    return OpenFiring(
        id=identifier,
        alert=document["rule"]["name"],
        title=document["rule"]["description"],
        message=document.get("message", ""),
        state=document["state"],
        severity=document["severity"],
        model=document.get("model_name") or "",
        version=document.get("model_version") or "",
        segment=segment_name(document.get("segment") or ""),
        since=instants.parse(document["event"]["start"]),
        inhibited_by=document.get("inhibited_by") or (),
        dashboard=document.get("dashboard", ""),
    )


def _row(name: str, buckets: Mapping[str, Document], opened: Sequence[OpenFiring], now: datetime) -> ModelRow:
    by_version = {bucket["key"]: bucket for bucket in buckets["today"].get("versions", {}).get("buckets", ())}
    judged = buckets["verdicts"].get("versions", {}).get("buckets", ())
    verdicts = {bucket["key"]: _hit(bucket, "verdict") for bucket in judged}
    whole = by_version.get(ALL_VERSIONS, {})
    newest = buckets["events"].get("newest", buckets["ends"].get("newest", {})).get("value")
    moment = None if newest is None else instants.parse(newest)
    of_model = [firing for firing in opened if firing.model == name]
    single = sorted(by_version.keys() - {ALL_VERSIONS}, key=version_order, reverse=True)
    release = _hit(buckets["releases"], "release")
    return ModelRow(
        name=name,
        newest=moment,
        predictions=_whole_number(whole, "predictions"),
        figure=_figure(whole),
        last_week=_figure(buckets["week"]),
        coverage=whole.get("coverage", {}).get("value"),
        lost_lines=_whole_number(whole, "lost_lines"),
        versions=[_version_row(version, by_version[version], verdicts.get(version, {}), now) for version in single],
        release=(release["model_version"], instants.parse(release["@timestamp"])) if release else None,
        firings=sorted(of_model, key=lambda firing: (firing.state != STATE_ACTIVE, firing.severity, firing.since)),
        state=_state(of_model, moment, now),
        predictions_last_week=_whole_number(buckets["week"], "predictions"),
    )


def _state(firings: Sequence[OpenFiring], newest: datetime | None, now: datetime) -> ModelState:
    active = [firing for firing in firings if firing.state == STATE_ACTIVE]
    if any(firing.severity == CRITICAL for firing in active):
        return "critical"
    if newest is None or now - newest > SILENT_AFTER:
        return "silent"
    return "warning" if active else "ok"


def _version_row(version: str, bucket: Document, verdict: Document, now: datetime) -> VersionRow:
    judged = instants.parse(verdict["@timestamp"]) if verdict else now
    is_old = now - judged > VERDICT_AGE
    fallen = _fallen(verdict)
    return VersionRow(
        version=version,
        predictions=_whole_number(bucket, "predictions"),
        figure=_figure(bucket),
        against=verdict.get("against") or "",
        against_version=verdict.get("against_version") or "",
        fallen=[] if is_old else fallen,
        broken=() if is_old else broken_of(verdict),
        old_verdict=OldVerdict(judged, bool(fallen)) if is_old else None,
    )


def _fallen(verdict: Document) -> list[FallenMeasure]:
    return [
        FallenMeasure(
            name,
            verdict[name],
            verdict[f"{name}_reference"],
            instants.parse(verdict[f"{name}_since"]),
            _drop(verdict, name),
        )
        for name in MEASURES
        if (verdict.get(f"{name}_fall") or 0) > 0 and verdict.get(f"{name}_since") is not None
    ]


def _drop(verdict: Document, name: str) -> ConfidenceInterval | None:
    low, high = verdict.get(f"{name}_drop_low"), verdict.get(f"{name}_drop_high")
    return None if low is None or high is None else ConfidenceInterval(low, high)


def _figure(bucket: Document) -> FigureOfADay:
    kinds = [kind["key"] for kind in bucket.get("kinds", {}).get("buckets", ())]
    count = _whole_number(bucket, "n")
    if kinds == [REGRESSION]:
        return FigureOfADay(MAE, bucket[MAE]["value"] if count else None)
    if kinds == [MULTICLASS]:
        return _share(ACCURACY, round(count * (bucket[ACCURACY]["value"] or 0)), count)
    judged_by = bucket.get("judged_by", {}).get("buckets", ())
    positives = _whole_number(bucket, "tp") + _whole_number(bucket, "fn")
    labelled = positives + _whole_number(bucket, "fp") + _whole_number(bucket, "tn")
    return _share(rate_name(judged_by[0]["key"] if judged_by else CLICK), positives, labelled)


def _share(name: str, successes: int, count: int) -> FigureOfADay:
    interval = wilson_interval(successes, count)
    if not isinstance(interval, ConfidenceInterval):
        return FigureOfADay(name)
    return FigureOfADay(name, successes / count, interval)


def _whole_number(bucket: Document, name: str) -> int:
    return int(bucket.get(name, {}).get("value") or 0)


def _hit(bucket: Document, name: str) -> Document:
    hits = bucket.get(name, {}).get("hits", {}).get("hits", ())
    source: Document = hits[0]["_source"] if hits else {}
    return source
