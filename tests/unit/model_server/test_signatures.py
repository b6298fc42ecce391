"""Signatures of SavedModels: what is served, what is refused, and what an instance must look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_server.errors import ValidationError
from model_server.json_object import JsonObject
from model_server.signatures.batch import stacked
from model_server.signatures.instance_inputs import InputLimits, InputReader
from model_server.signatures.json_values import to_array
from model_server.signatures.mapping import read_mapping
from model_server.signatures.model_plan import ModelPlan, plan, suggested_entries
from model_server.signatures.tensor_spec import SignatureSpec, TensorSpec
from monitor_agent.errors import ModelError

Specs = dict[str, tuple[tuple[int | None, ...] | None, str]]
MATRIX: Specs = {"x": ((None, 3), "float32")}
SCORE: Specs = {"y": ((None,), "float32")}


def signature(inputs: Specs = MATRIX, outputs: Specs = SCORE, name: str = "serving_default") -> SignatureSpec:
    """Return a signature, with its tensors in the order of their names, as TensorFlow has them."""
    tensors = [
        tuple(TensorSpec(tensor, dtype, shape) for tensor, (shape, dtype) in sorted(specs.items()))
        for specs in (inputs, outputs)
    ]
    return SignatureSpec(name, *tensors)


def plan_of(*signatures: SignatureSpec, **entries: Any) -> ModelPlan:
    """Return how signatures are served with some entries of `model.json`."""
    return plan(signatures or [signature()], read_mapping(entries, Path("model.json")), "MODEL")


def refusal(*signatures: SignatureSpec, **entries: Any) -> str:
    """Return why a model is refused: one line."""
    with pytest.raises(ModelError) as caught:
        plan_of(*signatures, **entries)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def read(served: ModelPlan, instance: dict[str, Any], **limits: Any) -> Any:
    """Return the inputs of an instance."""
    reader = InputReader(served.forms, InputLimits(**{"max_seq_length": 8, **limits}))
    return reader.read(JsonObject(instance, "instances[0]", (*reader.fields, "features")))


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        (
            dict.fromkeys(("input_word_ids", "input_mask", "segment_ids"), ((None,), "int32")),
            "MODEL: serving_default: input_mask has 1 dimension, 2 are expected: export it again",
        ),
        ({"training": ((), "bool"), "x": ((None, 3), "float32")}, "training has no dimension for the instances"),
        ({"x": ((None, 3), "complex64")}, "x has the type complex64"),
        ({"input_ids": ((None, 4), "int32"), "input_word_ids": ((None, 4), "int32")}, "are both input_seq"),
        ({"x": ((2, 3), "float32"), "y": ((3,), "float32")}, "fix different numbers of instances"),
        ({"text": ((None, 5), "string")}, "text takes several texts for an instance"),
        ({}, "serving_default takes nothing"),
    ],
)
def test_inputs_that_no_request_can_have_are_refused(inputs: Specs, reason: str) -> None:
    """One line, no traceback."""
    assert reason in refusal(signature(inputs))


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"signature": "other"}, "MODEL has no signature other: write one of serving_default into model.json"),
        ({"output": "other"}, "serving_default has no output other: write one of y"),
        ({"inputs": {"z": "input_seq"}}, "serving_default takes x, but no z"),
        ({"inputs": {"x": "nowhere"}}, "x comes from nowhere, which is no field of an instance"),
        ({"inputs": {"x": ["price"]}}, "x does not take 1 values for an instance"),
        ({"inputs": {"x": "text"}}, "x holds float32; text is text"),
        ({"inputs": {"x": 3}}, "inputs.x is 3, text or a list of texts is expected"),
        ({"inputs": ["x"]}, "inputs is ['x'], an object is expected"),
        ({"column": 3}, "the output y has 1 column, no column 3"),
        ({"column": -1}, "column is -1, a whole number from 0 is expected"),
        ({"kind": "multiclass"}, "has 1 column; a multiclass model has one for each class"),
        ({"kind": "ranking"}, "kind is 'ranking': write one of binary, multiclass, regression"),
        ({"activation": "relu"}, "activation is 'relu': write one of none, sigmoid, softmax"),
        ({"activation": "softmax"}, "a softmax needs two or more"),
        ({"classes": ["a", "a"]}, "classes has a name twice"),
        ({"classes": "ab"}, "classes is 'ab': write a list of two or more names"),
    ],
)
def test_a_wrong_mapping_is_refused(entries: dict[str, Any], reason: str) -> None:
    """The line names the entry of `model.json`."""
    assert reason in refusal(**entries)


def test_signatures_that_are_not_clear_are_refused() -> None:
    """One signature is served whatever its name is; one of several must be named."""
    pair = signature(name="predict"), signature(name="classify")

    assert plan_of(signature(name="predict")).forms[0].signature == "predict"
    assert plan_of(*pair, signature="predict").forms[0].signature == "predict"
    assert "has the signatures classify, predict; it is not clear which one is served" in refusal(*pair)
    assert 'write one into model.json, such as "signature": "classify"' in refusal(*pair)


@pytest.mark.parametrize(
    ("instance", "reason"),
    [
        ({"inputs": {"x": [1, 2]}}, "instances[0].inputs.x: a list of 3 values expected, a list of 2 values given"),
        ({"inputs": {"x": [1, 2, "3"]}}, "inputs.x: a number is expected, text given"),
        ({"inputs": {"x": [1, 2, True]}}, "inputs.x: a number is expected, true or false given"),
        ({"inputs": {"x": [1, 2, 1e300]}}, "inputs.x: a number is too large for float32"),
        ({"inputs": {"x": [1, 2, 10**400]}}, "inputs.x: a number is too large for float32"),
        ({"inputs": {"x": [[1], [2, 3]]}}, "inputs.x: the rows of a list must have the same length"),
        ({"inputs": {"x": []}}, "inputs.x: a list of 3 values expected, a list of 0 values given"),
        ({"inputs": {"y": [1, 2, 3]}}, "inputs.y: unknown field, known are x"),
        ({"inputs": {}}, "inputs.x: is missing"),
        ({"inputs": 3}, "inputs.x: a list of 3 values expected, one value given"),
        ({}, "inputs.x: is missing"),
        ({"text": "a"}, "instances[0].text: this model takes inputs.x only"),
        ({"input_seq": [1]}, "instances[0].input_seq: this model takes inputs.x only"),
    ],
)
def test_an_instance_that_does_not_fit_is_refused(instance: Any, reason: str) -> None:
    """The answer names the field."""
    with pytest.raises(ValidationError) as caught:
        read(plan_of(), instance)

    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("value", "dtype", "reason"),
    [
        (1.5, "int32", "a whole number is expected, a number given"),
        (2**31, "int32", "whole numbers from -2147483648 to 2147483647 are expected"),
        (10**30, "int64", "whole numbers from"),
        (-1, "uint8", "whole numbers from 0 to 255 are expected"),
        (70_000, "float16", "a number is too large for float16"),
        (1, "bool", "true or false is expected, a number given"),
        (1, "string", 'text, or {"b64": "..."}, is expected, a number given'),
        ({"b64": "no base64"}, "string", "base64 text is expected in b64"),
        (None, "float32", "a number is expected, null given"),
        ({}, "float32", "a number is expected, an object given"),
    ],
)
def test_a_value_of_another_type_is_refused(value: Any, dtype: str, reason: str) -> None:
    """Nothing is cut off or wrapped around."""
    with pytest.raises(ValueError, match=r"^[^\n]+$") as caught:
        to_array(value, TensorSpec("x", dtype, (None,)))

    assert reason in str(caught.value)


def test_instances_of_different_lengths_are_padded_only_under_a_mask() -> None:
    """Padding would change what a model without a mask computes, so such instances are computed apart."""
    names = ("input_ids", "attention_mask")
    masked = plan_of(signature(dict.fromkeys(names, ((None, None), "int64"))))
    bare = plan_of(signature({"input_ids": ((None, None), "int64")}))
    rows = [{"input_seq": [5], "input_mask": [1]}, {"input_seq": [5, 6], "input_mask": [1, 1]}]

    padded = [read(masked, row) for row in rows]
    apart = [read(bare, row) for row in rows]

    assert padded[0].group == padded[1].group
    assert apart[0].group != apart[1].group
    arrays = stacked(padded, lambda _: b"")
    np.testing.assert_array_equal(arrays["input_ids"], np.array([[5, 0], [5, 6]], np.int64))
    assert arrays["attention_mask"].dtype == np.int64


def test_the_entries_that_are_suggested_serve_the_same() -> None:
    """`inspect` writes down what was found; reading it again changes nothing."""
    inputs: Specs = {"input_ids": ((None, None), "int64"), "attention_mask": ((None, None), "int64")}
    classes: Specs = {"p": ((None, 3), "float32")}
    for served in (plan_of(signature(inputs)), plan_of(signature(outputs=classes)), plan_of(signature())):
        entries = suggested_entries(served, read_mapping({}, Path("model.json")))
        main = served.served[0].form
        specs = SignatureSpec(
            "serving_default",
            tuple(column.tensor for column in main.columns),
            signature(outputs=classes if served.classes else SCORE).outputs,
        )

        assert plan_of(specs, **entries) == served
