"""Releases: when versions of models went live, and what the model server did with each version."""

from __future__ import annotations

from monitor_agent.contracts.bounds import DURATION
from monitor_agent.contracts.ecs import COMMON, DATASET_RELEASE, ECS_VERSION
from monitor_agent.contracts.index_contract import Field, IndexContract, bounded, date, keyword, long, text
from monitor_agent.contracts.model_names import MOST_CHARACTERS

SOURCE_COMMAND = "told"
SOURCE_PREDICTIONS = "seen"
SOURCE_SERVER = "server"
"""The pipeline writes it into each event of a model server: such a document is never the start of a version."""

LOADED = "version-loaded"
REFUSED = "version-refused"
UNLOADED = "version-unloaded"
LABEL_MOVED = "label-moved"
ACTIONS = (LOADED, REFUSED, UNLOADED, LABEL_MOVED)

SUCCESS = "success"
FAILURE = "failure"
OUTCOMES = (SUCCESS, FAILURE)

FIELDS: dict[str, Field] = {
    **COMMON,
    "@timestamp": date(
        "`told`: the time of the command; `seen`: the time of the first prediction; `server`: the time of the event"
    ),
    "source": keyword(
        "`told`: `monitor-agent release` recorded when the version went live; `seen`: the agent saw its first "
        "prediction; `server`: a model server loaded, refused or unloaded it, or moved a label; only `told` and `seen` "
        "are the start of a version, and each version has one of them"
    ),
    "model_name": keyword("the model"),
    "model_version": keyword("the version"),
    "note": text("note of the command"),
    "event.action": keyword(
        "what the server did, required in its events: " + ", ".join(f"`{action}`" for action in ACTIONS)
    ),
    "event.outcome": keyword("`success` or `failure`; required in events of a server"),
    "event.reason": text("why the server refused the version, or why it did anything else"),
    "event.duration": bounded(long("time of loading and warming up", "ns"), DURATION),
    "release.labels": keyword(
        "labels of the version after the event, such as `stable` or `canary`", ignore_above=MOST_CHARACTERS
    ),
    "model.name": keyword("the same as `model_name`; required in events of a server", ignore_above=MOST_CHARACTERS),
    "model.version": keyword(
        "the same as `model_version`; required in events of a server, never `all`", ignore_above=MOST_CHARACTERS
    ),
}

RELEASES = IndexContract(
    name="model-releases",
    alias="model-releases",
    suffix="",
    help="Releases of model versions: one document for the start of each version, and one for each event of a server",
    fields=FIELDS,
    sample={
        "@timestamp": "2026-11-23T09:30:00.000000Z",
        "ecs": {"version": ECS_VERSION},
        "event": {
            "id": "019ab08a-26c0-7d1e-8c44-0a9b8c7d6e5f",
            "dataset": DATASET_RELEASE,
            "kind": "event",
            "action": REFUSED,
            "outcome": FAILURE,
            "reason": "the output score: it gives nan",
            "created": "2026-11-23T09:30:00.000000Z",
            "ingested": "2026-11-23T09:30:00.642000Z",
            "sequence": 3,
            "duration": 2_310_000_000,
        },
        "service": {
            "name": "model-server",
            "version": "0.1.0",
            "environment": "production",
            "node": {"name": "web-1:4242:1763892000"},
        },
        "log": {"level": "error", "file": {"path": "/var/log/model-server/events-4242.ndjson"}},
        "host": {"name": "web-1"},
        "message": "version refused",
        "source": SOURCE_SERVER,
        "model": {"name": "click", "version": "4"},
        "model_name": "click",
        "model_version": "4",
        "release": {"labels": ["canary"]},
    },
)
