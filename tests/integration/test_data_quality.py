"""Data quality of features on a real Elasticsearch, against plain Python over the events themselves."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from monitor_agent.agent.stores import Stores
from monitor_agent.alerting.definitions import load_alerts
from monitor_agent.alerting.evaluator import AlertEvaluator
from monitor_agent.clock import FixedClock
from monitor_agent.contracts.agent_state import AGENT_STATE
from monitor_agent.contracts.alert import ALERTS
from monitor_agent.contracts.deadletter import DEADLETTERS
from monitor_agent.es.gateway import Gateway
from monitor_agent.pipeline.broken_features import broken_of
from monitor_agent.pipeline.instants import Interval
from monitor_agent.settings import AgentSettings
from tests.factories import START, Document, iso, make_prediction
from tests.integration.agent_world import World

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SETTINGS: dict[str, Any] = {"base_window": timedelta(minutes=30), "larger_windows": (HOUR, DAY), "drift_samples": 200}
LATER = START + 2 * DAY
REFUSED = 60
FEW = 0.12
"""This share of wrong values is too small for an hour of version 3: it may be chance there."""


def traffic(day: int, version: str, *, broken: bool, wrong_sizes: float = 0.0) -> list[Document]:
    """Return requests of three items each; if broken, each feature has a fault of its own."""
    hours, requests = 3, 80
    dice = np.random.default_rng((day, int(version)))
    events: list[Document] = []
    for _ in range(hours * requests):
        at = START + day * DAY + hours * HOUR * dice.random()
        for rank in (1, 2, 3):
            item = make_prediction(at, float(dice.beta(2, 3)), version=version, rank=rank, request_size=3)
            # The reference has both ends of the range, and each shop.
            numeric = {
                "price": float(np.clip(dice.normal(10, 2), 5, 15)),
                "size": float(np.clip(dice.normal(0, 1), -2, 2)),
                "weight": float(dice.normal(1, 1)),
            }
            categorical = {"shop": str(dice.choice(["a", "b", "c"]))}
            age = float(dice.uniform(0, 3600))
            if dice.random() < wrong_sizes:
                numeric["size"] = 5.0
            if broken:
                if dice.random() < 0.4:
                    del numeric["price"]
                numeric["size"] *= 2
                numeric["weight"] = 0.5
                categorical["shop"] = "new" if dice.random() < 0.3 else categorical["shop"]
                age *= 5
            item["features"] = {"numeric": numeric, "categorical": categorical, "age_s": {"price": age}}
            events.append(item)
    return events


def refused_lines(version: str, lines_of_model: int = REFUSED) -> list[tuple[datetime, Document]]:
    """Return lines whose price is a text, and as many lines of another model."""
    lines = []
    for number in range(2 * lines_of_model):
        at = START + DAY + timedelta(seconds=number)
        line = make_prediction(at, version=version, model="click" if number < lines_of_model else "another")
        line["features"] = {"numeric": {"price": "9.99", "size": 1.0}}
        lines.append((at, line))
    return lines


def refuse(world: World, lines: Iterable[tuple[datetime, Document]]) -> None:
    """Store lines as the pipeline's dead letters."""
    for at, line in lines:
        letter = {"@timestamp": iso(at), "error": {"type": "bad features.numeric"}, "message": json.dumps(line)}
        world.admin.index(index=DEADLETTERS.index_for(at), document=letter)
    world.admin.indices.refresh(index=DEADLETTERS.pattern)


def learn(world: World) -> None:
    """Make the first day the reference of the second."""
    settings = dataclasses.replace(AgentSettings(), **SETTINGS)
    references = Stores(Gateway(world.agent), settings, FixedClock(START + DAY)).references
    reference = references.learn("click", Interval(START, START + 12 * HOUR), START + 14 * HOUR)
    references.add("click", reference, START + DAY)
    assert references.of("click") == [reference]


@pytest.fixture
def events(world: World) -> tuple[list[Document], list[Document]]:
    """Return the events of a reference day and of a day with faults; an agent has counted both.

    On that day, version 2 is broken, and a few sizes of version 3 are wrong.
    """
    usual = [*traffic(0, "1", broken=False), *traffic(0, "2", broken=False)]
    today = [
        *traffic(1, "1", broken=False),
        *traffic(1, "2", broken=True),
        *traffic(1, "3", broken=False, wrong_sizes=FEW),
    ]
    world.deliver(*usual, *today)
    refuse(world, refused_lines("2"))
    learn(world)
    world.cycle(LATER, **SETTINGS)
    return usual, today


