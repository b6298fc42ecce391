"""What evaluations have in common: metrics of a model card from the agent's metrics, and the interface (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from model_server.cards.card_file import table
from model_server.evaluation.running_mean import RunningMean
from monitor_agent.metrics import STATE_METRICS, ConfidenceInterval, Undefined, WindowState
from monitor_agent.metrics.calibration_error import reliability_of
from monitor_agent.metrics.document import measure_with

Metric = dict[str, Any]
SPECS = {spec.name: spec for spec in STATE_METRICS}
CALIBRATION_COLUMNS = ("from", "to", "n", "positives", "mean score", "rate of positives", "rate, 95 % interval")


@dataclass(frozen=True)
class Analysis:
    """The result of an evaluation.

    Attributes
    ----------
    metrics : name -> ``value``, ``low`` and ``high`` (95 % interval, where there is one), or ``undefined``, the reason.
    tables : as a model card has them.
    """

    metrics: dict[str, Metric]
    tables: list[dict[str, Any]]


class Evaluation(Protocol):
    """Counts scores and the truth, batch by batch, in bounded memory."""

    def add(self, scores: npt.NDArray[Any], truth: npt.NDArray[Any]) -> None:
        """Count the outputs of a model for n instances, and what was right."""

    def analysis(self) -> Analysis:
        """Return the metrics so far."""


def metric(value: float | Undefined, interval: ConfidenceInterval | Undefined | None = None) -> Metric:
    """Return a metric as a card has it.

    >>> metric(0.5, ConfidenceInterval(0.25, 0.75)), metric(Undefined("no_samples"))
    ({'value': 0.5, 'low': 0.25, 'high': 0.75}, {'value': None, 'undefined': 'no_samples'})
    """
    if isinstance(value, Undefined):
        return {"value": None, "undefined": value.reason}
    entry: Metric = {"value": float(value)}
    if isinstance(interval, ConfidenceInterval):
        entry |= {"low": interval.low, "high": interval.high}
    return entry


def metrics_of(state: WindowState, names: Iterable[str]) -> dict[str, Metric]:
    """Return metrics of the agent's catalogue, with their intervals."""
    entries = {}
    for name in names:
        fields = measure_with([SPECS[name]], state)
        entry: Metric = {"value": fields[name]}
        if fields[name] is None:
            entry["undefined"] = fields[f"{name}_undefined"]
        elif fields.get(f"{name}_low") is not None:
            entry |= {end: fields[f"{name}_{end}"] for end in ("low", "high")}
        entries[name] = entry
    return entries


def of_mean(values: RunningMean) -> Metric:
    """Return a mean as a metric, with its normal interval."""
    return metric(values.mean if values.n else Undefined("no_samples"), values.interval())


def calibration_table(state: WindowState, title: str = "calibration") -> dict[str, Any]:
    """Return the reliability bins of labelled scores."""
    rows = [
        [
            bin_.low,
            bin_.high,
            bin_.n,
            bin_.positives,
            bin_.mean_score,
            bin_.rate,
            [bin_.interval.low, bin_.interval.high],
        ]
        for bin_ in reliability_of(state)
    ]
    return table(title, CALIBRATION_COLUMNS, rows)


def log_losses(probabilities: npt.NDArray[np.floating[Any]], clip: float) -> npt.NDArray[np.float64]:
    """Return the loss of each probability that was given to the truth."""
    losses: npt.NDArray[np.float64] = -np.log(np.clip(probabilities.astype(np.float64), clip, 1 - clip))
    return losses
