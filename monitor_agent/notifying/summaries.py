"""Daily and weekly summaries: when one is due, and what it says (pure)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from monitor_agent.alerting.firings import Firing
from monitor_agent.contracts.alert import STATE_ACTIVE
from monitor_agent.contracts.printable import printable
from monitor_agent.notifying.outbox import SUMMARY, Batch, Outbox
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.documents import hashed_id
from monitor_agent.pipeline.instants import DAY, WEEK, Interval
from monitor_agent.pipeline.model_overview import ModelRow, Overview, VersionRow
from monitor_agent.settings import NotifySettings
from monitor_agent.settings.notify_settings import summary_time

DAILY, WEEKLY = "daily", "weekly"
SPANS = {WEEKLY: WEEK, DAILY: DAY}
LATEST = timedelta(hours=12)
"""A summary that is late by more is left out: the next one comes soon."""


@dataclass(frozen=True)
class DueSummary:
    """A summary that is due.

    Attributes
    ----------
    name : `daily` or `weekly`.
    due : the end of the time that it is about.
    """

    name: str
    due: datetime

    def interval(self, settings: NotifySettings) -> Interval:
        """Return the time that it is about: from the hour of the summary before, also if the clocks changed since."""
        zone = ZoneInfo(settings.summary_time_zone)
        _, hour = summary_time(settings.summary_daily if self.name == DAILY else settings.summary_weekly)
        local = self.due.astimezone(zone)
        before = datetime.combine(local.date() - SPANS[self.name], hour or local.time(), zone)
        return Interval(before.astimezone(self.due.tzinfo), self.due)

    @property
    def about(self) -> str:
        """What a batch keeps of it."""
        return f"{self.name} {instants.text(self.due)}"

    @classmethod
    def of(cls, batch: Batch) -> DueSummary:
        """Return the summary of a batch."""
        name, _, due = batch.about.partition(" ")
        return cls(name, instants.parse(due))


def due_summaries(settings: NotifySettings, now: datetime) -> list[DueSummary]:
    """Return the newest summary of each kind, if it is not too late for it.

    >>> settings = NotifySettings(summary_daily="07:00", summary_time_zone="Europe/Berlin")
    >>> [row.about for row in due_summaries(settings, datetime(2026, 7, 1, 9, tzinfo=ZoneInfo("UTC")))]
    ['daily 2026-07-01T05:00:00Z']
    """
    zone, rows = ZoneInfo(settings.summary_time_zone), []
    for name, text in ((WEEKLY, settings.summary_weekly), (DAILY, settings.summary_daily)):
        weekday, hour = summary_time(text)
        if hour is None:
            continue
        local = now.astimezone(zone)
        for days in range(8):
            day = local.date() - timedelta(days=days)
            due = datetime.combine(day, hour, zone).astimezone(now.tzinfo)
            if due <= now and weekday in (None, day.weekday()):
                rows.append(DueSummary(name, due))
                break
    return [row for row in rows if now - row.due < LATEST]


def without_late_summary(outbox: Outbox, now: datetime) -> Outbox:
    """Return an outbox without the summary on its way, if that is too late, or nobody can read which one it is."""
    batch = outbox.batch
    if batch is None or not batch.about:
        return outbox
    try:
        summary = DueSummary.of(batch)
        is_due = summary.name in SPANS and now - summary.due < LATEST
    except ValueError:
        is_due = False
    return outbox if is_due else dataclasses.replace(outbox, batch=None)


def next_summary(outbox: Outbox, due: Iterable[DueSummary]) -> Batch | None:
    """Return the summary that a channel gets next; None if it has got all of them."""
    for row in due:
        if row.due > outbox.began and outbox.summaries.get(row.name, "") < instants.text(row.due):
            return Batch(hashed_id(SUMMARY, row.about), SUMMARY, (), about=row.about)
    return None


def summary_content(
    name: str, overview: Overview, firings: Sequence[Firing], interval: Interval, models: Iterable[str] | None
) -> dict[str, Any]:
    """Return what a template may say.

    Parameters
    ----------
    name : `daily` or `weekly`.
    firings : those that became active or recovered in the time of the summary, or are active.
    interval : the time of the summary.
    models : the models that the channel is told of; None = all.
    """
    named = None if models is None else set(models)
    rows = [row for row in overview.models if named is None or row.name in named]
    changes = {row.name: _alert_words(firings, row.name, interval) for row in rows}
    common = _alert_words(firings, "", interval)
    return {
        "name": name,
        "start": interval.start,
        "end": interval.end,
        "models": [_model(row, changes[row.name]) for row in rows],
        "common": common,
        "fallen": sum(bool(version.fallen) for row in rows for version in row.versions),
        "active": sum(len(words["active"]) for words in (common, *changes.values())),
    }


def _model(row: ModelRow, alerts: Mapping[str, list[str]]) -> dict[str, Any]:
    value, before = row.figure.value, row.last_week.value
    traffic, earlier = row.predictions, row.predictions_last_week
    return {
        "name": printable(row.name),
        "state": row.state,
        "newest": row.newest,
        "predictions": traffic,
        "traffic_change": traffic / earlier - 1 if earlier else None,
        "figure": row.figure.name,
        "is_share": row.figure.is_share,
        "value": value,
        "before": before,
        "change": value / before - 1 if value is not None and before else None,
        "fallen": [fallen for version in row.versions for fallen in _fallen(version)],
        **alerts,
    }


def _fallen(version: VersionRow) -> list[dict[str, Any]]:
    return [
        {
            "version": printable(version.version),
            "against": printable(version.against_version),
            **dataclasses.asdict(row),
        }
        for row in version.fallen
    ]


def _alert_words(firings: Iterable[Firing], model: str, interval: Interval) -> dict[str, list[str]]:
    """Return the alerts of a model that opened and recovered in a time, and those that are active."""
    of_model = [row for row in firings if row.model == model]
    words = {row.id: printable("/".join([row.rule, *(value for _, value in row.group[1:])])) for row in of_model}
    return {
        "opened": [words[row.id] for row in of_model if row.active_since and interval.holds(row.active_since)],
        "recovered": [words[row.id] for row in of_model if row.end and interval.holds(row.end)],
        "active": [words[row.id] for row in of_model if row.state == STATE_ACTIVE],
    }
