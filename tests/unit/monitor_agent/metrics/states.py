"""Builds states from labelled scores, as the agent counts them; and strategies for any state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from monitor_agent.metrics import DELAY_EDGES, DURATION_EDGES, LogHistogram, WindowState, to_fixed_point
from monitor_agent.metrics.exact_scores import COUNTED, from_exact_scores, tails_of_exact
from monitor_agent.metrics.log_loss import CLIP
from monitor_agent.metrics.score_histogram import Histogram, from_scores

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def state_of(labels: Ints, scores: Floats, threshold: float | Floats = 0.5, most: int = COUNTED) -> WindowState:
    """Return the state of predictions that all were shown and have a known label.

    Parameters
    ----------
    most : scores are counted singly up to this number of distinct scores of each label.
    """
    predicted = scores >= threshold
    pos, neg = scores[labels == 1], scores[labels == 0]
    return WindowState(
        predictions=len(scores),
        impressions=len(scores),
        mature=len(scores),
        tp=int(np.sum(predicted & (labels == 1))),
        fp=int(np.sum(predicted & (labels == 0))),
        tn=int(np.sum(~predicted & (labels == 0))),
        fn=int(np.sum(~predicted & (labels == 1))),
        predicted_positive=int(predicted.sum()),
        clicks=len(pos),
        score_sum=to_fixed_point(float(scores.sum())),
        score_square_sum=to_fixed_point(float((scores**2).sum())),
        score_sum_pos=to_fixed_point(float(pos.sum())),
        score_sum_neg=to_fixed_point(float(neg.sum())),
        score_square_sum_pos=to_fixed_point(float((pos**2).sum())),
        score_square_sum_neg=to_fixed_point(float((neg**2).sum())),
        log_loss_pos=to_fixed_point(float(-np.log(np.clip(pos, CLIP, 1 - CLIP)).sum())),
        log_loss_neg=to_fixed_point(float(-np.log(1 - np.clip(neg, CLIP, 1 - CLIP)).sum())),
        scores_pos=from_scores(pos),
        scores_neg=from_scores(neg),
        **_details(pos, neg, most),
        estimable=len(scores),
        scores_predicted_positive=from_scores(scores[predicted]),
        score_sum_predicted_positive=to_fixed_point(float(scores[predicted].sum())),
    )


def _details(pos: Floats, neg: Floats, most: int) -> dict[str, Histogram]:
    """Return the single scores, or the tails if there are too many distinct scores."""
    single = [from_exact_scores(scores) for scores in (pos, neg)]
    if max(map(len, single)) <= most:
        return dict(zip(("exact_pos", "exact_neg"), single, strict=True))
    return dict(zip(("tail_pos", "tail_neg"), map(tails_of_exact, single), strict=True))


def unlabelled(scores: Floats, threshold: float | Floats = 0.5) -> WindowState:
    """Return the state of predictions that all were shown, but have no known label yet."""
    predicted = scores >= threshold
    return WindowState(
        predictions=len(scores),
        impressions=len(scores),
        predicted_positive=int(predicted.sum()),
        score_sum=to_fixed_point(float(scores.sum())),
        scores_unknown=from_scores(scores),
        estimable=len(scores),
        scores_shown_unknown=from_scores(scores),
        score_sum_shown_unknown=to_fixed_point(float(scores.sum())),
        scores_predicted_positive=from_scores(scores[predicted]),
        score_sum_predicted_positive=to_fixed_point(float(scores[predicted].sum())),
    )


def clicks_and_scores(seed: int, n: int = 4000) -> tuple[Ints, Floats]:
    """Return labels and scores of a model with rare clicks, nearly calibrated; seeded."""
    random = np.random.default_rng(seed)
    scores = random.beta(0.6, 6.0, n)
    labels = (random.random(n) < np.clip(scores * 1.2, 0, 1)).astype(np.int64)
    return labels, scores


_counts = st.dictionaries(st.integers(0, 3699), st.integers(1, 2**40), max_size=8)
_durations = st.lists(st.integers(0, 10**12), max_size=6).map(
    lambda values: LogHistogram.from_values(values, DURATION_EDGES)
)
_delays = st.lists(st.integers(0, 10**17), max_size=6).map(lambda values: LogHistogram.from_values(values, DELAY_EDGES))
_names = st.sampled_from(
    ["", "é", "ranked_requests", "clicked_requests", "mrr", "mrr_square", "ips_weight", "ips_click_weight"]
)
_sums = st.floats(-1e12, 1e12).map(to_fixed_point)
_small = st.integers(0, 10**9)
_positive = st.integers(1, 10**9)
_pairs = st.sampled_from(["1 ab", "1 ba", "1 aa", "2 \u00e9bab"])
_class_bins = st.sampled_from(["+0 a", "-700 b b", "+1400 \u00e9"])
_scores = st.lists(st.floats(0.0, 1.0), max_size=6).map(np.array)
_tails = st.dictionaries(st.integers(0, 47_703), st.integers(1, 2**40), max_size=8)

_without_details = st.builds(
    WindowState,
    tp=_small,
    fp=_small,
    tn=_small,
    fn=_small,
    predictions=_small,
    predicted_positive=_small,
    impressions=_small,
    clicks=_small,
    conversions=_small,
    score_sum=_sums,
    score_sum_pos=_sums,
    requests=_small,
    errors=_small,
    log_loss_pos=_sums,
    value_sum=_sums,
    scores_unknown=_counts,
    scores_pos=_counts,
    scores_neg=_counts,
    duration=_durations,
    delay=_delays,
    counts=st.dictionaries(_names, st.integers(1, 100), max_size=3),
    fine_pos=st.dictionaries(st.integers(0, 369_999), st.integers(1, 2**40), max_size=8),
    scores_neg_without_loss=_counts,
    estimable=_small,
    scores_shown_unknown=_counts,
    scores_predicted_positive=_counts,
    score_sum_predicted_positive=_sums,
    sums=st.dictionaries(_names, st.floats(1e-9, 1e12).map(to_fixed_point), max_size=3),
    confusion=st.dictionaries(
        st.sampled_from(["1 ab", "1 ba", "1 aa", "2 \U0001f9e6b\U0001f9e6b"]), _positive, max_size=3
    ),
    class_scores=st.dictionaries(st.sampled_from(["+0 a", "-700 b b", "+1400 \u00e9"]), _positive, max_size=3),
    error_bins=st.dictionaries(st.integers(-25_000, 25_000), _positive, max_size=6),
)


def _with_single_scores(state: WindowState, pos: Floats, neg: Floats) -> WindowState:
    return replace(state, scores_pos=from_scores(pos), scores_neg=from_scores(neg), **_details(pos, neg, COUNTED))


def _with_tails(state: WindowState, pos: dict[int, int], neg: dict[int, int]) -> WindowState:
    return replace(state, tail_pos=pos, tail_neg=neg) if state.scores_pos else state


states = st.one_of(
    st.builds(_with_single_scores, _without_details, _scores, _scores),
    st.builds(_with_tails, _without_details, _tails, _tails),
)
