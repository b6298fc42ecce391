"""Invented instances that a model is called with before it gets requests (pure)."""

from __future__ import annotations

from typing import Any

import numpy as np

from model_server.signatures.input_form import EXAMPLE, IDS, INPUT_MASK, SPLITS, InputColumn, InputForm
from model_server.signatures.instance_inputs import InputLimits, InstanceInputs
from model_server.signatures.json_values import numpy_dtype

TEXTS = ("warm up the model", "")
LENGTHS = (1, 16)
NUMBERS = (1, 0)
OPEN_SIZE = 4


def instances(form: InputForm, limits: InputLimits) -> list[InstanceInputs]:
    """Return instances of several lengths and values."""
    longest = min(limits.max_seq_length, form.width or limits.max_seq_length)
    lengths = sorted({min(length, longest) for length in LENGTHS}) if set(form.fields) & set(IDS) else [1]
    return [
        InstanceInputs(form, tuple(_value(column, length, number) for column in form.columns))
        for length in lengths
        for number in NUMBERS
    ]


def _value(column: InputColumn, length: int, number: int) -> Any:
    tensor = column.tensor
    if column.place.startswith(SPLITS):
        return None
    if column.place == EXAMPLE:
        return {}
    if column.place in IDS:
        return np.full(length, 1 if column.place == INPUT_MASK else number, numpy_dtype(tensor))
    shape = tuple(size or OPEN_SIZE for size in tensor.instance_shape or ())
    shape = (OPEN_SIZE, *shape) if column.is_ragged else shape
    if tensor.is_text:
        return np.full(shape, TEXTS[1 - number].encode(), object)
    return np.full(shape, number, numpy_dtype(tensor))
