"""Which windows an alert judges, and how far it looks back, with the settings of the agent (pure).

The list of alerts is written for the defaults: base windows and cycles of a minute, windows that are final 32 minutes
after their end, feedback that becomes an orphan after a day. With other settings the documents of an alert are older,
or fewer of them lie in the same time. So the alert looks back for longer; otherwise it would never become active.
An alert may ask for windows of a size, such as an hour, that a model cannot have, because its base windows are longer:
it judges the base windows of this model instead.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from monitor_agent.alerting import kql
from monitor_agent.alerting.conditions import LABEL_FIELDS
from monitor_agent.alerting.definitions import Alert
from monitor_agent.contracts.cycle import CYCLES
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.contracts.verdict import VERDICTS
from monitor_agent.durations import format_duration, parse_duration
from monitor_agent.metrics import weekly
from monitor_agent.settings import AgentSettings

DEFAULTS = AgentSettings()
SECOND = timedelta(seconds=1)
_ASKED_SIZE = re.compile(r"\bwindow_size: *(\d+[smhdw])\b")


def fitted(alerts: Iterable[Alert], *settings: AgentSettings) -> list[Alert]:
    """Return the alerts with their windows and the times that they look back, as the settings need them.

    None looks back for less than its list says.

    Parameters
    ----------
    settings : those of each group of models; of the groups whose windows have the same size, the one that needs the
        longest time decides.
    """
    return [_fitted(alert, settings or (DEFAULTS,)) for alert in alerts]


def _fitted(alert: Alert, groups: Sequence[AgentSettings]) -> Alert:
    lengths: dict[str, timedelta] = {}
    for group in groups:
        for size, length in _look_backs(alert, group):
            lengths[size] = max(length, lengths.get(size, length))
    by_size = tuple((size, format_duration(length)) for size, length in sorted(lengths.items()))
    return dataclasses.replace(
        alert,
        where=_with_base_windows(alert, groups),
        look_back=format_duration(max(lengths.values())),
        look_backs=by_size if len(set(lengths.values())) > 1 else (),
    )


def _with_base_windows(alert: Alert, groups: Sequence[AgentSettings]) -> str:
    """Return the condition of an alert, also for models whose base windows are longer than those that it asks for."""

    def windows(match: re.Match[str]) -> str:
        bases = sorted({format_duration(group.base_window) for group in groups if _is_too_short(match[1], group)})
        further = (f"(window_size: {base} and is_base_window: true)" for base in bases)
        return f"({' or '.join([match[0], *further])})" if bases else match[0]

    return _ASKED_SIZE.sub(windows, alert.where) if is_about(alert, PERFORMANCE.pattern) else alert.where


def _is_too_short(size: str, settings: AgentSettings) -> bool:
    """Return whether there can be no windows of a size, because base windows are longer."""
    return parse_duration(size) < settings.base_window


def needs_labels(names: Iterable[str]) -> bool:
    """Return whether an alert on these fields waits for the labels of a window."""
    drops = (weekly.SUFFIX, weekly.RELATIVE_SUFFIX)
    return any(name in LABEL_FIELDS or any(suffix in name for suffix in drops) for name in names)


def is_about(alert: Alert, pattern: str) -> bool:
    """Return whether an alert searches the indices of a contract.

    Parameters
    ----------
    pattern : the contract's index pattern.
    """
    return alert.index.startswith(pattern.rstrip("*"))


def _look_backs(alert: Alert, settings: AgentSettings) -> Iterator[tuple[str, timedelta]]:
    """Yield the sizes of the windows that an alert judges, each with how long it looks back; `""` = any size."""
    if not is_about(alert, PERFORMANCE.pattern):
        yield "", _look_back(alert, settings)
        return
    base = format_duration(settings.base_window)
    wait = wait_for_values(alert, DEFAULTS)
    longer_wait = max(timedelta(), wait_for_values(alert, settings) - wait)
    of_windows = max(timedelta(), parse_duration(alert.look_back) - wait)
    sizes = _ASKED_SIZE.findall(alert.where)
    for size in sizes:
        if _is_too_short(size, settings):
            times = max(1.0, settings.base_window / parse_duration(size))
            yield base, _whole_seconds(wait + times * of_windows + longer_wait)
        else:
            yield size, parse_duration(alert.look_back) + longer_wait
    if not sizes:
        is_of_base = "is_base_window" in kql.fields(alert.where)
        times = max(1.0, settings.base_window / DEFAULTS.base_window) if is_of_base else 1.0
        yield base if is_of_base else "", _whole_seconds(times * parse_duration(alert.look_back) + longer_wait)


def _look_back(alert: Alert, settings: AgentSettings) -> timedelta:
    length = parse_duration(alert.look_back)
    if is_about(alert, VERDICTS.pattern):
        length = max(length, 3 * max(settings.period, settings.base_window))
    elif alert.agent and is_about(alert, CYCLES.pattern):
        length *= max(1.0, settings.period / DEFAULTS.period)
    return _whole_seconds(length)


def _whole_seconds(length: timedelta) -> timedelta:
    return -(-length // SECOND) * SECOND


def wait_for_values(alert: Alert, settings: AgentSettings) -> timedelta:
    """Return how long after the end of a window an alert on metrics can count it."""
    names, wait = kql.fields(alert.where), timedelta()
    if needs_labels(names):
        wait += settings.attribution_window + settings.ingest_grace
    if any(name.startswith("orphan_") for name in names):
        wait += settings.orphan_horizon
    return wait
