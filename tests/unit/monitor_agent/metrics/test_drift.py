"""Drift measures compared with scipy's, and the rate of false alarms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from monitor_agent.metrics import Undefined
from monitor_agent.metrics.drift import (
    CategoricalReference,
    DriftVerdict,
    Method,
    NumericReference,
    NumericSample,
    default_method,
    drift,
    lowest_ks_p_value,
    measure_drift,
)
from monitor_agent.metrics.drift.chi_square import chi_square_p_value, chi_square_tail
from monitor_agent.metrics.drift.jensen_shannon import jensen_shannon_distance
from monitor_agent.metrics.drift.kolmogorov_smirnov import ks_p_value, ks_statistic, largest_ks_statistic
from monitor_agent.metrics.drift.population_stability import psi
from monitor_agent.metrics.drift.proportion import z_p_value

SHIFTS = [0.0, 0.1, 1.0]


def _normal(seed: int, n: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 2.0, n)


@pytest.mark.parametrize("shift", SHIFTS)
def test_ks_is_within_a_bin_of_scipy(shift: float) -> None:
    """The statistic is below scipy's by the mass of one bin at most; its p-value is about scipy's."""
    before, after = _normal(0, 3000), _normal(1, 2000, shift)
    reference = NumericReference.from_values(before)
    statistic = ks_statistic(reference.counts, NumericSample.from_values(after, reference).counts)

    exact = stats.ks_2samp(before, after).statistic
    assert exact - 0.026 <= statistic <= exact + 1e-12
    expected = stats.kstwobign.sf(statistic * np.sqrt(1200))
    assert ks_p_value(statistic, 3000, 2000) == pytest.approx(expected, rel=0.1, abs=1e-9)


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize(("n", "m"), [(200, 1000), (900, 1200), (5000, 2000)])
@pytest.mark.parametrize("kind", ["normal", "mostly zero", "counts", "two digits"])
def test_the_p_value_of_scipy_is_between_the_bounds(kind: str, n: int, m: int, shift: float) -> None:
    """Scipy has the values, the bins only have their counts; with a bin for each value, both bounds are scipy's."""
    dice = np.random.default_rng(n + m)

    def values(size: int, moved: float) -> np.ndarray:
        normal = dice.normal(moved, 2.0, size)
        forms = {
            "normal": normal,
            "mostly zero": np.where(dice.random(size) < 0.6, 0.0, normal),
            "counts": dice.poisson(5 + moved, size).astype(float),
            "two digits": np.round(normal, 2),
        }
        return forms[kind]

    before, after = values(n, 0.0), values(m, shift)
    reference = NumericReference.from_values(before)
    sample = NumericSample.from_values(after, reference)
    low, high = lowest_ks_p_value(reference, sample), measure_drift(reference, sample, "ks")

    statistic = stats.ks_2samp(before, after, method="asymp").statistic
    assert low - 1e-9 <= ks_p_value(statistic, n, m) <= high + 1e-9
    # The limit distribution differs a little from the exact one.
    assert low - 0.01 <= stats.ks_2samp(before, after).pvalue <= high + 0.01
    if kind == "counts":
        assert low == high
    if n <= 1000:
        assert largest_ks_statistic(reference.counts, sample.counts, reference.edges) - statistic < 0.02


@pytest.mark.parametrize("shift", SHIFTS)
def test_wasserstein_is_near_scipy(shift: float) -> None:
    """The normed distance from bins is within 0.02 of scipy's distance in standard deviations."""
    before, after = _normal(2, 5000), _normal(3, 4000, shift)
    reference = NumericReference.from_values(before)

    exact = stats.wasserstein_distance(before, after) / before.std()
    distance = measure_drift(reference, NumericSample.from_values(after, reference), "wasserstein")
    assert distance == pytest.approx(exact, abs=0.02)


def test_wasserstein_of_disjoint_samples() -> None:
    """The distance of samples that do not overlap is exact, beyond the reference's edges too."""
    before = np.random.default_rng(4).uniform(0, 1, 4000)
    reference = NumericReference.from_values(before)

    distance = measure_drift(reference, NumericSample.from_values(before + 10, reference), "wasserstein")
    assert distance == pytest.approx(10 / before.std(), rel=1e-3)


