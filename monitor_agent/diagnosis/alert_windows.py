"""Whether the agent computes what the alerts ask for: windows of a size, drift, comparisons, cycles in time (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from monitor_agent.alerting import kql
from monitor_agent.alerting.definitions import Alert
from monitor_agent.alerting.look_back import fitted, is_about, needs_labels
from monitor_agent.contracts.cycle import CYCLES
from monitor_agent.diagnosis.check_result import FAILED, OK, WARNING, CheckResult
from monitor_agent.durations import format_duration, parse_duration
from monitor_agent.settings import AgentSettings
from monitor_agent.vocabulary.counted_nouns import counted

CHECK = "windows of alerts"
FIELD = "window_size"


def check_windows(alerts: Sequence[Alert], settings: AgentSettings) -> list[CheckResult]:
    """Return one result for each reason why alerts can never become active, or are always active."""
    fitting = fitted(alerts, settings)
    results = [*_missing_sizes(fitting, settings), *_short_look_backs(fitting, settings)]
    results += [*_drift_of_base_windows(alerts, settings), *_rare_cycles(alerts, settings)]
    return results or [CheckResult(CHECK, OK, f"{counted(len(alerts), 'alert')}, all their windows are computed")]


def _missing_sizes(alerts: Sequence[Alert], settings: AgentSettings) -> Iterator[CheckResult]:
    """Yield a result for each size of windows that an alert needs and the agent does not compute."""
    computed = [format_duration(size) for size in (settings.base_window, *settings.larger_windows)]
    missing: dict[str, list[str]] = {}
    for alert in alerts:
        for choice in _choices(kql.query(alert.where)):
            if not choice & set(computed):
                missing.setdefault(" or ".join(sorted(choice)), []).append(alert.id)
    for size, identifiers in missing.items():
        yield CheckResult(
            CHECK,
            FAILED,
            f"no window of {size} is computed ({', '.join(computed)} are), so these alerts never become active: "
            f"{', '.join(identifiers)}",
            f"{_remedy(size, settings)}, or change the alerts (MONITOR_ALERTS): `is_base_window: true` asks for the "
            "base window, whatever its size",
        )


def _remedy(sizes: str, settings: AgentSettings) -> str:
    """Return how a window of one of these sizes is computed."""
    if all(parse_duration(size) < settings.base_window for size in sizes.split(" or ")):
        return f"make MONITOR_BASE_WINDOW={format_duration(settings.base_window)} smaller"
    return f"add {sizes} to MONITOR_LARGER_WINDOWS"


def _short_look_backs(alerts: Sequence[Alert], settings: AgentSettings) -> Iterator[CheckResult]:
    """Yield a result for each alert whose windows are too old when their labels are there."""
    wait = settings.attribution_window + settings.ingest_grace
    for alert in alerts:
        sizes = [parse_duration(size) for choice in _choices(kql.query(alert.where)) for size in choice]
        if not sizes or not needs_labels(kql.fields(alert.where)):
            continue
        needed = min(sizes) + wait
        if parse_duration(alert.look_back) <= needed:
            yield CheckResult(
                CHECK,
                FAILED,
                f"{alert.id} looks back for {alert.look_back}, but a window of {format_duration(min(sizes))} has its "
                f"labels only {format_duration(needed)} after its start, so the alert never becomes active",
                f"set its look_back to more than {format_duration(needed)}",
            )


def _drift_of_base_windows(alerts: Sequence[Alert], settings: AgentSettings) -> Iterator[CheckResult]:
    """Yield a result if alerts ask for the drift of base windows, which is not measured."""
    base = format_duration(settings.base_window)
    identifiers = [
        alert.id
        for alert in alerts
        if any(name.startswith("drift_") for name in kql.fields(alert.where))
        and any(choice == {base} for choice in _choices(kql.query(alert.where)))
    ]
    if identifiers:
        yield CheckResult(
            CHECK,
            WARNING,
            f"{base} is the base window, and drift is measured for larger windows, so these alerts never become "
            f"active: {', '.join(identifiers)}",
            "make MONITOR_BASE_WINDOW smaller, or change the alerts (MONITOR_ALERTS)",
        )


def _rare_cycles(alerts: Sequence[Alert], settings: AgentSettings) -> Iterator[CheckResult]:
    """Yield a result if watches and rules would take an agent for silent between two of its cycles."""
    for alert in alerts:
        look_back: timedelta = parse_duration(alert.look_back)
        if not alert.agent and is_about(alert, CYCLES.pattern) and look_back <= settings.period:
            yield CheckResult(
                CHECK,
                FAILED,
                f"{alert.id} expects a cycle every {alert.look_back}, but MONITOR_PERIOD is "
                f"{format_duration(settings.period)}: its watch or rule is always active",
                f"set its look_back to more than {format_duration(settings.period)}, or shorten MONITOR_PERIOD",
            )


def _choices(node: Mapping[str, Any]) -> Iterator[set[str]]:
    """Yield sets of sizes: of each set, one must be computed."""
    for kind, inner in node.items():
        if kind in ("match", "term") and FIELD in inner:
            yield {str(inner[FIELD])}
        elif kind == "bool":
            for clause in inner.get("filter", []):
                yield from _choices(clause)
            alternatives = [list(_choices(clause)) for clause in inner.get("should", [])]
            # If one alternative asks for no window, the alert can become active without any.
            if alternatives and all(alternatives):
                yield {size for choices in alternatives for choice in choices for size in choice}
