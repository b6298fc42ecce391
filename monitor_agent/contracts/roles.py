"""The roles with least privileges, in the format of Elasticsearch's role API; all kinds of stack use them."""

from __future__ import annotations

from typing import Any

PIPELINE_WRITER = "pipeline_writer"
MONITOR_AGENT = "monitor_agent"
ANALYST = "analyst"

# An alias needs a privilege by its name, so a pattern covers the alias and its dated indices.
EVENT_INDICES = ["model-predictions*", "model-feedback*", "model-errors*"]
RESULT_INDICES = [
    "model-performance*",
    "model_performance",
    "model-curves*",
    "model-drift*",
    "model-restatements*",
    "model-alerts*",
    "model-releases*",
    "monitor-agent-cycles*",
    "monitor-agent-state*",
]
DEADLETTER_INDICES = ["model-deadletters*"]

ROLES: dict[str, dict[str, Any]] = {
    PIPELINE_WRITER: {
        "cluster": ["monitor"],
        "indices": [
            {
                "names": EVENT_INDICES + DEADLETTER_INDICES,
                "privileges": ["create_doc", "auto_configure", "read"],
            },
        ],
    },
    MONITOR_AGENT: {
        "cluster": ["monitor", "manage_index_templates"],
        "indices": [
            {
                "names": EVENT_INDICES + DEADLETTER_INDICES,
                # `manage` is for new fields of existing indices, refreshes, and the deletion of expired indices.
                "privileges": ["read", "write", "view_index_metadata", "manage"],
            },
            {"names": RESULT_INDICES, "privileges": ["all"]},
        ],
    },
    ANALYST: {
        "cluster": ["monitor"],
        "indices": [
            {
                "names": ["model-*", "model_performance", "monitor-agent-cycles*"],
                "privileges": ["read", "view_index_metadata"],
            },
        ],
    },
}
