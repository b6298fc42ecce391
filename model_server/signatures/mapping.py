"""The part of `model.json` that says how a SavedModel is served; what is absent is found in the signature (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor_agent.contracts.kinds import KINDS, MOST_CLASS_CHARACTERS
from monitor_agent.errors import ModelError

NO_ACTIVATION, SIGMOID, SOFTMAX = "none", "sigmoid", "softmax"
ACTIVATIONS = (NO_ACTIVATION, SIGMOID, SOFTMAX)
KIND_NAMES = tuple(kind.name for kind in KINDS)
CORRECT_FILE = "correct the file"


@dataclass(frozen=True)
class ModelMapping:
    """What the author of a model says about its signature.

    Attributes
    ----------
    signature : the signature that is served; "" = `serving_default`, else the only one.
    inputs : input of the signature -> where its value is in an instance, such as `input_seq` or `inputs.x`; a list of
        features makes one row of a matrix.
    output : the output with the score; "" = the only one, or the one of the name `score`.
    column : the column of that output, from 0; None = the only one, or the second of two.
    activation : what turns the output into probabilities; "" = it gives probabilities.
    kind : `binary`, `multiclass` or `regression`; "" = found in the shape of the output.
    classes : names of the columns of a multiclass model; empty = 0, 1, 2, ...
    """

    signature: str = ""
    inputs: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    output: str = ""
    column: int | None = None
    activation: str = ""
    kind: str = ""
    classes: tuple[str, ...] = ()


def read_mapping(entries: Mapping[str, Any], path: Path) -> ModelMapping:
    """Return the mapping that `model.json` holds.

    Raises
    ------
    ModelError
        If an entry is malformed.
    """
    return ModelMapping(
        signature=_text(entries, "signature", path),
        inputs=_inputs(entries.get("inputs"), path),
        output=_text(entries, "output", path),
        column=_column(entries.get("column"), path),
        activation=_choice(entries, "activation", ACTIVATIONS, path),
        kind=_choice(entries, "kind", KIND_NAMES, path),
        classes=_classes(entries.get("classes"), path),
    )


def _text(entries: Mapping[str, Any], name: str, path: Path) -> str:
    value = entries.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ModelError(f"{path}: {name} is {value!r}, text is expected", CORRECT_FILE)
    return value


def _choice(entries: Mapping[str, Any], name: str, choices: tuple[str, ...], path: Path) -> str:
    value = _text(entries, name, path)
    if value and value not in choices:
        raise ModelError(f"{path}: {name} is {value!r}", f"write one of {', '.join(choices)}")
    return value


def _column(value: Any, path: Path) -> int | None:
    if value is not None and (type(value) is not int or value < 0):
        raise ModelError(f"{path}: column is {value!r}, a whole number from 0 is expected", CORRECT_FILE)
    return value


def _inputs(value: Any, path: Path) -> dict[str, str | tuple[str, ...]]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ModelError(f"{path}: inputs is {value!r}, an object is expected", CORRECT_FILE)
    places: dict[str, str | tuple[str, ...]] = {}
    for name, place in value.items():
        if isinstance(place, list) and place and all(isinstance(entry, str) for entry in place):
            places[name] = tuple(place)
        elif isinstance(place, str):
            places[name] = place
        else:
            raise ModelError(f"{path}: inputs.{name} is {place!r}, text or a list of texts is expected", CORRECT_FILE)
    return places


def _classes(value: Any, path: Path) -> tuple[str, ...]:
    if value is None:
        return ()
    is_list = isinstance(value, list) and len(value) > 1
    if not is_list or not all(isinstance(name, str) and 1 <= len(name) <= MOST_CLASS_CHARACTERS for name in value):
        raise ModelError(
            f"{path}: classes is {value!r}",
            f"write a list of two or more names of 1 to {MOST_CLASS_CHARACTERS} characters",
        )
    if len(set(value)) < len(value):
        raise ModelError(f"{path}: classes has a name twice", CORRECT_FILE)
    return tuple(value)
