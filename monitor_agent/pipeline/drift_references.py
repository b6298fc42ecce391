"""The drift reference of a model: the distributions of its scores, labels and features, and its calibrations (pure).

A reference is made once and stored. Nothing that happens later changes it, so the drift and the estimates of a window
do not depend on when they are computed. It is valid for windows that begin at its `since` or later, until the next one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np

from monitor_agent.contracts.drift import CATEGORICAL, LABEL, NUMERIC, SCORE
from monitor_agent.metrics import SCORE_BINS, Calibration, Undefined, WindowState, isotonic_calibration
from monitor_agent.metrics.data_quality import UsualValues
from monitor_agent.metrics.drift import CategoricalReference, NumericReference, NumericSample
from monitor_agent.metrics.score_histogram import from_scores
from monitor_agent.pipeline.reference_table import ReferenceTable

FeatureReference = NumericReference | CategoricalReference
Sample = NumericSample | Mapping[str, int]

OTHER_CATEGORIES = "(other)"
"""Stands for all categories except the most frequent ones."""
NEW_CATEGORIES = "(new)"
"""Stands for all categories that the reference does not contain."""

MOST_CATEGORIES = 50
MOST_KNOWN_CATEGORIES = 500
"""A feature with more categories has no dictionary: a new one is nothing special there."""
MIN_VALUES, MIN_SHARE = 100, 0.02
"""A category is counted by itself if it has this number of values, or this share of all values. Among many rare
categories, chance decides which are the most frequent; later they would seem to become rarer."""
MIN_POSITIVES = 100
"""With fewer positives no calibration is learnt."""

_NAME_OF_RANGE = re.compile(r"\S+Z to \S+Z #[0-9a-f]{6}")
_PREDICTED = "predicted"


@dataclass(frozen=True)
class DriftReference:
    """One drift reference of a model.

    Attributes
    ----------
    name : its origin, such as a range of time or a file, and a checksum; documents name the reference by it.
    since : start of the first window that it is valid for.
    features : by name: `score`, `label` (as predicted), `numeric.<name>`, `categorical.<name>`.
    calibrations : by version.
    usual : by name: the data quality of the features. References of earlier releases do not have it.
    """

    name: str
    since: datetime
    features: Mapping[str, FeatureReference] = field(default_factory=dict)
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    usual: Mapping[str, UsualValues] = field(default_factory=dict)

    def usual_of(self, name: str) -> UsualValues:
        """Return the data quality of a feature; of a reference of an earlier release, as far as one can tell.

        Each prediction has a score, so the predictions without the feature are those that it has fewer values for.
        """
        if name in self.usual:
            return self.usual[name]
        feature = self.features[name]
        predictions = max((self.features[SCORE].n if SCORE in self.features else 0), feature.n)
        complete = isinstance(feature, CategoricalReference) and OTHER_CATEGORIES not in feature.counts
        categories = tuple(feature.counts) if complete and isinstance(feature, CategoricalReference) else None
        return UsualValues(predictions, predictions - feature.n, categories)

    def content(self) -> dict[str, Any]:
        """Return the content of the state document."""
        return {
            "name": self.name,
            "since": self.since.isoformat(),
            "labels": _PREDICTED,
            "features": {name: asdict(reference) for name, reference in self.features.items()},
            "calibrations": {version: _steps(calibration) for version, calibration in self.calibrations.items()},
            **({"usual": {name: _plain(usual) for name, usual in self.usual.items()}} if self.usual else {}),
        }

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> DriftReference:
        """Return the reference that `content` wrote.

        A reference that an earlier release made from a table has the true labels in the place of the predicted ones,
        and any texts as labels: it is read without its labels.
        """
        features = dict(content["features"])
        from_range = _NAME_OF_RANGE.fullmatch(content["name"]) is not None
        if LABEL in features and not (content.get("labels") == _PREDICTED or from_range):
            del features[LABEL]
        return cls(
            name=content["name"],
            since=datetime.fromisoformat(content["since"]),
            features={name: _feature(fields) for name, fields in features.items()},
            calibrations={version: _calibration(steps) for version, steps in content["calibrations"].items()},
            usual={name: _usual(fields) for name, fields in content.get("usual", {}).items()},
        )


def named_reference(
    origin: str,
    since: datetime,
    features: Mapping[str, FeatureReference],
    calibrations: Mapping[str, Calibration] | None = None,
    usual: Mapping[str, UsualValues] | None = None,
) -> DriftReference:
    """Return a reference that is named by its origin and a checksum of its content."""
    reference = DriftReference("", since, features, calibrations or {}, usual or {})
    text = json.dumps({**reference.content(), "since": ""}, sort_keys=True)
    return dataclasses.replace(reference, name=f"{origin} #{hashlib.sha256(text.encode()).hexdigest()[:6]}")


def of_table(table: ReferenceTable, threshold: float | None = None) -> dict[str, FeatureReference]:
    """Return the references of a table's features; columns that are empty or contain ids are left out.

    The reference of `label` is about the predicted labels: those of the table, or else those that follow from the
    scores. What happened (the column `label`) is no prediction, so it is not part of the result.

    Parameters
    ----------
    threshold : scores at or above it have the predicted label 1; None = unknown.
    """
    references: dict[str, FeatureReference] = {
        name: NumericReference.from_values(values) for name, values in table.numbers.items() if values
    }
    predicted = table.predicted_labels
    if predicted is None and threshold is not None:
        predicted = bytearray(score >= threshold for score in table.numbers.get(SCORE, ()))
    counts = {LABEL: {str(label): predicted.count(label) for label in (0, 1)}} if predicted else {}
    for name, by_category in {**counts, **table.categories}.items():
        reference = categories({category: count for category, count in by_category.items() if count})
        if reference is not None:
            references[name] = reference
    return references


def usual_of_table(table: ReferenceTable, features: Iterable[str]) -> dict[str, UsualValues]:
    """Return the data quality of a table's features."""
    usual = {}
    for name in features:
        if name in table.categories:
            counts = table.categories[name]
            usual[name] = usual_categories(counts, UsualValues(table.rows, table.rows - sum(counts.values())))
        else:
            values = len(table.numbers[name]) if name in table.numbers else table.rows
            usual[name] = UsualValues(table.rows, table.rows - values)
    return usual


