"""What an earlier release wrote: its state blobs, lines and settings mean the same to the present code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitor_agent import settings
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.metrics import WindowState, measure
from monitor_agent.pipeline.drift_references import DriftReference
from tests import release_sample

ROOT = Path(__file__).parents[2]
CHANGED = (
    "estimated_", "auc_low", "auc_high", "pr_auc", "best_f1", "ece", "log_loss", "conversion_rate",
    "value_per_thousand_undefined",
)  # fmt: skip
"""Beginnings of the names of fields whose definition has changed since: the stored blobs do not give them, or give them
more exactly, because refined bins are used for all metrics of the order of scores. `conversion_rate` and
`value_per_thousand` need no known label any more."""

METRICS_DOCUMENTS = [row for row in release_sample.documents() if row.index.startswith(PERFORMANCE.name)]


def test_metrics_follow_from_stored_states() -> None:
    """The present code computes the stored values from the stored blobs, except for definitions that have changed."""
    assert len(METRICS_DOCUMENTS) > 100
    for row in METRICS_DOCUMENTS:
        document, seconds = row.source, {"1m": 60.0, "1h": 3600.0, "1d": 86_400.0}[row.source["window_size"]]
        state = WindowState.from_blob(document["state_blob"])
        present = measure(state, seconds)
        unchanged = [name for name in present.keys() & document.keys() if not name.startswith(CHANGED)]
        for name in unchanged:
            expected: Any = document[name]
            value = pytest.approx(expected, rel=1e-9) if isinstance(expected, float) else expected
            assert present[name] == value, (document["window_start"], document["segment"], name)
        if document["pr_auc"] is not None:
            assert abs(present["pr_auc"] - document["pr_auc"]) <= document["pr_auc_error_bound"] + 1e-12
            assert present["pr_auc_error_bound"] <= document["pr_auc_error_bound"] + 1e-12


def test_stored_states_add_up() -> None:
    """Blobs of old and new windows can be merged: their round trip loses nothing."""
    for row in METRICS_DOCUMENTS:
        state = WindowState.from_blob(row.source["state_blob"])

        assert WindowState.from_blob(state.to_blob()) == state


def test_settings_keep_their_meaning() -> None:
    """All variables exist, and the former defaults are the present ones.

    The folders of the product's files were relative to the project's folder, and are now found from everywhere.
    """
    variables = release_sample.settings()
    folders = {name: str(ROOT / variables[name]) for name in ("PIPELINE_CONFIG", "KIBANA_FOLDER")}
    loaded = settings.load({**variables, **folders})

    assert loaded == settings.load({})
    present = {name for section in vars(loaded).values() for name in settings.environment_of(section)}
    assert set(variables) <= present


def test_stored_references_are_read() -> None:
    """A reference of a range is complete; one of a table has no labels, because these are not the predicted ones."""
    references = [
        DriftReference.from_content(content)
        for row in release_sample.documents()
        if row.id.startswith("reference:")
        for content in row.source["content"]["references"]
    ]

    assert [list(reference.features) for reference in references] == [
        ["score", "label", "categorical.shop", "numeric.price"],
        ["score"],
    ]
