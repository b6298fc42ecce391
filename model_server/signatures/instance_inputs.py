"""Reads the inputs of the model from an instance of a request, and checks them against the signature (pure)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model_server.errors import ValidationError
from model_server.json_object import JsonObject, kind_of
from model_server.signatures.input_form import (
    EXAMPLE,
    FEATURES,
    IDS,
    INPUT_MASK,
    INPUT_SEQ,
    INPUTS,
    SEGMENT_IDS,
    SPLITS,
    TEXTS,
    InputColumn,
    InputForm,
)
from model_server.signatures.tensor_spec import TensorSpec

Array = npt.NDArray[Any]
MAX_TEXT_LENGTH = 100_000
MAX_PADDED_LENGTH = 4096
ANY_ID = 2**31
B64 = "b64"
NUMPY_DTYPES = {"string": "O", "bfloat16": "float32"}
"""NumPy's types of TensorFlow's types with another name; bfloat16 is cast by TensorFlow."""

ExampleFeatures = dict[str, list[Any]]


@dataclass(frozen=True)
class InstanceInputs:
    """The values of one instance for each column of a form.

    Attributes
    ----------
    values : arrays; for `example`, the bytes of a serialised example, or its features.
    """

    form: InputForm
    values: tuple[Any, ...]

    @property
    def group(self) -> tuple[Any, ...]:
        """What instances that are computed together have in common.

        Rows of ids with a mask are padded. Padding would change what a model makes of other inputs.
        """
        padded = self.form.column(INPUT_MASK) is not None
        shapes = [
            value.shape
            for column, value in zip(self.form.columns, self.values, strict=True)
            if isinstance(value, np.ndarray) and not column.is_ragged and not (padded and column.place in IDS)
        ]
        return (self.form.signature, *shapes)


@dataclass(frozen=True)
class InputLimits:
    """Limits of token ids.

    Attributes
    ----------
    max_seq_length : the most ids that an instance may have.
    vocab_size : ids are below it; None = unknown.
    """

    max_seq_length: int
    vocab_size: int | None = None


class InputReader:
    """Reads the inputs of instances in one of the forms of a model.

    Parameters
    ----------
    forms : at least one; the first one whose fields an instance has is read.
    """

    def __init__(self, forms: Sequence[InputForm], limits: InputLimits) -> None:
        self._forms = tuple(forms)
        self._limits = limits
        self.fields = tuple(dict.fromkeys((*IDS, *TEXTS, EXAMPLE, "inputs")))

    def read(self, node: JsonObject) -> InstanceInputs:
        """Return the inputs of an instance.

        Raises
        ------
        ValidationError
            If an input is missing, or does not fit the signature; it names the field.
        """
        form = self._form_of(node)
        named = self._named(node, form)
        ids = self._ids(node, form)
        values = tuple(
            None if column.place.startswith(SPLITS) else self._value(node, column, ids, named)
            for column in form.columns
        )
        return InstanceInputs(form, values)

    def _form_of(self, node: JsonObject) -> InputForm:
        """Return the form whose fields the instance has; refuse fields of no form, and fields of two forms."""
        present = [field for field in (*IDS, *TEXTS, EXAMPLE) if field in node]
        candidates = [form for form in self._forms if set(present) & set(form.fields)] or [
            form for form in self._forms if set(form.fields) <= {EXAMPLE}
        ]
        if not candidates:
            missing = self._forms[0].fields[0]
            node.refuse(present[0] if present else missing, self._expected() if present else self._missing())
        form = candidates[0]
        for field in present:
            if field not in form.fields and not (field in IDS and INPUT_SEQ in form.fields):
                together = any(field in other.fields for other in self._forms)
                reason = f"cannot be given together with {form.fields[0]}" if together and form.fields else ""
                node.refuse(field, reason or self._expected())
        return form

    def _expected(self) -> str:
        return f"this model takes {self._choices()} only"

    def _missing(self) -> str:
        return f"is missing; give {self._choices()}"

    def _choices(self) -> str:
        return ", or ".join(_enumeration(_fields_of(form)) for form in self._forms)

    def _named(self, node: JsonObject, form: InputForm) -> Mapping[str, Any]:
        """Return the values in `inputs` and in `features` by place; refuse unknown names in `inputs`."""
        keys = [column.key for column in form.columns if column.place.startswith(INPUTS) and not column.features]
        content = node.get("inputs")
        if content is None:
            inputs = {}
        elif len(keys) == 1 and not isinstance(content, dict):
            inputs = {keys[0]: content}
        elif form.column(EXAMPLE):
            inputs = dict(node.entries("inputs"))
        else:
            inputs = dict(node.entries("inputs"))
            for name in inputs:
                if name not in keys:
                    names = ", ".join(keys) or "none"
                    raise ValidationError(f"unknown input, known are {names}", f"{node.place('inputs')}.{name}")
        return inputs

    def _value(
        self, node: JsonObject, column: InputColumn, ids: Mapping[str, Array], named: Mapping[str, Any]
    ) -> Array | bytes | ExampleFeatures:
        if column.place in ids:
            return ids[column.place]
        if column.place in TEXTS:
            return _text(node, column.place)
        if column.place == EXAMPLE:
            return _example(node, named)
        features = node.get("features")
        features = features if isinstance(features, dict) else {}
        if column.features:
            row = [_feature(node, features, name) for name in column.features]
            return _array(row, column, node.place("features"))
        if column.place.startswith(FEATURES):
            return _array(_feature(node, features, column.key), column, f"{node.place('features')}.{column.key}")
        if column.key in named:
            return _array(named[column.key], column, f"{node.place('inputs')}.{column.key}")
        if features.get(column.key) is None:
            raise ValidationError("is missing", f"{node.place('inputs')}.{column.key}")
        return _array(features[column.key], column, f"{node.place('features')}.{column.key}")

    def _ids(self, node: JsonObject, form: InputForm) -> dict[str, Array]:
        """Return the rows of ids, without the padding at the end."""
        if form.column(INPUT_SEQ) is None:
            return {}
        above = {INPUT_SEQ: self._limits.vocab_size or ANY_ID, INPUT_MASK: 2, SEGMENT_IDS: 2}
        rows: dict[str, list[int]] = {}
        for name in IDS:
            row = node.integers(name, MAX_PADDED_LENGTH, above[name])
            if row is None and form.column(name):
                node.refuse(name, "is missing")
            if row is not None:
                rows[name] = row
        length = len(rows[INPUT_SEQ])
        for name, row in rows.items():
            if len(row) != length:
                node.refuse(name, f"{length} values expected, {len(row)} given")
        if mask := rows.get(INPUT_MASK):
            length = next((index for index in range(length, 0, -1) if mask[index - 1]), 1)
        if length > self._limits.max_seq_length:
            node.refuse(INPUT_SEQ, f"at most {self._limits.max_seq_length} values are expected, {length} given")
        arrays = {}
        for name, row in rows.items():
            if column := form.column(name):
                arrays[name] = np.array(row[:length], numpy_dtype(column.tensor))
        return arrays


def numpy_dtype(tensor: TensorSpec) -> np.dtype[Any]:
    """Return NumPy's type of a tensor's values.

    >>> numpy_dtype(TensorSpec("x", "int64", (None,)))
    dtype('int64')
    """
    return np.dtype(NUMPY_DTYPES.get(tensor.dtype, tensor.dtype))


def to_array(value: Any, tensor: TensorSpec, is_ragged: bool = False) -> Array:
    """Return a JSON value as an array of the type and the shape that one instance has.

    Raises
    ------
    ValueError
        If the value does not fit; the message is for the client.

    >>> to_array([1, 2], TensorSpec("x", "float32", (None, 2)))
    array([1., 2.], dtype=float32)
    """
    flat, shape = _flattened(value)
    expected = (None, *(tensor.instance_shape or ())) if is_ragged else tensor.instance_shape
    if expected == (1,) and shape == ():
        shape = (1,)
    if expected is not None and not _fits(shape, expected):
        raise ValueError(f"{_shape_text(expected)} expected, {_shape_text(shape)} given")
    return _typed(flat, tensor).reshape(shape)


def _array(value: Any, column: InputColumn, place: str) -> Array:
    try:
        return to_array(value, column.tensor, column.is_ragged)
    except ValueError as error:
        raise ValidationError(str(error), place) from error


def _typed(flat: Sequence[Any], tensor: TensorSpec) -> Array:
    kinds = set(map(type, flat))
    if tensor.is_text:
        texts = np.empty(len(flat), object)
        texts[:] = [_bytes(text) for text in flat]
        return texts
    allowed = {int} if tensor.is_integer else {int, float} if tensor.is_float else {bool}
    if not kinds <= allowed:
        wrong = next(value for value in flat if type(value) not in allowed)
        expectation = "a whole number" if tensor.is_integer else "a number" if tensor.is_float else "true or false"
        raise ValueError(f"{expectation} is expected, {kind_of(wrong)} given")
    if tensor.is_integer:
        limits = np.iinfo(numpy_dtype(tensor))
        if flat and not (limits.min <= min(flat) and max(flat) <= limits.max):
            raise ValueError(f"whole numbers from {limits.min} to {limits.max} are expected")
        return np.array(flat, numpy_dtype(tensor))
    try:
        with np.errstate(over="ignore"):
            numbers = np.array(flat, np.float64).astype(numpy_dtype(tensor))
    except OverflowError:
        numbers = np.array(np.inf)
    if tensor.is_float and not np.isfinite(numbers).all():
        raise ValueError(f"a number is too large for {tensor.dtype}")
    return numbers


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        if len(value) > MAX_TEXT_LENGTH:
            raise ValueError(f"at most {MAX_TEXT_LENGTH} characters are expected, {len(value)} given")
        return value.encode()
    if isinstance(value, dict) and set(value) == {B64} and isinstance(value[B64], str):
        try:
            return base64.b64decode(value[B64], validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError("base64 text is expected in b64") from error
    raise ValueError(f'text, or {{"b64": "..."}}, is expected, {kind_of(value)} given')


def _flattened(value: Any) -> tuple[list[Any], tuple[int, ...]]:
    """Return the values of nested lists, one after the other, and their shape; a single value has the shape ()."""
    if not isinstance(value, list):
        return [value], ()
    if not any(isinstance(item, list) for item in value):
        return value, (len(value),)
    flat: list[Any] = []
    shapes = set()
    for item in value:
        inner, shape = _flattened(item)
        flat += inner
        shapes.add(shape)
    if len(shapes) > 1:
        raise ValueError("the rows of a list must have the same length")
    return flat, (len(value), *shapes.pop())


def _fits(shape: Sequence[int], expected: Sequence[int | None]) -> bool:
    return len(shape) == len(expected) and all(
        size > 0 if expected_size is None else size == expected_size
        for size, expected_size in zip(shape, expected, strict=True)
    )


def _shape_text(shape: Sequence[int | None]) -> str:
    if not shape:
        return "one value"
    sizes = " x ".join("any number" if size is None else str(size) for size in shape)
    return f"a list of {sizes} values" if len(shape) == 1 else f"nested lists of {sizes} values"


def _text(node: JsonObject, name: str) -> Array:
    value = node.get(name)
    if isinstance(value, dict):
        try:
            return np.array(_bytes(value), object)
        except ValueError as error:
            node.refuse(name, str(error))
    return np.array(node.required(name, lambda field: node.text(field, MAX_TEXT_LENGTH, 0)).encode(), object)


def _example(node: JsonObject, named: Mapping[str, Any]) -> bytes | ExampleFeatures:
    """Return a serialised example, or the features of one: those of `inputs`, else `features`."""
    value = node.get(EXAMPLE)
    if value is not None:
        try:
            return _bytes(value)
        except ValueError as error:
            node.refuse(EXAMPLE, str(error))
    entries = named or dict(node.entries("features"))
    if not entries:
        node.refuse(EXAMPLE, "is missing; give example, inputs or features")
    features = {}
    for name, entry in entries.items():
        values = entry if isinstance(entry, list) else [entry]
        kinds = set(map(type, values))
        if not (kinds <= {int} or kinds <= {int, float} or kinds <= {str, dict}):
            node.refuse(f"inputs.{name}", "a number, text, or a list of them is expected")
        try:
            features[name] = [_bytes(item) for item in values] if kinds & {str, dict} else list(values)
        except ValueError as error:
            node.refuse(f"inputs.{name}", str(error))
    return features


def _feature(node: JsonObject, features: Mapping[str, Any], name: str) -> Any:
    value = features.get(name)
    if value is None:
        raise ValidationError("is missing", f"{node.place('features')}.{name}")
    return value


def _fields_of(form: InputForm) -> list[str]:
    inputs = [column.place for column in form.columns if column.place.startswith((INPUTS, FEATURES))]
    names = [*form.fields, *(name for name in inputs if name not in _rows_of_features(form))]
    names += [FEATURES + name for column in form.columns for name in column.features]
    return list(dict.fromkeys(names))


def _rows_of_features(form: InputForm) -> list[str]:
    return [column.place for column in form.columns if column.features]


def _enumeration(names: Sequence[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last
