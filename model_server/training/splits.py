"""Divides examples into folds and validation rows (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from model_server.training.examples import Examples
from model_server.training.options import EarlyStopping
from monitor_agent.errors import DataError

Ints = npt.NDArray[np.int64]
VALIDATION = -1
"""Stands for the fold of validation rows, which no fit learns from."""


def make_split(examples: Examples, folds: int, seed: int, early_stopping: EarlyStopping | None) -> Ints:
    """Return the fold of each example, from 0; `VALIDATION` for validation rows, if there is early stopping.

    Raises
    ------
    DataError
        If a fold, or the validation rows, would lack a class.
    """
    is_validation = np.zeros(len(examples), bool)
    if early_stopping is not None:
        is_validation = validation_rows(examples, early_stopping.share, seed)
        _check_classes(examples, is_validation, "the validation rows", "choose a larger --validation-share")
    rest = np.flatnonzero(~is_validation)
    fold_of = np.full(len(examples), VALIDATION, np.int64)
    if examples.groups:
        fold_of[rest] = folds_of_groups([examples.groups[row] for row in rest], folds, seed)
        for fold in range(folds):
            _check_classes(examples, fold_of == fold, f"fold {fold + 1}", "give more groups, or no group column")
    else:
        fold_of[rest] = make_folds(examples.labels[rest], folds, seed)
    return fold_of


def validation_rows(examples: Examples, share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Return which examples are for validation: the latest, or else those of some groups or some pairs of texts."""
    if len(examples.times):
        # All rows of one moment are on the same side.
        latest: npt.NDArray[np.bool_] = examples.times > np.quantile(examples.times, 1 - share, method="lower")
        return latest
    keys = examples.groups or [f"{a}\0{b}" for a, b in zip(examples.text_a, examples.text_b, strict=True)]
    return np.array([_place(key, seed) < share for key in keys], bool)


def make_folds(labels: npt.NDArray[np.float32], folds: int, seed: int) -> Ints:
    """Return the fold of each example, at random, with the classes spread evenly over the folds.

    Raises
    ------
    DataError
        If a class has fewer examples than there are folds.
    """
    random = np.random.default_rng(seed)
    fold_of = np.zeros(len(labels), np.int64)
    for label in (0, 1):
        rows = random.permutation(np.flatnonzero(labels == label))
        if len(rows) < folds:
            raise DataError(f"only {len(rows)} examples have label {label}", f"training needs at least {folds}")
        fold_of[rows] = np.arange(len(rows)) % folds
    return fold_of


def folds_of_groups(groups: Sequence[str], folds: int, seed: int) -> Ints:
    """Return the fold of each example; all examples of a group are in one fold."""
    order = sorted(set(groups), key=lambda group: (_place(group, seed), group))
    fold_of = {group: place % folds for place, group in enumerate(order)}
    return np.array([fold_of[group] for group in groups], np.int64)


def describe(examples: Examples, early_stopping: EarlyStopping | None) -> str:
    """Return in words which rows are for validation."""
    if early_stopping is None:
        return "none"
    if len(examples.times):
        return f"the latest {early_stopping.share:.0%}"
    subject = "groups" if examples.groups else "pairs of texts"
    return f"{early_stopping.share:.0%} of the {subject}, by their hash"


def _place(key: str, seed: int) -> float:
    """Return a number from 0 to 1 that depends on nothing but key and seed."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), key=str(seed).encode()[:64], digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _check_classes(examples: Examples, rows: npt.NDArray[np.bool_], subject: str, hint: str) -> None:
    labels = examples.labels[rows]
    for label in (0, 1):
        if not (labels == label).any():
            raise DataError(f"{subject} hold no example with label {label}", hint)
