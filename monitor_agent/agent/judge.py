"""Verdicts on all models, once they are due: every few minutes, and on segments every hour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from typing import Any
from zoneinfo import ZoneInfo

from monitor_agent.agent.groups import ModelGroups
from monitor_agent.contracts.model_names import ALL_VERSIONS
from monitor_agent.contracts.performance import ALL_SEGMENT
from monitor_agent.contracts.verdict import EARLY, FINAL
from monitor_agent.es.broken_feature_store import BrokenFeatureStore
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.verdict_store import Hours, VerdictStore
from monitor_agent.es.wrong_types import refused_windows
from monitor_agent.metrics.early_positives import EARLY_AGE
from monitor_agent.pipeline.broken_features import quality_fields
from monitor_agent.pipeline.drift_references import DriftReference
from monitor_agent.pipeline.drift_verdicts import OF, drift_by_version, newest_since
from monitor_agent.pipeline.instants import DAY, EPOCH, HOUR, WEEK, Interval, merged
from monitor_agent.pipeline.labels import judged_by_early_clicks
from monitor_agent.pipeline.lease_table import Assignment
from monitor_agent.pipeline.slo import slo_fields, slo_lengths
from monitor_agent.pipeline.stretches import Counts, PastWeeks, earlier_holidays
from monitor_agent.pipeline.verdicts import Judgement, verdicts
from monitor_agent.pipeline.windows import Calendar, Window
from monitor_agent.settings import AgentSettings
from monitor_agent.settings.holidays import holiday_dates

SHORTEST = timedelta(minutes=5)
"""Verdicts are due no more often: each look costs false alarms."""

LOOK_BACK, OF_SEGMENTS = 14 * DAY, 2 * DAY
"""How long a fall may take until it is sure."""

RECENT = DAY
"""In this time a fall may begin between two hours."""

WEEKS = 8
"""The same hours of so many weeks are the reference."""

_Groups = dict[tuple[str, str], dict[datetime, Counts]]


class Judge:
    """Writes verdicts; what it remembers only saves searches."""

    def __init__(self, gateway: Gateway, groups: ModelGroups) -> None:
        self._gateway = gateway
        self._store = VerdictStore(gateway)
        self._features = BrokenFeatureStore(gateway)
        self._groups = groups
        self._judged: dict[tuple[str, bool], datetime] = {}

    def judge(self, now: datetime, assignment: Assignment | None = None) -> int:
        """Write the verdicts that are due and return how many there were.

        Parameters
        ----------
        assignment : the models that are judged; None = all.

        Raises
        ------
        ElasticsearchError
            If Elasticsearch cannot be searched or written.
        """
        models = self._store.models(now - LOOK_BACK)
        return sum(self._judge(model, now) for model in models if assignment is None or assignment.includes(model))

    def _judge(self, model: str, now: datetime) -> int:
        settings = self._groups.settings_at(model, now)
        length = max(SHORTEST, settings.base_window)
        wait = EARLY_AGE + settings.ingest_grace
        size = next((size for size in (settings.base_window, *settings.larger_windows) if size >= HOUR), None)
        if size is None or size % HOUR:
            return 0
        until = EPOCH + (now - wait - EPOCH) // length * length
        written = 0
        hour = EPOCH + (until - EPOCH) // size * size
        first_seen: dict[str, datetime] = {}
        for segments, end, step in ((False, until, length), (True, hour, size)):
            if self._judged.get((model, segments)) == end or (segments and not settings.segments):
                continue
            groups, past = self._read(model, settings, size, end, segments)
            if not segments:
                first_seen = {
                    version: EPOCH if min(stretches) < end - LOOK_BACK + DAY else min(stretches)
                    for (version, _), stretches in groups.items()
                    if stretches
                }
            judgement = Judgement(model, end + wait, end, step, _counted(settings), first_seen, segments)
            further = {} if segments else self._further(model, settings, end, groups)
            written += self._store.write(verdicts(judgement, groups, past, further))
            self._judged[model, segments] = end
        return written

    def _further(
        self, model: str, settings: AgentSettings, until: datetime, groups: _Groups
    ) -> dict[str, dict[str, Any]]:
        """Return the fields of each version about all segments together: drift, broken features, objectives.

        Versions of which all lines are refused are added to the groups: they are served, and have no windows.
        """
        further = self._of_features(model, settings, until, groups)
        counts = self._store.requests(model, until, slo_lengths(settings))
        if counts:
            further[ALL_VERSIONS] = {**further.get(ALL_VERSIONS, {}), **slo_fields(settings, counts)}
        return further

    def _of_features(
        self, model: str, settings: AgentSettings, until: datetime, groups: _Groups
    ) -> dict[str, dict[str, Any]]:
        calendar = Calendar(settings)
        sizes = [name for name, size in zip(calendar.names, calendar.sizes, strict=True) if size >= HOUR]
        longest = max(settings.larger_windows, default=settings.base_window)
        rows = self._store.drift(model, sizes, Interval(newest_since(sizes[0], until) - 2 * longest, until))
        drift = drift_by_version(rows, sizes, until)
        stored = self._groups.at(model, until).references

        def references() -> Sequence[DriftReference]:
            return stored.of(model)

        refused = refused_windows(self._gateway, model, _newest_windows(calendar, sizes[0], until), references)
        for row in refused:
            groups.setdefault((row.version, ALL_SEGMENT), {}).setdefault(row.start, Counts())
        quality = quality_fields(self._features.broken(model, sizes, until, references, refused))
        return {version: drift.get(version, {}) | quality.get(version, {}) for version in {*drift, *quality}}

    def _read(
        self, model: str, settings: AgentSettings, size: timedelta, until: datetime, segments: bool
    ) -> tuple[_Groups, dict[str, PastWeeks]]:
        counted, calendar = _counted(settings), Calendar(settings)
        look_back = OF_SEGMENTS if segments else LOOK_BACK
        interval = Interval(EPOCH + (until - look_back - EPOCH) // size * size, until)
        zone, holidays = ZoneInfo(settings.time_zone), holiday_dates(settings.holidays)
        past = _past(interval, zone, holidays)
        size_name = calendar.names[calendar.sizes.index(size)]
        rows = self._store.hours(model, Hours(size_name, interval, past, segments), counted)
        groups: _Groups = {}
        hours: dict[str, dict[datetime, Counts]] = {}
        cut = until if segments else EPOCH + (until - RECENT - EPOCH) // HOUR * HOUR
        fine = not segments and counted == EARLY and settings.base_window < size
        for version, segment, start, counts in rows:
            if version == ALL_VERSIONS:
                hours.setdefault(segment, {})[start] = counts
            if start + size <= until and start >= interval.start:
                # Values, such as AUCs, are those of hours; rates of the last day are those of shorter stretches.
                counts_of_hour = Counts({}, counts.values) if fine and start >= cut else counts
                groups.setdefault((version, segment), {})[start] = counts_of_hour
        if fine:
            length = max(SHORTEST, settings.base_window)
            last_day = Interval(cut, until)
            for version, segment, start, counts in self._store.recent(model, calendar.base, last_day, length):
                stretches = groups.setdefault((version, segment), {})
                before = stretches.get(start, Counts())
                stretches[start] = Counts(counts.pairs, before.values)
        return groups, {segment: PastWeeks(of_segment, zone, WEEKS, holidays) for segment, of_segment in hours.items()}


def _past(interval: Interval, zone: ZoneInfo, holidays: frozenset[date]) -> list[Interval]:
    """Return the times that an interval is compared with: the past weeks, and for its holidays the earlier ones."""
    # Two hours more on both sides: the clocks may have changed in between.
    weeks = [
        Interval(interval.start - week * WEEK - 2 * HOUR, interval.end - week * WEEK + 2 * HOUR)
        for week in range(1, WEEKS + 1)
    ]
    first, last = (moment.astimezone(zone).date() for moment in (interval.start, interval.end))
    earlier = {
        day for holiday in holidays if first <= holiday <= last for day in earlier_holidays(holidays, holiday, WEEKS)
    }
    midnights = [datetime.combine(day, clock_time(), zone).astimezone(EPOCH.tzinfo) for day in earlier]
    return merged([*weeks, *(Interval(start - 2 * HOUR, start + DAY + 2 * HOUR) for start in midnights)])


def _newest_windows(calendar: Calendar, size: str, until: datetime) -> list[Window]:
    """Return the newest windows of a size that have ended, the newest first."""
    windows: list[Window] = []
    moment = until
    while len(windows) < OF:
        window = calendar.window(size, moment - timedelta(microseconds=1))
        windows += [window] if window.end <= until else []
        moment = window.start
    return windows


def _counted(settings: AgentSettings) -> str:
    """Return which positives count: early ones, if a missing click soon means that there is none."""
    return EARLY if judged_by_early_clicks(settings) else FINAL
