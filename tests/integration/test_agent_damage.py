"""Damaged documents: the model that they belong to fails and is named, and the others go on, until the repair."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from monitor_agent.agent.alert_steps import AlertSteps
from monitor_agent.agent.cycle import Agent
from monitor_agent.agent.exposition import metrics_text
from monitor_agent.agent.health import Health
from monitor_agent.agent.report import CycleReport
from monitor_agent.agent.service import Service
from monitor_agent.alerting.evaluator import AlertEvaluator
from monitor_agent.cli._agent import in_words, report_failures
from monitor_agent.clock import FixedClock
from monitor_agent.contracts.performance import PERFORMANCE as PERFORMANCE_CONTRACT
from monitor_agent.es.gateway import Gateway
from tests.factories import START, Document, iso, make_feedback, make_prediction
from tests.integration.agent_world import BASE, MUCH_LATER, World
from tests.integration.test_alerts import LAG

HOUR = timedelta(hours=1)
NOW = START + MUCH_LATER
SETTINGS = dataclasses.replace(BASE, base_window=HOUR, larger_windows=(timedelta(days=1),), segments=("scene",))
STATE = "monitor-agent-state"

Change = Callable[[dict[str, Any]], Any]


def metrics_of(size: str, version: str) -> Callable[[str], dict[str, Any]]:
    """Return the search for the document of a model's only window of a size."""
    terms = {"window_size": size, "model_version": version, "segment": "all"}

    def query(model: str) -> dict[str, Any]:
        return {"bool": {"filter": [{"term": {name: value}} for name, value in {**terms, "model_name": model}.items()]}}

    return query


def change(admin: Elasticsearch, index: str, query: dict[str, Any], alter: Change) -> Callable[[], None]:
    """Change a stored document as a person may do it; return what restores it."""
    admin.indices.refresh(index=index)
    (hit,) = admin.search(index=index, query=query)["hits"]["hits"]
    before, after = hit["_source"], {**hit["_source"]}
    alter(after)

    def write(document: dict[str, Any]) -> None:
        # A metrics document has an external version, and the agent must find a later one.
        version = admin.get(index=hit["_index"], id=hit["_id"])["_version"]
        options = {"version": version, "version_type": "external_gte"} if "revision" in before else {}
        admin.index(index=hit["_index"], id=hit["_id"], document=document, refresh=True, **options)

    write(after)
    return lambda: write(before)


PERFORMANCE, HOURLY = "model_performance", metrics_of("1h", "1")
DAMAGES: dict[str, tuple[str, Callable[[str], dict[str, Any]], Change]] = {
    "blob": (PERFORMANCE, HOURLY, lambda source: source.update(state_blob="not a state")),
    "cut": (PERFORMANCE, HOURLY, lambda source: source.update(state_blob=source["state_blob"][:8])),
    "bare": (PERFORMANCE, HOURLY, lambda source: source.pop("state_blob")),
    "counts": (PERFORMANCE, metrics_of("1d", "all"), lambda source: source.pop("predictions")),
    "released": (
        "model-releases",
        lambda model: {"term": {"model_name": model}},
        lambda source: source.pop("source"),
    ),
    "reference": (
        STATE,
        lambda _model: {"ids": {"values": ["reference:reference"]}},
        lambda source: source.update(content="by hand"),
    ),
}
HEALTHY, REPLACED = "healthy", "counts"
"""The agent replaces the document `counts` in the first cycle: it can merge the day again."""
LASTING = sorted(DAMAGES.keys() - {REPLACED})
MODELS = [HEALTHY, *DAMAGES]


def serve(world: World, hour: int) -> list[Document]:
    """Deliver one clicked prediction of every model in an hour, counted from 0; return the predictions."""
    predictions = [make_prediction(START + hour * HOUR, model=model) for model in MODELS]
    world.deliver(*predictions, *map(make_feedback, predictions))
    return predictions


def cycle(world: World, health: Health) -> CycleReport:
    """Run one cycle, with everything around it."""
    gateway, clock = Gateway(world.agent), FixedClock(NOW)
    return Service(
        gateway,
        SETTINGS,
        clock,
        health,
        Agent(gateway, SETTINGS, clock),
        alerts=AlertSteps(AlertEvaluator(gateway, LAG)),
    ).cycle()


