"""The pipeline keeps to the bounds of the contracts: each numeric field at the ends of its range, and beyond."""

from __future__ import annotations

import math
from typing import Any

import pytest

from monitor_agent.contracts.bounds import Bounds
from monitor_agent.contracts.deadletter import out_of_bounds
from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.contracts.release import RELEASES
from monitor_agent.contracts.request_error import ERRORS
from tests.dry_pipeline import document_of
from tests.factories import Document, make_error, make_feedback, make_prediction, make_release

NUMERIC = {"long", "integer", "double"}
EXTREMES = (1e308, -1e308, 5e-324, 1e16, -1, 2**63 - 1, 0)
NO_NUMBERS = ("1", [1], {"a": 1}, True)


def fields_of(contract: IndexContract) -> list[tuple[str, Bounds]]:
    """Return the numeric fields that clients write, with their bounds; a name of a client stands for all of them."""
    written_by_clients = {
        name: entry
        for name, entry in contract.fields.items()
        if not (contract is PREDICTIONS and name.startswith("feedback."))
    }
    return [
        (f"{name}.price" if entry.options.get("dynamic") else name, entry.bounds)
        for name, entry in written_by_clients.items()
        if entry.bounds
    ]


FIELDS = [
    pytest.param(contract, name, bounds, id=f"{contract.name}-{name}")
    for contract in (PREDICTIONS, FEEDBACK, ERRORS, RELEASES)
    for name, bounds in fields_of(contract)
]


def make_event(contract: IndexContract) -> Document:
    """Return an event of a contract."""
    if contract is PREDICTIONS:
        return make_prediction()
    if contract is RELEASES:
        return make_release()
    return make_feedback(make_prediction()) if contract is FEEDBACK else make_error()


def result_of(contract: IndexContract, name: str, value: Any) -> str:
    """Return what the pipeline makes of an event with this value: the reason of a dead letter, else the dataset."""
    event = make_event(contract)
    *parents, leaf = name.split(".")
    holder = event
    for parent in parents:
        holder = holder.setdefault(parent, {})
    holder[leaf] = value
    document = document_of(event)
    return str(document["error"]["type"] if "message" in document else document["event"]["dataset"])


@pytest.mark.parametrize("contract", [PREDICTIONS, FEEDBACK, ERRORS, RELEASES], ids=lambda contract: contract.name)
def test_every_number_has_bounds(contract: IndexContract) -> None:
    """A field without bounds could make a sum infinite."""
    types = {name: entry.options.get("_values", {}).get("type", entry.type) for name, entry in contract.fields.items()}

    assert {name for name, type_ in types.items() if type_ in NUMERIC} == {
        name for name, entry in contract.fields.items() if entry.bounds
    }


@pytest.mark.parametrize(("contract", "name", "bounds"), FIELDS)
def test_the_ends_belong_to_the_range(contract: IndexContract, name: str, bounds: Bounds) -> None:
    """Low and high are accepted, and null is the same as absent for optional fields."""
    accepted = [int(end) if bounds.is_whole else end for end in (bounds.low, bounds.high)]
    optional = [] if name in ("prediction.score", "prediction.label") else [None]

    results = {result_of(contract, name, value) for value in [*accepted, *optional]}

    assert results == {make_event(contract)["event"]["dataset"]}


@pytest.mark.parametrize(("contract", "name", "bounds"), FIELDS)
def test_a_number_beyond_is_a_dead_letter(contract: IndexContract, name: str, bounds: Bounds) -> None:
    """The next number below and above the range, extremes, and what is no number at all."""
    step = 1 if bounds.is_whole else None
    beyond = [
        int(bounds.low) - 1 if step else math.nextafter(bounds.low, -math.inf),
        int(bounds.high) + 1 if step else math.nextafter(bounds.high, math.inf),
        *(value for value in EXTREMES if not bounds.hold(value)),
        *NO_NUMBERS,
        *([0.5] if bounds.is_whole else []),
    ]
    reason = out_of_bounds(name.removesuffix(".price"))

    results = {repr(value): result_of(contract, name, value) for value in beyond}

    assert {value: result for value, result in results.items() if result != reason} == {}
