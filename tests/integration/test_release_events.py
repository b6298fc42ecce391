"""What a model server says about its versions, next to the starts of versions that the agent and people record."""

from __future__ import annotations

import json
from datetime import timedelta

from elasticsearch import helpers

from monitor_agent.es.gateway import Gateway
from monitor_agent.es.line_check import LineCheck
from monitor_agent.es.release_store import ReleaseStore
from monitor_agent.es.state_store import StateStore
from monitor_agent.logstash.inputs.file import FileInput
from monitor_agent.pipeline.windows import Calendar
from tests.cluster import Cluster
from tests.dry_pipeline import documents_of, source_of
from tests.factories import START, iso, make_prediction, make_release
from tests.integration.agent_world import BASE, World

DAY = timedelta(days=1)
HISTORY = [
    make_release(START),
    make_release(START + timedelta(seconds=1), "version-refused", version="2", reason="the output score: it gives nan"),
    make_release(START + timedelta(seconds=2), "label-moved", version="1"),
    make_release(START + timedelta(seconds=3), "version-unloaded", version="1"),
]


def releases(world: World) -> dict[str, str]:
    """Return what each document is: its version by its source or action."""
    documents = world.documents("model-releases").values()
    return {
        document.get("event", {}).get("action", document["source"]): document["model_version"] for document in documents
    }


def test_what_a_server_does_is_not_the_start_of_a_version(world: World) -> None:
    """The first prediction of a version is recorded as ever, once, and `monitor-agent release` lists it alone."""
    world.deliver(*HISTORY, make_prediction(START + timedelta(minutes=1)))

    first, second = world.cycle(START + timedelta(hours=1)), world.cycle(START + timedelta(hours=2))

    starts = ReleaseStore(Gateway(world.agent), Calendar(BASE), 100).all()
    assert [(start.version, start.source) for start in starts] == [("1", "seen")]
    assert ([release.version for release in first.releases], second.releases) == (["1"], [])
    assert releases(world) == {
        "version-loaded": "1",
        "version-refused": "2",
        "label-moved": "1",
        "version-unloaded": "1",
        "seen": "1",
    }


def test_the_pipeline_may_write_releases(installed: Cluster, world: World) -> None:
    """The documents of the pipeline, as its user: the index of the template takes them, and none a second time."""
    lines = [json.dumps(event).encode() for event in HISTORY]
    events = [event for line in lines for event in source_of(FileInput).events_of(line, "/logs/a.ndjson")]
    actions = [
        {"_op_type": "create", "_index": index, "_id": identifier, "_source": document}
        for index, identifier, document in documents_of(events)
    ]
    with installed.client("pipeline_writer") as client:
        statuses = [
            result["create"]["status"]
            for _ in range(2)
            for _, result in helpers.streaming_bulk(client, actions, raise_on_error=False)
        ]

    assert statuses == [201] * 4 + [409] * 4
    assert set(releases(world).values()) == {"1", "2"}


def test_lines_that_expired_after_a_release_are_not_lost(world: World) -> None:
    """An agent without its memory meets a server that started long ago: its first event is there, the next ones not."""
    now = START + 100 * DAY
    lines = [make_release(START), *(make_prediction(now - 29.5 * DAY) for _ in range(2))]
    for line, number in zip(lines, (1, 500, 501), strict=True):
        line["event"] |= {"sequence": number, "ingested": iso(now)}
        line["service"] = {"node": {"name": "web-1:42:1"}}
    world.deliver(*lines)

    missing = LineCheck(Gateway(world.agent), StateStore(Gateway(world.agent)), BASE).check(now)

    assert (missing.writers, missing.pending, missing.lost) == (1, 0, 0)


def test_events_of_servers_expire_and_starts_of_versions_stay(world: World) -> None:
    """After the retention of the metrics, which the history explains."""
    world.deliver(*HISTORY, make_prediction(START), make_release(START + 300 * DAY, version="3"))
    world.cycle(START + DAY)

    world.cycle(START + 402 * DAY, retention=True)

    assert releases(world) == {"version-loaded": "3", "seen": "1"}
