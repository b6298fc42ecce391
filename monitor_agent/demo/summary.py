"""The demo's summary: counts of sent and indexed events, the totals and all windows (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from monitor_agent.contracts.model_names import version_order
from monitor_agent.metrics import WindowState, measure, merge_all

Document = Mapping[str, Any]


def totals_by_version(windows: Iterable[Document], size: str) -> dict[str, dict[str, Any]]:
    """Return the metrics of each model version over all windows of `size`, merged from their states."""
    states: dict[str, list[WindowState]] = {}
    for row in windows:
        if row["window_size"] == size and row["segment"] == "all" and row["model_version"] != "all":
            states.setdefault(row["model_version"], []).append(WindowState.from_blob(row["state_blob"]))
    return {version: dict(measure(merge_all(states[version]))) for version in sorted(states, key=version_order)}


def summarise(
    *,
    campaign: str,
    sent: Mapping[str, int],
    indexed: Mapping[str, int],
    feedback_status: Mapping[str, int],
    windows: Sequence[Document],
    largest: str,
) -> dict[str, Any]:
    """Return the content of `summary.json`.

    Parameters
    ----------
    sent, indexed : counts of `predictions` and `feedback`: accepted by the server; held by Elasticsearch (and its
        dead letters).
    feedback_status : number of feedback events by status.
    windows : the metrics documents as indexed.
    largest : the window size that the totals are merged from.
    """
    return {
        "campaign": campaign,
        "predictions": sent["predictions"],
        "feedback": sent["feedback"],
        "indexed": dict(indexed),
        "feedback_status": dict(feedback_status),
        "totals": totals_by_version(windows, largest),
        "windows": list(windows),
    }
