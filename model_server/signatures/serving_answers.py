"""Answers in the form of TensorFlow Serving's REST API (pure).

Source: TensorFlow Serving, "RESTful API"; the names of types are those of `tensorflow/core/framework/types.proto`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from model_server.signatures.json_values import B64
from model_server.signatures.tensor_spec import SignatureSpec, TensorSpec

BYTES_SUFFIX = "_bytes"
"""Outputs whose names end so are bytes, and answered as base64."""

PREDICT_METHOD = "tensorflow/serving/predict"
DTYPE_NAMES = {"float32": "DT_FLOAT", "float64": "DT_DOUBLE", "float16": "DT_HALF"}


class OutputRow(Protocol):
    """The outputs of a batch, and the row of an instance in them."""

    @property
    def outputs(self) -> Mapping[str, Any]:
        """Arrays by the names of the outputs."""

    @property
    def row(self) -> int:
        """The row, from 0."""

    @property
    def score(self) -> float:
        """The score of the instance."""

    @property
    def classes(self) -> Sequence[float]:
        """The probability of each class; empty if there are none."""


@dataclass(frozen=True)
class VersionStatus:
    """The state of a version.

    Attributes
    ----------
    problem : why it takes no requests now, or why it was not loaded; "" = it takes requests.
    """

    version: str
    problem: str
    is_loaded: bool = True

    @property
    def state(self) -> str:
        """Its state, by the names of TensorFlow Serving."""
        if not self.is_loaded:
            return "END"
        return "UNAVAILABLE" if self.problem else "AVAILABLE"

    @property
    def error_code(self) -> str:
        """The code of its problem, by the names of gRPC."""
        if not self.is_loaded:
            return "ABORTED"
        return "UNAVAILABLE" if self.problem else "OK"


def predictions(rows: Sequence[OutputRow], *, is_columnar: bool) -> dict[str, Any]:
    """Return the outputs of instances, one entry for each instance, or one list for each output.

    A signature of one output is answered without its name.
    """
    names = list(rows[0].outputs)
    by_name = {name: [_value(name, row.outputs[name], row.row) for row in rows] for name in names}
    if is_columnar:
        return {"outputs": by_name[names[0]] if len(names) == 1 else by_name}
    if len(names) == 1:
        return {"predictions": by_name[names[0]]}
    return {"predictions": [{name: by_name[name][place] for name in names} for place in range(len(rows))]}


def classes(row: OutputRow, names: Sequence[str]) -> list[list[Any]]:
    """Return the classes of an instance with their probabilities; `1` is the positive class of a binary model."""
    if row.classes:
        return [[name, score] for name, score in zip(names, row.classes, strict=True)]
    return [["0", 1.0 - row.score], ["1", row.score]]


def metadata(name: str, version: str, signatures: Sequence[SignatureSpec], engine: str) -> dict[str, Any]:
    """Return what TensorFlow Serving says about the signatures of a model, and what computes them."""
    definitions = {
        signature.name: {
            "inputs": {tensor.name: _tensor(tensor) for tensor in signature.inputs},
            "outputs": {tensor.name: _tensor(tensor) for tensor in signature.outputs},
            "method_name": PREDICT_METHOD,
        }
        for signature in signatures
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": version},
        "metadata": {"signature_def": {"signature_def": definitions}, "engine": engine},
    }


def status(versions: Sequence[VersionStatus]) -> dict[str, Any]:
    """Return the states of versions, as TensorFlow Serving says them."""
    return {
        "model_version_status": [
            {
                "version": version.version,
                "state": version.state,
                "status": {"error_code": version.error_code, "error_message": version.problem},
            }
            for version in versions
        ]
    }


def _tensor(tensor: TensorSpec) -> dict[str, Any]:
    sizes = () if tensor.shape is None else tensor.shape
    return {
        "dtype": DTYPE_NAMES.get(tensor.dtype, f"DT_{tensor.dtype.upper()}"),
        "tensor_shape": {
            "dim": [{"size": str(-1 if size is None else size), "name": ""} for size in sizes],
            "unknown_rank": tensor.shape is None,
        },
        "name": tensor.name,
    }


def _value(name: str, values: Any, row: int) -> Any:
    value = values[row] if np.ndim(values) else values
    if isinstance(value, np.ndarray):
        return _texts(name, value.tolist()) if value.dtype == object else np.ascontiguousarray(_number(value))
    return _texts(name, value) if isinstance(value, (bytes, str)) else _number(value)


def _number(value: Any) -> Any:
    """Return a number, or an array, of a type that JSON's writer takes."""
    dtype = getattr(value, "dtype", None)
    is_usual = dtype is None or dtype.name in ("float32", "float64", "bool") or dtype.kind in "iu"
    return value if is_usual else value.astype(np.float32)


def _texts(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_texts(name, entry) for entry in value]
    if isinstance(value, bytes):
        text = value.decode("utf-8", "replace")
        is_text = not name.endswith(BYTES_SUFFIX) and text.encode() == value
        return text if is_text else {B64: base64.b64encode(value).decode("ascii")}
    return value