def matched(world: World, model: str) -> list[tuple[str, int]]:
    """Return size and matched feedback of a model's windows over all versions and segments, by size and start."""
    documents = [
        document
        for document in world.documents().values()
        if (document["model_name"], document["model_version"], document["segment"]) == (model, "all", "all")
    ]
    documents.sort(key=lambda document: (document["window_size"], document["window_start"]))
    return [(document["window_size"], document["matched"]) for document in documents]


def test_a_damaged_document_stops_its_own_model_only(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The healthy model is complete, each other is named with the reason; after the repair nothing is missing."""
    health = Health(timedelta(minutes=1), lambda: "")
    serve(world, 0)
    reference = {"kind": "reference", "owner": "test", "@timestamp": iso(NOW), "content": {"references": []}}
    world.admin.index(index=STATE, id="reference:reference", document=reference, refresh=True)
    assert cycle(world, health).failures == []
    restore = {
        model: change(world.admin, index, query(model), alter) for model, (index, query, alter) in DAMAGES.items()
    }
    serve(world, 1)

    for failed in (sorted(DAMAGES), LASTING):  # they fail again in the next cycle, and nothing more
        report = cycle(world, health)

        assert report.failed_models == failed
        assert matched(world, HEALTHY) == [("1d", 2), ("1h", 1), ("1h", 1)]
        # What the damaged document does not concern is computed.
        assert matched(world, "blob") == [("1d", 1), ("1h", 1), ("1h", 1)]
        assert matched(world, "released") == matched(world, HEALTHY)
        assert [window for window in matched(world, "reference") if window[0] == "1h"] == [("1h", 1)]
    statuses = [
        (document["model"]["name"], document["feedback"]["status"])
        for document in world.documents("model-feedback").values()
    ]
    assert {model for model, status in statuses if status == "new"} == {"reference"}
    assert len([status for _, status in statuses if status == "new"]) == 1
    assert "failed: model bare, model blob, model cut, " in in_words(report)
    assert report_failures(report) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if line.startswith("error: model ")]) == len(LASTING)
    (reason,) = [line for line in lines if line.startswith("error: model cut ")]
    assert "the document model-performance-2026.03/" in reason
    assert "delete it, then run `monitor-agent backfill`" in reason
    assert [name in " ".join(health.reasons()) for name in LASTING] == [True] * len(LASTING)
    assert 'monitor_agent_model_failed{model="cut"} 1.0' in metrics_text(health, 0, 0)
    world.admin.indices.refresh(index="monitor-agent-cycles")
    (document,) = world.documents("monitor-agent-cycles").values()
    assert (document["outcome"], document["failed_models"]) == ("done", LASTING)

    for model in LASTING:
        restore[model]()
    report = cycle(world, health)

    assert report.failures == []
    assert health.reasons() == []
    assert set(world.statuses()) == {"matched"}
    for model in MODELS:
        assert matched(world, model) == [("1d", 2), ("1h", 1), ("1h", 1)], model


def test_a_damaged_state_is_made_anew(world: World) -> None:
    """What the agent remembers between cycles can be counted again: no cycle fails."""
    health = Health(timedelta(minutes=1), lambda: "")
    contents = ("text", None, {"documents": "x", "hours": {"a": {"b": "c"}}, "beats": [], "alerts": 3})
    for hour, content in enumerate(contents, 1):
        for kind in ("progress", "leases", "segments", "scores", "writers", "alerts"):
            state = {"kind": kind, "owner": "test", "@timestamp": iso(NOW), "content": content}
            world.admin.index(index=STATE, id=kind, document=state, refresh=True)
        prediction = make_prediction(START + hour * HOUR, model=HEALTHY)
        world.deliver(prediction, make_feedback(prediction))

        assert cycle(world, health).failures == []

    assert matched(world, HEALTHY) == [("1d", 3), ("1h", 1), ("1h", 1), ("1h", 1)]


def test_a_document_that_somebody_has_written_is_written_again(world: World) -> None:
    """A plain update gives it a version that the agent has not chosen; the next revision follows that version."""
    health = Health(timedelta(minutes=1), lambda: "")
    prediction = make_prediction(START, model=HEALTHY)
    world.deliver(prediction)
    assert cycle(world, health).failures == []
    for identifier, document in world.documents().items():
        index = PERFORMANCE_CONTRACT.index_for(START)
        for _ in range(3):
            world.admin.index(index=index, id=identifier, document=_without_version(document), refresh=True)
    world.deliver(make_feedback(prediction))

    assert cycle(world, health).failures == []

    assert matched(world, HEALTHY) == [("1d", 1), ("1h", 1)]


def _without_version(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "_version"}
