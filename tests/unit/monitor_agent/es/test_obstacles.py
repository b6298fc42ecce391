"""What keeps an index from being used as it is, decided from its name, mapping and aliases."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest

from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.release import RELEASES
from monitor_agent.es.obstacles import (
    IndexState,
    conflicts,
    contract_of,
    copy_name,
    is_current,
    name_of_original,
    obstacle_of,
    obstacles_of,
    stronger_templates,
)
from tests.factories import START

DAY = "model-predictions-2026.03.02"


def mapping(**properties: Any) -> dict[str, Any]:
    """Return a mapping as Elasticsearch makes it by itself."""
    return {"properties": properties}


def state(name: str = DAY, **changes: Any) -> IndexState:
    """Return an index that can be used as it is, with changes."""
    contract = contract_of(name)
    assert contract is not None
    return IndexState(
        **{"name": name, "contract": contract, "mapping": contract.mapping(), "aliases": frozenset(), **changes}
    )


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_the_mapping_of_the_template_has_no_conflict(contract: IndexContract) -> None:
    """An index that was made from the template is current."""
    assert conflicts(contract.mapping(), contract) == []
    assert is_current(contract.mapping(), contract)


def test_an_index_without_fields_needs_only_an_extension() -> None:
    """Missing fields can be added: they are no conflict."""
    assert conflicts({}, PREDICTIONS) == []
    assert not is_current({}, PREDICTIONS)


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"log": mapping(file=mapping(path={"type": "text"}))}, "log.file.path is text, not keyword"),
        ({"event": {"type": "keyword"}}, "event is keyword, not an object"),
        ({"message": mapping(text={"type": "text"})}, "message is object, not text"),
        ({"labels": mapping(scene={"type": "text"})}, "labels.scene is text, not keyword"),
        ({"labels": mapping(shop=mapping(id={"type": "long"}))}, "labels.shop.id is long, not keyword"),
    ],
)
def test_a_field_of_another_type_is_a_conflict(properties: dict[str, Any], expected: str) -> None:
    """The text names the field, its type and the right type."""
    assert expected in conflicts({"properties": properties}, PREDICTIONS)


def test_a_field_that_must_not_be_indexed_is_a_conflict_if_it_is() -> None:
    """Objects that only the source holds cannot be switched off afterwards."""
    contract = contract_of("monitor-agent-state")
    assert contract is not None

    assert conflicts(mapping(content=mapping(a={"type": "long"})), contract) == ["content is indexed"]


def test_fields_that_the_contract_does_not_have_are_no_conflict() -> None:
    """An index may have more fields."""
    extended = PREDICTIONS.mapping()
    extended["properties"]["shop"] = {"type": "text"}

    assert obstacle_of(state(mapping=extended)) is None


@pytest.mark.parametrize(
    ("index", "problem", "repairable"),
    [
        (state(mapping=mapping(message={"type": "long"})), "message is long, not text", True),
        (state("model-predictions"), "it has the name that the alias of the dated indices needs", True),
        (state(closed=True), "it is closed, so every search over its alias fails", True),
        (state("model-predictions.repair-2026.03.02"), "its repair was interrupted", True),
        (state(alias_of="mine"), "it is an alias of mine, and the agent needs an index of this name", True),
        (state(data_stream="model-predictions-x"), "a data stream has a name of model-predictions", False),
    ],
)
def test_each_obstacle_has_its_remedy(index: IndexState, problem: str, repairable: bool) -> None:
    """What a copy can repair is repaired by the command; the rest says what to do by hand."""
    obstacle = obstacle_of(index)

    assert obstacle is not None
    assert (obstacle.problem, obstacle.repairable) == (problem, repairable)
    assert ("run `monitor-agent setup --repair " in obstacle.advice) == repairable


def test_an_index_and_its_copy_are_one_obstacle() -> None:
    """The message names each index one time."""
    wrong = state(mapping=mapping(message={"type": "long"}))

    (obstacle,) = obstacles_of([wrong, state("model-predictions.repair-2026.03.02")])

    assert obstacle.name == DAY


def test_many_conflicts_are_said_in_short() -> None:
    """The first three fields are named."""
    wrong = {name: {"type": "boolean"} for name in ("message", "tags", "event", "host", "model")}
    obstacle = obstacle_of(state(mapping={"properties": wrong}))

    assert obstacle is not None
    assert obstacle.problem.endswith("; and 2 more fields")


def test_the_alias_of_a_single_index_is_its_name() -> None:
    """An index without a date needs no alias; a dated one does."""
    assert not state(RELEASES.name).lacks_alias
    assert state().lacks_alias
    assert not state(aliases=frozenset({"model-predictions"})).lacks_alias


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_a_copy_leads_back_to_its_index(contract: IndexContract) -> None:
    """Its name belongs to no template's pattern, so that no search over the alias counts its documents twice."""
    for name in {contract.index_for(START), contract.alias}:
        copy = copy_name(contract, name)

        assert name_of_original(contract, copy) == name
        assert contract_of(copy) is contract
        assert not fnmatchcase(copy, contract.pattern)


def test_a_template_of_others_with_a_higher_priority_is_named() -> None:
    """New indices would get its mapping."""

    def template(name: str, pattern: str, priority: int, **body: Any) -> dict[str, Any]:
        return {"name": name, "index_template": {"index_patterns": [pattern], "priority": priority, **body}}

    body_of_product = PREDICTIONS.template()["template"]
    templates = [
        template("a", "model-*", 501),
        template("b", "model-*", 100),
        template("c", "logs-*", 900),
        template("d", "model-predictions-*", 900, template=body_of_product),
    ]

    assert [obstacle.name for obstacle in stronger_templates(templates, START)] == ["the index template a"]