def test_jensen_shannon_equals_scipy() -> None:
    """The distance is scipy's, also with empty bins."""
    assert jensen_shannon_distance([5, 0, 3, 2], [1, 4, 0, 2]) == pytest.approx(
        jensenshannon([5, 0, 3, 2], [1, 4, 0, 2])
    )


@pytest.mark.parametrize("degrees", [1, 2, 9, 200])
def test_chi_square_tail_equals_scipy(degrees: int) -> None:
    """The tail is scipy's from the middle to the far end."""
    for statistic in (0.1, degrees * 0.5, float(degrees), degrees * 2.0, degrees + 60.0):
        assert chi_square_tail(statistic, degrees) == pytest.approx(stats.chi2.sf(statistic, degrees), rel=1e-9)


def test_chi_square_equals_scipy() -> None:
    """The test of two samples of categories is scipy's, also with a new category."""
    table = [[40, 50, 0], [60, 30, 5]]

    assert chi_square_p_value(*table) == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, rel=1e-9)


def test_z_equals_the_square_root_of_chi_square() -> None:
    """The test of two shares is the chi-square test of their table."""
    assert z_p_value(30, 100, 55, 120) == pytest.approx(chi_square_p_value([30, 70], [55, 65]), rel=1e-9)


def test_psi_is_the_sum_of_both_divergences() -> None:
    """PSI is the sum of scipy's Kullback-Leibler divergences in both directions."""
    before, now = np.array([40, 30, 20, 10]), np.array([10, 25, 30, 55])

    assert psi(before, now) == pytest.approx(stats.entropy(before, now) + stats.entropy(now, before), rel=1e-12)


def test_psi_of_chance_is_about_its_expectation() -> None:
    """Without drift the mean PSI is (bins - 1) (1 / n + 1 / m), within 20 %."""
    random = np.random.default_rng(5)
    samples = [random.multinomial(1000, [0.1] * 10, 2) for _ in range(200)]

    assert np.mean([psi(*pair) for pair in samples]) == pytest.approx(9 * (1 / 1000 + 1 / 1000), rel=0.2)


@pytest.mark.parametrize("method", ["psi", "jensenshannon", "wasserstein"])
def test_chance_is_not_drift(method: Method) -> None:
    """With 1,000 values, at most one sample in 20 of the reference's distribution is drift."""
    reference = NumericReference.from_values(_normal(6, 5000))
    results = [
        drift(reference, NumericSample.from_values(_normal(seed, 1000), reference), method) for seed in range(60)
    ]

    assert sum(result.is_drift for result in results) <= 3


@pytest.mark.parametrize("method", ["psi", "jensenshannon", "wasserstein", "ks", "chisquare"])
def test_a_shift_is_drift(method: Method) -> None:
    """All measures detect a shift of half a standard deviation."""
    reference = NumericReference.from_values(_normal(6, 5000))

    assert drift(reference, NumericSample.from_values(_normal(7, 1000, shift=1.0), reference), method).is_drift


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (NumericReference.from_values(_normal(8, 1000)), "ks"),
        (NumericReference.from_values(_normal(8, 1001)), "wasserstein"),
        (NumericReference.from_values([1.0, 2.0] * 600), "jensenshannon"),
        (NumericReference.from_values([1.0, 2.0] * 60), "chisquare"),
        (CategoricalReference({"a": 5, "b": 5}), "z"),
        (CategoricalReference({"a": 5, "b": 5, "c": 5}), "chisquare"),
        (CategoricalReference({"a": 5000, "b": 5}), "jensenshannon"),
    ],
    ids=["small", "large", "few values", "small and few values", "two classes", "three classes", "many of a class"],
)
def test_default_measure_is_evidentlys(reference: NumericReference | CategoricalReference, expected: Method) -> None:
    """The size and type of the reference decide the measure, as in Evidently."""
    assert default_method(reference) == expected


def test_too_few_values_give_no_verdict() -> None:
    """Below 1,000 values there is no verdict, for any difference."""
    reference = NumericReference.from_values(_normal(9, 5000))

    assert drift(reference, NumericSample.from_values([99.0] * 999, reference)) == Undefined("insufficient_data")


def test_new_categories_are_drift() -> None:
    """Values that the reference lacks count together and are detected."""
    reference = CategoricalReference({"a": 3000, "b": 3000})
    current = {"a": 700, "b": 700, **{f"new{number}": 10 for number in range(40)}}

    assert drift(reference, current).is_drift


