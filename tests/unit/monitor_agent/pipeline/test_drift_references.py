"""Drift references: the categories that are counted by themselves, and the references of a table."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
import pytest

from monitor_agent.metrics.drift import CategoricalReference, NumericReference
from monitor_agent.metrics.score_histogram import score_bins
from monitor_agent.pipeline.drift_references import (
    OTHER_CATEGORIES,
    DriftReference,
    calibration_of_table,
    categories,
    named_reference,
    of_table,
    valid_at,
)
from monitor_agent.pipeline.reference_table import ReferenceTable, read_table

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
    rows = [f"user{number};{'a' if number % 2 else ''};{'1,5' if number % 2 else ''}\n" for number in range(500)]

    table = read_table(["categorical.user;categorical.shop;numeric.price\n", *rows])

    assert categories({f"user{number}": 1 for number in range(500)}) is None
    references = of_table(table)
    assert {name: reference.n for name, reference in references.items()} == {
        "categorical.shop": 250,
        "numeric.price": 250,
    }


def test_chance_does_not_choose_categories() -> None:
    """Among many equal categories, none is counted by itself only because it is frequent by chance."""
    dice = np.random.default_rng(1)
    counts = np.bincount(dice.integers(0, 300, 1000))

    reference = categories({str(number): int(count) for number, count in enumerate(counts) if count})

    assert reference is None


def table_of(text: str) -> ReferenceTable:
    """Return the table of CSV lines."""
    return read_table(text.splitlines(keepends=True))


class TestLabelsOfATable:
    """The reference of `label` is about predicted labels; the column `label` holds what happened."""

    HEAD = "score,label,prediction\n"

    def test_the_column_prediction_is_the_reference(self) -> None:
        """Labels are 0 and 1 in any form that common software writes."""
        rows = "0.9,0,1.0\n0.2,1,0\n0.8,0,True\n0.1,0,false\n0.7,1,1\n"

        references = of_table(table_of(self.HEAD + rows))

        assert references["label"] == CategoricalReference({"1": 3, "0": 2})

    def test_scores_and_a_threshold_give_predicted_labels(self) -> None:
        """A score at the threshold has the predicted label 1."""
        table = table_of("score,label\n0.5,0\n0.4,1\n0.3,1\n")

        assert of_table(table, threshold=0.4)["label"] == CategoricalReference({"1": 2, "0": 1})
        assert "label" not in of_table(table)

    def test_true_labels_calibrate_scores(self) -> None:
        """Scores that are twice too high are halved; with few positives there is no calibration."""
        dice = np.random.default_rng(3)
        scores = np.round(dice.random(4000), 3)
        labels = (dice.random(4000) < scores / 2).astype(float)
        rows = [f"{score},{label}\n" for score, label in zip(scores, labels, strict=True)]

        calibration = calibration_of_table(read_table(["score,label\n", *rows]))

        assert calibration is not None
        (place,) = score_bins([0.8])
        assert calibration.probabilities[place] == pytest.approx(0.4, abs=0.06)
        assert calibration_of_table(read_table(["score,label\n", *rows[:100]])) is None

    def test_true_labels_in_a_stored_reference_are_ignored(self) -> None:
        """Earlier releases stored the column `label` of a table, as text, in the place of the predicted labels."""
        score = NumericReference.from_values([0.1, 0.2])
        current = named_reference("train.csv", START, {"score": score, "label": CategoricalReference({"0": 3, "1": 1})})
        from_range = named_reference("2026-03-01T00:00:00Z to 2026-03-02T00:00:00Z", START, current.features)
        earlier = [
            {name: value for name, value in reference.content().items() if name != "labels"}
            for reference in (current, from_range)
        ]
        earlier[0]["features"]["label"] = {"counts": {"0.0": 3, "1.0": 1, "yes": 4}}

        from_table, learnt = (DriftReference.from_content(content) for content in earlier)

        assert list(from_table.features) == ["score"]
        assert learnt == from_range


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
