"""The tensors that a SavedModel's signatures take and give (pure; TensorFlow is not needed)."""

from __future__ import annotations

from dataclasses import dataclass

INTEGERS = frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"})
FLOATS = frozenset({"bfloat16", "float16", "float32", "float64"})
BOOL, STRING = "bool", "string"
DTYPES = INTEGERS | FLOATS | {BOOL, STRING}


@dataclass(frozen=True)
class TensorSpec:
    """A tensor of a signature.

    Attributes
    ----------
    dtype : TensorFlow's name of the type, such as `int32`.
    shape : the size of each dimension, None = open; None for the whole = the number of dimensions is unknown.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None

    @property
    def instance_shape(self) -> tuple[int | None, ...] | None:
        """The shape of one instance: all dimensions but the first, the batch; None = unknown."""
        return None if self.shape is None else self.shape[1:]

    @property
    def is_integer(self) -> bool:
        """Whether it holds whole numbers."""
        return self.dtype in INTEGERS

    @property
    def is_float(self) -> bool:
        """Whether it holds numbers with a fraction."""
        return self.dtype in FLOATS

    @property
    def is_text(self) -> bool:
        """Whether it holds strings."""
        return self.dtype == STRING

    def __str__(self) -> str:
        """Return name, type and shape.

        >>> str(TensorSpec("ids", "int32", (None, 64)))
        'ids int32 (?, 64)'
        """
        if self.shape is None:
            return f"{self.name} {self.dtype} of any shape"
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.name} {self.dtype} ({sizes})"


@dataclass(frozen=True)
class SignatureSpec:
    """A function that a SavedModel offers by name.

    Attributes
    ----------
    inputs, outputs : its tensors, in the order of their names.
    """

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def input(self, name: str) -> TensorSpec | None:
        """Return an input by its name; None if there is no such input."""
        return next((tensor for tensor in self.inputs if tensor.name == name), None)

    def output(self, name: str) -> TensorSpec | None:
        """Return an output by its name; None if there is no such output."""
        return next((tensor for tensor in self.outputs if tensor.name == name), None)
