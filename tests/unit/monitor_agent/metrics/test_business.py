"""Value, conversions, positions, propensities, delays and throughput."""

from __future__ import annotations

import numpy as np
import pytest

from monitor_agent.metrics import DELAY_EDGES, LogHistogram, Undefined, WindowState, measure, to_fixed_point
from monitor_agent.metrics.conversion_rate import WITHOUT_CLICK
from monitor_agent.metrics.feedback_delay import suggested_window_seconds
from monitor_agent.metrics.inverse_propensity import propensity_sums
from monitor_agent.metrics.position_click_through_rate import position_click_through_rate

SECOND = 10**9


def test_conversions_and_value() -> None:
    """Conversions are per clicked prediction, the value is per thousand mature impressions."""
    state = WindowState(
        tp=40, tn=960, impressions=1200, mature=1000, clicks=40, conversions=4, value_sum=to_fixed_point(250.5)
    )
    fields = measure(state)

    assert (fields["conversion_rate"], fields["value_per_thousand"]) == (0.1, 250.5)


def test_purchases_without_a_click_are_no_conversions_of_clicks() -> None:
    """Ten predictions are clicked, five others are bought without a click: 0 of 10, with its interval."""
    state = WindowState(tp=10, tn=5, clicks=10, conversions=5, counts={WITHOUT_CLICK: 5})

    fields = measure(state)

    assert (fields["conversion_rate"], fields["conversion_rate_low"]) == (0.0, 0.0)
    assert fields["conversion_rate_high"] == pytest.approx(0.2775, abs=1e-4)


def test_conversions_and_value_need_no_label() -> None:
    """Their denominators are clicked and shown predictions, whether or not their labels are known."""
    fields = measure(WindowState(mature=1000, clicks=40, conversions=4, value_sum=to_fixed_point(250.5)))

    assert fields["accuracy_undefined"] == "no_samples"
    assert (fields["conversion_rate"], fields["value_per_thousand"]) == (0.1, 250.5)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (WindowState(tn=5), "no_clicks"),
        (WindowState(tn=5, clicks=1, conversions=2), "more_conversions_than_clicks"),
        (WindowState(conversions=2, counts={WITHOUT_CLICK: 2}), "no_clicks"),
    ],
)
def test_conversion_rate_is_undefined_without_its_clicks(state: WindowState, reason: str) -> None:
    """The rate is never above 1; the reason says what is missing."""
    assert measure(state)["conversion_rate_undefined"] == reason


def test_positions_without_impressions_are_left_out() -> None:
    """The positions have separate rates and intervals."""
    rates = position_click_through_rate({3: 10, 1: 100, 2: 0}, {1: 20})

    assert [(row.position, row.rate) for row in rates] == [(1, 0.2), (3, 0.0)]
    assert rates[0].interval.low < 0.2 < rates[0].interval.high


def test_weights_undo_the_policy() -> None:
    """If the policy shows the better item more often, the weighted rate is that of equal shares."""
    random = np.random.default_rng(0)
    action = random.choice(2, 200_000, p=[0.9, 0.1])
    clicks = random.random(200_000) < np.array([0.2, 0.1])[action]
    groups = [(p, int((action == a).sum()), int(clicks[action == a].sum())) for a, p in enumerate([0.9, 0.1])]
    state = WindowState(tp=1, sums=propensity_sums(groups))

    assert clicks.mean() > 0.185
    assert measure(state)["ctr_snips"] == pytest.approx(0.15, abs=0.01)


def test_no_propensity_is_undefined() -> None:
    """Without logged propensities there is no weighted rate."""
    assert measure(WindowState(tp=1))["ctr_snips_undefined"] == "no_propensity"


def test_throughput_needs_the_length_of_the_window() -> None:
    """Requests per second include failed requests."""
    state = WindowState(requests=110, errors=10)

    assert measure(state, seconds=60)["throughput"] == 2.0
    assert measure(state)["throughput_undefined"] == "no_window_length"


class TestFeedbackDelay:
    def test_percentiles(self) -> None:
        """Delays are in milliseconds, within the documented error."""
        seconds = np.random.default_rng(1).exponential(20.0, 2000)
        state = WindowState(delay=LogHistogram.from_values((seconds * SECOND).astype(int).tolist(), DELAY_EDGES))

        exact = np.quantile(seconds, 0.9, method="inverted_cdf") * 1000
        assert measure(state)["feedback_delay_p90"] == pytest.approx(exact, rel=0.049)

    def test_suggestion_covers_the_share(self) -> None:
        """The suggestion is the first usual length above the percentile."""
        delay = LogHistogram.from_values([10 * SECOND] * 985 + [4000 * SECOND] * 15, DELAY_EDGES)

        assert (suggested_window_seconds(delay, 0.95), suggested_window_seconds(delay)) == (20, 7200)

    def test_few_delays_give_no_suggestion(self) -> None:
        """Below 100 delays, or beyond 30 days, there is no suggestion."""
        few = LogHistogram.from_values([SECOND] * 99, DELAY_EDGES)
        endless = LogHistogram.from_values([9 * 10**6 * SECOND] * 100, DELAY_EDGES)

        assert suggested_window_seconds(few) == Undefined("insufficient_data")
        assert suggested_window_seconds(endless) == Undefined("longer_than_30_days")