@pytest.mark.parametrize("value", [7.0, [1.0, 1.0, 2.0]], ids=["constant", "two values"])
def test_few_distinct_values_have_separate_bins(value: float | list[float]) -> None:
    """Constant and nearly constant features have no drift against themselves."""
    values = np.resize(np.asarray(value), 2000)
    reference = NumericReference.from_values(values)
    result = drift(reference, NumericSample.from_values(values, reference))

    assert (result.value, result.is_drift) == (0.0, False)


@pytest.mark.parametrize("usual", [[7.0], [0.0, 1.0], [1.0, 2.0, 4.0]], ids=["constant", "two values", "three values"])
@pytest.mark.parametrize("new_value", [-3.0, 1.5, 100.0], ids=["below", "between", "above"])
def test_a_new_value_is_drift(usual: list[float], new_value: float) -> None:
    """A new value of a feature with few values is drift, at any place, as in Evidently."""
    reference = NumericReference.from_values(np.resize(usual, 3000))
    result = drift(reference, NumericSample.from_values(np.full(2000, new_value), reference))

    assert (result.method, result.is_drift) == ("jensenshannon", True)


def test_a_frequent_value_is_compared_exactly() -> None:
    """A frequent zero has a separate bin: the distance is as near to scipy's as that of a smooth feature."""
    random = np.random.default_rng(13)
    before, after = (np.where(random.random(5000) < zeros, 0.0, random.uniform(0, 1, 5000)) for zeros in (0.7, 0.5))
    reference = NumericReference.from_values(before)

    exact = stats.wasserstein_distance(before, after) / before.std()
    distance = measure_drift(reference, NumericSample.from_values(after, reference), "wasserstein")
    assert distance == pytest.approx(exact, abs=0.003)


def test_values_that_repeat_are_compared_exactly() -> None:
    """With a bin for each value the Wasserstein distance is scipy's."""
    random = np.random.default_rng(10)
    before, after = random.poisson(3, 3000).astype(float), random.poisson(3.5, 2000).astype(float)
    reference = NumericReference.from_values(before)

    exact = stats.wasserstein_distance(before, after) / before.std()
    distance = measure_drift(reference, NumericSample.from_values(after, reference), "wasserstein")
    assert distance == pytest.approx(exact, rel=1e-6)


def test_a_third_category_of_a_small_reference_is_tested() -> None:
    """Two categories are compared by their shares, and by chi-square if a new one comes, as in Evidently."""
    result = drift(CategoricalReference({"a": 500, "b": 400}), {"a": 500, "b": 400, "c": 300})

    assert (result.method, result.is_drift) == ("chisquare", True)


def _fifty_categories(seed: int, n: int) -> dict[str, int]:
    return {str(name): int(count) for name, count in enumerate(np.random.default_rng(seed).multinomial(n, [0.02] * 50))}


def test_many_categories_are_not_drift_by_chance() -> None:
    """Few values of fifty categories exceed the threshold by chance: there is no verdict; a shift is drift."""
    pairs = [
        (CategoricalReference(_fifty_categories(seed, 10_000)), _fifty_categories(1000 + seed, 800))
        for seed in range(200)
    ]
    far = [measure_drift(*pair, "jensenshannon") >= 0.1 for pair in pairs]
    results = [drift(*pair, min_samples=800) for pair in pairs]

    assert sum(far) >= 20
    assert sum(isinstance(result, DriftVerdict) and result.is_drift for result in results) <= 4
    assert sum(result == Undefined("insufficient_data") for result in results) >= sum(far) - 4
    assert drift(pairs[0][0], {str(name): 40 for name in range(25)}).is_drift


@pytest.mark.parametrize(("before", "now", "enough"), [(1001, 1000, False), (1001, 3000, True), (2000, 1000, True)])
def test_a_small_reference_needs_more_values(before: int, now: int, enough: bool) -> None:
    """The distance from a small reference may be chance too, so both counts decide."""
    reference = NumericReference.from_values(_normal(11, before))
    result = drift(reference, NumericSample.from_values(_normal(12, now), reference))

    assert isinstance(result, DriftVerdict) == enough


def test_numeric_measures_refuse_categories() -> None:
    """A measure that needs an order is refused for categories."""
    with pytest.raises(ValueError, match="numeric"):
        measure_drift(CategoricalReference({"a": 1}), {"a": 1}, "ks")
