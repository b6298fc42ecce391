"""Finds the score among the outputs of a signature, and turns it into probabilities, classes or numbers (pure)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from model_server.signatures.mapping import NO_ACTIVATION, SIGMOID, SOFTMAX, ModelMapping
from model_server.signatures.tensor_spec import SignatureSpec, TensorSpec
from monitor_agent.contracts.kinds import BINARY, MULTICLASS, REGRESSION
from monitor_agent.errors import ModelError
from monitor_agent.prediction_log.limits import ROUNDING

Scores = npt.NDArray[np.float32]
SCORE = "score"
SCORES, CLASSES = "scores", "classes"
"""The two outputs of TensorFlow's signatures for classification."""

LOGIT = "logit"
SUM_TOLERANCE = 0.01
"""How far the probabilities of all classes may be from 1; float16 has three digits."""


@dataclass(frozen=True)
class ScoreOutput:
    """The output that holds the score of each instance.

    Attributes
    ----------
    signature, name : the signature and its output.
    kind : `binary`, `multiclass` or `regression`; "" = the output says it when it is first read.
    column : the column of the score; None = the only one, or all of them (multiclass).
    classes : names of the columns of a multiclass output; empty = not known yet, or another kind.
    is_of_two : whether the column is the second one of two, because nobody has named one.
    """

    signature: str
    name: str
    kind: str
    column: int | None
    activation: str
    classes: tuple[str, ...] = ()
    is_of_two: bool = False

    def __str__(self) -> str:
        """Return what is served."""
        column = "" if self.column is None else f"[{self.column}]"
        activation = "" if self.activation == NO_ACTIVATION else f", {self.activation}"
        return f"{self.name}{column} -> {self.kind or 'binary or multiclass'}{activation}"

    def resolved(self, values: npt.NDArray[Any], subject: object = "the model") -> ScoreOutput:
        """Return the output as the first computed values, of shape (n, ...), complete it.

        Raises
        ------
        ModelError
            If the values are not one row of numbers for each instance.
        """
        if values.ndim > 2 or not np.issubdtype(values.dtype, np.number):
            raise ModelError(
                f"{subject}: the output {self.name} has the shape {values.shape} and the type {values.dtype}",
                "name the output with the score in model.json",
            )
        return _with_width(self, 1 if values.ndim < 2 else values.shape[1], subject)

    def read(self, values: npt.NDArray[Any], count: int) -> Scores:
        """Return the score of each instance, float32 of shape (count,); (count, classes) for `multiclass`.

        Rounding beyond 0 and 1 is clipped; other values that are no probabilities stay as they are.

        Raises
        ------
        ValueError
            If there is not one row for each instance.
        """
        rows: Scores = np.asarray(values, np.float32)
        rows = rows.reshape(len(rows) if rows.ndim else 1, -1)
        if len(rows) != count:
            raise ValueError(f"the model gave {len(rows)} scores for {count} instances")
        if self.activation == SOFTMAX:
            rows = _softmax(rows)
        if self.kind != MULTICLASS.name:
            rows = rows[:, self.column or 0]
        if self.activation == SIGMOID:
            rows = _sigmoid(rows)
        return rows if self.kind == REGRESSION.name else clipped(rows)

    def problem(self, values: npt.NDArray[Any], count: int) -> str:
        """Return why the values of `count` instances are not what the output promises; "" if they are."""
        scores = self.read(values, count)
        if not np.isfinite(scores).all():
            return f"it gives {_first(scores, ~np.isfinite(scores))}"
        if self.kind == REGRESSION.name:
            return ""
        outside = (scores < 0) | (scores > 1)
        if outside.any():
            return f"it gives {_first(scores, outside)}, which is no probability"
        if self.kind == MULTICLASS.name and (abs(scores.sum(axis=1) - 1) > SUM_TOLERANCE).any():
            return f"the probabilities of an instance have the sum {scores.sum(axis=1)[0]:g}, not 1"
        if self.is_of_two and self.activation != SOFTMAX:
            sums = np.asarray(values, np.float32).reshape(count, -1).sum(axis=1)
            if (abs(sums - 1) > SUM_TOLERANCE).any():
                return f"its two columns have the sum {sums[0]:g}, not 1, so it is not clear which one is the score"
        return ""