def values_of(events: Iterable[Document], feature: str) -> list[Any]:
    """Return the values of a feature; None where it is missing."""
    kind, name = feature.split(".")
    return [event["features"][kind].get(name) for event in events]


def expected(feature: str, usual: list[Document], events: list[Document]) -> dict[str, Any]:
    """Return the numbers of a window from its events, in plain Python."""
    reference = [value for value in values_of(usual, feature) if value is not None]
    values = values_of(events, feature)
    present = [value for value in values if value is not None]
    numbers: dict[str, Any] = {
        "predictions": len(values),
        "n": len(present),
        "requests": sum(event["prediction"]["rank"] == 1 for event in events),
        "missing": len(values) - len(present),
        "missing_share": 1 - len(present) / len(values),
        "missing_share_reference": 1 - len(reference) / len(usual),
        "constant": len(set(present)) == 1,
    }
    if feature.startswith("numeric"):
        below = sum(value < min(reference) for value in present)
        above = sum(value > max(reference) for value in present)
        numbers |= {"below_range": below, "above_range": above, "out_of_range_share": (below + above) / len(present)}
        numbers |= {"range_low": min(reference), "range_high": max(reference)}
    else:
        new = sum(value not in reference for value in present)
        numbers |= {"new_category": new, "new_category_share": new / len(present)}
    return numbers


def test_all_numbers_are_those_of_the_events(world: World, events: tuple[list[Document], list[Document]]) -> None:
    """Each feature of each version in each hour and in the day: counts, shares, ranges, constants and ages."""
    usual, today = events
    documents = [document for document in world.documents("model-drift").values() if "." in document["feature"]]
    windows = set()
    for document in documents:
        start, end, version = document["window_start"], document["window_end"], document["model_version"]
        of_window = [
            event
            for event in today
            if moment(start) <= moment(event["@timestamp"]) < moment(end)
            and version in ("all", event["model"]["version"])
        ]
        numbers = expected(document["feature"], usual, of_window)
        assert {name: document[name] for name in numbers} == {
            name: pytest.approx(value) for name, value in numbers.items()
        }, (document["feature"], version, document["window_size"])
        assert document["missing_share_low"] <= document["missing_share"] <= document["missing_share_high"]
        if document["feature"] == "numeric.price":
            ages = [event["features"]["age_s"]["price"] for event in of_window]
            assert document["age_mean"] == pytest.approx(np.mean(ages))
            assert document["age_max"] == pytest.approx(max(ages))
            assert document["age_p95"] == pytest.approx(np.quantile(ages, 0.95), rel=0.14)
        windows.add((document["window_size"], start, version))
    assert len(windows) == 4 * 4

    before = world.documents("model-drift")
    world.admin.indices.delete(index=DEADLETTERS.index_for(START + DAY))
    world.make_agent(LATER, **SETTINGS).backfill(START, START + 2 * DAY)
    assert world.documents("model-drift") == before


