"""Reads the rows of ids of all instances of a request at once, with NumPy (pure).

It reads only what is right. Everything else is left to `InputReader`, which reads one field after the other and names
the one that is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from model_server.signatures.input_form import EXAMPLE, IDS, INPUT_MASK, INPUT_SEQ, TEXTS, InputForm
from model_server.signatures.instance_inputs import ANY_ID, MAX_PADDED_LENGTH, InputLimits, InstanceInputs
from model_server.signatures.json_values import numpy_dtype

LEAST_ROWS = 4
"""Below, reading one row after the other is as fast."""
LEAST_BYTES = 4
"""Any id fits into a number of so many bytes."""
Ints = npt.NDArray[np.int64]


def read_rows(rows: Sequence[Any], forms: Sequence[InputForm], limits: InputLimits) -> list[InstanceInputs] | None:
    """Return the inputs of instances that have ids; None if an instance has other inputs, or something is wrong.

    Parameters
    ----------
    rows : decoded instances.
    forms : those of the model.
    """
    if len(rows) < LEAST_ROWS or set(map(type, rows)) != {dict}:
        return None
    names = [name for name in IDS if name in rows[0]]
    form = next((form for form in forms if not set(names).isdisjoint(form.fields)), None)
    if INPUT_SEQ not in names or form is None or not _is_plain(form, names):
        return None
    foreign = {*IDS, *TEXTS, EXAMPLE, "inputs"}.difference(names)
    if not all(row.keys().isdisjoint(foreign) and row.keys() >= set(names) for row in rows):
        return None
    above = {INPUT_SEQ: limits.vocab_size or ANY_ID}
    lists = {name: [row[name] for row in rows] for name in names}
    lengths = _lengths(lists)
    if lengths is None:
        return None
    arrays = {name: _flat(lists[name], above.get(name, 2)) for name in names}
    if any(array is None for array in arrays.values()):
        return None
    starts = np.cumsum(lengths) - lengths
    ends = lengths if INPUT_MASK not in names else _ends(arrays[INPUT_MASK], starts, lengths)
    if ends.max() > limits.max_seq_length:
        return None
    places = [slice(start, end) for start, end in zip(starts.tolist(), (starts + ends).tolist(), strict=True)]
    columns = [arrays[column.place].astype(numpy_dtype(column.tensor)) for column in form.columns]  # type: ignore[union-attr]
    return [InstanceInputs(form, tuple([column[place] for column in columns])) for place in places]


def _is_plain(form: InputForm, names: Sequence[str]) -> bool:
    """Return whether a form takes rows of ids alone, of types into which any id fits."""
    return all(
        column.place in names and not column.is_ragged and numpy_dtype(column.tensor).itemsize >= LEAST_BYTES
        for column in form.columns
    )


def _lengths(lists: dict[str, list[Any]]) -> Ints | None:
    """Return how many ids each instance has; None if its rows are no lists of one length."""
    if any(set(map(type, rows)) != {list} for rows in lists.values()):
        return None
    first, *rest = ([len(row) for row in rows] for rows in lists.values())
    if any(lengths != first for lengths in rest) or min(first) < 1 or max(first) > MAX_PADDED_LENGTH:
        return None
    return np.array(first, np.int64)


def _flat(rows: list[list[Any]], above: int) -> Ints | None:
    """Return the numbers of all rows, one after the other; None if one is no whole number from 0 to below `above`."""
    numbers = list(chain.from_iterable(rows))
    if set(map(type, numbers)) != {int}:
        return None
    try:
        array = np.array(numbers, np.int64)
    except OverflowError:
        return None
    return array if array.min() >= 0 and array.max() < above else None


def _ends(mask: Ints | None, starts: Ints, lengths: Ints) -> Ints:
    """Return how many ids of each row are left without the padding at its end: one at least."""
    assert mask is not None
    if mask.all():
        return lengths
    places = np.arange(1, len(mask) + 1) - np.repeat(starts, lengths)
    last: Ints = np.maximum.reduceat(places * mask, starts)
    return np.maximum(last, 1)
