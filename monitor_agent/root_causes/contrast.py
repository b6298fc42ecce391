"""Whether a subset of the predictions fell more than the rest: the signed root of a likelihood ratio (pure)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from monitor_agent.root_causes.shares import Change

Floats = npt.NDArray[np.float64]

STEPS = 60
"""Halvings of the interval in which the common change lies: enough for all digits of a double."""
MOST_LOG_ODDS = 40.0

_LEAST_VALUES = 10
_CHI_SQUARE_MEDIAN = 0.454936423119573
"""The median of the chi-square distribution with one degree of freedom."""


def contrasts(subsets: Sequence[Change], whole: Change) -> Floats:
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

    >>> from monitor_agent.root_causes.shares import Share
    >>> whole = Change(Share(200, 1800), Share(140, 1860))
    >>> contrasts([Change(Share(100, 900), Share(40, 960))], whole).round(1).tolist()
    [-4.1]
    """
    if not subsets:
        return np.zeros(0)
    counts = np.array([_counts(subset) for subset in subsets], dtype=np.float64)
    rest = np.array(_counts(whole), dtype=np.float64) - counts
    before = np.stack([counts[:, :2], rest[:, :2]])
    after = np.stack([counts[:, 2:], rest[:, 2:]])
    usable = (before.sum(axis=2) > 0).all(axis=0) & (after.sum(axis=2) > 0).all(axis=0)
    expected = _successes_after(before, after)
    deviance = _deviance(before, after, expected)
    signs = np.sign(after[0, :, 0] - expected[0])
    return np.where(usable, signs * np.sqrt(np.maximum(deviance, 0.0)), 0.0)


def beyond_daily_noise(scores: Floats, subsets: Sequence[Change]) -> Floats:
    """Return the scores as they would be if the rates of the values did not differ from day to day, shape (n_values,).

    Parameters
    ----------
    scores : of all values of a dimension, shape (n_values,); fewer than ten are returned as they are.
    subsets : the changes of the values.

    Rates of real values move by more than chance, and a large value shows it first. The variance of these moves is the
    one for which the median of the squared scores is that of squared normal numbers: a few causes hardly change it.
    Source: the random effects of R. DerSimonian, N. Laird, "Meta-analysis in clinical trials", Controlled
    Clinical Trials 7 (1986), with the median of B. Devlin, K. Roeder, "Genomic control", Biometrics 55 (1999).
    """
    if len(scores) < _LEAST_VALUES:
        return scores
    counts = np.array([_counts(subset) for subset in subsets], dtype=np.float64)
    errors = (1 / (counts + 0.5)).sum(axis=1)  # the variance of a change of the log odds
    low, high = 0.0, float(errors.max()) * 1e6
    for _ in range(STEPS):
        middle = (low + high) / 2
        wide = np.median(scores**2 * errors / (errors + middle)) > _CHI_SQUARE_MEDIAN
        low, high = (middle, high) if wide else (low, middle)
    shrunk: Floats = scores * np.sqrt(errors / (errors + low))
    return shrunk


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