def usual_categories(counts: Mapping[str, int], usual: UsualValues) -> UsualValues:
    """Return the data quality with the dictionary of a categorical feature.

    Parameters
    ----------
    counts : those of all categories, of which `MOST_KNOWN_CATEGORIES` + 1 suffice.
    """
    if len(counts) > MOST_KNOWN_CATEGORIES:
        return usual
    single = sum(count == 1 for count in counts.values())
    return dataclasses.replace(usual, categories=tuple(sorted(counts)), single=single)


def calibration_of_table(table: ReferenceTable) -> Calibration | None:
    """Return the calibration of a table's scores by its true labels; None if the table has few positives."""
    scores, labels = table.numbers.get(SCORE), table.true_labels
    if scores is None or labels is None:
        return None
    values, positive = np.asarray(scores), np.frombuffer(labels, dtype=np.uint8) == 1
    pos, neg = int(positive.sum()), int((~positive).sum())
    return calibration_of(
        WindowState(fn=pos, tn=neg, scores_pos=from_scores(values[positive]), scores_neg=from_scores(values[~positive]))
    )


def valid_at(references: Sequence[DriftReference], start: datetime) -> DriftReference | None:
    """Return the reference for a window that begins at `start`; None if there is none yet."""
    valid = [reference for reference in references if reference.since <= start]
    return max(valid, key=lambda reference: reference.since, default=None)


def field_of(feature: str) -> str:
    """Return the field of a feature in a prediction.

    >>> field_of("numeric.price"), field_of("score")
    ('features.numeric.price', 'prediction.score')
    """
    return f"prediction.{feature}" if feature in (SCORE, LABEL) else f"features.{feature}"


def kind_of(feature: str) -> str:
    """Return `numeric` or `categorical`."""
    return NUMERIC if feature == SCORE or feature.startswith(f"{NUMERIC}.") else CATEGORICAL


def calibration_of(state: WindowState) -> Calibration | None:
    """Return the calibration of a version's scores by its merged labelled windows; None if these have few positives."""
    if state.positives < MIN_POSITIVES:
        return None
    calibration = isotonic_calibration(state.scores_pos, state.scores_neg)
    return None if isinstance(calibration, Undefined) else calibration


def categories(counts: Mapping[str, int]) -> CategoricalReference | None:
    """Return the reference of counts by category: at most 50 frequent categories, all others as one.

    The result is None if no category is frequent.

    >>> categories({"a": 5, "b": 3}).counts
    {'a': 5, 'b': 3}
    """
    total = sum(counts.values())
    frequent = [
        item for item in counts.items() if item[0] != OTHER_CATEGORIES and item[1] >= min(MIN_VALUES, MIN_SHARE * total)
    ]
    counted = dict(sorted(frequent, key=lambda item: (-item[1], item[0]))[:MOST_CATEGORIES])
    remainder = total - sum(counted.values())
    return CategoricalReference(counted | ({OTHER_CATEGORIES: remainder} if remainder else {})) if counted else None


def _plain(usual: UsualValues) -> dict[str, Any]:
    fields = {name: value for name, value in vars(usual).items() if value or value == ()}
    return {**fields, **({"ages": {str(number): count for number, count in usual.ages.items()}} if usual.ages else {})}


def _usual(fields: Mapping[str, Any]) -> UsualValues:
    values = dict(fields)
    ages = {int(number): count for number, count in values.pop("ages", {}).items()}
    categories = values.pop("categories", None)
    return UsualValues(**values, ages=ages, categories=None if categories is None else tuple(categories))


def _feature(fields: Mapping[str, Any]) -> FeatureReference:
    if "edges" not in fields:
        return CategoricalReference(dict(fields["counts"]))
    return NumericReference(**{**fields, "edges": tuple(fields["edges"]), "counts": tuple(fields["counts"])})


def _steps(calibration: Calibration) -> list[list[float]]:
    """Return a step function as a list of steps: [first bin, probability]."""
    values = np.asarray(calibration.probabilities)
    starts = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist()]
    return [[start, float(values[start])] for start in starts]


def _calibration(steps: Sequence[Sequence[float]]) -> Calibration:
    values = np.empty(SCORE_BINS)
    for (start, value), (end, _) in pairwise([*steps, [SCORE_BINS, 0.0]]):
        values[int(start) : int(end)] = value
    return Calibration(tuple(values.tolist()))
