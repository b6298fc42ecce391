"""The state of the agents: a few documents with fixed ids, written with `if_seq_no`."""

from __future__ import annotations

from monitor_agent.contracts.index_contract import Field, IndexContract, date, keyword, stored

FIELDS: dict[str, Field] = {
    "@timestamp": date("when the document was written"),
    "kind": keyword(
        "`progress`, `segments`, `scores`, `reference`, `leases`, `writers`, `backfill`, `imports`, `alerts`, "
        "`outbox` or `causes`: the part of the id before the colon"
    ),
    "owner": keyword("the agent that wrote the document"),
    "content": stored("the stored state"),
}

AGENT_STATE = IndexContract(
    name="monitor-agent-state",
    alias="monitor-agent-state",
    suffix="",
    help="Leases and progress of the agents",
    fields=FIELDS,
    sample={
        "@timestamp": "2026-11-23T10:01:00Z",
        "kind": "progress",
        "owner": "host-1:4711",
        "content": {"documents": {"model-predictions-2026.11.23": 120}},
    },
)
