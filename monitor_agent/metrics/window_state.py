"""The mergeable state of one (window, model, version, segment): counts, sums and histograms.

Each field is an integer or a mapping to integers, so merging is exact, associative and commutative, and the empty state
is its zero. Sums of real numbers are in fixed point (`FixedPoint`, steps of 2**-60). Integers, unlike floats, have the
same total in any order, so a larger window has the same bytes for any order of merging. The step is finer than the
rounding of a float for all sums above 0.008.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, NewType

from monitor_agent.metrics._blob import BlobReader, BlobWriter, readers
from monitor_agent.metrics.exact_scores import MERGED, tails_of_exact
from monitor_agent.metrics.kinds import HITS, kind_of, labelled
from monitor_agent.metrics.log_histogram import LogHistogram, merge_log_histograms
from monitor_agent.metrics.multiclass.confusion_matrix import ConfusionMatrix
from monitor_agent.metrics.score_cells import LabelScores, ScoreCells, is_exact, score_cells
from monitor_agent.metrics.score_histogram import Counts, Histogram, add

FixedPoint = NewType("FixedPoint", int)
"""A real number in units of 2**-60."""

_FRACTION_BITS = 60
_ZERO = FixedPoint(0)
_LARGEST = 2.0**960
INFINITE = FixedPoint(1 << 1200)
"""Stands for a sum that no float holds. Merged with any sums, it remains too large for a float."""


def to_fixed_point(value: float) -> FixedPoint:
    """Return a float in fixed point; `INFINITE` for infinity and for what is no number.

    >>> to_fixed_point(0.5) == 2**59, to_fixed_point(-math.inf) == INFINITE
    (True, True)
    """
    if not -_LARGEST < value < _LARGEST:
        return INFINITE
    return FixedPoint(round(math.ldexp(value, _FRACTION_BITS)))


def from_fixed_point(value: int) -> float:
    """Return the nearest float of a fixed-point number.

    Raises
    ------
    OverflowError
        If no float holds it: a summand was not finite.

    >>> from_fixed_point(to_fixed_point(0.1)) == 0.1
    True
    """
    return value / (1 << _FRACTION_BITS)


@dataclass(frozen=True)
class WindowState:
    """The stored content of a window, which can be merged with that of any further window.

    Mappings must not be changed in place and have no zero counts. The default of a field is its zero.

    Attributes
    ----------
    predictions, impressions : predictions in the window; predictions that were shown.
    mature : shown predictions that are older than the attribution window.
    matched, duplicate, too_late, orphan : feedback by its status.
    tp, fp, tn, fn : predictions with a known label, by label and predicted label.
    predicted_positive : predictions with the predicted label 1, with or without a known label.
    clicks, conversions : predictions with a click; with a purchase.
    requests, errors : requests answered with predictions; requests refused or failed.
    score_sum, score_square_sum : sums over all predictions; ``_pos``, ``_neg`` : over known positives, negatives.
    log_loss_pos, log_loss_neg : sum of ``prediction.log_loss_1`` over known positives, of ``prediction.log_loss_0``
        over known negatives; predictions without this field add nothing.
    value_sum : sum of feedback values, in the client's unit.
    scores_unknown, scores_pos, scores_neg : score histograms of predictions without a known label, of known positives,
        of known negatives.
    duration, queue_time, compute_time : histograms over `DURATION_EDGES`; one value per request.
    delay : histogram over `DELAY_EDGES` of the time from a prediction to its first positive feedback.
    impressions_by_position, clicks_by_position : counts by position (1 = first) of predictions with a known label,
        and of the clicked ones.
    counts, sums : further named counts and sums (ranking, propensity, ...); an absent name means zero.
    fine_pos, fine_neg : the scores of ``scores_pos`` and ``scores_neg`` that are also counted in refined bins, for the
        AUC.
    scores_pos_without_loss, scores_neg_without_loss : the scores of ``scores_pos`` and ``scores_neg`` whose predictions
        have no ``prediction.log_loss_1`` or ``prediction.log_loss_0``.
    estimable : the predictions among ``impressions`` that the following four fields count. It is smaller than
        ``impressions`` if an earlier release, which did not have these fields, has counted some of them.
    scores_shown_unknown, score_sum_shown_unknown : the scores of shown predictions among ``scores_unknown``; their sum.
    scores_predicted_positive, score_sum_predicted_positive : the scores of shown predictions with the predicted
        label 1, with or without a known label; their sum.
    exact_pos, exact_neg : all scores of ``scores_pos`` and ``scores_neg``, singly (`from_exact_scores`); empty if there
        are too many distinct ones.
    tail_pos, tail_neg : otherwise, the scores of ``scores_pos`` and ``scores_neg`` in the tails, by cell (`tails_of`).
    confusion : multiclass predictions with a known class, by true and predicted class (`multiclass.confusion_matrix`).
    class_scores : their scores, by class and bin (`multiclass.class_scores`).
    error_bins : the errors of regressions whose truth is known, by bin (`regression.error_bins`).
    """

    predictions: int = 0
    impressions: int = 0
    mature: int = 0
    matched: int = 0
    duplicate: int = 0
    too_late: int = 0
    orphan: int = 0
    tp: int = 0
    fp: int = 0
    tn: int = 0
    fn: int = 0
    predicted_positive: int = 0
    clicks: int = 0
    conversions: int = 0
    requests: int = 0
    errors: int = 0
    score_sum: FixedPoint = _ZERO
    score_square_sum: FixedPoint = _ZERO
    score_sum_pos: FixedPoint = _ZERO
    score_sum_neg: FixedPoint = _ZERO
    score_square_sum_pos: FixedPoint = _ZERO
    score_square_sum_neg: FixedPoint = _ZERO
    log_loss_pos: FixedPoint = _ZERO
    log_loss_neg: FixedPoint = _ZERO
    value_sum: FixedPoint = _ZERO
    scores_unknown: Counts = field(default_factory=dict)
    scores_pos: Counts = field(default_factory=dict)
    scores_neg: Counts = field(default_factory=dict)
    impressions_by_position: Counts = field(default_factory=dict)
    clicks_by_position: Counts = field(default_factory=dict)
    duration: LogHistogram = field(default_factory=LogHistogram)
    queue_time: LogHistogram = field(default_factory=LogHistogram)
    compute_time: LogHistogram = field(default_factory=LogHistogram)
    delay: LogHistogram = field(default_factory=LogHistogram)
    counts: Mapping[str, int] = field(default_factory=dict)
    sums: Mapping[str, FixedPoint] = field(default_factory=dict)
    fine_pos: Counts = field(default_factory=dict)
    fine_neg: Counts = field(default_factory=dict)
    scores_pos_without_loss: Counts = field(default_factory=dict)
    scores_neg_without_loss: Counts = field(default_factory=dict)
    estimable: int = 0
    scores_shown_unknown: Counts = field(default_factory=dict)
    score_sum_shown_unknown: FixedPoint = _ZERO
    scores_predicted_positive: Counts = field(default_factory=dict)
    score_sum_predicted_positive: FixedPoint = _ZERO
    exact_pos: Counts = field(default_factory=dict)
    exact_neg: Counts = field(default_factory=dict)
    tail_pos: Counts = field(default_factory=dict)
    tail_neg: Counts = field(default_factory=dict)
    confusion: Mapping[str, int] = field(default_factory=dict)
    class_scores: Mapping[str, int] = field(default_factory=dict)
    error_bins: Counts = field(default_factory=dict)

    @cached_property
    def cells(self) -> ScoreCells:
        """The labelled scores as cells, each as narrow as the state allows."""
        return score_cells(*self._label_scores)

    @cached_property
    def classes(self) -> ConfusionMatrix:
        """The multiclass predictions with a known class."""
        return ConfusionMatrix.of(self.confusion, self.counts.get(HITS, 0))

    @property
    def is_exact(self) -> bool:
        """Whether all labelled scores are known singly."""
        return all(is_exact(scores) for scores in self._label_scores)

    @property
    def _label_scores(self) -> tuple[LabelScores, LabelScores]:
        return (
            LabelScores(self.scores_pos, self.fine_pos, self.tail_pos, self.exact_pos),
            LabelScores(self.scores_neg, self.fine_neg, self.tail_neg, self.exact_neg),
        )

    @property
    def n(self) -> int:
        """Predictions with a known label, of any kind."""
        return self.tp + self.fp + self.tn + self.fn + labelled(self.counts)

    @property
    def kind(self) -> str | None:
        """The kind of its predictions, as `kind_of` returns it."""
        return kind_of(self.predictions, self.counts)

    @property
    def scores(self) -> Counts:
        """Score histogram of all predictions."""
        return add((self.scores_unknown, self.scores_pos, self.scores_neg))

    @property
    def positives(self) -> int:
        """Predictions whose known label is 1."""
        return self.tp + self.fn

    @property
    def negatives(self) -> int:
        """Predictions whose known label is 0."""
        return self.fp + self.tn

    def to_blob(self) -> str:
        """Return the state as text: the same state gives the same text on all machines.

        >>> state = WindowState(tp=3, scores_pos={700: 3}, log_loss_pos=to_fixed_point(0.75))
        >>> WindowState.from_blob(state.to_blob()) == state
        True
        """
        writer = BlobWriter()
        writer.integer(BLOB_VERSION)
        for name, tag in TAGS.items():
            value = getattr(self, name)
            if value != getattr(_ZERO_STATE, name):
                writer.integer(tag)
                _write_field(writer, name, value)
        return writer.text()

    @classmethod
    def from_blob(cls, blob: str) -> WindowState:
        """Return the state that `to_blob` wrote.

        Raises
        ------
        ValueError
            If the text is damaged, or of another version.
        """
        return cls.from_blobs([blob])[0]

    @classmethod
    def from_blobs(cls, blobs: Sequence[str]) -> list[WindowState]:
        """Return the states that `to_blob` wrote; reading many together costs far less than one by one."""
        return [cls._read(reader) for reader in readers(blobs)]

    @classmethod
    def _read(cls, reader: BlobReader) -> WindowState:
        version = reader.integer()
        if version != BLOB_VERSION:
            raise ValueError(f"a state of version {version} cannot be read, only of version {BLOB_VERSION}")
        values: dict[str, Any] = {}
        while not reader.finished:
            tag = reader.integer()
            if tag in RETIRED_TAGS:
                reader.integer()
            elif tag in _NAME_BY_TAG:
                values[_NAME_BY_TAG[tag]] = _read_field(reader, _NAME_BY_TAG[tag])
            else:
                raise ValueError(f"the state has a field with the unknown tag {tag}")
        return cls(**values)


BLOB_VERSION = 2
"""The version of the format that docs/state-blob.md describes. It grows when bins, edges or the meaning of a field
change. A new field needs no new version: it is appended to `WindowState` and gets the next tag."""

RETIRED_TAGS = frozenset({2, 3, 9})
"""Tags of counts that states no longer have. A reader skips their integer; no field gets these tags again."""

FIELDS: tuple[str, ...] = tuple(entry.name for entry in fields(WindowState))
TAGS: dict[str, int] = dict(zip(FIELDS, (tag for tag in itertools.count() if tag not in RETIRED_TAGS), strict=False))
"""The number that stands for each field in a blob."""

_NAME_BY_TAG = {tag: name for name, tag in TAGS.items()}
_ZERO_STATE = WindowState()
_NAMED = frozenset({"counts", "sums", "confusion", "class_scores"})
_OF_SCORES = frozenset(
    {
        "scores_unknown", "scores_pos", "scores_neg", "fine_pos", "fine_neg", "scores_pos_without_loss",
        "scores_neg_without_loss", "scores_shown_unknown", "scores_predicted_positive", "tail_pos", "tail_neg",
    }
)  # fmt: skip


_SINGLE = frozenset({"exact_pos", "exact_neg"})


def merge_all(states: Iterable[WindowState]) -> WindowState:
    """Return the state of all windows together: one pass, exact, in any order.

    >>> merge_all([WindowState(tp=1, scores_pos={3: 1}), WindowState(tp=2, scores_pos={3: 1, 4: 1})]).scores_pos
    Histogram({3: 2, 4: 1})
    >>> merge_all([]) == WindowState()
    True
    """
    summands = list(states)
    if len(summands) == 1:
        return summands[0]
    merged = _merged_details(summands)
    for name in FIELDS:
        if name in merged:
            continue
        values = [getattr(state, name) for state in summands]
        zero = getattr(_ZERO_STATE, name)
        if isinstance(zero, int):
            merged[name] = sum(values)
        elif isinstance(zero, LogHistogram):
            merged[name] = merge_log_histograms(values)
        elif name in _OF_SCORES:
            merged[name] = add(values)
        else:
            merged[name] = _add_mappings(values)
    return WindowState(**merged)


def _merged_details(states: Sequence[WindowState]) -> dict[str, Any]:
    """Return the single scores of all states; or else their tails, if one state has no single scores or all have many.

    The result does not depend on the order: it follows from all scores together.
    """
    if all(state.is_exact for state in states):
        pos, neg = (add(getattr(state, name) for state in states) for name in ("exact_pos", "exact_neg"))
        if max(len(pos), len(neg)) <= MERGED:
            return {"exact_pos": pos, "exact_neg": neg, "tail_pos": {}, "tail_neg": {}}
    tails = {
        f"tail_{label}": add(
            tails_of_exact(getattr(state, f"exact_{label}")) if state.is_exact else getattr(state, f"tail_{label}")
            for state in states
        )
        for label in ("pos", "neg")
    }
    return {"exact_pos": {}, "exact_neg": {}, **tails}


def merge(left: WindowState, right: WindowState) -> WindowState:
    """Return the state of two windows together.

    >>> merge(WindowState(fp=1), WindowState(fp=2, tn=4)).n
    7
    """
    return merge_all((left, right))


def _add_mappings(mappings: list[Mapping[Any, int]]) -> dict[Any, int]:
    total: dict[Any, int] = {}
    for mapping in mappings:
        for key, count in mapping.items():
            total[key] = total.get(key, 0) + count
    return {key: count for key, count in total.items() if count}


def _write_field(writer: BlobWriter, name: str, value: Any) -> None:
    zero = getattr(_ZERO_STATE, name)
    if isinstance(zero, int):
        writer.integer(value)
    elif isinstance(zero, LogHistogram):
        writer.histogram(value.counts)
        writer.integer(value.total)
        # Shifted by one, because 0 means "none".
        writer.integer(0 if value.minimum is None else value.minimum + 1)
        writer.integer(0 if value.maximum is None else value.maximum + 1)
    elif name in _NAMED:
        writer.named(value)
    elif name in _SINGLE:
        writer.scores(Histogram.of(value))
    elif name in _OF_SCORES:
        writer.bins(Histogram.of(value))
    else:
        writer.histogram(value)


def _read_field(reader: BlobReader, name: str) -> Any:
    zero = getattr(_ZERO_STATE, name)
    if isinstance(zero, int):
        return reader.integer()
    if isinstance(zero, LogHistogram):
        counts, total = reader.histogram(), reader.integer()
        minimum, maximum = reader.integer(), reader.integer()
        return LogHistogram(counts, total, minimum - 1 if minimum else None, maximum - 1 if maximum else None)
    if name in _SINGLE:
        return reader.scores()
    if name in _OF_SCORES:
        return reader.bins()
    return reader.named() if name in _NAMED else reader.histogram()
