"""Whether a subset of the predictions changed more than the rest, as a standard normal score (pure).

Of rates: the signed root of a likelihood ratio. Of means: the difference of the changes of the logarithm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from monitor_agent.root_causes.value_sums import Change, Measure

Floats = npt.NDArray[np.float64]

STEPS = 60
"""Halvings of the interval in which the common change lies: enough for all digits of a double."""
MOST_LOG_ODDS = 40.0

LEAST_VALUES_OF_A_MEAN = 30
"""With fewer values on a side, the mean of skewed values is far from normal: no score."""

_SIDES = ("before", "after")
_LEAST_VALUES, _TINY = 10, float(np.finfo(np.float64).tiny)
_CHI_SQUARE_MEDIAN = 0.454936423119573
"""The median of the chi-square distribution with one degree of freedom."""


def contrasts(subsets: Sequence[Change], whole: Change, measure: Measure) -> Floats:
    """Return for each subset a standard normal score of its change against that of the rest; below 0 = it got worse.

    Parameters
    ----------
    subsets : changes of some of the predictions.
    whole : the change of all predictions.

    Returns
    -------
    scores, shape (n_subsets,); 0 if a side of the subset or of the rest has too few predictions.
    """
    if not subsets:
        return np.zeros(0)
    scores = contrasts_of_rates(subsets, whole) if measure.is_share else _contrasts_of_means(subsets, whole)
    return -scores if measure.lower_is_better else scores


def contrasts_of_rates(subsets: Sequence[Change], whole: Change) -> Floats:
    """Return for each subset a standard normal score of its change against that of the rest; below 0 = it fell more.

    Parameters
    ----------
    subsets : changes of some of the predictions.
    whole : the change of all predictions.

    Returns
    -------
    scores, shape (n_subsets,); 0 if a side of the subset or of the rest has no predictions.

    A logistic model with one rate for the subset, one for the rest and a common change is compared with the model in
    which the changes differ. Source: P. McCullagh, J. Nelder, "Generalized Linear Models" (1989), 4.4 and appendix C.

    >>> from monitor_agent.root_causes.value_sums import share
    >>> whole = Change(share(200, 1800), share(140, 1860))
    >>> contrasts_of_rates([Change(share(100, 900), share(40, 960))], whole).round(1).tolist()
    [-4.1]
    """
    counts = np.array([_counts(subset) for subset in subsets], dtype=np.float64)
    rest = np.array(_counts(whole), dtype=np.float64) - counts
    before = np.stack([counts[:, :2], rest[:, :2]])
    after = np.stack([counts[:, 2:], rest[:, 2:]])
    usable = (before.sum(axis=2) > 0).all(axis=0) & (after.sum(axis=2) > 0).all(axis=0)
    expected = _successes_after(before, after)
    deviance = _deviance(before, after, expected)
    signs = np.sign(after[0, :, 0] - expected[0])
    return np.where(usable, signs * np.sqrt(np.maximum(deviance, 0.0)), 0.0)


def _contrasts_of_means(subsets: Sequence[Change], whole: Change) -> Floats:
    """Return the same for means of values of at least 0; below 0 = it fell more.

    The logarithm, because errors of large numbers are large: if all errors double, no subset stands out.
    """
    rest = [whole - subset for subset in subsets]
    fewest = [
        min(sums.trials for sums in (subset.before, subset.after, other.before, other.after))
        for subset, other in zip(subsets, rest, strict=True)
    ]
    changes, variances = _changes_of_log_means(subsets)
    changes_of_rest, variances_of_rest = _changes_of_log_means(rest)
    errors = np.sqrt(variances + variances_of_rest)
    scores = np.divide(changes - changes_of_rest, errors, out=np.zeros_like(errors), where=errors > 0)
    return np.where(np.array(fewest) >= LEAST_VALUES_OF_A_MEAN, scores, 0.0)


def _changes_of_log_means(changes: Sequence[Change]) -> tuple[Floats, Floats]:
    """Return the changes of the logarithms of means, and their variances by the delta method, each of shape (n,).

    Half of the values that a mean needs to be as certain as itself stand on both sides, with the mean of both: a side
    that holds only zeros by chance is no proof. A side is no more certain than both together.
    """
    sides = [[getattr(change, side) for change in changes] for side in _SIDES]
    trials, totals, squares = (
        np.array([[getattr(sums, name) for sums in side] for side in sides], dtype=np.float64)
        for name in ("trials", "total", "squares")
    )
    trials, totals = np.maximum(trials, 0.0), np.maximum(totals, 0.0)
    mean, spread = _relative_spread(trials.sum(axis=0), totals.sum(axis=0), squares.sum(axis=0))
    _, spread_of_side = _relative_spread(trials, totals, squares)
    prior = 0.5 * np.maximum(spread, 1.0)
    means = (totals + prior * mean) / (trials + prior)
    logarithms = np.log(np.where(means > 0, means, 1.0))
    variances = np.maximum(spread, spread_of_side) / np.maximum(trials, 1.0)
    return logarithms[1] - logarithms[0], variances.sum(axis=0)


def _relative_spread(trials: Floats, totals: Floats, squares: Floats) -> tuple[Floats, Floats]:
    """Return means, and variances of the values divided by the squares of the means; 0 where the mean is 0."""
    means = totals / np.maximum(trials, 1.0)
    spread = np.maximum(squares / np.maximum(trials, 1.0) - means**2, 0.0)
    return means, np.divide(spread, means**2, out=np.zeros_like(spread), where=means > 0)


def beyond_daily_noise(scores: Floats, subsets: Sequence[Change], measure: Measure) -> Floats:
    """Return the scores as they would be if metrics of values did not differ from day to day, shape (n_values,).

    Parameters
    ----------
    scores : of all values of a dimension, shape (n_values,); fewer than ten are returned as they are.
    subsets : the changes of the values.

    Metrics of real values move by more than chance, and a large value shows it first. The variance of these moves is
    the one for which the median of the squared scores is that of squared normal numbers: a few causes hardly change it.
    Source: the random effects of R. DerSimonian, N. Laird, "Meta-analysis in clinical trials", Controlled
    Clinical Trials 7 (1986), with the median of B. Devlin, K. Roeder, "Genomic control", Biometrics 55 (1999).
    """
    if len(scores) < _LEAST_VALUES:
        return scores
    errors = _variances(subsets, measure)
    low, high = 0.0, float(errors.max()) * 1e6
    for _ in range(STEPS):
        middle = (low + high) / 2
        wide = np.median(scores**2 * errors / np.maximum(errors + middle, _TINY)) > _CHI_SQUARE_MEDIAN
        low, high = (middle, high) if wide else (low, middle)
    factors = np.divide(errors, errors + low, out=np.ones_like(errors), where=errors > 0)
    shrunk: Floats = scores * np.sqrt(factors)
    return shrunk


def _variances(subsets: Sequence[Change], measure: Measure) -> Floats:
    """Return the variance of each change: of the log odds of a rate, of the logarithm of a mean."""
    if not measure.is_share:
        return _changes_of_log_means(subsets)[1]
    counts = np.array([_counts(subset) for subset in subsets], dtype=np.float64)
    of_rates: Floats = (1 / (counts + 0.5)).sum(axis=1)
    return of_rates


def _counts(change: Change) -> tuple[int, int, int, int]:
    return change.before.successes, change.before.failures, change.after.successes, change.after.failures


def _successes_after(before: Floats, after: Floats) -> Floats:
    """Return the expected successes after, under a common change of the log odds, shape (2, n_subsets)."""
    low = np.full(before.shape[1], -MOST_LOG_ODDS)
    high = -low
    observed = after[:, :, 0].sum(axis=0)
    for _ in range(STEPS):
        middle = (low + high) / 2
        too_many = _expected(before, after, np.exp(middle)).sum(axis=0) > observed
        high, low = np.where(too_many, middle, high), np.where(too_many, low, middle)
    return _expected(before, after, np.exp((low + high) / 2))


def _expected(before: Floats, after: Floats, odds_ratio: Floats) -> Floats:
    """Return the successes after that have an odds ratio to those before, with the same margins of each table."""
    successes = before[:, :, 0] + after[:, :, 0]
    trials_before, trials_after = before.sum(axis=2), after.sum(axis=2)
    # x (trials_before - successes + x) = ratio (successes - x)(trials_after - x); each branch avoids a cancellation.
    a = 1.0 - odds_ratio
    b = trials_before - successes + odds_ratio * (successes + trials_after)
    c = -odds_ratio * successes * trials_after
    root = np.sqrt(np.maximum(b * b - 4 * a * c, 0.0))
    plain = np.divide(-2 * c, b + root, out=np.zeros_like(b), where=b > 0)
    solution = np.divide(root - b, 2 * a, out=plain, where=(b <= 0) & (a > 0))
    lowest = np.maximum(0.0, successes - trials_before)
    clipped: Floats = np.clip(solution, lowest, np.minimum(successes, trials_after))
    return clipped


def _deviance(before: Floats, after: Floats, expected: Floats) -> Floats:
    """Return twice the logarithm of the likelihood ratio, shape (n_subsets,)."""
    successes = before[:, :, 0] + after[:, :, 0]
    observed = (after[:, :, 0], after[:, :, 1], before[:, :, 0], before[:, :, 1])
    fitted = (
        expected,
        after.sum(axis=2) - expected,
        successes - expected,
        before.sum(axis=2) - successes + expected,
    )
    deviance: Floats = np.zeros(before.shape[1])
    for cell, fit in zip(observed, fitted, strict=True):
        ratio = np.divide(cell, fit, out=np.ones_like(cell), where=(cell > 0) & (fit > 0))
        deviance += 2 * (cell * np.log(ratio)).sum(axis=0)
    return deviance
