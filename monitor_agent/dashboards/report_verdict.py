"""The first page of a report in words: is everything all right, what fell, since when, how sure that is; the alerts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor_agent.contracts.alert import ALERTS, STATE_RECOVERED
from monitor_agent.contracts.performance import segment_name
from monitor_agent.contracts.verdict import ANSWERED, RATE
from monitor_agent.dashboards import start_page
from monitor_agent.es.gateway import Gateway
from monitor_agent.kibana.times import TimeRange
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.model_overview import FallenMeasure, ModelRow, Overview, VersionRow, overview, searches
from monitor_agent.vocabulary.counted_nouns import counted

MOST_ALERTS = 500
TIME = "%Y-%m-%d %H:%M"


@dataclass(frozen=True)
class ModelVerdict:
    """A model in words: its state, as `ModelRow` has it, and sentences, the most important first."""

    name: str
    state: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class ReportedAlert:
    """A firing that was active in the range of the report.

    Attributes
    ----------
    version : with the segment that it is about; empty = all.
    until : `active`, or the time of its recovery.
    message : one sentence about what happened.
    """

    severity: str
    title: str
    model: str
    version: str
    since: str
    until: str
    message: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of a table; see `ALERT_COLUMNS`."""
        return (self.severity, self.title, self.model or "all", self.version or "all", self.since, self.until)


ALERT_COLUMNS = ("Severity", "Alert", "Model", "Version", "Active since (UTC)", "Until (UTC)")


@dataclass(frozen=True)
class Verdict:
    """The first page.

    Attributes
    ----------
    time : the range of the alerts.
    moment : the end of the range, or the time of the report if that is earlier.
    good : whether nothing needs attention.
    problem : why models and alerts could not be read; empty = they were.
    """

    time: TimeRange
    moment: datetime
    headline: str
    good: bool
    models: tuple[ModelVerdict, ...]
    alerts: tuple[ReportedAlert, ...]
    problem: str = ""

    @property
    def instead_of_alerts(self) -> str:
        """The line in the place of the alerts; empty if there are some."""
        return "" if self.alerts else self.problem or "No alert was active in this time."


def unread_verdict(time: TimeRange, now: datetime, reason: str) -> Verdict:
    """Return the first page of a report whose models could not be read: it is never "all right"."""
    return Verdict(time, min(now, time.end), "The models were not read.", False, (), (), f"Not read: {reason}")


def read_verdict(gateway: Gateway, time: TimeRange, now: datetime) -> Verdict:
    """Return the verdict at the end of a range, and the alerts that were active in it, by one request.

    Raises
    ------
    ElasticsearchError
        If a search fails.
    """
    moment = min(now, time.end)
    *answers, alerts = gateway.msearch([*searches(moment), (ALERTS.alias, _alerts_within(time))])
    return verdict(overview(answers, moment), time, alerts)


def _alerts_within(time: TimeRange) -> dict[str, Any]:
    start, end = instants.text(time.start), instants.text(time.end)
    query = {
        "filter": [{"range": {"active_since": {"lte": end}}}],
        "must_not": [{"range": {"event.end": {"lt": start}}}],
    }
    return {"size": MOST_ALERTS, "sort": [{"active_since": "desc"}], "query": {"bool": query}}


def range_words(time: TimeRange) -> str:
    """Return a time range in words."""
    return f"{time.start.strftime(TIME)} to {time.end.strftime(TIME)} UTC"


def verdict(page: Overview, time: TimeRange, alerts: Mapping[str, Any]) -> Verdict:
    """Return the verdict from the overview and from the answer to the search for alerts."""
    active = sorted((hit["_source"] for hit in alerts.get("hits", {}).get("hits", ())), key=_is_over)
    return Verdict(
        time=time,
        moment=page.now,
        headline=start_page.headline(page),
        good=not page.troubled and not page.firings,
        models=tuple(_model(row, page.now) for row in page.models),
        alerts=tuple(_alert(firing) for firing in active),
    )


def _is_over(firing: Mapping[str, Any]) -> tuple[bool, str]:
    return firing["state"] == STATE_RECOVERED, firing["severity"]


def _alert(firing: Mapping[str, Any]) -> ReportedAlert:
    end = firing["event"].get("end")
    about = (firing.get("model_version") or "", segment_name(firing.get("segment") or ""))
    return ReportedAlert(
        severity=firing["severity"],
        title=firing["rule"]["description"],
        model=firing.get("model_name") or "",
        version=", ".join(name for name in about if name),
        since=instants.parse(firing["active_since"]).strftime(TIME),
        until=instants.parse(end).strftime(TIME) if end else "active",
        message=firing.get("message", ""),
    )


def _model(row: ModelRow, now: datetime) -> ModelVerdict:
    sentences = [_fallen(version, measure) for version in row.versions for measure in version.fallen]
    if row.state == "silent":
        sentences.insert(0, f"It is silent: its newest event came {start_page.age(row.newest, now)}.")
    if row.firings:
        count = len(row.firings)
        titles = ", ".join(dict.fromkeys(firing.title for firing in row.firings))
        sentences.append(f"{count} {'alert is' if count == 1 else 'alerts are'} open: {titles}.")
    return ModelVerdict(row.name, row.state, (*sentences, _figures(row)))


def _fallen(version: VersionRow, measure: FallenMeasure) -> str:
    words = start_page.fall(measure, version.figure)
    sure = ""
    if measure.drop:
        low, high = measure.drop.low, measure.drop.high
        is_share = measure.name in (RATE, ANSWERED)
        sure = (
            f" (lower by {100 * low:.2f} to {100 * high:.2f} pp" if is_share else f" (lower by {low:.3f} to {high:.3f}"
        )
        sure += ", 95 % interval; not by chance)"
    return (
        f"Version {version.version} against {start_page.reference_of(version)}: {words} since "
        f"{measure.since.strftime(TIME)} UTC{sure}."
    )


def _figures(row: ModelRow) -> str:
    """Return the last day in one sentence."""
    name, figure = start_page.figure_title(row.figure), start_page.figure(row.figure)
    bounds = start_page.bounds(row.figure)
    change = start_page.change(row.figure, row.last_week)
    return (
        f"Last 24 hours: {counted(row.predictions, 'prediction')}; {name} {figure}"
        + (f" ({bounds})" if bounds else "")
        + (f", {change} against the same day of last week" if change else "")
        + "."
    )
