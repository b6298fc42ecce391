"""Numbers that no metric can use, written past the pipeline: nothing stops a cycle, and no other number changes."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from elasticsearch import helpers

from monitor_agent.agent.health import Health
from monitor_agent.agent.service import Service
from monitor_agent.cli import main
from monitor_agent.clock import FixedClock
from monitor_agent.contracts.deadletter import OF_THE_AGENT, REASONS, out_of_bounds
from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.index_contract import Field, IndexContract
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.request_error import ERRORS
from monitor_agent.es.gateway import Gateway
from monitor_agent.logstash.inputs.file import FileInput
from tests.cluster import Cluster
from tests.dry_pipeline import documents_of as documents_of_events
from tests.dry_pipeline import source_of
from tests.factories import START, Document, index_of, iso, make_error, make_feedback, make_prediction
from tests.integration.agent_world import BASE, MUCH_LATER, World
from tests.integration.scored_clicks import make_sixty

FINAL = START + MUCH_LATER
HOURS: dict[str, Any] = {"base_window": timedelta(hours=1), "larger_windows": (timedelta(days=1),)}
SETTINGS = dataclasses.replace(BASE, **HOURS)
NUMBERS = (1e308, -1e308, 5e-324, 1e16, -1, 2**63 - 1, 0, 0.5)
VALUES: tuple[Any, ...] = (*NUMBERS, "1e308", "-1", [1e308, -1e308], [1, 1e300], [0, -1], None, {"a": 1}, True)
GARBAGE: tuple[Any, ...] = ("text", 5, {"a": 1}, [1], [["id"]], [["id", "click", "never", 1, None]])
GARBAGE += ([["id", "click", iso(START), 7, 1e308]], [[None, ["click"], iso(START), 1, None]])


def poisoned(base: Document, contract: IndexContract) -> Iterator[tuple[str, Field, Any, Document]]:
    """Yield an event for each numeric field and value: name and entry of the field, value, event."""
    for name, entry in contract.fields.items():
        for value in VALUES if entry.bounds else ():
            event = copy.deepcopy(base)
            *parents, leaf = [*name.split("."), *(["price"] if entry.options.get("dynamic") else [])]
            holder = event
            for parent in parents:
                holder = holder.setdefault(parent, {})
            holder[leaf] = value
            yield name, entry, value, event


def numbers_of(entry: Field, value: Any) -> list[float]:
    """Return the numbers that Elasticsearch indexes of a value that the field takes."""
    values = [float(item) for item in (value if isinstance(value, list) else [value]) if item is not None]
    return [math.trunc(number) for number in values] if entry.type in ("long", "integer") else values


def reason_of(name: str, entry: Field, value: Any, contract: IndexContract) -> str:
    """Return why the event cannot be counted; empty if it can."""
    numbers = numbers_of(entry, value)
    is_missing = not numbers and contract is PREDICTIONS and name in ("prediction.score", "prediction.label")
    assert entry.bounds is not None
    if is_missing or not all(entry.bounds.hold(number) for number in numbers):
        of_agent = contract is PREDICTIONS and name.startswith("feedback.")
        return OF_THE_AGENT if of_agent else out_of_bounds(name)
    return ""


def fresh(event: Document, number: int, kind: str) -> Document:
    """Return the event with an id of its own, and as a numbered line of a writer."""
    event["event"]["id"] = f"{kind}-{number}"
    event["event"].setdefault("sequence", number + 1)
    event["event"].setdefault("ingested", iso(FINAL - timedelta(minutes=5)))
    event["service"] = {"node": {"name": kind}}
    if kind == "prediction":
        event["prediction"]["id"] = event["event"]["id"]
    return event


def stored_of(world: World, events: list[Document]) -> set[str]:
    """Index events as any program may do; return the ids of those that the mapping takes."""
    actions = [
        {"_op_type": "create", "_index": index_of(event), "_id": event["event"]["id"], "_source": event}
        for event in events
    ]
    accepted_ids = {
        item["create"]["_id"] for ok, item in helpers.streaming_bulk(world.admin, actions, raise_on_error=False) if ok
    }
    world.admin.indices.refresh(index="model-*")
    return accepted_ids


def healthy_events() -> list[Document]:
    """Return predictions, clicks, purchases and an error of a model that nobody poisons."""
    events: list[Document] = []
    for number in range(40):
        at = START + timedelta(seconds=number)
        prediction = make_prediction(at, (number + 1) / 50, model="healthy", scene="search" if number % 3 else "ad")
        prediction["features"] = {"numeric": {"price": number / 7}}
        prediction["event"]["ingested"] = iso(FINAL - timedelta(minutes=6))
        events.append(prediction)
        if number % 4 == 0:
            events.append(make_feedback(prediction))
        if number % 8 == 0:
            events.append(make_feedback(prediction, type_="purchase", value=number + 0.25))
    return [*events, make_error(model="healthy")]


def documents_of(world: World, model: str) -> list[dict[str, Any]]:
    """Return the metrics documents of a model."""
    documents = [document for document in world.documents().values() if document["model_name"] == model]
    return sorted(documents, key=lambda document: json.dumps([document["window_size"], document["segment"], document]))


def test_poison_changes_no_other_model(
    world: World, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each numeric field of each event at its extremes, as text, list, object and null: set aside, and named."""
    healthy = healthy_events()
    world.deliver(*healthy)
    world.cycle(FINAL, **HOURS)
    expected = documents_of(world, "healthy")
    assert len(expected) == 12
    cluster.clean()
    world.deliver(*healthy)

    reasons: dict[str, str] = {}
    predictions: list[Document] = []
    for number, (name, entry, value, event) in enumerate(poisoned(make_prediction(model="poisoned"), PREDICTIONS)):
        predictions.append(fresh(event, number, "prediction"))
        if not isinstance(value, (dict, bool)):
            reasons[event["event"]["id"]] = reason_of(name, entry, value, PREDICTIONS)
    for number, events in enumerate(GARBAGE):
        event = fresh(make_prediction(model="poisoned"), 10_000 + number, "prediction")
        predictions.append(event | {"feedback": {"events": events, "count": 0}})
        reasons[event["event"]["id"]] = ""
    errors = []
    for number, (name, entry, value, event) in enumerate(poisoned(make_error(model="poisoned"), ERRORS)):
        errors.append(fresh(event, number, "error"))
        if not isinstance(value, (dict, bool)):
            reasons[event["event"]["id"]] = reason_of(name, entry, value, ERRORS)
    # A click mends what is wrong below `feedback`: the agent writes these fields again.
    clicks = [
        make_feedback(prediction)
        for prediction in predictions
        if reasons.get(prediction["event"]["id"]) != OF_THE_AGENT
    ]
    feedback: list[Document] = []
    for base in (healthy[0], predictions[-1]):
        for _, entry, value, event in poisoned(make_feedback(base, type_="purchase", value=1.0), FEEDBACK):
            # What is within bounds is feedback as any other.
            if base is not healthy[0] or (entry.bounds and value is not None and not entry.bounds.hold(value)):
                feedback.append(fresh(event, len(feedback), "feedback"))
    accepted_ids = stored_of(world, [*predictions, *errors, *clicks, *feedback])

    health = Health(timedelta(minutes=1), lambda: "")
    service = Service(Gateway(world.agent), SETTINGS, FixedClock(FINAL), health, world.make_agent(FINAL, **HOURS))
    report = service.cycle()

    not_counted = Counter(reason for identifier, reason in reasons.items() if identifier in accepted_ids and reason)
    assert report.not_counted == not_counted
    assert set(not_counted) <= set(REASONS)
    world.admin.indices.refresh(index="monitor-agent-cycles")
    (cycle,) = world.documents("monitor-agent-cycles").values()
    assert cycle["not_counted_by_reason"] == health.document()["not_counted"] == dict(not_counted)
    assert (health.document()["status"], cycle["lost_lines"]) == ("green", 0)
    after = documents_of(world, "healthy")
    for old, new in zip(expected, after, strict=True):
        assert {name for name in old if old[name] != new[name]} == set()
    assert world.cycle(FINAL, **HOURS).tally.written == 0
    monkeypatch.setenv("ELASTICSEARCH_URL", cluster.url)
    monkeypatch.setenv("ELASTICSEARCH_USERNAME", cluster.admin)
    monkeypatch.setenv("ELASTICSEARCH_PASSWORD", cluster.users[cluster.admin])
    capsys.readouterr()
    assert main(["explain-window", "--model", "poisoned", "--size", "1h", "--start", iso(START), "--json"]) == 0
    explained = json.loads(capsys.readouterr().out)["not_counted"]
    assert all(explained[reason] >= count for reason, count in not_counted.items())
    assert {"bad feedback.value", "bad feedback.truth", "bad feedback.label"} <= explained.keys()


