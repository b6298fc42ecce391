"""The stored documents that a replay of alerts reads: each once, by searches over ranges."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from monitor_agent.alerting import kql
from monitor_agent.alerting.conditions import SIZE, measurement_filters, stays_open
from monitor_agent.alerting.definitions import Alert
from monitor_agent.alerting.firings import Group
from monitor_agent.alerting.look_back import wait_for_values
from monitor_agent.alerting.replay import CountedDocument
from monitor_agent.contracts.cycle import CYCLES, OUTCOME_DONE
from monitor_agent.durations import parse_duration
from monitor_agent.es.gateway import Gateway
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import EPOCH, MILLISECOND, WEEK, Interval
from monitor_agent.settings import AgentSettings

PAGE = 10_000
_MILLISECONDS = "epoch_millis"
_DATES = ("@timestamp", "window_end")


class AlertHistory:
    """Reads what an alert would have counted.

    Parameters
    ----------
    settings_of : model and moment -> the settings that decide when the labels of its windows are there.
    """

    def __init__(self, gateway: Gateway, settings_of: Callable[[str, datetime], AgentSettings]) -> None:
        self._gateway = gateway
        self._settings_of = settings_of
        self._measurements: dict[tuple[str, Group, datetime], list[Mapping[str, list[datetime]]]] = {}

    def documents(self, alert: Alert, interval: Interval) -> Iterator[CountedDocument]:
        """Yield the documents with a time in an interval that meet an alert's condition.

        Raises
        ------
        ElasticsearchError
            If Elasticsearch cannot be searched.
        """
        times = instants.range_filter("@timestamp", gte=interval.start, lt=interval.end)
        for fields in self._rows(alert, [times, kql.query(alert.where)]):
            time, end = fields["@timestamp"], fields.get("window_end")
            group = tuple((name, str(fields[name])) for name in alert.group_by if name in fields)
            if len(group) < len(alert.group_by):
                continue
            settings = self._settings_of(str(fields.get("model_name", "")), time)
            available = time if end is None else end + wait_for_values(alert, settings)
            values = tuple(None if fields.get(name) is None else float(fields[name]) for name in alert.values)
            until = time + alert.look_back_for(str(fields.get(SIZE, "")))
            yield CountedDocument(group, time, available, until, end, values)

    def stays_open(self, alert: Alert, group: Group, now: datetime) -> bool:
        """Return whether an open firing of a group did not recover at a moment, as `conditions.staying_open` says.

        Raises
        ------
        ElasticsearchError
            If Elasticsearch cannot be searched.
        """
        if not alert.values or not alert.group_by:
            return False
        earliest = now - parse_duration(alert.look_back)
        first, last = ((moment - EPOCH) // WEEK for moment in (earliest, now))
        weeks = [self._measured_in(alert, group, EPOCH + number * WEEK) for number in range(first, last + 1)]
        present, measured, holding = (
            any(
                _has_one(times, now - alert.look_back_for(size), now)
                for week in weeks
                for size, times in week[number].items()
            )
            for number in range(len(weeks[0]))
        )
        return stays_open(present, measured, holding)

    def _measured_in(self, alert: Alert, group: Group, week: datetime) -> list[Mapping[str, list[datetime]]]:
        """Return the times of a group's documents in a week, of those with measured values, and of those that hold.

        The times are by the size of the documents' windows.
        """
        key = (alert.id, group, week)
        if key not in self._measurements:
            times = instants.range_filter("@timestamp", gte=week, lt=week + WEEK)
            groups: list[dict[str, Any]] = [{"term": {name: value}} for name, value in group]
            present, *further = measurement_filters(alert)
            filters = [times, *groups, present]
            self._measurements[key] = [
                self._times(alert, filters),
                *(self._times(alert, [*filters, condition]) for condition in further),
            ]
        return self._measurements[key]

    def _times(self, alert: Alert, filters: list[dict[str, Any]]) -> Mapping[str, list[datetime]]:
        times: dict[str, list[datetime]] = {}
        for fields in self._rows(alert, filters):
            times.setdefault(str(fields.get(SIZE, "")), []).append(fields["@timestamp"])
        return {size: sorted(of_size) for size, of_size in times.items()}

    def _rows(self, alert: Alert, filters: list[dict[str, Any]]) -> Iterator[Mapping[str, Any]]:
        sizes = [SIZE] if alert.look_backs else []
        names = dict.fromkeys(("model_name", *sizes, *alert.group_by, *alert.values))
        body = {
            "query": {"bool": {"filter": filters}},
            "_source": False,
            "docvalue_fields": [*({"field": name, "format": _MILLISECONDS} for name in _DATES), *names],
        }
        for hit in self._gateway.scan(alert.index, body, PAGE):
            fields = {name: values[0] for name, values in hit.get("fields", {}).items()}
            yield fields | {name: instants.parse(float(fields[name])) for name in _DATES if name in fields}


def times_without_cycles(gateway: Gateway, interval: Interval, length: timedelta) -> list[Interval]:
    """Return the times in an interval for which no finished cycle is stored: the agent evaluated nothing then.

    Parameters
    ----------
    length : the shortest time that is found; longer than the time between two cycles.

    Raises
    ------
    ElasticsearchError
        If Elasticsearch cannot be searched.
    """
    times = {"field": "@timestamp", "fixed_interval": f"{length // MILLISECOND}ms", "min_doc_count": 1}
    in_time = instants.range_filter("@timestamp", gte=interval.start, lt=interval.end)
    body = {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": [{"term": {"outcome": OUTCOME_DONE}}, in_time]}},
        "aggs": {"times": {"date_histogram": times}},
    }
    buckets = gateway.search(CYCLES.alias, body).get("aggregations", {}).get("times", {}).get("buckets", [])
    with_cycles = {instants.parse(bucket["key"]) for bucket in buckets}
    without: list[Interval] = []
    start = EPOCH + (interval.start - EPOCH) // length * length
    while start < interval.end:
        if start not in with_cycles:
            time = Interval(max(start, interval.start), min(start + length, interval.end))
            if without and without[-1].end == time.start:
                time = Interval(without.pop().start, time.end)
            without.append(time)
        start += length
    return without


def _has_one(times: list[datetime], earliest: datetime, now: datetime) -> bool:
    return bisect_right(times, now) > bisect_left(times, earliest)
