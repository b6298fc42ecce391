"""Restatements: a final metrics document as it was before it was written again, and the reason."""

from __future__ import annotations

from monitor_agent.contracts.index_contract import Field, IndexContract, date, keyword, long, stored

FIELDS: dict[str, Field] = {
    "@timestamp": date("start of the restated window"),
    "metrics_id": keyword("`_id` of the metrics document"),
    "model_name": keyword("the model"),
    "model_version": keyword("its version, or `all`"),
    "segment": keyword("`all`, or as `labels.scene=search`"),
    "window_size": keyword("`1m`, `1h`, `1d`, ..."),
    "revision": long("the replaced revision"),
    "reason": keyword("`late_feedback`, `late_predictions`, `late_errors`, `lost_lines` or `recomputed`"),
    "document": stored("the metrics document as it was"),
}

RESTATEMENTS = IndexContract(
    name="model-restatements",
    alias="model-restatements",
    suffix="%Y.%m",
    help="Final metrics documents as they were before they were restated",
    fields=FIELDS,
    sample={
        "@timestamp": "2026-11-23T10:00:00Z",
        "metrics_id": "5f0f8a3a1a8e4d4f9a53a7f5c2f0e1d2",
        "model_name": "click",
        "model_version": "1",
        "segment": "all",
        "window_size": "1m",
        "revision": 3,
        "reason": "late_feedback",
        "document": {"n": 120, "tp": 1},
    },
)
