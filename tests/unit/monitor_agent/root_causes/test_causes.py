"""The causes of a fall, against SciPy and on drawn counts."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy.optimize import minimize

from monitor_agent.root_causes.causes import changed_features, findings, of_disjoint_causes
from monitor_agent.root_causes.contrast import contrasts
from monitor_agent.root_causes.decomposition import effects
from monitor_agent.root_causes.shares import MEASURES, Change, Share, total

CELLS = st.integers(0, 400)
CHANGES = st.builds(Change, st.builds(Share, CELLS, CELLS), st.builds(Share, CELLS, CELLS))


def likelihood_ratio(subset: Change, rest: Change) -> float:
    """Return twice the logarithm of the likelihood ratio, by a fit of the logistic model."""
    sides = [subset.before, subset.after, rest.before, rest.after]
    hits, misses = (np.array([getattr(side, name) for side in sides], float) for name in ("successes", "failures"))

    def loss(logits: np.ndarray) -> float:
        return float(np.sum(hits * np.logaddexp(0, -logits) + misses * np.logaddexp(0, logits)))

    fit = minimize(lambda t: loss(np.array([t[0], t[0] + t[2], t[1], t[1] + t[2]])), [0, 0, 0], options={"gtol": 1e-8})
    return 2 * (fit.fun - loss(np.log(hits / misses)))


@pytest.mark.parametrize("seed", range(20))
def test_the_score_is_that_of_a_logistic_model(seed: int) -> None:
    """The square of the score is the likelihood ratio of SciPy's fit; its sign says whether the subset fell more."""
    counts = np.random.default_rng(seed).integers(5, 400, 8).tolist()
    subset = Change(Share(*counts[:2]), Share(*counts[2:4]))
    rest = Change(Share(*counts[4:6]), Share(*counts[6:]))

    (score,) = contrasts([subset], subset + rest)

    assert score**2 == pytest.approx(likelihood_ratio(subset, rest), rel=1e-5, abs=1e-5)
    log_odds = [
        np.log(side.successes / side.failures) for side in (subset.before, subset.after, rest.before, rest.after)
    ]
    assert np.sign(score) == np.sign(log_odds[1] - log_odds[0] - (log_odds[3] - log_odds[2]))


@hypothesis.given(st.lists(CHANGES, min_size=1, max_size=6), st.sampled_from(sorted(MEASURES)))
def test_the_effects_add_up_to_the_change(changes: list[Change], metric: str) -> None:
    """Rate and mix of all values are the change of the whole, for every metric."""
    measure, whole = MEASURES[metric], total(changes)
    split = effects({str(number): change for number, change in enumerate(changes)}, measure)
    before, after = measure.value(whole.before), measure.value(whole.after)

    if before is None or after is None:
        assert split == {}
    else:
        assert sum(effect.rate + effect.mix for effect in split.values()) == pytest.approx(after - before, abs=1e-9)


@hypothesis.given(st.lists(CHANGES, min_size=1, max_size=30))
def test_any_counts_give_finite_scores(changes: list[Change]) -> None:
    """Empty sides, rates of 0 and of 1 give no error and no NaN; the p-values lie between 0 and 1."""
    rows = findings({"d": dict(zip(map(str, range(30)), changes, strict=False))}, total(changes), MEASURES["f1"])

    assert all(np.isfinite(row.score) and 0 <= row.adjusted_p <= 1 for row in rows)
    assert [row.score for row in rows] == sorted(row.score for row in rows)


def test_rates_that_move_every_day_are_no_cause() -> None:
    """Fifty values whose rates differ by more than chance from day to day: none is called a cause, a real one is."""
    dice = np.random.default_rng(7)
    changes = {}
    for number in range(50):
        rates = 0.1 * np.exp(dice.normal(0, 0.1, 2))
        hits = dice.binomial(20_000, rates)
        changes[str(number)] = Change(*(Share(int(hit), 20_000 - int(hit)) for hit in hits))
    measure = MEASURES["positive_rate"]

    assert not any(row.is_a_cause for row in findings({"d": changes}, total(changes.values()), measure))
    changes["broken"] = Change(Share(2000, 18_000), Share(400, 19_600))
    first, second, *_ = findings({"d": changes}, total(changes.values()), measure)
    assert (first.value, first.is_a_cause, second.is_a_cause) == ("broken", True, False)


def evenly(*shares: float, number: int = 20_000) -> list[Share]:
    """Return counts at a rate of a tenth, spread over values by these shares."""
    return [Share(round(number * share * 0.1), round(number * share * 0.9)) for share in shares]


def test_a_feature_with_other_values_stands_before_what_it_does() -> None:
    """Price has other values on both sides, the scenes do not. If the scenes shifted more, the price followed them."""
    prices = dict(zip("abc", map(Change, evenly(0.3, 0.3, 0.4), evenly(0.7, 0.2, 0.1)), strict=True))
    brands = dict(zip("ab", map(Change, evenly(0.5, 0.5), evenly(0.51, 0.49)), strict=True))
    calm = dict(zip("xy", map(Change, evenly(0.5, 0.5), evenly(0.5, 0.5)), strict=True))
    moved = dict(zip("xy", map(Change, evenly(0.9, 0.1), evenly(0.1, 0.9)), strict=True))
    features = {"features.numeric.price": prices, "features.categorical.brand": brands}

    assert [feature.dimension for feature in changed_features({**features, "labels.scene": calm})] == [
        "features.numeric.price"
    ]
    assert changed_features({**features, "labels.scene": moved}) == []
    few = dict(zip("abc", map(Change, evenly(0.3, 0.3, 0.4, number=20), evenly(0.7, 0.2, 0.1, number=20)), strict=True))
    assert changed_features({"features.numeric.price": few}) == []


def test_causes_and_the_rest_add_up_to_the_change() -> None:
    """Two causes, the second without the predictions of the first: none of them explains more than its own."""
    first, second = Change(Share(300, 700), Share(100, 900)), Change(Share(300, 700), Share(150, 850))
    rest = Change(Share(100, 1900), Share(100, 1900))
    whole = first + second + rest
    measure = MEASURES["positive_rate"]
    rows = findings({"labels.scene": {"a": first, "b": second, "c": rest}}, whole, measure)
    of_rest = findings({"labels.scene": {"b": second, "c": rest}}, second + rest, measure)

    causes = of_disjoint_causes([rows[0], of_rest[0]], whole, measure)

    shares = [(cause.effect.rate + cause.effect.mix) / (350 / 4000 - 700 / 4000) for cause in causes]
    assert shares == pytest.approx([200 / 350, 150 / 350])
