"""SavedModels of other people: signatures of many kinds, an instance for each, and what a direct call gives."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Instance = Mapping[str, Any]
EXAMPLE = "CiUKEQoFcHJpY2USCBIGCgQAAMA/ChAKBWJyYW5kEgcKBQoDaGF0"
"""A serialised `tf.Example` with the price 1.5 and the brand `hat`."""

BERT = {"input_seq": [5, 6, 7], "input_mask": [1, 1, 1], "segment_ids": [0, 0, 1]}


@dataclass(frozen=True)
class ForeignModel:
    """One kind of SavedModel.

    Attributes
    ----------
    specs : inputs: name -> shape and type.
    compute : a function of the inputs, in that order; it returns the outputs by name.
    instances : of a request.
    columns : the inputs of a direct call for all instances together, by name.
    read : what the server answers for a row of the outputs.
    card : further entries of `model.json`.
    """

    specs: Mapping[str, tuple[list[int | None] | None, str]]
    compute: Callable[..., Mapping[str, Any]]
    instances: list[Instance]
    columns: Mapping[str, Any] | Callable[[], Mapping[str, Any]]
    output: str = "score"
    read: Callable[[Any], Any] = lambda row: float(row.reshape(-1)[0])
    card: Mapping[str, Any] = field(default_factory=dict)
    signature: str = "serving_default"

    def save(self, folder: Path) -> None:
        """Write the model and its `model.json`."""
        import tensorflow as tf

        specs = [tf.TensorSpec(shape, dtype, name=name) for name, (shape, dtype) in self.specs.items()]
        module = tf.Module()
        module.call = tf.function(lambda *columns: dict(self.compute(*columns)), input_signature=specs)
        tf.saved_model.save(module, str(folder), signatures={self.signature: module.call})
        (folder / "model.json").write_text(json.dumps({"name": "other", "threshold": 0.5, **self.card}))

    def expected(self, folder: Path) -> list[Any]:
        """Return what a direct call of the saved signature gives for the instances."""
        import tensorflow as tf

        called = tf.saved_model.load(str(folder)).signatures[self.signature]
        values = self.columns if isinstance(self.columns, Mapping) else self.columns()
        columns = {name: tf.constant(value, self.specs[name][1]) for name, value in values.items()}
        return [self.read(row) for row in called(**columns)[self.output].numpy()[: len(self.instances)]]


def _sum(*columns: Any) -> Any:
    """Return one probability for each instance that depends on all values of all columns."""
    import tensorflow as tf

    total: Any = 0.0
    for place, column in enumerate(columns, start=1):
        numbers = tf.strings.length(column) if column.dtype == tf.string else column
        flat = tf.reshape(tf.cast(numbers, tf.float32), [tf.shape(column)[0], -1])
        total += tf.reduce_sum(flat, axis=1) * 0.013 * place
    return tf.sigmoid(total - 0.3)


def _of_ids(ids: Any, mask: Any, *_segments: Any) -> Any:
    """Return a probability that padding changes if the mask is ignored."""
    import tensorflow as tf

    numbers, weights = tf.cast(ids, tf.float32) + 1.0, tf.cast(mask, tf.float32)
    return tf.sigmoid(tf.reduce_sum(numbers * weights, axis=1) / tf.maximum(tf.reduce_sum(weights, axis=1), 1.0) / 10.0)


def _score(*columns: Any) -> Any:
    return {"score": _sum(*columns)}


def _pairs(*columns: Any) -> Any:
    import tensorflow as tf

    positive = _sum(*columns)
    return tf.stack([1.0 - positive, positive], axis=1)


def _classes(*columns: Any) -> Any:
    import tensorflow as tf

    positive = _sum(*columns)
    return tf.nn.softmax(tf.stack([positive, 2.0 * positive, 1.0 - positive], axis=1))


def _bert(names: tuple[str, ...], dtype: str = "int32", width: int | None = None) -> ForeignModel:
    short = {"input_seq": [9], "input_mask": [1], "segment_ids": [0]}
    rows = {
        0: [[5, 6, 7], [9, 0, 0]],
        1: [[1, 1, 1], [1, 0, 0]],
        2: [[0, 0, 1], [0, 0, 0]],
    }
    padding = [0] * ((width or 3) - 3)
    return ForeignModel(
        {name: ([None, width], dtype) for place, name in enumerate(names)},
        lambda ids, mask, *segments: {"score": _of_ids(ids, mask, *segments)},
        [BERT, short],
        {name: [row + padding for row in rows[place]] for place, name in enumerate(names)},
    )


def _parsed_examples(serialized: Any) -> Any:
    import tensorflow as tf

    features = {"price": tf.io.FixedLenFeature([], tf.float32), "brand": tf.io.FixedLenFeature([], tf.string)}
    parsed = tf.io.parse_example(serialized, features)
    return {"score": _sum(parsed["price"], parsed["brand"])}


def _example(price: float, brand: str) -> bytes:
    import tensorflow as tf

    feature = {
        "price": tf.train.Feature(float_list=tf.train.FloatList(value=[price])),
        "brand": tf.train.Feature(bytes_list=tf.train.BytesList(value=[brand.encode()])),
    }
    serialised: bytes = tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
    return serialised


def _ragged(values: Any, splits: Any) -> Any:
    import tensorflow as tf

    rows = tf.RaggedTensor.from_row_splits(values, splits)
    return {"score": tf.sigmoid(tf.reduce_mean(rows, axis=1))}


def _branches(x: Any) -> Any:
    """Return a probability that functions inside of functions compute: a branch, a loop, one call for each row."""
    import tensorflow as tf

    total = tf.reduce_sum(x)
    shift = tf.cond(total > 0.0, lambda: total * 0.0 + 0.1, lambda: total * 0.0)
    (doubled,) = tf.while_loop(lambda y: tf.reduce_max(y) < 8.0, lambda y: (y * 2.0,), (tf.abs(x) + 0.1,))
    return {"score": tf.sigmoid(tf.map_fn(lambda row: tf.reduce_mean(row) * 0.1, doubled) + shift)}


def _largest_class(names: list[str]) -> Callable[[Any], Any]:
    return lambda row: (names[int(row.argmax())], [float(value) for value in row])


MATRIX = [[0.1, 0.2, 0.3], [1.0, -2.0, 0.5]]
SHOPS = {"user_id": [[7], [8]], "item_id": [[1], [2]]}


def models() -> dict[str, ForeignModel]:
    """Return all kinds by a name."""
    one_text = ForeignModel(
        {"sentence": ([None], "string")},
        _score,
        [{"text": "red hat"}, {"text": {"b64": base64.b64encode(b"\xff\xfe").decode()}}],
        {"sentence": ["red hat", b"\xff\xfe"]},
    )
    vectors = [{"inputs": {"x": row}} for row in MATRIX]
    matrix = ForeignModel({"x": ([None, 3], "float32")}, _score, vectors, {"x": MATRIX})
    numbers = {"price": 1.5, "age": 3}, {"price": 2.0, "age": 40}
    columns = {"price": ([None], "float32"), "age": ([None, 1], "int64")}
    direct = {"price": [1.5, 2.0], "age": [[3], [40]]}
    return {
        "bert by its old names": _bert(("input_word_ids", "input_mask", "segment_ids")),
        "bert by its new names, int64": _bert(("input_ids", "attention_mask", "token_type_ids"), "int64"),
        "bert of the hub, fixed length": _bert(("input_word_ids", "input_mask", "input_type_ids"), width=8),
        "bert of two inputs": _bert(("input_ids", "attention_mask")),
        "bert of floats": _bert(("input_ids", "attention_mask", "token_type_ids"), "float32"),
        "bert by a mapping": ForeignModel(
            {"a": ([None, None], "int32"), "b": ([None, None], "int32")},
            lambda a, b: {"score": _of_ids(a, b)},
            [BERT],
            {"a": [[5, 6, 7]], "b": [[1, 1, 1]]},
            card={"inputs": {"a": "input_seq", "b": "input_mask"}},
        ),
        "one text": one_text,
        "text alone": ForeignModel(
            {"text": ([None, 1], "string")}, _score, [{"text": "a"}, {"text": ""}], {"text": [["a"], [""]]}
        ),
        "two texts": ForeignModel(
            {"text_a": ([None], "string"), "text_b": ([None], "string")},
            _score,
            [{"text_a": "red", "text_b": "hat"}],
            {"text_a": ["red"], "text_b": ["hat"]},
            signature="text",
        ),
        "a matrix of floats": matrix,
        "a matrix without its name": ForeignModel(
            {"x": ([None, 3], "float64")}, _score, [{"inputs": row} for row in MATRIX], {"x": MATRIX}
        ),
        "a matrix of features": ForeignModel(
            {"x": ([None, 2], "float32")},
            _score,
            [{"features": row} for row in numbers],
            {"x": [[1.5, 3.0], [2.0, 40.0]]},
            card={"inputs": {"x": ["price", "age"]}},
        ),
        "named columns": ForeignModel(columns, _score, [{"inputs": row} for row in numbers], direct),
        "named columns as features": ForeignModel(columns, _score, [{"features": row} for row in numbers], direct),
        "columns of texts and truths": ForeignModel(
            {"brand": ([None], "string"), "is_new": ([None], "bool")},
            _score,
            [{"inputs": {"brand": "b", "is_new": True}}, {"inputs": {"brand": "", "is_new": False}}],
            {"brand": ["b", ""], "is_new": [True, False]},
        ),
        "users and items": ForeignModel(
            {name: ([None, 1], "int64") for name in SHOPS},
            _score,
            [{"inputs": {"user_id": 7, "item_id": [1]}}, {"inputs": {"user_id": 8, "item_id": 2}}],
            SHOPS,
        ),
        "an open length": ForeignModel(
            {"clicks": ([None, None], "float32")},
            _score,
            [{"inputs": {"clicks": [1.0, 2.0]}}, {"inputs": {"clicks": [3.0, 4.0]}}],
            {"clicks": [[1.0, 2.0], [3.0, 4.0]]},
        ),
        "an unknown rank": ForeignModel({"x": (None, "float32")}, _score, vectors, {"x": MATRIX}),
        "ragged rows": ForeignModel(
            {"x": ([None], "float32"), "x_1": ([None], "int64")},
            _ragged,
            [{"inputs": {"x": [1.0, 2.0]}}, {"inputs": {"x": [3.0]}}],
            {"x": [1.0, 2.0, 3.0], "x_1": [0, 2, 3]},
        ),
        "pictures": ForeignModel(
            {"image": ([None, 2, 2, 1], "uint8")},
            _score,
            [{"inputs": {"image": [[[1], [2]], [[3], [255]]]}}],
            {"image": [[[[1], [2]], [[3], [255]]]]},
        ),
        "a fixed number of instances": ForeignModel(
            {"x": ([4, 3], "float32")}, _score, vectors, {"x": [*MATRIX, MATRIX[1], MATRIX[1]]}
        ),
        "tf.Example of features": ForeignModel(
            {"examples": ([None], "string")},
            _parsed_examples,
            [{"inputs": {"price": 1.5, "brand": "b"}}, {"features": {"price": 2.5, "brand": "longer"}}],
            lambda: {"examples": [_example(1.5, "b"), _example(2.5, "longer")]},
        ),
        "tf.Example as b64": ForeignModel(
            {"examples": ([None], "string")},
            _parsed_examples,
            [{"example": {"b64": EXAMPLE}}],
            lambda: {"examples": [base64.b64decode(EXAMPLE)]},
        ),
        "one column": ForeignModel(
            matrix.specs, lambda x: {"anything": _sum(x)[:, None]}, vectors, matrix.columns, "anything"
        ),
        "two classes": ForeignModel(
            matrix.specs, lambda x: {"p": _pairs(x)}, vectors, matrix.columns, "p", lambda row: float(row[1])
        ),
        "the first of two classes": ForeignModel(
            matrix.specs,
            lambda x: {"p": _pairs(x)},
            vectors,
            matrix.columns,
            "p",
            lambda row: float(row[0]),
            card={"column": 0},
        ),
        "several outputs, one is the score": ForeignModel(
            matrix.specs, lambda x: {"a": 1.0 - _sum(x), "score": _sum(x), "z": _sum(x) * 0.0}, vectors, matrix.columns
        ),
        "several outputs, one is named": ForeignModel(
            matrix.specs,
            lambda x: {"buy": _sum(x) * 0.5, "click": _sum(x)},
            vectors,
            matrix.columns,
            "click",
            card={"output": "click"},
        ),
        "three classes": ForeignModel(
            matrix.specs,
            lambda x: {"p": _classes(x)},
            vectors,
            matrix.columns,
            "p",
            _largest_class(["0", "1", "2"]),
        ),
        "named classes": ForeignModel(
            matrix.specs,
            lambda x: {"p": _classes(x)},
            vectors,
            matrix.columns,
            "p",
            _largest_class(["boots", "hats", "bags"]),
            card={"classes": ["boots", "hats", "bags"]},
        ),
        "a number": ForeignModel(
            matrix.specs,
            lambda x: {"price": _sum(x) * 1000.0},
            vectors,
            matrix.columns,
            "price",
            card={"kind": "regression", "threshold": None},
        ),
        "branches and loops": ForeignModel(matrix.specs, _branches, vectors, matrix.columns),
        "half precision": ForeignModel(
            {"x": ([None, 3], "float16")}, _score, [{"inputs": {"x": [0.5, 1.0, 2.0]}}], {"x": [[0.5, 1.0, 2.0]]}
        ),
    }
