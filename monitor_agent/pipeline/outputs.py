"""The output of a model for one prediction, and what the truth makes of it: the fields that metrics are counted by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor_agent.metrics.multiclass.class_outcome import class_outcome
from monitor_agent.metrics.regression.error_bins import error_bin
from monitor_agent.metrics.regression.error_means import percentage_error
from monitor_agent.vocabulary.prediction_kinds import BINARY, MULTICLASS

CORRECT, INCORRECT = "correct", "incorrect"
"""The outcomes of a multiclass prediction whose true class is known."""


@dataclass(frozen=True, slots=True)
class PredictedOutput:
    """What a prediction says.

    Attributes
    ----------
    kind : its kind.
    label : the predicted label, 0 or 1; None if it says neither.
    predicted_class : the predicted class; None if it says none.
    scores : class -> probability; empty if it has none.
    value : the predicted number; None if it says none.
    """

    kind: str = BINARY
    label: int | None = None
    predicted_class: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    value: float | None = None


@dataclass(frozen=True)
class JudgedOutput:
    """What the truth makes of a prediction.

    Attributes
    ----------
    fields : fields of the prediction below `feedback`; a field without a value is None.
    outcome : the prediction's `outcome`.
    """

    fields: dict[str, Any]
    outcome: str | None


def judged_label(output: PredictedOutput, label: int | None) -> JudgedOutput:
    """Return what a label makes of a binary prediction.

    >>> judged_label(PredictedOutput(label=1), 0).outcome, judged_label(PredictedOutput(), 0).outcome
    ('fp', None)
    """
    if label is None or output.label is None:
        return JudgedOutput({}, None)
    return JudgedOutput({}, ("t" if label == output.label else "f") + ("p" if output.label else "n"))


def judged_output(output: PredictedOutput, true_class: str | None, truth: float | None) -> JudgedOutput:
    """Return what the truth makes of a prediction of another kind than `binary`.

    >>> judged_output(PredictedOutput("regression", value=3.0), None, 2.0).fields["percentage_error"]
    0.5
    """
    if output.kind == MULTICLASS:
        return _judged_class(output, true_class)
    if truth is None or output.value is None:
        return JudgedOutput(dict.fromkeys(("truth", "error", "error_bin", "percentage_error")), None)
    error = output.value - truth
    fields = {
        "truth": truth,
        "error": error,
        "error_bin": error_bin(error),
        "percentage_error": percentage_error(output.value, truth),
    }
    return JudgedOutput(fields, None)


def _judged_class(output: PredictedOutput, true_class: str | None) -> JudgedOutput:
    fields: dict[str, Any] = dict.fromkeys(("class", "class_rank", "class_log_loss", "class_scores"))
    if true_class is None or output.predicted_class is None:
        return JudgedOutput(fields, None)
    fields["class"] = true_class
    if output.scores:
        judged = class_outcome(output.scores, true_class)
        fields |= {
            "class_rank": judged.rank,
            "class_log_loss": judged.log_loss,
            "class_scores": list(judged.binned) or None,
        }
    return JudgedOutput(fields, CORRECT if true_class == output.predicted_class else INCORRECT)
