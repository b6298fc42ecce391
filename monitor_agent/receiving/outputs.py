"""Turns the output of a model for one instance into the fields of a prediction (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp
from typing import Any

from monitor_agent.errors import RecordError
from monitor_agent.prediction_log.names import loggable
from monitor_agent.prediction_log.record_fields import kind_of
from monitor_agent.receiving.payloads import Cell
from monitor_agent.settings.source_mapping import SIGMOID, SOFTMAX, SourceMapping
from monitor_agent.vocabulary.prediction_kinds import MULTICLASS, REGRESSION

_MOST_OF_EXP = 700.0
"""exp() of more is no float."""


def outcome_of(cell: Cell, mapping: SourceMapping) -> dict[str, Cell]:
    """Return the fields of a prediction that an output says, with their paths: `score`; `class` and `scores`; `value`.

    Raises
    ------
    RecordError
        If the output is not what the mapping says; it names the path of the value.
    """
    if mapping.kind == MULTICLASS:
        return _classes(cell, mapping)
    single = _single(cell, mapping)
    number = _number(single)
    if mapping.activation == SIGMOID:
        number = _sigmoid(number)
    return {"value" if mapping.kind == REGRESSION else "score": Cell(number, single.path)}


def _single(cell: Cell, mapping: SourceMapping) -> Cell:
    """Return the number that is the score, of an output of one or several numbers."""
    value, path = cell
    if isinstance(value, dict):
        if not mapping.positive_class:
            raise RecordError(path, "it is an object: `positive_class` of [receive.NAME] must name the class")
        if mapping.positive_class not in value:
            raise RecordError(path, f"it has no class {mapping.positive_class}")
        values = _activated(value, path, mapping)
        return Cell(values[mapping.positive_class], f"{path}.{mapping.positive_class}")
    if not isinstance(value, list):
        return cell
    if len(value) == 1 and isinstance(value[0], list):  # such as a shape of (1, classes) for each instance
        value, path = value[0], f"{path}[0]"
    place = _place(value, path, mapping)
    numbers = _activated(dict(enumerate(value)), path, mapping)
    return Cell(numbers[place], f"{path}[{place}]")


def _place(values: Sequence[Any], path: str, mapping: SourceMapping) -> int:
    """Return the place of the score in a list."""
    if mapping.positive_class:
        if mapping.positive_class not in mapping.classes:
            raise RecordError(path, "`classes` of [receive.NAME] must name its numbers")
        place = mapping.classes.index(mapping.positive_class)
    elif mapping.column is not None:
        place = mapping.column
    elif len(values) in (1, 2):
        place = len(values) - 1
    else:
        raise RecordError(path, f"it has {len(values)} values: `column` of [receive.NAME] must say which one counts")
    if place >= len(values):
        raise RecordError(path, f"it has {len(values)} values, none with the number {place}")
    return place


def _classes(cell: Cell, mapping: SourceMapping) -> dict[str, Cell]:
    """Return the class of an output, and the probability of each class if the output has it."""
    value, path = cell
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], (list, str)):
        value, path = value[0], f"{path}[0]"
    if isinstance(value, str):
        return {"class": Cell(value, path)}
    if isinstance(value, int) and not isinstance(value, bool):
        named = 0 <= value < len(mapping.classes)
        return {"class": Cell(mapping.classes[value] if named else str(value), path)}
    if isinstance(value, list):
        names = mapping.classes or [str(number) for number in range(len(value))]
        if len(names) != len(value):
            raise RecordError(path, f"it has {len(value)} values, and `classes` of [receive.NAME] has {len(names)}")
        value = dict(zip(names, value, strict=True))
    if not isinstance(value, dict) or not value:
        raise RecordError(path, f"a class, a list or an object is expected, {kind_of(value)} given")
    return {"scores": Cell(_activated(value, path, mapping), path)}


def _activated(values: Mapping[Any, Any], path: str, mapping: SourceMapping) -> dict[Any, float]:
    """Return the numbers of an output by their names, as probabilities if the mapping says that they are logits."""
    places = {name: f"{path}[{name}]" if isinstance(name, int) else f"{path}.{loggable(name)}" for name in values}
    numbers = {name: _number(Cell(value, places[name])) for name, value in values.items()}
    if mapping.activation != SOFTMAX or not numbers:
        return numbers
    highest = max(numbers.values())
    powers = {name: exp(number - highest) for name, number in numbers.items()}
    total = sum(powers.values())
    return {name: power / total for name, power in powers.items()}


def _number(cell: Cell) -> float:
    value, path = cell
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RecordError(path, f"a number is expected, {kind_of(value)} given")
    try:
        return float(value)
    except OverflowError as error:
        raise RecordError(path, "the number is too large") from error


def _sigmoid(number: float) -> float:
    return 0.0 if number < -_MOST_OF_EXP else 1 / (1 + exp(-number))
