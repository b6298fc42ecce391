"""What decides the numbers of each model: one document that holds all tables and their history, in `model-settings`."""

from __future__ import annotations

from monitor_agent.contracts.index_contract import Field, IndexContract, date, long, stored

FIELDS: dict[str, Field] = {
    "@timestamp": date("when the tables were changed last"),
    "number": long("how often the tables have changed, the set-up included"),
    "tables": stored("the tables as they are: `default`, and one for each name or pattern of names"),
    "first_changes": stored("by model: the number of the change that was the latest when the model was first met"),
    "changes": stored("every change with all tables after it, its number, its time, and the start of what it restates"),
}

MODEL_SETTINGS = IndexContract(
    name="model-settings",
    alias="model-settings",
    suffix="",
    help="The settings of models, in one document with their history; it is never deleted",
    fields=FIELDS,
    sample={
        "@timestamp": "2026-11-23T10:01:00Z",
        "number": 1,
        "tables": {"default": {"attribution_window": "30m", "base_window": "1m"}},
        "first_changes": {"click": 1},
        "changes": [
            {
                "number": 1,
                "changed_at": "2026-11-23T10:01:00Z",
                "tables": {"default": {"attribution_window": "30m", "base_window": "1m"}},
                "recompute_from": None,
            }
        ],
    },
)
