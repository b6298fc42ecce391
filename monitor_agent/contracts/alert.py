"""Firings of alerts: one document per firing of an alert for one group, from pending to recovered."""

from __future__ import annotations

from monitor_agent.contracts.index_contract import Field, IndexContract, date, double, keyword, long, text

STATE_PENDING = "pending"
STATE_ACTIVE = "active"
STATE_RECOVERED = "recovered"

CRITICAL, WARNING = "critical", "warning"
SEVERITIES = {CRITICAL: 99, WARNING: 47}
"""Severities, with the numbers that Elastic's own detection rules give them."""

LOG_LEVELS = {CRITICAL: "error", WARNING: "warn"}
"""The level of the log line about an alert, by its severity."""

SEGMENT = "segment"
GROUP_FIELDS = ("model_name", "model_version", SEGMENT)
"""The fields that may distinguish the firings of an alert."""

FIELDS: dict[str, Field] = {
    "@timestamp": date("when the firing began: the first evaluation that met the condition"),
    "event.kind": keyword("`alert`"),
    "event.start": date("when the firing began"),
    "event.end": date("when the firing recovered; missing before"),
    "event.severity": long("99 is `critical`, 47 is `warning`"),
    "rule.name": keyword("the alert's id in `kibana/alerts.toml`"),
    "rule.description": keyword("its title"),
    "message": text("one sentence about what happened"),
    "state": keyword("`pending` (the condition is met, but not often enough yet), `active` or `recovered`"),
    "severity": keyword("`critical` or `warning`"),
    "model_name": keyword("the model of the firing; missing = all"),
    "model_version": keyword("the version of the model; missing = all"),
    "segment": keyword(
        "the segment of the version, such as `labels.scene=search`; missing = the firing is about all segments together"
    ),
    "active_since": date("when the firing became active; null = never"),
    "measure": keyword("the compared field"),
    "value": double("the worst value of an evaluation"),
    "limit": double("the limit for `value`"),
    "inhibited_by": keyword("alerts that inhibit this one: while they fire, it neither becomes active nor recovers"),
    "looks": keyword(
        "the last evaluations (on metrics: the last windows), the newest last: `x` met the condition, `.` did not"
    ),
    "looked": date("start of the interval whose evaluation last changed `looks`"),
    "dashboard": keyword("the dashboard that shows the trouble"),
    "revision": long("1 at first; grows with each change of the content"),
}

ALERTS = IndexContract(
    name="model-alerts",
    alias="model-alerts",
    suffix="%Y.%m",
    help="Alerts, pending, active and recovered, by the start of the firing",
    fields=FIELDS,
    sample={
        "@timestamp": "2026-11-23T10:05:02.120Z",
        "event": {"kind": "alert", "start": "2026-11-23T10:05:02.120Z", "severity": SEVERITIES[CRITICAL]},
        "rule": {"name": "quality-below-threshold", "description": "Model quality below its threshold"},
        "message": "the whole 95 % interval of F1 lies below 0.2",
        "state": STATE_ACTIVE,
        "severity": CRITICAL,
        "model_name": "click",
        "model_version": "1",
        "active_since": "2026-11-23T10:10:02.310Z",
        "measure": "f1_high",
        "value": 0.14,
        "limit": 0.2,
        "inhibited_by": [],
        "looks": "xx",
        "looked": "2026-11-23T10:10:00Z",
        "dashboard": "model-quality",
        "revision": 2,
    },
)
