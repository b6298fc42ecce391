"""scikit-learn's metrics of the answers alone, to compare with metrics documents. Imports no code of the project."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
from sklearn import metrics

Row = Mapping[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
SIZES = {"1m": timedelta(minutes=1), "1h": timedelta(hours=1), "1d": timedelta(days=1)}
TOLERANCE = 1e-9


def expected(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the metrics of answered predictions (`score`, `label`, `click`); None if undefined."""
    truth = np.array([row["click"] for row in rows], dtype=int)
    label = np.array([row["label"] for row in rows], dtype=int)
    score = np.array([row["score"] for row in rows], dtype=float)
    tn, fp, fn, tp = metrics.confusion_matrix(truth, label, labels=[0, 1]).ravel().tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        precision = metrics.precision_score(truth, label, zero_division=np.nan)
        recall = metrics.recall_score(truth, label, zero_division=np.nan)
        f1 = metrics.f1_score(truth, label, zero_division=np.nan)
        auc = metrics.roc_auc_score(truth, score) if 0 < truth.sum() < len(truth) else None
    return {
        "n": len(rows),
        "tp": tp,
        "fp": fp,
        "tn": tn,
        "fn": fn,
        "accuracy": metrics.accuracy_score(truth, label),
        "precision": _defined(precision),
        "recall": _defined(recall),
        "f1": _defined(f1),
        "log_loss": metrics.log_loss(truth, score, labels=[0, 1]),
        "brier": metrics.brier_score_loss(truth, score, pos_label=1),
        "ctr": float(truth.mean()),
        "auc": auc,
    }


def differences(document: Row, rows: Sequence[Row]) -> list[str]:
    """Return the values of a metrics document that differ from scikit-learn's; an empty list if none does."""
    wrong = []
    for name, value in expected(rows).items():
        actual = document[name]
        tolerance = 0.0 if name in {"n", "tp", "fp", "tn", "fn"} else TOLERANCE
        if name == "auc" and value is not None:
            tolerance = document["auc_error_bound"] + TOLERANCE
        equal = actual is None if value is None else actual is not None and abs(actual - value) <= tolerance
        if not equal:
            wrong.append(f"{name}: {actual} instead of {value}")
    return wrong


def by_window(rows: Sequence[Row], size: str) -> dict[str, list[Row]]:
    """Return the rows by the start of their window, as documents write it (day and hour in UTC)."""
    windows: dict[str, list[Row]] = {}
    for row in rows:
        moment = datetime.fromisoformat(row["timestamp"].replace("Z", "+00:00"))
        start = moment - (moment - EPOCH) % SIZES[size]
        windows.setdefault(start.isoformat(), []).append(row)
    return windows


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
