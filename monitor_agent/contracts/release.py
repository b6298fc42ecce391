"""Releases: the start of each version of a model; charts draw them as marks."""

from __future__ import annotations

from monitor_agent.contracts.index_contract import Field, IndexContract, date, keyword, text

SOURCE_COMMAND = "told"
SOURCE_PREDICTIONS = "seen"

FIELDS: dict[str, Field] = {
    "@timestamp": date("when the version went live: the time of the command, else the time of its first prediction"),
    "model_name": keyword("the model"),
    "model_version": keyword("the version that went live"),
    "source": keyword("`told`: `monitor-agent release` recorded it; `seen`: the agent saw its first prediction"),
    "note": text("note of the command"),
}

RELEASES = IndexContract(
    name="model-releases",
    alias="model-releases",
    suffix="",
    help="Deployments of model versions, one document per version",
    fields=FIELDS,
    sample={
        "@timestamp": "2026-11-23T09:30:00Z",
        "model_name": "click",
        "model_version": "3",
        "source": SOURCE_COMMAND,
        "note": "trained on October",
    },
)
