"""Metrics of the order of scores, against a brute force over the single scores: every value is within its bound."""

from __future__ import annotations

import dataclasses

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from sklearn import metrics as oracle

from monitor_agent.metrics import CATALOGUE, WindowState, merge_all
from monitor_agent.metrics.document import measure_with
from monitor_agent.metrics.exact_scores import COUNTED
from monitor_agent.metrics.log_loss import CLIP

from .states import Floats, Ints, state_of

NAMES = ("auc", "pr_auc", "best_f1", "ece", "log_loss")
SPECS = [spec for spec in CATALOGUE if spec.name.startswith(NAMES)]

_anywhere = st.floats(0.0, 1.0)
_near_zero = st.one_of(
    st.floats(-330.0, -3.0).map(lambda power: float(10.0**power)), st.sampled_from([0.0, 5e-324, 1e-45, 1e-4, 9.99e-5])
)
_near_one = st.one_of(
    st.floats(-17.0, -1.0).map(lambda power: 1.0 - 10.0**power),
    st.sampled_from([1.0, 1.0 - 2**-53, 0.9, 0.99, 0.999, 0.9999, 0.8999999999999999]),
)
_rounded = st.integers(0, 1000).map(lambda number: number / 1000)
_narrow = st.integers(0, 40).map(lambda number: 0.0037 + number * 3e-7)
_few = st.sampled_from([0.1, 0.1000001, 0.10000011, 0.5, 0.5000000000000001])
_kinds = st.lists(
    st.sampled_from([_anywhere, _near_zero, _near_one, _rounded, _narrow, _few]), min_size=1, max_size=2, unique_by=id
)


@st.composite
def labelled_scores(draw: st.DrawFn) -> tuple[Ints, Floats]:
    """Return labels and scores of one or two kinds, some of them repeated; float32 or float64."""
    scores = np.array(draw(st.lists(st.one_of(draw(_kinds)), min_size=1, max_size=40)))
    scores = np.repeat(scores, draw(st.sampled_from([1, 1, 3])))
    if draw(st.booleans()):
        scores = scores.astype(np.float32).astype(np.float64)
    labels = draw(st.lists(st.integers(0, 1), min_size=len(scores), max_size=len(scores)))
    return np.array(labels), scores


def best_f1(labels: Ints, scores: Floats) -> float | None:
    """Return the highest F1 of all thresholds."""
    if not labels.any():
        return None
    predicted = scores >= np.unique(scores)[:, np.newaxis]
    return float(np.max(2 * (predicted & (labels == 1)).sum(axis=1) / (predicted.sum(axis=1) + labels.sum())))


