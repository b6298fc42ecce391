"""The purchases and the scores of the scenario `ads`."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from monitor_agent.demo.advertising.conversions import AFTER_CLICK, MOST_DAYS, WITHOUT_CLICK, advertiser_of, purchases
from monitor_agent.demo.advertising.scenario import agent_settings, load
from monitor_agent.demo.advertising.scorer import Scorer
from monitor_agent.settings import AgentSettings


def test_purchases_follow_the_stated_rule_and_the_seed() -> None:
    """They come within the attribution window, have a value, and are the same for a seed."""
    impressions = load().impressions
    bought = list(purchases(impressions))
    clicks = sum(impression.click for impression in impressions)

    assert bought == list(purchases(impressions))
    assert bought != list(purchases(impressions, seed=2))
    assert len(bought) == pytest.approx(AFTER_CLICK * clicks + WITHOUT_CLICK * (len(impressions) - clicks), rel=0.3)
    assert all(purchase.value > 0 for purchase in bought)
    longest = max(purchase.moment - impressions[purchase.impression].timestamp for purchase in bought)
    assert longest <= timedelta(days=MOST_DAYS) < agent_settings().attribution_window


def test_both_advertisers_have_impressions() -> None:
    """Neither advertiser is without a segment."""
    counts = np.unique([advertiser_of(impression) for impression in load().impressions], return_counts=True)[1]

    assert len(counts) == 2
    assert counts.min() > 1000


def test_scores_are_probabilities_of_a_purchase() -> None:
    """Their mean is the share of purchases in the data of the fit, up to the penalty."""
    impressions = load().impressions[:2000]
    labels = [int(number % 10 == 0) for number in range(len(impressions))]
    scores = Scorer.fitted(impressions, labels).scores(impressions)

    assert np.mean(scores) == pytest.approx(0.1, rel=0.01)
    assert 0 < min(scores) < max(scores) < 1
    assert agent_settings().feedback_type != AgentSettings().feedback_type
