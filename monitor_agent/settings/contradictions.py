"""Settings that contradict each other: each pair is named with its values and with what to change (pure).

A value that is wrong whatever the others are is refused where it is read. Here are values that are right alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

from monitor_agent.durations import format_duration, in_days
from monitor_agent.errors import SettingsError
from monitor_agent.settings.conversion import as_text
from monitor_agent.settings.sections import AgentSettings, Settings
from monitor_agent.settings.server_settings import ServerSettings
from monitor_agent.settings.setting_info import info_of

DAY = timedelta(days=1)
ZONE_YEARS = range(2015, 2041)
"""The years whose changes of the clock are looked at: those of all events that are stored, and of those to come."""


@dataclass(frozen=True)
class Contradiction:
    """Settings that cannot hold together.

    Attributes
    ----------
    variables : their environment variables.
    finding : the settings with their values, and why they contradict each other.
    remedy : what to change.
    """

    variables: tuple[str, ...]
    finding: str
    remedy: str

    @property
    def of_server(self) -> bool:
        """Whether all of them are settings of the model server."""
        return {*self.variables} <= {info_of(entry).variable for entry in fields(ServerSettings)}


def contradictions_of(settings: Settings) -> list[Contradiction]:
    """Return the contradictions among all settings; the first one is the most harmful.

    >>> contradictions_of(Settings())
    []
    """
    return [*contradictions_of_agent(settings.agent), *_of_server(settings.server)]


def contradictions_of_agent(agent: AgentSettings) -> list[Contradiction]:
    """Return the contradictions among the settings of a process and of a model, `with_model`."""
    return [*_of_retention(agent), *_of_windows(agent)]


def refuse(contradictions: Iterable[Contradiction]) -> None:
    """Refuse settings that contradict each other.

    Raises
    ------
    SettingsError
        If there is a contradiction: it names the first one, and how many more there are.
    """
    rows = list(contradictions)
    if rows:
        more = f" (contradictions in all: {len(rows)}; `monitor-agent check` lists them)" if len(rows) > 1 else ""
        raise SettingsError(rows[0].finding, rows[0].remedy + more)


def _of_retention(agent: AgentSettings) -> Iterator[Contradiction]:
    """Yield what the deletion of events and metrics contradicts."""
    events, metrics = agent.retention_events, agent.retention_metrics
    wait = agent.attribution_window + agent.ingest_grace
    if wait > events:
        yield _contradiction(
            agent,
            ("attribution_window", "ingest_grace", "retention_events"),
            "labels would come to predictions that are deleted already",
            f"set MONITOR_RETENTION_EVENTS to {in_days(wait)} or more, or shorten MONITOR_ATTRIBUTION_WINDOW",
        )
    for name, why in (
        ("restatement_limit", "windows would be restated after their events are deleted"),
        ("orphan_horizon", "feedback would wait for its prediction after both are deleted"),
        ("period", "events would be deleted before a cycle counts them"),
    ):
        length = getattr(agent, name)
        if length > events:
            yield _contradiction(
                agent,
                (name, "retention_events"),
                why,
                f"set MONITOR_RETENTION_EVENTS to {in_days(length)} or more, or {_variable(agent, name)} to "
                f"{format_duration(events)} or less",
            )
    changing = wait + agent.restatement_limit
    if changing > metrics:
        yield _contradiction(
            agent,
            ("attribution_window", "ingest_grace", "restatement_limit", "retention_metrics"),
            "metrics would be deleted while late events still change them",
            f"set MONITOR_RETENTION_METRICS to {in_days(changing)} or more, or shorten MONITOR_RESTATEMENT_LIMIT",
        )
    if agent.larger_windows and agent.larger_windows[-1] > metrics:
        yield _contradiction(
            agent,
            ("larger_windows", "retention_metrics"),
            f"the parts of a window of {format_duration(agent.larger_windows[-1])} would be deleted before its end",
            f"set MONITOR_RETENTION_METRICS to {in_days(agent.larger_windows[-1])} or more, or leave the window out",
        )


def _of_windows(agent: AgentSettings) -> Iterator[Contradiction]:
    """Yield what contradicts the sizes of the windows."""
    computed = (agent.base_window, *agent.larger_windows)
    without = [format_duration(size) for size in agent.curve_windows if size not in computed]
    if without:
        yield _contradiction(
            agent,
            ("curve_windows", "base_window", "larger_windows"),
            f"no window of {', '.join(without)} is computed, so it gets no curves",
            f"add {', '.join(without)} to MONITOR_LARGER_WINDOWS, or take it out of MONITOR_CURVE_WINDOWS",
        )
    if any(size % DAY == timedelta() for size in agent.larger_windows):
        offset = next((offset for offset in _offsets(agent.time_zone) if offset % agent.base_window), None)
        if offset is not None:
            yield _contradiction(
                agent,
                ("base_window", "time_zone"),
                "a day of this time zone does not begin at the beginning of a base window",
                "set MONITOR_BASE_WINDOW to 15m or less, or MONITOR_TIME_ZONE=UTC",
            )


def _offsets(zone: str) -> Iterator[timedelta]:
    """Yield the distances of a zone's clock from UTC at the beginning of each month."""
    clock = ZoneInfo(zone)
    for year, month in product(ZONE_YEARS, range(1, 13)):
        yield datetime(year, month, 1, tzinfo=clock).utcoffset() or timedelta()


def _of_server(server: ServerSettings) -> Iterator[Contradiction]:
    """Yield what contradicts itself among the settings of the model server."""
    if server.max_queue < server.max_instances:
        yield _contradiction(
            server,
            ("max_queue", "max_instances"),
            "the largest request would never fit into the queue",
            f"set MODEL_SERVER_MAX_QUEUE to {server.max_instances} or more, or lower MODEL_SERVER_MAX_INSTANCES",
        )
    if server.max_batch_delay >= server.predict_timeout:
        yield _contradiction(
            server,
            ("max_batch_delay", "predict_timeout"),
            "a request would time out while its batch still waits to fill",
            "set MODEL_SERVER_MAX_BATCH_DELAY to less than MODEL_SERVER_PREDICT_TIMEOUT, such as 5ms",
        )
    shared = sorted({*server.numeric_features} & {*server.categorical_features})
    if shared:
        yield _contradiction(
            server,
            ("numeric_features", "categorical_features"),
            f"{', '.join(shared)} cannot be a number and a keyword at the same time",
            "name each feature in one of the two settings",
        )


def _contradiction(section: Any, names: tuple[str, ...], why: str, remedy: str) -> Contradiction:
    """Return the contradiction of some settings of a section."""
    stated = [f"{_variable(section, name)}={as_text(getattr(section, name))}" for name in names]
    *first, last = stated
    return Contradiction(
        tuple(_variable(section, name) for name in names),
        f"{', '.join(first)} and {last} contradict each other: {why}",
        remedy,
    )


def _variable(section: Any, name: str) -> str:
    """Return the environment variable of a setting."""
    return next(info_of(entry).variable for entry in fields(section) if entry.name == name)