def find_output(signature: SignatureSpec, mapping: ModelMapping, subject: object = "the model") -> ScoreOutput:
    """Return the output with the score.

    Raises
    ------
    ModelError
        If several outputs, or none, can hold the score.
    """
    tensor = _tensor(signature, mapping, subject)
    if tensor.is_text or tensor.dtype == "bool" or not (tensor.is_float or mapping.kind == REGRESSION.name):
        raise ModelError(
            f"{subject}: {signature.name}: the output {tensor.name} holds {tensor.dtype}, no probabilities",
            _write_output(signature),
        )
    if not mapping.activation and LOGIT in tensor.name.lower() and mapping.kind != REGRESSION.name:
        raise ModelError(
            f"{subject}: {signature.name}: the output {tensor.name} seems to hold logits, not probabilities",
            'write "activation": "sigmoid", "softmax" or "none" into model.json',
        )
    output = ScoreOutput(
        signature=signature.name,
        name=tensor.name,
        kind=mapping.kind,
        column=mapping.column,
        activation=mapping.activation or NO_ACTIVATION,
        classes=mapping.classes,
    )
    shape = tensor.instance_shape
    if shape is None or (shape and shape[0] is None):
        return output
    if len(shape) > 1:
        raise ModelError(
            f"{subject}: {signature.name}: the output {tensor} has more than two dimensions", _write_output(signature)
        )
    return _with_width(output, shape[0] or 1 if shape else 1, subject)


def clipped(scores: Scores) -> Scores:
    """Return scores with rounding beyond 0 and 1 taken away; other values, such as 1.1, stay.

    >>> [float(score) for score in clipped(np.array([1.0000001, -1e-9, 1.5], np.float32))]
    [1.0, 0.0, 1.5]
    """
    near = np.clip(scores, np.float32(0), np.float32(1))
    rounded: Scores = np.where(abs(scores - near) <= ROUNDING, near, scores)
    return rounded


def _tensor(signature: SignatureSpec, mapping: ModelMapping, subject: object) -> TensorSpec:
    names = ", ".join(tensor.name for tensor in signature.outputs)
    if mapping.output:
        tensor = signature.output(mapping.output)
        if tensor is None:
            raise ModelError(
                f"{subject}: {signature.name} has no output {mapping.output}", f"write one of {names} into model.json"
            )
        return tensor
    if len(signature.outputs) == 1:
        return signature.outputs[0]
    scores = signature.output(SCORES)
    if {tensor.name for tensor in signature.outputs} == {SCORES, CLASSES} and scores is not None:
        return scores
    tensor = signature.output(SCORE)
    if tensor is None:
        raise ModelError(
            f"{subject}: {signature.name} has the outputs {names or 'none'}; it is not clear which one is the score",
            _write_output(signature),
        )
    return tensor


def _write_output(signature: SignatureSpec) -> str:
    floats = [tensor.name for tensor in signature.outputs if tensor.is_float]
    return f'write the output with the score into model.json, such as "output": "{(floats or [SCORE])[0]}"'


def _with_width(output: ScoreOutput, width: int, subject: object) -> ScoreOutput:
    """Complete an output whose rows have `width` columns."""
    where = f"{subject}: the output {output.name} has {width} column{'s' if width > 1 else ''}"
    if output.column is not None and output.column >= width:
        raise ModelError(f"{where}, no column {output.column}", "correct `column` in model.json")
    kind = output.kind or (BINARY.name if width == 1 or output.column is not None else "")
    if not kind:
        kind = BINARY.name if width == 2 and not output.classes else MULTICLASS.name
    if kind == MULTICLASS.name:
        if width == 1:
            raise ModelError(f"{where}; a multiclass model has one for each class", "correct `kind` in model.json")
        if output.activation == SIGMOID:
            raise ModelError(f"{where}; a sigmoid makes no probabilities of classes", 'write "activation": "softmax"')
        if output.classes and len(output.classes) != width:
            raise ModelError(f"{where}, but `classes` has {len(output.classes)} names", "correct model.json")
        classes = output.classes or tuple(str(number) for number in range(width))
        return replace(output, kind=kind, column=None, classes=classes)
    if width > 2 and output.column is None:
        raise ModelError(f"{where}", 'write which one is the score into model.json, such as "column": 0')
    column = output.column if output.column is not None else 1 if width == 2 else None
    if output.activation == SOFTMAX and width == 1:
        raise ModelError(f"{where}; a softmax needs two or more", 'write "activation": "sigmoid"')
    return replace(output, kind=kind, column=column, classes=(), is_of_two=output.column is None and width == 2)


def _softmax(rows: Scores) -> Scores:
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    softmax: Scores = powers / powers.sum(axis=1, keepdims=True)
    return softmax


def _sigmoid(logits: Scores) -> Scores:
    with np.errstate(over="ignore"):  # exp(-x) is infinite below -88; the quotient is then 0, as it should be
        sigmoid: Scores = np.float32(1) / (np.float32(1) + np.exp(-logits))
    return sigmoid


def _first(scores: Scores, where: npt.NDArray[np.bool_]) -> float:
    return float(scores[where][0])
