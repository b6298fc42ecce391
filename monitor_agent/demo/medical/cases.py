"""The cases of the breast-cancer data, the model of them, and the stated rule of the doctors' labels (pure).

Source: W. Wolberg, O. Mangasarian, N. Street, W. Street, "Breast Cancer Wisconsin (Diagnostic)", UCI Machine Learning
Repository, 1993, https://doi.org/10.24432/C5DW2B, CC BY 4.0; the file is the one that scikit-learn has.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from monitor_agent.demo.logistic import Floats, fit
from monitor_agent.demo.open_bandit import BUNDLED, read_table

SEED = 569
TRAINING_CASES = 250
PENALTY = 3.0
THRESHOLD = 0.5
MODEL = "diagnosis"
MALIGNANT = "malignant"

DAYS = 42
"""Length of the time in which the cases come."""
LABELLED_SUSPICIOUS, LABELLED_OTHERS = 0.48, 0.18
"""Probability that a doctor's label comes, if the model calls the case malignant, and if it does not."""
FIRST_DAY, LAST_DAY = 3.0, 12.0
"""When the label comes, in days after the prediction."""


@dataclass(frozen=True)
class Case:
    """One case: the measurements by name, and whether the tumour is malignant (1) or benign (0)."""

    features: dict[str, float]
    truth: int


@dataclass(frozen=True)
class Visit:
    """A case that the model judges.

    Attributes
    ----------
    label_after : time from the prediction to the doctor's label, by what the model says; None = no label comes.
    """

    case: Case
    moment: datetime
    label_after: dict[int, timedelta | None]


def read_cases() -> list[Case]:
    """Return all 569 cases in the order of the file."""
    rows = csv.DictReader(io.StringIO(read_table(BUNDLED / "breast_cancer.csv.xz")))
    cases = []
    for row in rows:
        truth = int(row.pop("diagnosis") == MALIGNANT)
        cases.append(Case({name: float(value) for name, value in row.items()}, truth))
    return cases


def split(cases: Sequence[Case], seed: int = SEED) -> tuple[list[Case], list[Case]]:
    """Return the cases of the training and those that come afterwards, drawn at random."""
    order = np.random.default_rng(seed).permutation(len(cases)).tolist()
    return [cases[number] for number in order[:TRAINING_CASES]], [cases[number] for number in order[TRAINING_CASES:]]


def linear_model(cases: Sequence[Case]) -> dict[str, Any]:
    """Return a logistic regression of the cases, as `model_server.training.linear` reads it."""
    names = list(cases[0].features)
    rows: Floats = np.array([list(case.features.values()) for case in cases])
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    weights = fit((rows - mean) / scale, np.array([float(case.truth) for case in cases]), PENALTY)
    by_column = weights[1:] / scale
    return {
        "name": MODEL,
        "threshold": THRESHOLD,
        "features": names,
        "weights": by_column.tolist(),
        "intercept": float(weights[0] - by_column @ mean),
    }


def visits(cases: Sequence[Case], start: datetime, seed: int = SEED) -> list[Visit]:
    """Return when each case comes, and when its label would come; the same for a seed, apart from the start."""
    dice = np.random.default_rng([seed, 1])
    days = np.sort(dice.uniform(0.0, DAYS, len(cases)))
    chances, waits = dice.random(len(cases)), dice.uniform(FIRST_DAY, LAST_DAY, len(cases))
    planned = []
    for case, day, chance, wait in zip(cases, days.tolist(), chances.tolist(), waits.tolist(), strict=True):
        delay = timedelta(days=wait)
        by_answer = {
            1: delay if chance < LABELLED_SUSPICIOUS else None,
            0: delay if chance < LABELLED_OTHERS else None,
        }
        planned.append(Visit(case, start + timedelta(days=day), by_answer))
    return planned
