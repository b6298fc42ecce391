"""JSON values become arrays of the type and the shape that a tensor has for one instance (pure)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from model_server.json_object import kind_of
from model_server.signatures.tensor_spec import TensorSpec

Array = npt.NDArray[Any]
MAX_TEXT_LENGTH = 100_000
B64 = "b64"
NUMPY_DTYPES = {"string": "O", "bfloat16": "float32"}
"""NumPy's types of TensorFlow's types with another name; bfloat16 is cast by TensorFlow."""


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


def _typed(flat: Sequence[Any], tensor: TensorSpec) -> Array:
    kinds = set(map(type, flat))
    if tensor.is_text:
        texts = np.empty(len(flat), object)
        texts[:] = [bytes_of(text) for text in flat]
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


def bytes_of(value: Any) -> bytes:
    """Return the bytes of a text, or of `{"b64": "..."}`.

    Raises
    ------
    ValueError
        If the value is neither; the message is for the client.
    """
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
