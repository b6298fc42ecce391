"""Puts the inputs of several instances together into the arrays of one call (pure)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from model_server.signatures.input_form import EXAMPLE, IDS, SPLITS, InputColumn
from model_server.signatures.instance_inputs import ExampleFeatures, InstanceInputs
from model_server.signatures.json_values import Array, numpy_dtype


def stacked(rows: Sequence[InstanceInputs], serialise: Callable[[ExampleFeatures], bytes]) -> dict[str, Array]:
    """Return the array of each input, by the input's name.

    Parameters
    ----------
    rows : instances of one group, at least one. If the signature fixes the number of instances, the last one is
        repeated.
    serialise : makes a serialised `tf.Example` of its features.
    """
    form = rows[0].form
    if (size := form.batch_size) is not None:
        rows = [*rows, *[rows[-1]] * (size - len(rows))]
    arrays = {}
    for index, column in enumerate(form.columns):
        if column.place.startswith(SPLITS):
            continue
        values = [row.values[index] for row in rows]
        arrays[column.tensor.name] = _column(column, values, form.width, serialise)
        if column.is_ragged:
            splits = form.column(f"{SPLITS}{column.tensor.name}")
            assert splits is not None
            lengths = [len(value) for value in values]
            arrays[splits.tensor.name] = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    return arrays


def _column(
    column: InputColumn, values: list[Any], width: int | None, serialise: Callable[[ExampleFeatures], bytes]
) -> Array:
    if column.is_ragged:
        joined: Array = np.concatenate(values)
        return joined
    if column.place in IDS:
        return pad(values, width or max(map(len, values)), numpy_dtype(column.tensor))
    if column.place == EXAMPLE:
        texts = np.empty(len(values), object)
        texts[:] = [serialise(value) if isinstance(value, dict) else value for value in values]
        return texts.reshape(_batch_shape(column, len(values)))
    array = np.stack(values)
    return array.reshape(_batch_shape(column, len(values))) if array.ndim == 1 else array


def _batch_shape(column: InputColumn, count: int) -> tuple[int, ...]:
    return (count, 1) if column.tensor.instance_shape == (1,) else (count,)


def pad(rows: Sequence[Array], width: int, dtype: np.dtype[Any]) -> Array:
    """Return rows of numbers as an array of shape (rows, width), padded with 0.

    >>> pad([np.array([1, 2]), np.array([3])], 3, np.dtype("int32"))
    array([[1, 2, 0],
           [3, 0, 0]], dtype=int32)
    """
    padded = np.zeros((len(rows), width), dtype)
    for row, values in zip(padded, rows, strict=True):
        row[: len(values)] = values
    return padded
