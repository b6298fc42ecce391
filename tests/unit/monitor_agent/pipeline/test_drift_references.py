"""Drift references: the categories that are counted by themselves, and the references of a table."""

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


def test_rare_categories_are_counted_as_one() -> None:
    """A category is counted by itself from 100 values, or 2 % of few values; the most frequent come first."""
    assert categories({"b": 9_000, "a": 9_500, "c": 99, "d": 100}) == CategoricalReference(
        {"a": 9_500, "b": 9_000, "d": 100, OTHER_CATEGORIES: 99}
    )
    assert categories({"a": 97, "b": 2, "c": 1}) == CategoricalReference({"a": 97, "b": 2, OTHER_CATEGORIES: 1})


def test_at_most_fifty_categories_are_counted_by_themselves() -> None:
    """Further categories count as others, like the others of earlier counts."""
    reference = categories({**{str(number): 1000 - number for number in range(60)}, OTHER_CATEGORIES: 7})

    assert reference is not None
    assert (len(reference.counts), reference.counts[OTHER_CATEGORIES]) == (
        51,
        sum(1000 - number for number in range(50, 60)) + 7,
    )


def test_ids_have_no_reference() -> None:
    """A feature whose values hardly repeat has no reference, and its column is left out."""
    ids = [f"user{number}" for number in range(500)]

    assert categories(dict.fromkeys(ids, 1)) is None
    assert list(
        of_columns({"categorical.user": ids, "categorical.shop": ["a", ""] * 250, "numeric.price": ["1.5", ""]})
    ) == [
        "categorical.shop",
        "numeric.price",
    ]


def test_chance_does_not_choose_categories() -> None:
    """Among many equal categories, none is counted by itself only because it is frequent by chance."""
    dice = np.random.default_rng(1)
    counts = np.bincount(dice.integers(0, 300, 1000))

    reference = categories({str(number): int(count) for number, count in enumerate(counts) if count})

    assert reference is None


def test_a_cell_that_is_no_number_is_refused() -> None:
    """A numeric column holds numbers."""
    with pytest.raises(ValueError, match="cheap"):
        of_columns({"numeric.price": ["1", "cheap"]})


def test_a_stored_reference_is_restored() -> None:
    """The restored reference has the same content and name, even with an edge next to a value."""
    reference = named_reference(
        "file",
        START,
        {"numeric.a": NumericReference.from_values([0.0, 1.0, 1.0]), "label": CategoricalReference({"0": 3})},
    )

    assert DriftReference.from_content(reference.content()) == reference
    assert reference.name == named_reference("file", START.replace(month=4), reference.features).name


def test_the_latest_reference_is_valid() -> None:
    """A window is compared with the latest reference that is valid at its start; earlier windows have none."""
    first, second = (named_reference("file", START.replace(day=day), {}) for day in (3, 5))

    references = [valid_at([second, first], START.replace(day=day)) for day in (2, 3, 4, 5, 9)]

    assert references == [None, first, first, second, second]
