"""The confusion counts of several classes: how a state stores them, and the arrays that metrics are computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

MOST_CLASSES = 50
"""Number of classes of a model that are counted apart."""

OTHER_CLASSES = "other"
"""The class that stands for all classes beyond `MOST_CLASSES`; a class of this name belongs to it."""


def pair_name(true: str, predicted: str) -> str:
    """Return the name in `WindowState.confusion`: the length of the true class, a blank, and both classes.

    >>> pair_name("boots", "high heels"), pair_of("5 bootshigh heels")
    ('5 bootshigh heels', ('boots', 'high heels'))
    """
    return f"{len(true)} {true}{predicted}"


def pair_of(name: str) -> tuple[str, str]:
    """Return the true and the predicted class of a name in `WindowState.confusion`."""
    length, _, classes = name.partition(" ")
    return classes[: int(length)], classes[int(length) :]


@dataclass(frozen=True, eq=False)
class ConfusionMatrix:
    """The predictions with a known class, as cells: one for each pair of a true and a predicted class.

    Attributes
    ----------
    names : the classes that are a truth or a prediction, in order; shape (classes,).
    true, predicted : the class of each cell, as its place in ``names``; shape (cells,).
    right : whether the prediction is the true class. A prediction of one of the `other` classes may be wrong although
        the truth is one of them, too: both have cells of their own; shape (cells,).
    counts : predictions of each cell; shape (cells,).
    """

    names: tuple[str, ...]
    true: Indices
    predicted: Indices
    right: npt.NDArray[np.bool_]
    counts: Floats

    @classmethod
    def of(cls, confusion: Mapping[str, int], hits: int) -> ConfusionMatrix:
        """Return the matrix of a state.

        Parameters
        ----------
        confusion : `WindowState.confusion`.
        hits : predictions of the true class, of all classes.
        """
        cells = [(*pair_of(name), count) for name, count in confusion.items()]
        outside = hits - sum(count for true, predicted, count in cells if true == predicted != OTHER_CLASSES)
        rows: list[tuple[str, str, bool, int]] = []
        for true, predicted, count in sorted(cells):
            if true == predicted == OTHER_CLASSES:
                rows += [(true, predicted, True, outside), (true, predicted, False, count - outside)]
            else:
                rows.append((true, predicted, true == predicted, count))
        names = tuple(sorted({name for true, predicted, *_ in rows for name in (true, predicted)}))
        place = {name: number for number, name in enumerate(names)}
        return cls(
            names,
            np.array([place[true] for true, *_ in rows], dtype=np.int64),
            np.array([place[predicted] for _, predicted, *_ in rows], dtype=np.int64),
            np.array([right for _, _, right, _ in rows], dtype=np.bool_),
            np.array([count for *_, count in rows], dtype=np.float64),
        )

    @cached_property
    def n(self) -> float:
        """Predictions with a known class."""
        return float(self.counts.sum())

    @cached_property
    def actual(self) -> Floats:
        """Predictions by true class; shape (classes,)."""
        return self._by_class(self.true, self.counts)

    @cached_property
    def chosen(self) -> Floats:
        """Predictions by predicted class; shape (classes,)."""
        return self._by_class(self.predicted, self.counts)

    @cached_property
    def hits(self) -> Floats:
        """Predictions of the true class, by class; shape (classes,)."""
        return self._by_class(self.true, self.counts * self.right)

    @cached_property
    def precision(self) -> Floats:
        """Precision of each class; 0 for a class that is never predicted; shape (classes,)."""
        return ratio(self.hits, self.chosen)

    @cached_property
    def recall(self) -> Floats:
        """Recall of each class; 0 for a class that is never the truth; shape (classes,)."""
        return ratio(self.hits, self.actual)

    @cached_property
    def f1(self) -> Floats:
        """F1 of each class; shape (classes,)."""
        return ratio(2 * self.hits, self.actual + self.chosen)

    def _by_class(self, classes: Indices, counts: Floats) -> Floats:
        sums: Floats = np.bincount(classes, weights=counts, minlength=len(self.names)).astype(np.float64)
        return sums


def ratio(counts: Floats, of: Floats) -> Floats:
    """Return ``counts / of``, and 0 where ``of`` is 0."""
    return np.divide(counts, of, out=np.zeros_like(counts), where=of > 0)