def delivered(world: World, events: list[Document]) -> Counter[str]:
    """Send events through the product's pipeline; return its dead letters by reason."""
    lines = [json.dumps(event).encode() for event in events]
    written = documents_of_events(
        [event for line in lines for event in source_of(FileInput).events_of(line, "/a.ndjson")]
    )
    actions = [
        {"_op_type": "create", "_index": index, "_id": identifier, "_source": document}
        for index, identifier, document in written
    ]
    helpers.bulk(world.admin, actions, refresh=True)
    return Counter(document["error"]["type"] for _, _, document in written if "message" in document)


def test_lines_with_wrong_numbers_are_dead_letters(world: World) -> None:
    """Logits, missing fields, a version `all`, a loss and values without bounds: the lines around them count."""
    events: list[Document] = []
    for name, field in {"no-score": "score", "no-label": "label", "null-score": "score", "no-version": ""}.items():
        predictions, clicks = make_sixty(model=name)
        for prediction in predictions[1::2]:
            if field and name == "null-score":
                prediction["prediction"][field] = None
            elif field:
                del prediction["prediction"][field]
            else:
                prediction["model"] = {"name": name}
        events += [*predictions, *clicks]
    for number in range(60):
        score = (number - 36) / 6
        events.append(make_prediction(START, model="logits") | {"labels": {}})
        events[-1]["prediction"]["score"] = score
    for version in ("1", "2", "all"):
        events += [make_prediction(START, model="versions", version=version) for _ in range(40)]
    shop = [make_prediction(START, model="shop") for _ in range(4)]
    values: tuple[Any, ...] = ("3.5", [1, 2], 1e300, 1e308)
    events += shop
    events += [make_feedback(bought, type_="purchase", value=value) for bought, value in zip(shop, values, strict=True)]
    loss = make_prediction(START, 0.4, model="loss", log_loss_1=1e300)
    healthy = make_prediction(START, 0.6, model="healthy")
    events += [loss, make_feedback(loss), healthy, make_feedback(healthy)]

    letters = delivered(world, events)
    report = world.cycle(FINAL, **HOURS)

    assert letters == {
        "bad prediction.score": 30 + 30 + 53,
        "bad prediction.label": 30,
        "bad model.version": 30 + 40,
        "bad feedback.value": 4,
        "bad prediction.log_loss": 1,
    }
    assert report.not_counted == {}
    documents = world.by_key().values()
    days = {
        document["model_name"]: document
        for document in documents
        if (document["window_size"], document["model_version"], document["segment"]) == ("1d", "all", "all")
    }
    assert {name: document["predictions"] for name, document in days.items()} == {
        **dict.fromkeys(("no-score", "no-label", "null-score", "no-version"), 30),
        "logits": 7,
        "versions": 80,
        "shop": 4,
        "healthy": 1,
    }
    assert (days["healthy"]["n"], days["healthy"]["tp"], days["shop"]["value_per_thousand"]) == (1, 1, 0.0)
