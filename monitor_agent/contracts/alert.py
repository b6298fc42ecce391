"""Alerts: one document per firing of a rule for one group, from its first sighting to its recovery."""

from __future__ import annotations

from monitor_agent.contracts.index_contract import Field, IndexContract, date, double, keyword, long, text

STATE_PENDING = "pending"
STATE_ACTIVE = "active"
STATE_RECOVERED = "recovered"

CRITICAL, WARNING = "critical", "warning"
SEVERITIES = {CRITICAL: 99, WARNING: 47}
"""Severities, with the numbers that Elastic's own detection rules give them."""

GROUP_FIELDS = ("model_name", "model_version")
"""What firings may be told apart by."""

FIELDS: dict[str, Field] = {
    "@timestamp": date("when the firing began: the first look that found it"),
    "event.kind": keyword("`alert`"),
    "event.start": date("when the firing began"),
    "event.end": date("when it recovered"),
    "event.severity": long("99 is `critical`, 47 is `warning`"),
    "rule.name": keyword("the alert's id in `kibana/alerts.toml`"),
    "rule.description": keyword("its title"),
    "message": text("one sentence: what happened"),
    "state": keyword("`pending` (found, not often enough yet), `active` or `recovered`"),
    "severity": keyword("`critical` or `warning`"),
    "model_name": keyword("the model that it is about; null = all"),
    "model_version": keyword("its version"),
    "active_since": date("when it became active; null = it never was"),
    "measure": keyword("the field that was compared"),
    "value": double("the worst value that a look has found"),
    "limit": double("what it was compared with"),
    "inhibited_by": keyword(
        "alerts that keep it from becoming active and from recovering: its numbers are not trusted"
    ),
    "looks": keyword("the last looks, the newest last: `x` found it, `.` did not"),
    "looked": date("start of the period of the newest look that changed anything"),
    "dashboard": keyword("where to look"),
    "revision": long("1 when first written; grows whenever the content changes"),
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
