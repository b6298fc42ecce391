"""What is usual for a model: how its scores, labels and features were distributed, and how its scores are calibrated.

A reference is made once and kept; nothing that happens later changes it, so the drift and the estimates of a window are
the same whenever they are computed. It is valid for windows that begin at its `since` or later, until the next one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np

from monitor_agent.contracts.drift import CATEGORICAL, LABEL, NUMERIC, SCORE
from monitor_agent.metrics import SCORE_BINS, Calibration, Undefined, WindowState, isotonic_calibration
from monitor_agent.metrics.drift import CategoricalReference, NumericReference

FeatureReference = NumericReference | CategoricalReference

OTHERS = "(other)"
"""Stands for all categories beyond the most frequent ones."""

KEPT_CATEGORIES = 50
KEPT_COUNT, KEPT_SHARE = 100, 0.02
"""A category is kept with so many values or such a share of all: of many rare ones the most frequent are so by chance,
and would seem to have become rarer later."""
CALIBRATION_POSITIVES = 100
"""With fewer positives no calibration is learnt."""


@dataclass(frozen=True)
class DriftReference:
    """One reference of a model.

    Attributes
    ----------
    name : where it is from, such as a range of time or a file; it names the reference in documents.
    since : start of the first window that it is valid for.
    features : by name: `score`, `label`, `numeric.<name>`, `categorical.<name>`.
    calibrations : by version.
    """

    name: str
    since: datetime
    features: Mapping[str, FeatureReference] = field(default_factory=dict)
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return {
            "name": self.name,
            "since": self.since.isoformat(),
            "features": {name: asdict(each) for name, each in self.features.items()},
            "calibrations": {version: _steps(each) for version, each in self.calibrations.items()},
        }

    @classmethod
    def restored(cls, content: Mapping[str, Any]) -> DriftReference:
        """Return what `content` wrote."""
        return cls(
            name=content["name"],
            since=datetime.fromisoformat(content["since"]),
            features={name: _feature(kept) for name, kept in content["features"].items()},
            calibrations={version: _calibration(steps) for version, steps in content["calibrations"].items()},
        )


def named(
    origin: str,
    since: datetime,
    features: Mapping[str, FeatureReference],
    calibrations: Mapping[str, Calibration] | None = None,
) -> DriftReference:
    """Return a reference whose name tells its origin and, by a checksum, its content."""
    unnamed = DriftReference("", since, features, calibrations or {})
    text = json.dumps({**unnamed.content(), "since": ""}, sort_keys=True)
    return dataclasses.replace(unnamed, name=f"{origin} #{hashlib.sha256(text.encode()).hexdigest()[:6]}")


def of_columns(columns: Mapping[str, Sequence[str]]) -> dict[str, FeatureReference]:
    """Return the references of a table's columns; left out are empty cells, and columns that are empty or hold ids.

    Parameters
    ----------
    columns : by the feature's name (`score`, `label`, `numeric.<name>`, `categorical.<name>`).

    Raises
    ------
    ValueError : when a number is expected, and the cell holds none.

    >>> of_columns({"categorical.shop": ["a", "b", "a", ""]})["categorical.shop"].counts
    {'a': 2, 'b': 1}
    """
    found: dict[str, FeatureReference] = {}
    for name, cells in columns.items():
        filled = [cell for cell in cells if cell]
        if not filled:
            continue
        if kind_of(name) == NUMERIC:
            found[name] = NumericReference.from_values([float(cell) for cell in filled])
        elif usual := categories(Counter(filled)):
            found[name] = usual
    return found


def valid_at(references: Sequence[DriftReference], start: datetime) -> DriftReference | None:
    """Return the reference for a window that begins at `start`; None where there was none yet."""
    known = [each for each in references if each.since <= start]
    return max(known, key=lambda each: each.since, default=None)


def field_of(feature: str) -> str:
    """Return the field of a prediction that holds a feature.

    >>> field_of("numeric.price"), field_of("score")
    ('features.numeric.price', 'prediction.score')
    """
    return f"prediction.{feature}" if feature in (SCORE, LABEL) else f"features.{feature}"


def kind_of(feature: str) -> str:
    """Return `numeric` or `categorical`."""
    return NUMERIC if feature == SCORE or feature.startswith(f"{NUMERIC}.") else CATEGORICAL


def calibration_of(state: WindowState) -> Calibration | None:
    """Return what labelled windows, merged, teach of a version's scores; None where too few were clicked."""
    if state.positives < CALIBRATION_POSITIVES:
        return None
    learnt = isotonic_calibration(state.scores_pos, state.scores_neg)
    return None if isinstance(learnt, Undefined) else learnt


def categories(counts: Mapping[str, int]) -> CategoricalReference | None:
    """Return the reference of counts by category: at most 50 that are not rare, all others as one; None if all are.

    >>> categories({"a": 5, "b": 3}).counts
    {'a': 5, 'b': 3}
    """
    total = sum(counts.values())
    frequent = [item for item in counts.items() if item[0] != OTHERS and item[1] >= min(KEPT_COUNT, KEPT_SHARE * total)]
    kept = dict(sorted(frequent, key=lambda item: (-item[1], item[0]))[:KEPT_CATEGORIES])
    rest = total - sum(kept.values())
    return CategoricalReference(kept | ({OTHERS: rest} if rest else {})) if kept else None


def _feature(kept: Mapping[str, Any]) -> FeatureReference:
    if "edges" not in kept:
        return CategoricalReference(dict(kept["counts"]))
    return NumericReference(**{**kept, "edges": tuple(kept["edges"]), "counts": tuple(kept["counts"])})


def _steps(calibration: Calibration) -> list[list[float]]:
    """Return a step function as [first bin, probability] of each step."""
    values = np.asarray(calibration.probabilities)
    starts = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist()]
    return [[start, float(values[start])] for start in starts]


def _calibration(steps: Sequence[Sequence[float]]) -> Calibration:
    values = np.empty(SCORE_BINS)
    for (start, value), (end, _) in pairwise([*steps, [SCORE_BINS, 0.0]]):
        values[int(start) : int(end)] = value
    return Calibration(tuple(values.tolist()))
