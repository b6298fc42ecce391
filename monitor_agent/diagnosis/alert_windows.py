"""Whether the agent computes the windows that the alerts ask for (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from monitor_agent.alerting import kql
from monitor_agent.alerting.definitions import Alert
from monitor_agent.diagnosis.check_result import FAILED, OK, CheckResult
from monitor_agent.durations import format_duration
from monitor_agent.settings import AgentSettings

FIELD = "window_size"


def check_windows(alerts: Sequence[Alert], settings: AgentSettings) -> list[CheckResult]:
    """Return one result for each size of windows that an alert needs and the agent does not compute."""
    computed = [format_duration(size) for size in (settings.base_window, *settings.larger_windows)]
    missing: dict[str, list[str]] = {}
    for alert in alerts:
        for choice in _choices(kql.query(alert.where)):
            if not choice & set(computed):
                missing.setdefault(" or ".join(sorted(choice)), []).append(alert.id)
    return [
        CheckResult(
            "windows of alerts",
            FAILED,
            f"no window of {size} is computed ({', '.join(computed)} are), so these alerts never become active: "
            f"{', '.join(identifiers)}",
            f"add {size} to MONITOR_LARGER_WINDOWS, or change the alerts (MONITOR_ALERTS)",
        )
        for size, identifiers in missing.items()
    ] or [CheckResult("windows of alerts", OK, f"{len(alerts)} alerts, all their windows are computed")]


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
