"""References of features: what is kept of categories, and what a table makes."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
import pytest

from monitor_agent.metrics.drift import CategoricalReference, NumericReference
from monitor_agent.pipeline.drift_references import (
    OTHER_CATEGORIES,
    DriftReference,
    categories,
    named_reference,
    of_columns,
    valid_at,
)

START = datetime(2026, 3, 2, tzinfo=timezone.utc)


def test_rare_categories_are_one() -> None:
    """A category is kept with 100 values, or with 2 % of few; the most frequent come first."""
    assert categories({"b": 9_000, "a": 9_500, "c": 99, "d": 100}) == CategoricalReference(
        {"a": 9_500, "b": 9_000, "d": 100, OTHER_CATEGORIES: 99}
    )
    assert categories({"a": 97, "b": 2, "c": 1}) == CategoricalReference({"a": 97, "b": 2, OTHER_CATEGORIES: 1})


def test_at_most_fifty_categories_are_kept() -> None:
    """What is beyond them counts as others, as do others that were counted before."""
    found = categories({**{str(number): 1000 - number for number in range(60)}, OTHER_CATEGORIES: 7})

    assert found is not None
    assert (len(found.counts), found.counts[OTHER_CATEGORIES]) == (
        51,
        sum(1000 - number for number in range(50, 60)) + 7,
    )


def test_ids_have_no_reference() -> None:
    """A feature that hardly repeats a value has nothing to be compared with, and its column is left out."""
    ids = [f"user{number}" for number in range(500)]

    assert categories(dict.fromkeys(ids, 1)) is None
    assert list(
        of_columns({"categorical.user": ids, "categorical.shop": ["a", ""] * 250, "numeric.price": ["1.5", ""]})
    ) == [
        "categorical.shop",
        "numeric.price",
    ]


def test_chance_does_not_choose_what_is_usual() -> None:
    """Of many equal categories none is so frequent by chance that it seems to become rarer later."""
    dice = np.random.default_rng(1)
    counts = np.bincount(dice.integers(0, 300, 1000))

    found = categories({str(number): int(count) for number, count in enumerate(counts) if count})

    assert found is None


def test_a_cell_that_is_no_number_is_refused() -> None:
    """A numeric column holds numbers."""
    with pytest.raises(ValueError, match="cheap"):
        of_columns({"numeric.price": ["1", "cheap"]})


def test_a_reference_is_kept_as_it_is() -> None:
    """Restored it is the same, and so named; an edge next to a value survives."""
    made = named_reference(
        "file",
        START,
        {"numeric.a": NumericReference.from_values([0.0, 1.0, 1.0]), "label": CategoricalReference({"0": 3})},
    )

    assert DriftReference.restored(made.content()) == made
    assert made.name == named_reference("file", START.replace(month=4), made.features).name


def test_the_latest_reference_holds() -> None:
    """A window is compared with the last reference that is valid at its start; before the first with none."""
    first, second = (named_reference("file", START.replace(day=day), {}) for day in (3, 5))

    found = [valid_at([second, first], START.replace(day=day)) for day in (2, 3, 4, 5, 9)]

    assert found == [None, first, first, second, second]
