"""The labelled scores of a state as ordered cells, each as narrow as the state allows: for the metrics of the order.

From the finest to the coarsest: single scores (`exact_scores`), the cells of the tails (`score_tails`), the refined
bins and the bins of `score_histogram`. A state may hold the finer counts of some of its scores only, because windows of
different resolution were merged. Cells of a finer kind are used where they hold all scores of both labels.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from monitor_agent.metrics import score_tails
from monitor_agent.metrics.exact_scores import scores_of
from monitor_agent.metrics.score_histogram import (
    EDGES,
    REFINED_LOWS,
    REFINEMENT,
    SCORE_BINS,
    Counts,
    Floats,
    Histogram,
    Ints,
    dense,
    total,
)


@dataclass(frozen=True)
class LabelScores:
    """The scores of the predictions with one label.

    Attributes
    ----------
    bins : all scores, by bin.
    refined : the scores that are also counted in refined bins.
    tails : the scores that are also counted in cells of the tails.
    exact : all scores, singly; empty if there are too many distinct ones.
    """

    bins: Counts = field(default_factory=dict)
    refined: Counts = field(default_factory=dict)
    tails: Counts = field(default_factory=dict)
    exact: Counts = field(default_factory=dict)


@dataclass(frozen=True)
class ScoreCells:
    """Cells that hold all labelled scores, lowest first; arrays of shape (n,).

    Attributes
    ----------
    lows, highs : the ends of each cell; equal if all its scores are equal.
    positives, negatives : its scores with the label 1, and with the label 0.
    refined_pos, refined_neg : refined bins of some of the scores of cells that are bins; for the AUC.
    """

    lows: Floats
    highs: Floats
    positives: Floats
    negatives: Floats
    refined_pos: Counts = field(default_factory=dict)
    refined_neg: Counts = field(default_factory=dict)

    @property
    def unordered(self) -> Floats:
        """1 for each cell whose scores may differ, 0 for the others."""
        return (self.highs > self.lows).astype(np.float64)

    @property
    def one_class(self) -> bool:
        """Whether a label is missing."""
        return not self.positives.any() or not self.negatives.any()


def score_cells(pos: LabelScores, neg: LabelScores) -> ScoreCells:
    """Return the cells of the scores with the label 1 and of those with the label 0.

    >>> cells = score_cells(LabelScores({2800: 1}), LabelScores({2800: 2, 3500: 1}))
    >>> cells.lows.tolist(), cells.positives.tolist(), cells.negatives.tolist()
    ([0.1, 0.8], [1.0, 0.0], [2.0, 1.0])
    """
    if is_exact(pos) and is_exact(neg):
        keys = np.union1d(Histogram.of(pos.exact).bins, Histogram.of(neg.exact).bins).astype(np.int64)
        scores = scores_of(Histogram(keys, keys))
        return ScoreCells(scores, scores, _placed(pos.exact, keys), _placed(neg.exact, keys))
    return _from_bins(pos, neg)


def is_exact(scores: LabelScores) -> bool:
    """Return whether all scores are known singly."""
    return total(scores.exact) == total(scores.bins)


def _placed(histogram: Counts, keys: Ints) -> Floats:
    """Return the counts of each key; all keys of the histogram are among ``keys``."""
    counts = np.zeros(len(keys))
    arrays = Histogram.of(histogram)
    counts[np.searchsorted(keys, arrays.bins)] = arrays.counts
    return counts


def _from_bins(pos: LabelScores, neg: LabelScores) -> ScoreCells:
    in_bins = [dense(scores.bins) for scores in (pos, neg)]
    left = in_bins[0] + in_bins[1] > 0
    refined = left & np.logical_and(
        *(_in_refined(scores.refined) == counts for scores, counts in zip((pos, neg), in_bins, strict=True))
    )
    pieces = []
    for tail, is_low in ((score_tails.LOW_TAIL, True), (score_tails.HIGH_TAIL, False)):
        cells = [_of_tail(scores.tails, is_low) for scores in (pos, neg)]
        if left[tail].any() and all(
            total(histogram) == counts[tail].sum() for histogram, counts in zip(cells, in_bins, strict=True)
        ):
            left[tail] = False
            if not is_low:
                better = refined & np.logical_and(
                    *(_in_wide_cells(histogram) == counts for histogram, counts in zip(cells, in_bins, strict=True))
                )
                left |= better
                cells = [_selected(histogram, ~better[_bin_of_cell(histogram.bins)]) for histogram in cells]
            pieces.append(_piece(cells, score_tails.LOWS, score_tails.HIGHS))
    refined &= left
    pieces.append(_piece([_within(scores.refined, refined) for scores in (pos, neg)], REFINED_LOWS, _REFINED_HIGHS))
    left &= ~refined
    bins = np.flatnonzero(left)
    pieces.append(ScoreCells(EDGES[bins], EDGES[bins + 1], in_bins[0][bins], in_bins[1][bins]))
    return _joined(pieces, [_within(scores.refined, left) for scores in (pos, neg)])


_REFINED_HIGHS: Floats = np.append(REFINED_LOWS[1:], 1.0)


def _piece(histograms: list[Histogram], lows: Floats, highs: Floats) -> ScoreCells:
    keys = np.union1d(histograms[0].bins, histograms[1].bins).astype(np.int64)
    return ScoreCells(lows[keys], highs[keys], _placed(histograms[0], keys), _placed(histograms[1], keys))


def _bin_of_cell(cells: Ints) -> Ints:
    """Return the bin that a cell of the tails from 0.9 to 0.99 divides into ten, where refined bins are a hundred."""
    place = cells - score_tails.FIRST_HIGH_CELL
    wide = (place >= 0) & (place < score_tails.PER_DECADE)
    return np.where(wide, score_tails.HIGH_TAIL.start + place // 10, 0)


def _in_wide_cells(cells: Histogram) -> Floats:
    """Return how many scores of each bin are in cells of the decade from 0.9 to 0.99."""
    counts = np.zeros(SCORE_BINS)
    np.add.at(counts, _bin_of_cell(cells.bins), cells.counts)
    counts[0] = -1
    return counts


def _joined(pieces: list[ScoreCells], refined: list[Histogram]) -> ScoreCells:
    order = np.argsort(np.concatenate([piece.lows for piece in pieces]), kind="stable")
    lows, highs, positives, negatives = (
        np.concatenate([getattr(piece, name) for piece in pieces])[order]
        for name in ("lows", "highs", "positives", "negatives")
    )
    return ScoreCells(lows, highs, positives, negatives, *refined)


def _of_tail(cells: Counts, low: bool) -> Histogram:
    histogram = Histogram.of(cells)
    return _selected(histogram, (histogram.bins < score_tails.FIRST_HIGH_CELL) == low)


def _in_refined(refined: Counts) -> Floats:
    """Return how many scores of each bin are counted in refined bins."""
    counts = np.zeros(SCORE_BINS)
    histogram = Histogram.of(refined)
    np.add.at(counts, histogram.bins // REFINEMENT, histogram.counts)
    return counts


def _within(refined: Counts, bins: npt.NDArray[np.bool_]) -> Histogram:
    histogram = Histogram.of(refined)
    return _selected(histogram, bins[histogram.bins // REFINEMENT])


def _selected(histogram: Histogram, chosen: npt.NDArray[np.bool_]) -> Histogram:
    return Histogram(histogram.bins[chosen], histogram.counts[chosen])