def test_a_broken_feature_is_named_with_its_worst_fault(
    world: World,
    events: tuple[list[Document], list[Document]],  # noqa: ARG001 - they are stored
) -> None:
    """Version 2: each feature has one fault, the price three. Version 1 has none. One firing names all of them.

    The wrong sizes of version 3 are seen in three hours together, not in one.
    """
    documents = [row for row in world.documents("model-drift").values() if row["window_size"] == "1h"]
    broken: dict[tuple[str, str], set[str]] = {}
    for row in documents:
        broken.setdefault((row["model_version"], row["feature"]), set()).update(row["broken"])
    assert {feature: checks for (version, feature), checks in broken.items() if version == "2"} == {
        "score": set(),
        "label": set(),
        "numeric.price": {"missing", "wrong_type", "stale"},
        "numeric.size": {"out_of_range"},
        "numeric.weight": {"constant"},
        "categorical.shop": {"new_category"},
    }
    assert not any(checks for (version, _), checks in broken.items() if version in ("1", "3"))
    (refused,) = [row for row in documents if row["model_version"] == "2" and row["wrong_type"]]
    assert refused["wrong_type"] == REFUSED
    assert refused["wrong_type_share"] == pytest.approx(REFUSED / (REFUSED + refused["predictions"]))

    now = START + DAY + 3 * HOUR + timedelta(minutes=10)
    world.make_agent(now, **SETTINGS).judge()
    judged = [row for row in world.documents("model-verdicts").values() if row["segment"] == "all"]
    verdicts = {row["model_version"]: row for row in judged}
    assert {version: row["broken_features"] for version, row in verdicts.items()} == {"1": 0, "2": 4, "3": 1, "all": 4}
    assert verdicts["2"]["broken_since"] == iso_seconds(START + DAY)
    worst = broken_of(verdicts["2"])
    assert {feature.name: feature.check for feature in worst} == {
        "price": "stale",
        "size": "out_of_range",
        "weight": "constant",
        "shop": "new_category",
    }
    assert worst[0].sentence() == "Feature weight: constant since 2026-03-03 10:00 UTC"
    assert {feature.version for feature in broken_of(verdicts["all"])} == {"2", "3"}
    (few,) = broken_of(verdicts["3"])
    assert (few.name, few.check, few.since) == ("size", "out_of_range", START + DAY)
    assert few.share == pytest.approx(FEW, abs=0.05)

    AlertEvaluator(Gateway(world.agent), load_alerts()).evaluate(now, [AgentSettings()])
    world.admin.indices.refresh(index=f"{ALERTS.pattern},{AGENT_STATE.name}")
    firings = [row for row in world.documents(ALERTS.alias).values() if row["rule"]["name"] == "data-quality"]
    assert sorted((row["model_version"], row["state"], row["value"]) for row in firings) == [
        ("2", "active", 4),
        ("3", "active", 1),
    ]


def test_a_version_of_which_all_lines_are_refused_is_named(world: World) -> None:
    """It has no window: the dead letters of the hour say which feature is no number."""
    world.deliver(*traffic(0, "1", broken=False), *traffic(1, "1", broken=False))
    lines = [letter for letter in refused_lines("2", lines_of_model=150) if letter[1]["model"]["name"] == "click"]
    refuse(world, [(at + HOUR, {**line, "@timestamp": iso(at + HOUR)}) for at, line in lines])
    learn(world)
    hour = START + DAY + 2 * HOUR
    world.cycle(hour, **SETTINGS)

    world.make_agent(hour + timedelta(minutes=10), **SETTINGS).judge()
    judged = [row for row in world.documents("model-verdicts").values() if row["segment"] == "all"]
    verdicts = {row["model_version"]: row for row in judged}
    assert {version: row["broken_features"] for version, row in verdicts.items()} == {"1": 0, "2": 1, "all": 1}
    (feature,) = broken_of(verdicts["2"])
    assert feature.sentence() == "Feature price: 100 % refused as no number since 2026-03-03 11:00 UTC"


def test_documents_of_an_earlier_release_have_a_reason(
    world: World,
    events: tuple[list[Document], list[Document]],  # noqa: ARG001 - they are stored
) -> None:
    """A stored hour without these counts stays, and says so; it is never 0."""
    hits = world.admin.search(index="model-drift", size=1000, query={"term": {"window_size": "1h"}})["hits"]["hits"]
    for hit in hits:
        del hit["_source"]["sample"]["quality"]
        world.admin.index(index=hit["_index"], id=hit["_id"], document=hit["_source"])
    world.admin.indices.delete(index="model-predictions-2026.03.03")
    world.admin.indices.refresh(index="model-*")

    world.make_agent(LATER, **SETTINGS).backfill(START + DAY, START + 2 * DAY)

    hours = [row for row in world.documents("model-drift").values() if row["window_size"] == "1h"]
    assert {row["missing_undefined"] for row in hours} == {"earlier_release"}
    assert {row["missing_share"] for row in hours} == {None}
    assert {tuple(row["broken"]) for row in hours} == {()}


def moment(text: str) -> datetime:
    """Return the time of a document."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def iso_seconds(at: datetime) -> str:
    """Return a time as the agent writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
