"""Releases: when each version of a model went live, drawn as marks on charts."""

from __future__ import annotations

from monitor_agent.contracts.index_contract import Field, IndexContract, date, keyword, text

SOURCE_COMMAND = "told"
SOURCE_PREDICTIONS = "seen"

FIELDS: dict[str, Field] = {
    "@timestamp": date("when it went live: as told, else the time of its first prediction"),
    "model_name": keyword("the model"),
    "model_version": keyword("the version that went live"),
    "source": keyword("`told` by `monitor-agent release`, or `seen` by the agent in the predictions"),
    "note": text("what is new, as told"),
}

RELEASES = IndexContract(
    name="model-releases",
    alias="model-releases",
    suffix="",
    help="Deployments of model versions, one document a version",
    fields=FIELDS,
    sample={
        "@timestamp": "2026-11-23T09:30:00Z",
        "model_name": "click",
        "model_version": "3",
        "source": SOURCE_COMMAND,
        "note": "trained on October",
    },
)