def calibration_error(labels: Ints, scores: Floats) -> float:
    """Return the error over ten bins; equal scores belong to the bin of their middle prediction."""
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    below = np.cumsum(counts) - counts / 2
    groups = np.minimum(below * 10 // len(scores), 9)[places]
    return float(sum(abs((labels - scores)[groups == group].sum()) for group in range(10)) / len(scores))


def brute_force(labels: Ints, scores: Floats) -> dict[str, float | None]:
    """Return the metrics of single scores."""
    ranks = np.unique(scores, return_inverse=True)[1]
    positives = int(labels.sum())
    clipped = np.clip(scores, CLIP, 1 - CLIP)
    return {
        "auc": oracle.roc_auc_score(labels, ranks) if 0 < positives < len(labels) else None,
        "pr_auc": oracle.average_precision_score(labels, ranks) if positives else None,
        "best_f1": best_f1(labels, scores),
        "ece": calibration_error(labels, scores),
        "log_loss": oracle.log_loss(labels, clipped, labels=[0, 1]),
    }


def without_losses(state: WindowState) -> WindowState:
    """Return the state of predictions whose events carry no losses."""
    unlogged = {"scores_pos_without_loss": state.scores_pos, "scores_neg_without_loss": state.scores_neg}
    return dataclasses.replace(state, log_loss_pos=0, log_loss_neg=0, **unlogged)


def of_an_earlier_release(state: WindowState) -> WindowState:
    """Return the state as an earlier release counted it: with bins alone."""
    return dataclasses.replace(state, exact_pos={}, exact_neg={}, tail_pos={}, tail_neg={})


def assert_within_bounds(state: WindowState, labels: Ints, scores: Floats) -> None:
    """Compare a state's metrics with those of the single scores."""
    fields = measure_with(SPECS, WindowState.from_blob(without_losses(state).to_blob()))
    for name, exact in brute_force(labels, scores).items():
        if exact is None:
            assert fields[name] is None, name
            continue
        value, bound = fields[name], fields[f"{name}_error_bound"]
        assert isinstance(value, float)
        assert isinstance(bound, float)
        assert abs(value - exact) <= bound + 1e-9, (name, value, exact, bound)
        if name == "best_f1" and state.is_exact:
            reached = oracle.f1_score(labels, scores >= fields["best_f1_threshold"])
            assert value == pytest.approx(reached, abs=1e-12)


@hypothesis.settings(max_examples=70, deadline=None)
@hypothesis.given(labelled_scores(), st.sampled_from([0, 3, COUNTED]))
def test_values_are_within_their_bounds(rows: tuple[Ints, Floats], most: int) -> None:
    """Scores at, near and between 0 and 1, ties and few distinct scores; counted singly or not."""
    labels, scores = rows
    assert_within_bounds(state_of(labels, scores, most=most), labels, scores)


@hypothesis.settings(max_examples=35, deadline=None)
@hypothesis.given(labelled_scores(), st.lists(st.sampled_from(["single", "tails", "earlier"]), min_size=3, max_size=3))
def test_merged_values_are_within_their_bounds(rows: tuple[Ints, Floats], kinds: list[str]) -> None:
    """Windows that this and an earlier release counted can be merged; the bounds are those of the coarser ones."""
    labels, scores = rows
    pieces = []
    for number, kind in enumerate(kinds):
        piece = state_of(labels[number::3], scores[number::3], most=COUNTED if kind == "single" else 0)
        pieces.append(of_an_earlier_release(piece) if kind == "earlier" else piece)
    merged = merge_all(pieces)

    assert_within_bounds(merged, labels, scores)
    assert merge_all([pieces[2], merge_all(pieces[:2])]).to_blob() == merged.to_blob()


@pytest.mark.parametrize("kind", ["tiny", "near one", "float32 near one", "saturated"])
def test_bounds_are_small_for_scores_near_zero_and_one(kind: str) -> None:
    """A thousand and more distinct scores near an end have three digits of the score, or of 1 - score."""
    random = np.random.default_rng(3)
    power = random.uniform(-8, -2, 2000)
    scores = {
        "tiny": 3e-7 * random.lognormal(0, 1, 2000),
        "near one": 1 - 10**power,
        "float32 near one": (1 - 10**power).astype(np.float32).astype(np.float64),
        "saturated": np.where(power < -7, 0.0, np.where(power < -5, 1.0, 10**power)),
    }[kind]
    labels = (random.random(2000) < 0.2).astype(np.int64)
    fields = measure_with(SPECS, state_of(labels, scores))

    assert len(np.unique(scores)) > COUNTED
    for name, most in (("auc", 0.006), ("pr_auc", 0.02), ("best_f1", 0.01), ("ece", 0.02)):
        exact = brute_force(labels, scores)[name]
        bound = fields[f"{name}_error_bound"]
        assert abs(fields[name] - exact) <= bound + 1e-12  # type: ignore[operator]
        # Many float32 scores near 1 are equal, which their cell does not tell.
        assert bound < (0.3 if (kind, name) == ("float32 near one", "ece") else most), (name, bound)  # type: ignore[operator]


def test_few_distinct_scores_are_exact_in_merged_windows_too() -> None:
    """All bounds are 0; with very many distinct scores the merged window has bins and tails."""
    random = np.random.default_rng(4)
    scores = random.choice([0.123456, 0.123457, 0.9999999, 1e-30], 3000)
    labels = (random.random(3000) < 0.3).astype(np.int64)

    merged = measure_with(SPECS, merge_all([state_of(labels[i::10], scores[i::10]) for i in range(10)]))

    for name in ("auc", "pr_auc", "best_f1", "ece"):
        assert merged[name] == pytest.approx(brute_force(labels, scores)[name], abs=1e-12)
        assert merged[f"{name}_error_bound"] == pytest.approx(0.0, abs=1e-12)
    many = 1e-9 * random.random(3000)
    pieces = [state_of(labels[i::20], many[i::20]) for i in range(20)]
    assert all(piece.is_exact for piece in pieces)
    together = merge_all(pieces)
    assert not together.is_exact
    assert 0.0 < measure_with(SPECS, together)["auc_error_bound"] < 0.01  # type: ignore[operator]
