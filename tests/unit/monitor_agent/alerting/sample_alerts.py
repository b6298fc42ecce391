"""Alerts for tests: the list in git, and a few made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from monitor_agent.alerting.definitions import Alert, load_alerts

ROOT = Path(__file__).parents[4]
LIST = ROOT / "kibana" / "alerts.toml"
ALERTS = {alert.id: alert for alert in load_alerts(str(LIST))}

SLOW = Alert(
    id="slow",
    title="Slow",
    message="p95 over 250 ms",
    index="model-performance-*",
    where="response_time_p95 > 250",
    look_back="10m",
    interval="1m",
    throttle="1h",
    severity="warning",
    dashboard="serving",
    at_least=3,
    evaluations=(2, 3),
    values=("response_time_p95",),
    group_by=("model_name",),
)
SILENT = replace(SLOW, at_least=0, fewer_than=1, group_by=(), values=(), agent=False)
QUALITY = replace(SLOW, id="bad", group_by=("model_name", "model_version"), inhibited_by=("slow",))
DUE = "2026-03-02T10:00:00Z"


def answer(total: int = 0, **aggregations: Any) -> dict[str, Any]:
    """Return the answer to a search."""
    return {"hits": {"total": {"value": total}}, "aggregations": aggregations}
