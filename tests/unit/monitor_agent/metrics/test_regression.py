"""The metrics of predicted numbers, compared with scikit-learn's and NumPy's; their merging, and undefined ones."""

from __future__ import annotations

from collections import Counter

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from sklearn import metrics as oracle

from monitor_agent.metrics import CATALOGUE, WindowState, measure, merge, merge_all
from monitor_agent.metrics.document import measure_with
from monitor_agent.metrics.regression.error_bins import RELATIVE_ERROR, error_bin, errors_of

from .kind_states import number_state
from .states import Floats

ORACLES = {
    "mae": oracle.mean_absolute_error,
    "rmse": oracle.root_mean_squared_error,
    "r2": oracle.r2_score,
    "mape": oracle.mean_absolute_percentage_error,
    "bias": lambda truth, value: float(np.mean(value - truth)),
    "value_mean": lambda _, value: float(np.mean(value)),
    "truth_mean": lambda truth, _: float(np.mean(truth)),
}
QUANTILES = {"error_p05": 5, "error_p50": 50, "error_p95": 95}
ABSOLUTE_QUANTILES = {"absolute_error_p50": 50, "absolute_error_p90": 90, "absolute_error_p99": 99}


def numbers(seed: int, n: int, scale: float = 20.0) -> tuple[Floats, Floats]:
    """Return true and predicted numbers with a skewed error; seeded."""
    random = np.random.default_rng(seed)
    truth = random.normal(100.0, scale, n)
    return truth, truth + random.gamma(2.0, 3.0, n) - 5.0


@pytest.mark.parametrize("n", [2, 3000])
@pytest.mark.parametrize("name", ORACLES)
def test_equals_the_oracle(name: str, n: int) -> None:
    """A metric equals scikit-learn's value to 1e-10."""
    truth, value = numbers(n, n)

    assert measure(number_state(truth, value))[name] == pytest.approx(ORACLES[name](truth, value), rel=1e-10)


@pytest.mark.parametrize("n", [1, 7, 2000])
def test_quantiles_are_within_half_a_percent(n: int) -> None:
    """Quantiles of the error equal NumPy's `inverted_cdf` within 0.5 %."""
    truth, value = numbers(n, n)
    fields, error = measure(number_state(truth, value)), value - truth

    for name, percent in QUANTILES.items():
        expected = np.quantile(error, percent / 100, method="inverted_cdf")
        assert fields[name] == pytest.approx(expected, rel=RELATIVE_ERROR)
    for name, percent in ABSOLUTE_QUANTILES.items():
        expected = np.quantile(np.abs(error), percent / 100, method="inverted_cdf")
        assert fields[name] == pytest.approx(expected, rel=RELATIVE_ERROR)


@hypothesis.given(st.floats(-2e15, 2e15))
def test_a_bin_stands_for_its_errors(error: float) -> None:
    """The number of a bin is within 0.5 % of the error; from 1e-12 on, signs are kept."""
    (number,) = errors_of(np.array([error_bin(error)]))

    if abs(error) >= 1e-12:
        assert number == pytest.approx(error, rel=RELATIVE_ERROR)
    else:
        assert abs(number) <= 1e-12


pairs = st.lists(st.tuples(st.floats(-1e15, 1e15), st.floats(-1e15, 1e15)), max_size=12)


def _counted(rows: list[tuple[float, float]]) -> WindowState:
    table = np.array(rows, dtype=np.float64).reshape(-1, 2)
    return number_state(table[:, 0], table[:, 1])


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(pairs, pairs, pairs)
def test_any_grouping_gives_the_bytes_of_the_whole(
    a: list[tuple[float, float]], b: list[tuple[float, float]], c: list[tuple[float, float]]
) -> None:
    """Merged windows equal all predictions counted together, whatever their order, down to the stored bytes."""
    whole = _counted(a + b + c).to_blob()

    assert whole == merge(merge(_counted(a), _counted(b)), _counted(c)).to_blob()
    assert whole == merge_all([_counted(c), _counted(a), _counted(b)]).to_blob()
    assert WindowState.from_blob(whole) == _counted(c + b + a)


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(pairs)
def test_any_numbers_give_finite_values_in_their_intervals(rows: list[tuple[float, float]]) -> None:
    """No numbers give NaN or an infinity; a value lies in its interval."""
    fields = measure(_counted(rows))

    for name in (*ORACLES, *QUANTILES, *ABSOLUTE_QUANTILES):
        value = fields[name]
        assert (value is None) == (f"{name}_undefined" in fields)
        if value is not None:
            assert np.isfinite(value)
            if (low := fields.get(f"{name}_low")) is not None:
                slack = 1e-9 * abs(value) + 1e-9
                assert low - slack <= value <= fields[f"{name}_high"] + slack


WITH_INTERVALS = ("mae", "rmse", "bias", "mape", "r2", "error_p50", "absolute_error_p90")


def test_intervals_hold_the_true_value() -> None:
    """About 95 of 100 samples of 200 predictions have an interval with the value of the whole population."""
    truth, value = numbers(5, 20_000)
    specs = [spec for spec in CATALOGUE if spec.name in WITH_INTERVALS]
    whole = measure_with(specs, number_state(truth, value))
    random, inside = np.random.default_rng(11), Counter[str]()
    for _ in range(200):
        chosen = random.integers(0, len(truth), 200)
        fields = measure_with(specs, number_state(truth[chosen], value[chosen]))
        inside.update(name for name in WITH_INTERVALS if fields[f"{name}_low"] <= whole[name] <= fields[f"{name}_high"])

    assert all(inside[name] / 200 >= 0.9 for name in WITH_INTERVALS), inside


class TestUndefined:
    def test_equal_truths_have_no_r2(self) -> None:
        """The truth has no variance to explain, also if rounding gives it one."""
        assert measure(number_state(np.full(10, 0.1), np.arange(10.0)))["r2_undefined"] == "constant_truth"

    def test_one_truth_has_no_interval(self) -> None:
        """A single error has a value, but no interval; and no R2."""
        fields = measure(number_state(np.array([2.0]), np.array([3.0])))

        assert (fields["mae"], fields["mae_low"], fields["r2_undefined"]) == (1.0, None, "insufficient_data")

    def test_truths_of_zero_have_no_percentage(self) -> None:
        """MAPE leaves out truths of 0; without any further one it is null."""
        assert measure(number_state(np.zeros(3), np.ones(3)))["mape_undefined"] == "zero_truth"
        assert measure(number_state(np.array([0.0, 2.0]), np.ones(2)))["mape"] == 0.5

    def test_unknown_truths_give_no_errors(self) -> None:
        """Only the mean of the predicted numbers has a value."""
        counts = {"regression.predictions": 2, "regression.impressions": 2}
        fields = measure(WindowState(predictions=2, counts=counts))

        assert (fields["mae_undefined"], fields["value_mean"]) == ("no_samples", 0.0)
