"""SavedModels that nobody planned for: signatures drawn by chance, of any type, rank, name and number of outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.foreign_models import ForeignModel

TYPES = (
    *("float32", "float32", "float32", "int32", "int64", "string", "bool", "float64", "float16", "bfloat16", "uint8"),
    *("uint64", "int4", "complex64", "qint8", "variant", "resource", "float8_e5m2", "half_ref"),
)
NAMES = (
    *("x", "x_1", "text", "text_a", "input_ids", "attention_mask", "token_type_ids", "examples", "inputs", "instances"),
    *("kwargs", "price", "A-B", "a/b", "x" * 300),
)
V1_NAMES = (*NAMES, "class", "self", "a b", "é", "", "1", "x:0", "a.b", 'quotation"', "line\nbreak")
OUTPUT_NAMES = ("score", "output_0", "logits", "a b", "é", "", "class", "x/y", "line\nbreak", 'quotation"')
SHAPES = (
    None,
    [],
    [None],
    [None],
    [None, None],
    [None, 3],
    [None, 0],
    [4, 2],
    [1],
    [None, None, 2],
    [None, 1, 1, 1, 1],
)
VALUES = ("half", "half", "half", "negative", "nan", "large", "fails")
ROWS = ("one", "one", "pair", "none", "many", "scalar", "cube", "three")
CARDS: tuple[Mapping[str, Any], ...] = (
    *({}, {}, {}, {"output": "score"}, {"activation": "sigmoid"}, {"activation": "softmax"}, {"kind": "regression"}),
    *({"kind": "multiclass"}, {"column": 1}, {"column": 99}, {"classes": ["a", "b"]}, {"signature": "nothing"}),
    *({"inputs": {"x": "input_seq"}}, {"inputs": {"x": ["price", "age"]}}, {"inputs": {"x": "example"}}),
    *({"threshold": "high"}, {"inputs": []}, {"inputs": {"x": "inputs.\n"}}, {"max_seq_length": 1}),
)


@dataclass(frozen=True)
class OddModel(ForeignModel):
    """A model by its drawn signature.

    Attributes
    ----------
    is_v1 : whether it is saved as TensorFlow 1 saves models: then its inputs can have any name.
    """

    is_v1: bool = False

    def save(self, folder: Path) -> None:
        """Write the model and its `model.json`."""
        if not self.is_v1:
            super().save(folder)
            return
        import tensorflow as tf

        v1 = tf.compat.v1
        with tf.Graph().as_default(), v1.Session() as session:
            inputs = {name: v1.placeholder(dtype, shape) for name, (shape, dtype) in self.specs.items()}
            v1.saved_model.simple_save(session, str(folder), inputs, dict(self.compute(*inputs.values())))
        (folder / "model.json").write_text(json.dumps({"name": "odd", **self.card}))


@dataclass(frozen=True)
class OddOutput:
    """An output: its type, what its values are, and how many each instance has."""

    dtype: str
    values: str
    rows: str

    def of(self, columns: tuple[Any, ...]) -> Any:
        """Return the tensor for some inputs."""
        import tensorflow as tf

        counted = [column for column in columns if column.shape.rank != 0 and column.dtype != tf.resource]
        count = tf.shape(counted[0])[0] if counted else 1
        shape: list[Any] = {
            "one": [count],
            "pair": [count, 2],
            "none": [count, 0],
            "many": [count, 5],
            "scalar": [],
            "cube": [count, 1, 1],
            "three": [3],
        }[self.rows]
        number = {"half": 0.5, "negative": -3.0, "nan": float("nan"), "large": 1e6, "fails": 0.5}[self.values]
        dtype = tf.as_dtype(self.dtype)
        if dtype == tf.string:
            return tf.fill(shape, "a")
        if not (dtype.is_floating or dtype.is_integer or dtype.is_bool or dtype.is_complex) or dtype.size < 2:
            return tf.cast(tf.zeros(shape), tf.bool)
        values = tf.fill(shape, number)
        if self.values == "fails":
            with tf.control_dependencies([tf.debugging.Assert(tf.equal(count, -1), ["it fails\nin two lines"])]):
                values = tf.identity(values)
        return tf.cast(values, dtype.base_dtype)


@dataclass(frozen=True)
class OddOutputs:
    """All outputs by name."""

    outputs: Mapping[str, OddOutput] = field(default_factory=dict)

    def __call__(self, *columns: Any) -> dict[str, Any]:
        return {name: output.of(columns) for name, output in self.outputs.items()}


@st.composite
def odd_models(draw: st.DrawFn) -> OddModel:
    """Return a model."""
    is_v1 = draw(st.booleans())
    column = st.tuples(st.sampled_from(SHAPES), st.sampled_from(TYPES))
    names = st.sampled_from(V1_NAMES if is_v1 else NAMES)
    specs = draw(st.dictionaries(names, column, min_size=is_v1, max_size=3))
    output = st.builds(OddOutput, st.sampled_from(TYPES), st.sampled_from(VALUES), st.sampled_from(ROWS))
    outputs = draw(st.dictionaries(st.sampled_from(OUTPUT_NAMES), output, min_size=1, max_size=2))
    signature = "serving_default" if is_v1 else draw(st.sampled_from(("serving_default", "text", "predict")))
    card = draw(st.sampled_from(CARDS))
    return OddModel(specs, OddOutputs(outputs), [], {}, card=card, signature=signature, is_v1=is_v1)
