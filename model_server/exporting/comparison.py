"""Compares the scores of an optimised version with those of its source, and says what is too different (pure)."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from model_server.evaluation.analysis import Evaluation
from model_server.evaluation.running_mean import RunningMean
from model_server.evaluation.score_counts import predicted_labels
from monitor_agent.contracts.kinds import BINARY, MULTICLASS, REGRESSION

AUC, LOG_LOSS, RMSE = "auc", "log_loss", "root_mean_squared_error"
Scores = npt.NDArray[Any]


@dataclass(frozen=True)
class Tolerance:
    """How much worse an optimised version may be.

    Attributes
    ----------
    auc : by how much the area under the ROC curve may be smaller.
    log_loss : by which share the log loss may be larger; for a regression, the root mean squared error.
    flipped : the share of the instances whose label, or class, may be another one.
    difference : for a regression: the root mean square of the differences, as a share of the standard deviation.
    """

    auc: float = 0.005
    log_loss: float = 0.02
    flipped: float = 0.02
    difference: float = 0.05

    @classmethod
    def parse(cls, text: str) -> Tolerance:
        """Return the tolerance of a text such as `auc=0.01,flipped=0.05`; what it does not name keeps its default.

        Raises
        ------
        ArgumentTypeError
            If it has another form.

        >>> Tolerance.parse("auc=0.01,flipped=0.05")
        Tolerance(auc=0.01, log_loss=0.02, flipped=0.05, difference=0.05)
        """
        names = [field.name for field in fields(cls)]
        values = {}
        for entry in filter(None, text.replace(" ", "").split(",")):
            name, _, number = entry.partition("=")
            try:
                values[name] = float(number)
            except ValueError:
                values[name] = -1.0
            if name not in names or not values[name] >= 0:
                choices = ", ".join(f"{choice}=NUMBER" for choice in names)
                raise argparse.ArgumentTypeError(f"{entry} is not one of {choices}, a number of 0 or more")
        return replace(cls(), **values)


@dataclass(frozen=True)
class VersionComparison:
    """The scores of two versions for the same instances.

    Attributes
    ----------
    kind : of the predictions.
    instances : their number.
    before, after : metrics of the source and of the optimised version by their names; empty if nobody knows the truth.
    flipped : the share of the instances with another label or class; None for a regression.
    difference : the root mean square of the differences, as a share of the standard deviation of the source's scores.
    largest : the largest difference of two scores.
    """

    kind: str
    instances: int
    before: dict[str, float | None]
    after: dict[str, float | None]
    flipped: float | None
    difference: float
    largest: float

    def problem(self, tolerance: Tolerance) -> str:
        """Return how the optimised version is worse than the tolerance allows, with numbers; "" if it is not."""
        problems = []
        for name in self.before:
            before, after = self.before[name], self.after[name]
            if before is None or after is None:
                continue
            if name == AUC and not before - after <= tolerance.auc:
                problems.append(f"AUC {after:.4f} instead of {before:.4f} (allowed: {tolerance.auc:g} less)")
            if name != AUC and not after <= before * (1 + tolerance.log_loss):
                title = name.replace("_", " ")
                problems.append(f"{title} {after:.4g} instead of {before:.4g} (allowed: {tolerance.log_loss:.1%} more)")
        if self.flipped is not None and not self.flipped <= tolerance.flipped:
            noun = "classes" if self.kind == MULTICLASS.name else "labels"
            problems.append(f"{self.flipped:.1%} other {noun} (allowed: {tolerance.flipped:.1%})")
        if self.kind == REGRESSION.name and not self.difference <= tolerance.difference:
            problems.append(
                f"values differ by {self.difference:.3g} standard deviations (allowed: {tolerance.difference:g})"
            )
        return ", ".join(problems)


class VersionComparing:
    """Compares scores, batch by batch, in bounded memory.

    Parameters
    ----------
    kind : of the predictions.
    threshold : a score at or above it has the label 1.
    evaluations : two empty ones: of the source, and of the optimised version.
    """

    def __init__(self, kind: str, threshold: float, evaluations: tuple[Evaluation, Evaluation]) -> None:
        self._kind = kind
        self._threshold = threshold
        self._evaluations = evaluations
        self._scores, self._squares = RunningMean(), RunningMean()
        self._instances = self._flipped = 0
        self._largest = 0.0
        self._is_labelled = False

    def add(self, before: Scores, after: Scores, truth: Scores | None) -> None:
        """Count the scores of n instances, (n,) or (n, classes); `truth` = None: nobody knows what was right."""
        distances = abs(after.astype(np.float64) - before.astype(np.float64))
        self._instances += len(before)
        self._flipped += int((self._labels(before) != self._labels(after)).sum())
        self._largest = max(self._largest, float(distances.max(initial=0.0)))
        self._scores.add(before.astype(np.float64).reshape(-1))
        self._squares.add((distances**2).reshape(-1))
        if truth is not None:
            self._is_labelled = True
            for evaluation, scores in zip(self._evaluations, (before, after), strict=True):
                evaluation.add(scores, truth)

    def result(self) -> VersionComparison:
        """Return the comparison so far."""
        spread = self._scores.deviation if self._scores.n > 1 else 0.0
        root = float(np.sqrt(self._squares.mean))
        before, after = (self._metrics(evaluation) for evaluation in self._evaluations)
        return VersionComparison(
            self._kind,
            self._instances,
            before,
            after,
            None if self._kind == REGRESSION.name else self._flipped / max(self._instances, 1),
            root / spread if spread else root,
            self._largest,
        )

    def _labels(self, scores: Scores) -> npt.NDArray[Any]:
        if self._kind == BINARY.name:
            return predicted_labels(scores, self._threshold)
        labels: npt.NDArray[Any] = scores.argmax(axis=1) if scores.ndim > 1 else np.zeros(len(scores))
        return labels

    def _metrics(self, evaluation: Evaluation) -> dict[str, float | None]:
        if not self._is_labelled:
            return {}
        metrics = evaluation.analysis().metrics
        return {name: metrics[name]["value"] for name in (AUC, LOG_LOSS, RMSE) if name in metrics}
