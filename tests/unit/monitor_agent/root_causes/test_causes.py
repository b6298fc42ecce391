"""The causes of a fall, against SciPy and on drawn counts."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy.optimize import minimize

from monitor_agent.root_causes.causes import (
    ComparedValue,
    changed_features,
    findings,
    of_disjoint_causes,
    verdict,
)
from monitor_agent.root_causes.contrast import contrasts_of_rates
from monitor_agent.root_causes.decomposition import effects
from monitor_agent.root_causes.value_sums import MEASURES, Change, ValueSums, share, total

CELLS = st.integers(0, 400)
CHANGES = st.builds(Change, st.builds(share, CELLS, CELLS), st.builds(share, CELLS, CELLS))


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
    subset = Change(share(*counts[:2]), share(*counts[2:4]))
    rest = Change(share(*counts[4:6]), share(*counts[6:]))

    (score,) = contrasts_of_rates([subset], subset + rest)

    assert score**2 == pytest.approx(likelihood_ratio(subset, rest), rel=1e-5, abs=1e-5)
    log_odds = [
        np.log(side.successes / side.failures) for side in (subset.before, subset.after, rest.before, rest.after)
    ]
    assert np.sign(score) == np.sign(log_odds[1] - log_odds[0] - (log_odds[3] - log_odds[2]))


@hypothesis.given(st.lists(CHANGES, min_size=1, max_size=6), st.sampled_from(sorted(MEASURES["binary"])))
def test_the_effects_add_up_to_the_change(changes: list[Change], metric: str) -> None:
    """Rate and mix of all values are the change of the whole, for every metric."""
    measure, whole = MEASURES["binary"][metric], total(changes)
    split = effects({str(number): change for number, change in enumerate(changes)}, measure)
    before, after = measure.value(whole.before), measure.value(whole.after)

    if before is None or after is None:
        assert split == {}
    else:
        assert sum(effect.rate + effect.mix for effect in split.values()) == pytest.approx(after - before, abs=1e-9)


@hypothesis.given(st.lists(CHANGES, min_size=1, max_size=30))
def test_any_counts_give_finite_scores(changes: list[Change]) -> None:
    """Empty sides, rates of 0 and of 1 give no error and no NaN; the p-values lie between 0 and 1."""
    rows = findings(
        {"d": dict(zip(map(str, range(30)), changes, strict=False))}, total(changes), MEASURES["binary"]["f1"]
    )

    assert all(np.isfinite(row.score) and 0 <= row.adjusted_p <= 1 for row in rows)
    assert [row.score for row in rows] == sorted(row.score for row in rows)


def test_rates_that_move_every_day_are_no_cause() -> None:
    """Fifty values whose rates differ by more than chance from day to day: none is called a cause, a real one is."""
    dice = np.random.default_rng(7)
    changes = {}
    for number in range(50):
        rates = 0.1 * np.exp(dice.normal(0, 0.1, 2))
        hits = dice.binomial(20_000, rates)
        changes[str(number)] = Change(*(share(int(hit), 20_000 - int(hit)) for hit in hits))
    measure = MEASURES["binary"]["positive_rate"]

    assert not any(row.is_a_cause for row in findings({"d": changes}, total(changes.values()), measure))
    changes["broken"] = Change(share(2000, 18_000), share(400, 19_600))
    first, second, *_ = findings({"d": changes}, total(changes.values()), measure)
    assert (first.value, first.is_a_cause, second.is_a_cause) == ("broken", True, False)


def evenly(*shares: float, number: int = 20_000) -> list[ValueSums]:
    """Return counts at a rate of a tenth, spread over values by these shares."""
    return [share(round(number * portion * 0.1), round(number * portion * 0.9)) for portion in shares]


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
    first, second = Change(share(300, 700), share(100, 900)), Change(share(300, 700), share(150, 850))
    rest = Change(share(100, 1900), share(100, 1900))
    whole = first + second + rest
    measure = MEASURES["binary"]["positive_rate"]
    rows = findings({"labels.scene": {"a": first, "b": second, "c": rest}}, whole, measure)
    of_rest = findings({"labels.scene": {"b": second, "c": rest}}, second + rest, measure)

    causes = of_disjoint_causes([rows[0], of_rest[0]], whole, measure)

    shares = [(cause.effect.rate + cause.effect.mix) / (350 / 4000 - 700 / 4000) for cause in causes]
    assert shares == pytest.approx([200 / 350, 150 / 350])


ERRORS = MEASURES["regression"]["mae"]
VALUES, RUNS = 60, 12


def error_sums(dice: np.random.Generator, size: float, number: int) -> ValueSums:
    """Return the sums of absolute errors that are skewed: a tenth of them is no 0, and lognormal."""
    errors = dice.lognormal(np.log(size), 1.0, number) * (dice.random(number) < 0.1)
    return ValueSums(number, float(errors.sum()), float((errors**2).sum()))


def worst_of_errors(seed: int, factors: dict[int, float]) -> ComparedValue:
    """Return the first finding about values whose errors have all sizes, and become larger by some factors."""
    dice = np.random.default_rng(seed)
    sizes, numbers = dice.lognormal(0, 1.5, VALUES), dice.integers(40, 3000, VALUES)
    numbers[7] = 2500
    changes = {}
    for value, (size, number) in enumerate(zip(sizes, numbers, strict=True)):
        sides = (error_sums(dice, larger * size, number) for larger in (1.0, factors.get(value, 1.0)))
        changes[str(value)] = Change(*sides)
    return findings({"labels.scene": changes}, total(changes.values()), ERRORS)[0]


def test_the_value_whose_errors_rose_stands_first_and_none_is_invented() -> None:
    """A value with tripled errors is the cause; on quiet days, and if all errors triple, none is."""
    planted = [worst_of_errors(seed, {7: 3.0}) for seed in range(RUNS)]
    quiet = [worst_of_errors(seed, {}) for seed in range(RUNS)]
    alike = [worst_of_errors(seed, dict.fromkeys(range(VALUES), 3.0)) for seed in range(RUNS)]

    assert sum(row.is_a_cause and row.value == "7" for row in planted) >= 0.8 * RUNS
    assert sum(row.is_a_cause for row in (*quiet, *alike)) <= 1


def test_the_effects_of_errors_add_up() -> None:
    """Rate and mix of a mean are its change, and a rise of it is the trouble."""
    before = {"a": ValueSums(100, 200.0, 600.0), "b": ValueSums(300, 300.0, 500.0)}
    after = {"a": ValueSums(200, 800.0, 4000.0), "b": ValueSums(200, 200.0, 400.0)}
    changes = {value: Change(before[value], after[value]) for value in before}
    whole = total(changes.values())

    split = effects(changes, ERRORS)

    assert sum(effect.rate + effect.mix for effect in split.values()) == pytest.approx(2.5 - 1.25)
    assert split["b"].rate == 0
    assert verdict(whole, ERRORS, findings({"d": changes}, whole, ERRORS), None) == "segment"
    better = Change(whole.after, whole.before)
    assert verdict(better, ERRORS, [], None) == "no_drop"


def test_no_errors_at_all_give_no_score() -> None:
    """A regression that is always right, before and after, has no cause and no NaN."""
    exact = Change(ValueSums(100), ValueSums(100))
    changes = {str(value): exact for value in range(12)}

    rows = findings({"d": changes}, total(changes.values()), ERRORS)

    assert {row.score for row in rows} <= {0.0}
    assert verdict(total(changes.values()), ERRORS, rows, None) == "no_drop"
