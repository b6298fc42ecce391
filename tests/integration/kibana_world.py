"""Ten hours of events and the agent's results in Elasticsearch, with data for every panel."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from elasticsearch import helpers

from monitor_agent.contracts import uuid7
from monitor_agent.contracts.cycle import CYCLES
from monitor_agent.contracts.deadletter import DEADLETTERS
from monitor_agent.contracts.drift import DRIFT
from monitor_agent.contracts.restatement import RESTATEMENTS
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.install import install
from monitor_agent.settings import AgentSettings
from tests.cluster import PRODUCT_INDICES, Cluster
from tests.factories import START, Document, iso, make_error, make_feedback, make_prediction, make_release
from tests.integration.agent_world import World, world_on

ROOT = Path(__file__).parents[2]
HOURS = 10
NOW = START + timedelta(hours=HOURS)
SETTINGS = AgentSettings(
    retention=False, base_window=timedelta(minutes=30), larger_windows=(timedelta(hours=1),), segments=("scene",)
)


def events() -> list[Document]:
    """Return ten hours of events: two versions and one in shadow, three scenes, clicks, errors, orphans."""
    chance = random.Random(7)
    documents: list[Document] = []
    for number in range(HOURS * 12):
        at = START + timedelta(minutes=5 * number, seconds=chance.uniform(0, 200))
        request = _request(at, chance, number)
        _pair(documents, request)
        documents += request
    documents += [_orphan(START + timedelta(hours=hour)) for hour in (3, 8)]
    documents += [
        make_release(START + timedelta(hours=1)),
        make_release(START + timedelta(hours=4), "label-moved", version="2"),
        make_release(START + timedelta(hours=5), "version-refused", version="4", reason="the score is nan"),
    ]
    return documents


def _request(at: datetime, chance: random.Random, number: int) -> list[Document]:
    """Return the events of one request: the predictions of a few instances, their clicks, and an error."""
    version = ("1", "2", "1", "3")[number % 4]
    scene = ("search", "recommendation", "ad")[number % 3]
    size = 2 + number % 4
    request = f"{number:016x}"
    predictions, feedback = [], []
    for position, score in enumerate(sorted((chance.random() for _ in range(size)), reverse=True), 1):
        prediction = make_prediction(
            at + timedelta(microseconds=position),
            score,
            version=version,
            scene=scene,
            duration_ms=chance.lognormvariate(1.5, 0.6),
            rank=position,
            request_size=size,
            batch_size=min(64, size * (1 + number % 7)),
            queue_time=round(chance.expovariate(1e-6)),
            compute_time=round(chance.lognormvariate(14.5, 0.3)),
            shadow=version == "3",
            propensity=0.25,
        )
        prediction |= _surroundings(number)
        prediction["http"] = {"request": {"id": request}}
        prediction["ranking"] = {"id": request, "rank": position, "size": size}
        prediction["item"] = {"id": str(10 + number % 5 + position), "position": position}
        prediction["query"] = {"hash": f"q{number % 11}"}
        prediction["features"] = {
            "numeric": {"price": chance.gauss(0, 1)},
            "categorical": {"category": f"c{number % 3}"},
        }
        prediction["event"] |= {"sequence": number * 20 + position, "ingested": iso(at + timedelta(seconds=2))}
        predictions.append(prediction)
        if version != "3" and chance.random() < score * 0.8:
            late = timedelta(minutes=50) if number % 29 == 0 else timedelta(seconds=chance.expovariate(1 / 60))
            click = make_feedback(prediction, late)
            click |= _surroundings(number)
            click["event"] |= {"sequence": number * 20 + 10 + position, "ingested": iso(at + late)}
            feedback.append(click)
    error = make_error(at, version=version) if number % 17 == 0 else None
    if error:
        error["http"] = {"response": {"status_code": 400}}
        error |= _surroundings(number)
    return [*predictions, *feedback, *([error] if error else [])]


def _pair(before: list[Document], request: list[Document]) -> None:
    """Let the predictions in shadow name predictions that came before, as if both had scored the same instances."""
    primaries = [event for event in before if event["event"]["dataset"] == "model.prediction"][-4:]
    shadows = [event for event in request if event.get("prediction", {}).get("shadow")]
    for primary, shadow in zip(primaries, shadows, strict=False):
        shadow["prediction"]["primary_id"] = primary["prediction"]["id"]


def _surroundings(number: int) -> Document:
    host = f"web-{number % 2}"
    return {
        "service": {"node": {"name": f"{host}:42:1"}},
        "host": {"name": host},
        "log": {"file": {"path": "/var/log/events-42.ndjson"}},
    }


def _orphan(at: datetime) -> Document:
    lost = make_prediction(at)
    return {**make_feedback(lost), **_surroundings(0)}


def agent_documents() -> list[tuple[str, str, Document]]:
    """Return dead letters, cycles of the agent, drift and a restatement as (index, id, document)."""
    restated = {**RESTATEMENTS.sample, "@timestamp": iso(NOW - timedelta(hours=7))}
    documents = [(RESTATEMENTS.index_for(NOW), "restated", restated)]
    for hour in range(0, HOURS, 2):
        at = START + timedelta(hours=hour)
        cycle = {**CYCLES.sample, "@timestamp": iso(at), "cycle_seconds": 0.4 + hour / 100, "lost_lines": hour}
        documents.append((CYCLES.index_for(at), f"cycle-{hour}", cycle))
        drift = {**DRIFT.sample, "@timestamp": iso(at), "psi": 0.01 * hour}
        documents.append((DRIFT.index_for(at), f"drift-{hour}", drift))
        letter = {**DEADLETTERS.sample, "@timestamp": iso(at), "event": {"ingested": iso(at)}}
        documents.append((DEADLETTERS.index_for(at), uuid7.make(at), letter))
    return documents


@contextmanager
def filled_world(cluster: Cluster, further: Sequence[Document] = ()) -> Iterator[World]:
    """Yield a cluster with `events()`, the results that the agent computes from them, and `agent_documents()`.

    Parameters
    ----------
    further : events of other models, which the agent counts, too.
    """
    cluster.clean()
    with world_on(cluster) as world:
        install(Gateway(world.admin), SETTINGS)
        if further:
            _fill(world, further)
        elif not _INDEXED:
            _fill(world)
            _INDEXED.extend(helpers.scan(world.admin, index=PRODUCT_INDICES, query={"query": {"match_all": {}}}))
        else:
            actions = [{"_index": hit["_index"], "_id": hit["_id"], "_source": hit["_source"]} for hit in _INDEXED]
            helpers.bulk(world.admin, actions, refresh=True)
        yield world


_INDEXED: list[Document] = []
"""All documents of the world after the first use, so that the next test module only has to index them."""


def _fill(world: World, further: Sequence[Document] = ()) -> None:
    world.deliver(*events(), *further)
    for index, identifier, document in agent_documents():
        world.admin.index(index=index, id=identifier, document=document)
    changes = {entry.name: getattr(SETTINGS, entry.name) for entry in dataclasses.fields(SETTINGS)}
    world.cycle(NOW, **changes)
    world.admin.indices.refresh(index=PRODUCT_INDICES)
