"""Reads the inputs of the model from an instance of a request, and checks them against the signature (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model_server.errors import ValidationError
from model_server.json_object import JsonObject
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
from model_server.signatures.json_values import MAX_TEXT_LENGTH, Array, bytes_of, numpy_dtype, to_array
from monitor_agent.prediction_log.names import loggable

MAX_PADDED_LENGTH = 4096
ANY_ID = 2**31
ExampleFeatures = dict[str, list[Any]]


@dataclass(frozen=True)
class InstanceInputs:
    """The values of one instance for each column of a form.

    Attributes
    ----------
    values : arrays; for `example`, the bytes of a serialised example, or its features.
    has_all_outputs : whether the answer needs all outputs of the signature, not only the score.
    """

    form: InputForm
    values: tuple[Any, ...]
    has_all_outputs: bool = False

    @property
    def group(self) -> tuple[Any, ...]:
        """What instances that are computed together have in common.

        Rows of ids with a mask are padded. Padding would change what a model makes of other inputs.
        """
        if self.form.is_padded:
            return (self.form.signature,)
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
        self.forms = tuple(forms)
        self.limits = limits
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

    def read_tensors(self, form: InputForm, tensors: Mapping[str, tuple[Any, str]]) -> InstanceInputs:
        """Return the inputs of an instance by the names of the signature.

        Parameters
        ----------
        tensors : name -> value and its place in the body.

        Raises
        ------
        ValidationError
            If a value is missing, or does not fit the signature; it names its place.
        """
        values = []
        for column in form.columns:
            value, place = tensors[column.tensor.name]
            if value is None:
                raise ValidationError("is missing", place)
            array = _array(value, column, place)
            if column.place in IDS:
                self._check_ids(array, column.place, place)
            values.append(array[()] if column.place == EXAMPLE else array)
        lengths = {len(array) for array, column in zip(values, form.columns, strict=True) if column.place in IDS}
        if len(lengths) > 1:
            raise ValidationError("all lists of ids must have the same length", tensors[form.columns[0].tensor.name][1])
        return InstanceInputs(form, tuple(values))

    def read_example(self, form: InputForm, features: Mapping[str, Any], place: str) -> InstanceInputs:
        """Return the inputs of an instance by the names of its features.

        Raises
        ------
        ValidationError
            If a feature is missing, or does not fit the signature; it names its place.
        """
        if form.column(EXAMPLE):
            return InstanceInputs(form, (_features_of_example(features, place),))
        if any(column.features for column in form.columns):
            node = JsonObject({"features": dict(features)}, place, ("features",))
            return InstanceInputs(form, tuple(self._value(node, column, {}, features) for column in form.columns))
        node = JsonObject(dict(features), place, [column.tensor.name for column in form.columns])
        names = [column.tensor.name for column in form.columns]
        return self.read_tensors(form, {name: (node.get(name), node.place(name)) for name in names})

    def _check_ids(self, array: Array, field: str, place: str) -> None:
        if array.ndim != 1:
            raise ValidationError("a list of ids is expected", place)
        above = self.limits.vocab_size or ANY_ID if field == INPUT_SEQ else 2
        if array.size and (array.min() < 0 or array.max() >= above):
            raise ValidationError(f"values from 0 to {above - 1} expected", place)
        if array.size > self.limits.max_seq_length:
            most = self.limits.max_seq_length
            raise ValidationError(f"at most {most} values are expected, {array.size} given", place)

    def _form_of(self, node: JsonObject) -> InputForm:
        """Return the form whose fields the instance has; refuse fields of no form, and fields of two forms."""
        present = [field for field in (*IDS, *TEXTS, EXAMPLE) if field in node]
        candidates = [form for form in self.forms if set(present) & set(form.fields)] or [
            form for form in self.forms if set(form.fields) <= {EXAMPLE}
        ]
        if not candidates:
            missing = self.forms[0].fields[0]
            node.refuse(present[0] if present else missing, self._expected() if present else self._missing())
        form = candidates[0]
        for field in present:
            if field not in form.fields and not (field in IDS and INPUT_SEQ in form.fields):
                together = any(field in other.fields for other in self.forms)
                reason = f"cannot be given together with {form.fields[0]}" if together and form.fields else ""
                node.refuse(field, reason or self._expected())
        return form

    def _expected(self) -> str:
        return f"this model takes {self._choices()} only"

    def _missing(self) -> str:
        return f"is missing; give {self._choices()}"

    def _choices(self) -> str:
        return ", or ".join(_enumeration(_fields_of(form)) for form in self.forms)

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
            entries = JsonObject(content, node.place("inputs"), keys)
            inputs = {name: entries.get(name) for name in keys if name in entries}
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
        above = {INPUT_SEQ: self.limits.vocab_size or ANY_ID, INPUT_MASK: 2, SEGMENT_IDS: 2}
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
        if length > self.limits.max_seq_length:
            node.refuse(INPUT_SEQ, f"at most {self.limits.max_seq_length} values are expected, {length} given")
        arrays = {}
        for name, row in rows.items():
            if column := form.column(name):
                arrays[name] = np.array(row[:length], numpy_dtype(column.tensor))
        return arrays


def _array(value: Any, column: InputColumn, place: str) -> Array:
    try:
        return to_array(value, column.tensor, column.is_ragged)
    except ValueError as error:
        raise ValidationError(str(error), place) from error


def _text(node: JsonObject, name: str) -> Array:
    value = node.get(name)
    if isinstance(value, dict):
        try:
            return np.array(bytes_of(value), object)
        except ValueError as error:
            node.refuse(name, str(error))
    return np.array(node.required(name, lambda field: node.text(field, MAX_TEXT_LENGTH, 0)).encode(), object)


def _example(node: JsonObject, named: Mapping[str, Any]) -> bytes | ExampleFeatures:
    """Return a serialised example, or the features of one: those of `inputs`, else `features`."""
    value = node.get(EXAMPLE)
    if value is not None:
        try:
            return bytes_of(value)
        except ValueError as error:
            node.refuse(EXAMPLE, str(error))
    entries = named or dict(node.entries("features"))
    if not entries:
        node.refuse(EXAMPLE, "is missing; give example, inputs or features")
    return _features_of_example(entries, node.place("inputs" if named else "features"))


def _features_of_example(entries: Mapping[str, Any], place: str) -> ExampleFeatures:
    features = {}
    for name, entry in entries.items():
        values = entry if isinstance(entry, list) else [entry]
        kinds = set(map(type, values))
        if not (kinds <= {int} or kinds <= {int, float} or kinds <= {str, dict}):
            raise _refusal("a number, text, or a list of them is expected", place, name)
        if any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in values):
            raise _refusal("a whole number of 64 bits is expected", place, name)
        try:
            features[name] = [bytes_of(item) for item in values] if kinds & {str, dict} else list(values)
        except ValueError as error:
            raise _refusal(str(error), place, name) from error
    return features


def _refusal(reason: str, place: str, name: str) -> ValidationError:
    """Return the error about a feature whose name the client has chosen."""
    return ValidationError(reason, f"{place}.{name}", f"{place}.{loggable(name)}")


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
