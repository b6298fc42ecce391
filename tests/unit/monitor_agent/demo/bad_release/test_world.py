"""The traffic of the scenario `bad-release` and its planted trouble."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from statistics import median

import numpy as np
import pytest

from monitor_agent.demo.bad_release.click_model import EXAMINATION, score
from monitor_agent.demo.bad_release.plans import DAY_AND_A_HALF, FORTNIGHT, Plan
from monitor_agent.demo.bad_release.troubles import Trouble
from tests.unit.monitor_agent.demo.bad_release.worlds import (
    BROKEN,
    RELEASE_HOUR,
    START,
    catalogue,
    click_rate,
    pages_of,
    world,
)


def test_the_same_seed_gives_the_same_numbers_on_any_date() -> None:
    """Only the dates of a world differ from run to run; another seed gives other numbers."""
    later = START + timedelta(days=77)
    pages, moved = world(BROKEN).pages(9), world(BROKEN, start=later).pages(9)

    assert [(page.items, page.scores, page.clicks) for page in pages] == [
        (page.items, page.scores, page.clicks) for page in moved
    ]
    assert [page.moment - START for page in pages] == [page.moment - later for page in moved]
    assert pages != world(BROKEN, seed=2).pages(9)


def test_two_versions_share_the_visitors_from_the_release_on() -> None:
    """A visitor has one version for good, and about half of them have the second one."""
    simulated = world(BROKEN)
    first, second = (pages_of(simulated, "search", version, RELEASE_HOUR) for version in ("1", "2"))
    visitors, of_second = {page.visitor for page in first}, {page.visitor for page in second}

    assert pages_of(simulated, "search", "2")[0].moment >= simulated.rollout_start
    assert not visitors & of_second
    assert len(of_second) / len(visitors | of_second) == pytest.approx(0.5, abs=0.05)


def test_swapped_features_cost_clicks_and_nothing_else_shows_it() -> None:
    """The broken version gets fewer clicks than the one beside it; its scores and times look alike."""
    broken, healthy = world(BROKEN, hours=48), world(hours=48)
    first, second = (pages_of(broken, "search", version, RELEASE_HOUR) for version in ("1", "2"))
    unbroken = pages_of(healthy, "search", "2", RELEASE_HOUR)

    assert click_rate(second) < 0.8 * click_rate(first)
    assert click_rate(unbroken) == pytest.approx(click_rate(first), rel=0.1)
    mean_scores = [np.mean([score for page in pages for score in page.scores]) for pages in (first, second)]
    assert mean_scores[1] == pytest.approx(mean_scores[0], rel=0.15)
    assert median(page.duration for page in second) == pytest.approx(median(page.duration for page in first), rel=0.1)


def test_scores_of_a_right_version_are_probabilities() -> None:
    """Items with about the same score are clicked about as often as it says."""
    clicked: dict[int, list[int]] = defaultdict(list)
    for page in pages_of(world(hours=72), "search", "1"):
        ranks = {rank for rank, _ in page.clicks}
        for rank, probability in enumerate(page.scores):
            clicked[int(probability * 10)].append(int(rank in ranks))

    for tenth, outcomes in clicked.items():
        if len(outcomes) > 1000:
            assert np.mean(outcomes) == pytest.approx((tenth + 0.5) / 10, abs=0.06), tenth


def test_people_click_by_the_rank_and_the_attraction() -> None:
    """An item on the first rank is clicked more often than it would be on the last; the score knows the attraction."""
    items = catalogue()
    match = np.ones(len(items.ids))

    scores = score(items.popularity, items.price, match)
    assert scores[items.popularity.argmax()] > scores[items.popularity.argmin()]
    assert 0 < scores.min() < scores.max() < 1
    assert score(np.array([9.0]), np.array([-9.0]), np.array([1.0]))[0] <= 1.0
    assert list(EXAMINATION) == sorted(EXAMINATION, reverse=True)
    assert items.price.std() == pytest.approx(1.0)


def test_an_outage_has_no_event_and_slow_answers_take_their_factor() -> None:
    """The trouble is there in its hours, and only for its model."""
    outage = Trouble("outage", 3, 2, "no-data")
    slow = Trouble("slow-answers", 8, 1, "response-time", size=10.0, model="recommendation")
    troubled, healthy = world(outage, slow), world()

    assert [bool(troubled.pages(hour)) for hour in range(2, 6)] == [True, False, False, True]
    for before, after in zip(healthy.pages(8), troubled.pages(8), strict=True):
        factor = 10.0 if before.model == "recommendation" else 1.0
        assert after.duration == pytest.approx(factor * before.duration, rel=1e-6)


@pytest.mark.parametrize("plan", [FORTNIGHT, DAY_AND_A_HALF])
def test_a_plan_ends_within_the_last_hours_and_its_last_window_is_final(plan: Plan) -> None:
    """The world ends before now, by at most an hour and the time until its last window is final."""
    now = START + timedelta(minutes=17)
    simulated = plan.world(catalogue(), now)

    assert timedelta() <= now - simulated.end - simulated.tail < timedelta(hours=1)
    assert all(page.moment < simulated.end + simulated.tail for page in simulated.pages(simulated.hours))
    assert simulated.pages(simulated.hours)
    assert not simulated.pages(simulated.hours + 1)


def test_the_fortnight_has_three_hundred_thousand_predictions() -> None:
    """The mean traffic of the plan, without drawing it."""
    assert sum(model.predictions_an_hour for model in FORTNIGHT.models) * FORTNIGHT.hours == pytest.approx(
        300_000, rel=0.03
    )
