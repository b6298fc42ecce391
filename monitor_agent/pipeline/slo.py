"""Service level objectives: how much of the error budget is left, and how fast it is being spent (pure).

A burn rate of 1 spends the budget of the whole window in exactly this window. Alerts compare the burn rates of a long
and of a short time: the long one shows that much is spent, the short one that it is still being spent.

Source: B. Beyer et al., "The Site Reliability Workbook", chapter 5, "Multiwindow, multi-burn-rate alerts".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from monitor_agent.contracts.verdict import AVAILABILITY, BURN_WINDOWS, LATENCY, LONG_BURN_WINDOWS
from monitor_agent.durations import parse_duration
from monitor_agent.settings import AgentSettings

BUDGET = "budget"
"""The name of the window of the objective itself."""


@dataclass(frozen=True)
class RequestCounts:
    """The requests of a time.

    Attributes
    ----------
    requests, errors : answered requests, and those that failed or were refused.
    timed, slow : the answered requests of windows that count slow ones, and the slow ones.
    """

    requests: float = 0.0
    errors: float = 0.0
    timed: float = 0.0
    slow: float = 0.0


def slo_lengths(settings: AgentSettings) -> dict[str, timedelta]:
    """Return the times that a model's objectives need, by name; empty if it has none.

    No time is shorter than a base window.
    """
    if settings.slo_availability is None and settings.slo_latency is None:
        return {}
    lengths = {name: max(parse_duration(name), settings.base_window) for name in BURN_WINDOWS}
    return {**lengths, BUDGET: settings.slo_window}


def slo_fields(settings: AgentSettings, counts: Mapping[str, RequestCounts]) -> dict[str, float | int]:
    """Return the fields of the verdict on the model as a whole.

    Parameters
    ----------
    counts : by the names of `slo_lengths`.

    >>> settings = AgentSettings(slo_availability=0.99)
    >>> hour = RequestCounts(requests=900.0, errors=100.0)
    >>> fields = slo_fields(settings, dict.fromkeys(slo_lengths(settings), hour))
    >>> round(fields["availability_burn_1h"], 6), round(fields["availability_budget_remaining"], 6)
    (10.0, -9.0)
    """
    fields: dict[str, float | int] = {}
    if settings.slo_availability is not None:
        pairs = {name: (row.errors, row.requests + row.errors) for name, row in counts.items()}
        fields |= _fields(AVAILABILITY, settings.slo_availability, pairs)
    if settings.slo_latency is not None:
        pairs = {name: (row.slow, row.timed) for name, row in counts.items()}
        fields |= _fields(LATENCY, settings.slo_latency_share, pairs)
    return fields


def _fields(name: str, objective: float, pairs: Mapping[str, tuple[float, float]]) -> dict[str, float | int]:
    burn = {window: _burn_rate(objective, bad, total) for window, (bad, total) in pairs.items()}
    return {
        f"{name}_slo": objective,
        f"{name}_budget_remaining": 1 - burn[BUDGET],
        **{f"{name}_burn_{window}": burn[window] for window in BURN_WINDOWS},
        **{f"{name}_bad_{window}": int(pairs[window][0]) for window in LONG_BURN_WINDOWS},
    }


def _burn_rate(objective: float, bad: float, total: float) -> float:
    """Return how many times faster the budget is spent than the objective allows; without requests, none is spent."""
    return bad / total / (1 - objective) if total else 0.0
