"""Bodies of TensorFlow Serving's REST API: rows, columns and examples become the inputs of instances (pure).

Source: TensorFlow Serving, "RESTful API", the endpoints `:predict`, `:classify` and `:regress`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from model_server.errors import NoSuchModelError, ValidationError
from model_server.json_object import JsonObject, elements, kind_of
from model_server.signatures.input_form import SPLITS, InputForm
from model_server.signatures.instance_inputs import InputReader, InstanceInputs
from model_server.signatures.json_values import B64

SIGNATURE, INSTANCES, INPUTS, CONTEXT, EXAMPLES = "signature_name", "instances", "inputs", "context", "examples"


@dataclass(frozen=True)
class ServingRequest:
    """The instances of a request.

    Attributes
    ----------
    is_columnar : whether the body has one list for each input, and the answer one for each output.
    """

    form: InputForm
    instances: tuple[InstanceInputs, ...]
    is_columnar: bool = False


def predict_request(body: Any, reader: InputReader, most: int) -> ServingRequest:
    """Return the request that a body of `:predict` holds.

    Parameters
    ----------
    most : instances of a request.

    Raises
    ------
    RequestError
        If the body is malformed, or names a signature that is not served.
    """
    node = JsonObject(body, "", (SIGNATURE, INSTANCES, INPUTS))
    form = form_of(node, reader)
    if any(column.place.startswith(SPLITS) for column in form.columns):
        raise ValidationError("a model of ragged rows is served at /predict only")
    if (INSTANCES in node) == (INPUTS in node):
        raise ValidationError("either instances or inputs is expected")
    if INPUTS in node:
        values = _rows_of_columns(node.get(INPUTS), form, most)
    else:
        values = [_row(row, place, form) for place, row in elements(node.get(INSTANCES), INSTANCES, most)]
    instances = tuple(replace(reader.read_tensors(form, row), has_all_outputs=True) for row in values)
    return ServingRequest(form, instances, is_columnar=INPUTS in node)


def example_request(body: Any, reader: InputReader, most: int) -> ServingRequest:
    """Return the request that a body of `:classify` or `:regress` holds: examples, with features that all have.

    Raises
    ------
    RequestError
        If the body is malformed, or names a signature that is not served.
    """
    node = JsonObject(body, "", (SIGNATURE, CONTEXT, EXAMPLES))
    form = form_of(node, reader)
    shared = dict(node.entries(CONTEXT))
    instances = []
    for place, example in elements(node.get(EXAMPLES), EXAMPLES, most):
        if not isinstance(example, dict):
            raise ValidationError(f"an object is expected, {kind_of(example)} given", place)
        instances.append(reader.read_example(form, {**shared, **example}, place))
    return ServingRequest(form, tuple(instances))


def form_of(node: JsonObject, reader: InputReader) -> InputForm:
    """Return the form of the signature that a body names; the main one by default."""
    name = node.text(SIGNATURE, 1000)
    for form in reader.forms:
        if name is None or form.signature == name:
            return form
    names = ", ".join(form.signature for form in reader.forms)
    raise NoSuchModelError(f"this model serves no such signature; it serves {names}", SIGNATURE)


def _row(row: Any, place: str, form: InputForm) -> dict[str, tuple[Any, str]]:
    """Return value and place of each input in a row; the row of a model of one input may be its value."""
    names = [column.tensor.name for column in form.columns]
    if isinstance(row, dict) and set(row) != {B64}:
        node = JsonObject(row, place, names)
        return {name: (node.get(name), node.place(name)) for name in names}
    if len(names) > 1:
        raise ValidationError(f"an object with {', '.join(names)} is expected, {kind_of(row)} given", place)
    return {names[0]: (row, place)}


def _rows_of_columns(content: Any, form: InputForm, most: int) -> list[dict[str, tuple[Any, str]]]:
    names = [column.tensor.name for column in form.columns]
    if isinstance(content, dict):
        node = JsonObject(content, INPUTS, names)
        columns = {name: (node.get(name), node.place(name)) for name in names}
    elif len(names) == 1:
        columns = {names[0]: (content, INPUTS)}
    else:
        raise ValidationError(f"an object with {', '.join(names)} is expected, {kind_of(content)} given", INPUTS)
    lists = {name: list(elements(values, place, most)) for name, (values, place) in columns.items()}
    sizes: Sequence[int] = [len(values) for values in lists.values()]
    if len(set(sizes)) > 1:
        raise ValidationError("the inputs must have the same number of instances", INPUTS)
    return [{name: (values[row][1], values[row][0]) for name, values in lists.items()} for row in range(sizes[0])]
