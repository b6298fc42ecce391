"""Clocks that differ, events from the future, feedback that comes years late: what happens is defined."""

from __future__ import annotations

from datetime import timedelta

from tests.factories import START, make_feedback, make_prediction
from tests.integration.agent_world import World

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FINAL = START + 2 * DAY
YEARS = timedelta(days=3 * 365)


def test_a_click_before_its_prediction_counts_within_the_allowed_skew(world: World) -> None:
    """The writer of the click may be five minutes behind; its delay is then none. Further behind is no click on it."""
    near, far = make_prediction(START), make_prediction(START + MINUTE)
    world.deliver(near, far, make_feedback(near, -5 * MINUTE), make_feedback(far, -5 * MINUTE - timedelta(seconds=1)))

    world.cycle(FINAL)

    hour = world.window("1h")
    assert (hour["n"], hour["tp"] + hour["fn"], hour["matched"], hour["too_late"]) == (2, 1, 1, 1)
    clicked = world.documents("model-predictions")[near["event"]["id"]]
    assert clicked["feedback"]["delay"] == 0


def test_events_from_the_future_wait_in_their_own_windows(world: World) -> None:
    """A prediction of tomorrow is in an open window of tomorrow, without a label; it is counted when its time comes."""
    tomorrow = make_prediction(START + DAY, 0.9)
    world.deliver(make_prediction(START), tomorrow, make_feedback(tomorrow))

    world.cycle(START + 2 * HOUR)

    ahead = world.window("1h", "2026-03-03T10")
    assert (ahead["state"], ahead["predictions"], ahead["n"], ahead["maturity"]) == ("open", 1, 0, 0.0)
    assert world.window("1h", "2026-03-02T10")["state"] == "final"

    world.cycle(START + DAY + 2 * HOUR)

    ahead = world.window("1h", "2026-03-03T10")
    assert (ahead["state"], ahead["n"], ahead["tp"]) == ("final", 1, 1)


def test_an_agent_whose_clock_is_behind_takes_nothing_back(world: World) -> None:
    """It neither makes a final window provisional again nor writes anything that the other has not said."""
    prediction = make_prediction(score=0.9)
    world.deliver(prediction, make_feedback(prediction))
    world.cycle(FINAL)
    before = world.documents()

    assert world.cycle(START + 10 * MINUTE).tally.written == 0
    assert world.documents() == before


def test_an_agent_whose_clock_is_ahead_is_caught_up_with(world: World) -> None:
    """What it called final is restated when its feedback comes; nothing is lost."""
    prediction = make_prediction(score=0.9)
    world.deliver(prediction)
    world.cycle(START + 10 * HOUR)
    world.deliver(make_feedback(prediction))

    world.cycle(START + 20 * MINUTE)
    world.cycle(START + 10 * HOUR)

    hour = world.window("1h")
    assert (hour["state"], hour["tp"], hour["n"]) == ("restated", 1, 1)


def test_feedback_that_comes_years_late_changes_nothing(world: World) -> None:
    """On a prediction that is kept for ever it is too late; windows that were final for years stay as they are."""
    prediction = make_prediction(score=0.9)
    world.deliver(prediction)
    world.cycle(FINAL)
    before = world.documents()
    world.deliver(make_feedback(prediction), make_feedback(prediction, YEARS))

    world.cycle(FINAL + YEARS)

    assert world.documents() == before
    assert world.statuses() == ["too_late", "too_late"]


def test_feedback_whose_prediction_never_came_does_not_reopen_old_windows(world: World) -> None:
    """An orphan of a day that was final for years is marked, and the day's documents stay as they are."""
    world.deliver(make_prediction(START))
    world.cycle(FINAL)
    before = world.documents()
    world.deliver(make_feedback(make_prediction(START)), make_prediction(START, 0.9))

    world.cycle(FINAL + YEARS)
    world.cycle(FINAL + YEARS + 25 * HOUR)

    assert world.statuses() == ["orphan"]
    assert world.documents() == before


def test_orphans_of_a_day_without_predictions_are_counted(world: World) -> None:
    """Where all predictions of a day are lost, its clicks show it."""
    world.deliver(make_feedback(make_prediction(START)))
    world.cycle(START + HOUR)

    world.cycle(START + 26 * HOUR)

    hour = world.window("1h")
    assert (hour["orphan"], hour["predictions"], hour["n"]) == (1, 0, 0)


def test_a_prediction_from_the_time_of_the_epoch_is_one_like_any_other(world: World) -> None:
    """A clock that was never set makes windows of 1970, and disturbs no others."""
    lost = make_prediction(START.replace(year=1970), 0.9)
    world.deliver(lost, make_feedback(lost), make_prediction(START))

    world.cycle(FINAL)

    assert world.window("1h", "1970-03-02T10")["tp"] == 1
    assert world.window("1h", "2026-03-02T10")["predictions"] == 1
