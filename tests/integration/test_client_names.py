"""Names of clients in the mapping: the configured labels and features are fields, however many others come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.install import install
from monitor_agent.es.readiness import require_setup
from monitor_agent.settings import AgentSettings, ServerSettings
from tests.cluster import Cluster
from tests.command_line import set_up
from tests.factories import START, Document, index_of, make_prediction
from tests.integration.agent_world import MUCH_LATER, World
from tests.integration.test_service import environ_of

FINAL = START + MUCH_LATER
HOURS: dict[str, Any] = {"base_window": timedelta(hours=1), "larger_windows": (timedelta(days=1),)}
MANY = 420
INDEX = PREDICTIONS.index_for(START)


@pytest.fixture(autouse=True)
def default_templates(world: World) -> Iterator[None]:
    """Leave the templates as the other tests expect them."""
    yield
    install(Gateway(world.admin), AgentSettings())


def make_flood(**fields: Any) -> list[Document]:
    """Return an event with very many names, and thirty ordinary ones after it."""
    return [
        {**make_prediction(START), **fields},
        *[make_prediction(START + timedelta(seconds=number)) for number in range(1, 31)],
    ]


def deliver_in_order(world: World, events: list[Document]) -> None:
    """Index the events one after the other, as they come."""
    for event in events:
        world.admin.index(index=index_of(event), id=event["event"]["id"], document=event)
    world.admin.indices.refresh(index="model-*")


def fields_below(world: World, *path: str) -> set[str]:
    """Return the names of the fields below an object of the day's index."""
    node = world.admin.indices.get_mapping(index=INDEX)[INDEX]["mappings"]
    for step in path:
        node = node["properties"].get(step, {"properties": {}})
    return set(node.get("properties", {}))


def test_labels_beyond_any_limit_leave_the_segments_in_the_mapping(world: World) -> None:
    """The first event of a day has 420 labels: the others are in their segment, and the labels make no fields."""
    deliver_in_order(world, make_flood(labels={f"req_{number}": "x" for number in range(MANY)}))

    world.cycle(FINAL, **HOURS)

    assert world.window("1d", segment="labels.scene=search")["n"] == 30
    assert world.window("1d")["n"] == 31
    assert fields_below(world, "labels") == {"scene"}


def test_features_beyond_the_limit_leave_the_configured_ones_in_the_mapping(world: World) -> None:
    """A feature that the server logs is a field from the start."""
    server = ServerSettings(numeric_features=("price",), categorical_features=("shop",))
    install(Gateway(world.admin), AgentSettings(), server=server)
    flood = make_flood(features={"numeric": {f"f{number}": 1.0 for number in range(MANY)}})
    for event in flood[1:]:
        event["features"] = {"numeric": {"price": 2.0}, "categorical": {"shop": "a"}}

    deliver_in_order(world, flood)

    for name, value in (("numeric.price", 2.0), ("categorical.shop", "a")):
        query = {"term": {f"features.{name}": value}}
        assert world.admin.count(index=INDEX, query=query)["count"] == 30, name


def test_what_receivers_and_imports_fill_is_found_after_setup(
    world: World, clean_indices: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`setup` reads the labels and features of the tables of the file, beside those of the model server."""
    for name, value in environ_of(clean_indices).items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "monitor.toml"
    file.write_text(
        """[receive.click.inputs]
item = "item_id"
labels.country = "country"
features.numeric.price = "price"
[imports.cards]
map = {"features.categorical.shop" = "the shop", "labels.scene" = "site"}
""",
        encoding="utf-8",
    )

    monkeypatch.setenv("MONITOR_CONFIG", str(file))
    assert set_up() == 0

    event = make_prediction(START)
    event["labels"] = {"scene": "ad", "country": "jp", "other": "x"}
    event["features"] = {"numeric": {"price": 2.0}, "categorical": {"shop": "a"}}
    deliver_in_order(world, [event])
    values = {"labels.country": "jp", "features.numeric.price": 2.0, "features.categorical.shop": "a"}
    hits = {
        name: world.admin.count(index=INDEX, query={"term": {name: value}})["count"] for name, value in values.items()
    }
    assert hits == dict.fromkeys(values, 1)
    assert fields_below(world, "labels") == {"scene", "country"}


def test_setup_repairs_an_index_that_labels_have_filled(world: World) -> None:
    """Under an earlier release each label was a field; the index gets its segment although it is full."""
    earlier = PREDICTIONS.template()["template"]
    earlier["mappings"]["properties"]["labels"]["dynamic"] = True
    values = {"type": "keyword", "ignore_above": 256}
    earlier["mappings"]["dynamic_templates"].append({"labels": {"path_match": "labels.*", "mapping": values}})
    aliases = {PREDICTIONS.alias: {}}
    world.admin.indices.delete_index_template(name=PREDICTIONS.name)
    world.admin.indices.create(index=INDEX, settings=earlier["settings"], mappings=earlier["mappings"], aliases=aliases)
    flood = make_flood(labels={f"req_{number}": "x" for number in range(MANY)})
    deliver_in_order(world, flood[:11])
    assert "scene" not in fields_below(world, "labels")

    assert install(Gateway(world.admin), AgentSettings()) == []

    assert "scene" in fields_below(world, "labels")
    deliver_in_order(world, flood[11:])
    world.cycle(FINAL, **HOURS)
    assert world.window("1d", segment="labels.scene=search")["n"] == 20
    assert install(Gateway(world.admin), AgentSettings()) == []


def test_a_new_segment_needs_setup(world: World) -> None:
    """Before it runs, the commands warn; after it, existing and new indices have the label."""
    segments = ("scene", "shop.kind")
    world.deliver(make_prediction(START))
    assert require_setup(Gateway(world.agent), ("scene",)) == []
    (warning,) = require_setup(Gateway(world.agent), segments)
    assert "the label shop.kind of MONITOR_SEGMENTS" in warning

    install(Gateway(world.admin), AgentSettings(segments=segments))

    assert require_setup(Gateway(world.agent), segments) == []
    event = make_prediction(START)
    event["labels"] = {"scene": "ad", "shop": {"kind": "food"}}
    world.deliver(event)
    world.cycle(FINAL, **HOURS, segments=segments)
    assert world.window("1d", segment="labels.shop.kind=food")["n"] == 1
