"""Cycles of the agent: one document each, for dashboards and alerts about the monitoring itself."""

from __future__ import annotations

from monitor_agent.contracts.feedback import STATUSES
from monitor_agent.contracts.index_contract import Field, IndexContract, boolean, date, double, keyword, long

STATUS_GREEN = "green"
STATUS_RED = "red"
OUTCOME_DONE = "done"
OUTCOME_FAILED = "failed"

FIELDS: dict[str, Field] = {
    "@timestamp": date("when the cycle began"),
    "agent": keyword("the agent: host and process id"),
    "outcome": keyword("`done`, or `failed` if the cycle ended early, such as when Elasticsearch was in trouble"),
    "failed_models": keyword("models that could not be computed completely; the next cycle tries them again"),
    "status": keyword("health after the cycle: `green` or `red`"),
    "reasons": keyword("reasons of a red status"),
    "failed_before": long("failed cycles since the last cycle that was done"),
    "shares": keyword("models whose leases the agent had; `*` = all models without a lease"),
    "cycle_seconds": double("duration of the cycle", "s"),
    "overrun": boolean("whether the cycle took longer than its period"),
    "windows": long("counted base windows"),
    "merged": long("merged larger windows"),
    "written": long("written metrics documents"),
    "restated": long("final metrics documents written again"),
    "requests": long("requests to Elasticsearch"),
    **{f"feedback_{status}": long(f"feedback that became `{status}`") for status in STATUSES[1:]},
    "not_counted": long("stored predictions and errors that the metrics leave out, because they cannot be counted"),
    "not_counted_by_reason": Field("flattened", "their number by reason, such as `bad prediction.score`"),
    "backlog": long("new feedback at the end of the cycle"),
    "lag_seconds": double("time since the oldest feedback of the backlog was ingested; 0 = no backlog", "s"),
    "delivery_seconds": double("median time from writing to ingestion of the last 100 events", "s"),
    "silent_seconds": double("time since the last event was ingested; null = no event within a day", "s"),
    "writers": long("writers with new lines since the last check"),
    "pending_lines": long("missing lines that may still arrive"),
    "lost_lines": long("lines that have been missing for longer than the grace"),
    "quality_inhibited": boolean("whether alerts on quality are inhibited: an inhibiting alert fires"),
    "inhibited_by": keyword("the inhibiting alerts"),
    "alerts_pending": long("firings that are pending"),
    "alerts_active": long("firings that are active"),
    "channels_failing": long("channels of notifications that did not take their last message; missing = no channel"),
    "failing_channels": keyword("their names"),
}

CYCLES = IndexContract(
    name="monitor-agent-cycles",
    alias="monitor-agent-cycles",
    suffix="%Y.%m",
    help="Cycles of the agent by their start, one document each",
    fields=FIELDS,
    sample={
        "@timestamp": "2026-11-23T10:01:00.000Z",
        "agent": "host-1:4711",
        "outcome": OUTCOME_DONE,
        "failed_models": [],
        "status": STATUS_GREEN,
        "reasons": [],
        "failed_before": 0,
        "shares": ["*", "click"],
        "cycle_seconds": 0.42,
        "overrun": False,
        "windows": 2,
        "merged": 2,
        "written": 24,
        "restated": 0,
        "requests": 14,
        "feedback_matched": 12,
        "not_counted": 30,
        "not_counted_by_reason": {"bad prediction.score": 30},
        "backlog": 0,
        "lag_seconds": 0.0,
        "delivery_seconds": 0.31,
        "silent_seconds": 0.8,
        "writers": 2,
        "pending_lines": 0,
        "lost_lines": 0,
        "quality_inhibited": False,
        "inhibited_by": [],
        "alerts_pending": 0,
        "alerts_active": 1,
    },
)
