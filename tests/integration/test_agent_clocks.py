"""Clocks that differ, events from the future, feedback that is years late."""

from __future__ import annotations

from datetime import timedelta

from tests.factories import START, make_feedback, make_prediction
from tests.integration.agent_world import World

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FINAL = START + 2 * DAY
YEARS = timedelta(days=3 * 365)


def test_a_click_before_its_prediction_counts_within_the_allowed_skew(world: World) -> None:
    """The clock of the click may be five minutes behind, and its delay is then 0; further behind it is too late."""
    near, far = make_prediction(START), make_prediction(START + MINUTE)
    world.deliver(near, far, make_feedback(near, -5 * MINUTE), make_feedback(far, -5 * MINUTE - timedelta(seconds=1)))

    world.cycle(FINAL)

    hour = world.window("1h")
    assert (hour["n"], hour["tp"] + hour["fn"], hour["matched"], hour["too_late"]) == (2, 1, 1, 1)
    clicked = world.documents("model-predictions")[near["event"]["id"]]
    assert clicked["feedback"]["delay"] == 0


def test_events_from_the_future_wait_in_their_own_windows(world: World) -> None:
    """A prediction of tomorrow is in an open window of tomorrow, without a label; it is mature when its time comes."""
    tomorrow = make_prediction(START + DAY, 0.9)
    world.deliver(make_prediction(START), tomorrow, make_feedback(tomorrow))

    world.cycle(START + 2 * HOUR)

    ahead = world.window("1h", "2026-03-03T10")
    assert (ahead["state"], ahead["predictions"], ahead["n"], ahead["maturity"]) == ("open", 1, 0, 0.0)
    assert world.window("1h", "2026-03-02T10")["state"] == "final"

    world.cycle(START + DAY + 2 * HOUR)

    ahead = world.window("1h", "2026-03-03T10")
    assert (ahead["state"], ahead["n"], ahead["tp"]) == ("final", 1, 1)


def test_an_agent_whose_clock_is_behind_changes_nothing(world: World) -> None:
    """It does not make a final window provisional again, and writes no document."""
    prediction = make_prediction(score=0.9)
    world.deliver(prediction, make_feedback(prediction))
    world.cycle(FINAL)
    before = world.documents()

    assert world.cycle(START + 10 * MINUTE).tally.written == 0
    assert world.documents() == before


def test_windows_of_an_agent_whose_clock_is_ahead_are_restated(world: World) -> None:
    """Its windows are final too early; when their feedback comes, they are restated, and nothing is lost."""
    prediction = make_prediction(score=0.9)
    world.deliver(prediction)
    world.cycle(START + 10 * HOUR)
    world.deliver(make_feedback(prediction))

    world.cycle(START + 20 * MINUTE)
    world.cycle(START + 10 * HOUR)

    hour = world.window("1h")
    assert (hour["state"], hour["tp"], hour["n"]) == ("restated", 1, 1)


def test_feedback_that_comes_years_late_changes_nothing(world: World) -> None:
    """It is too late for a prediction that is never deleted; windows that were final for years stay unchanged."""
    prediction = make_prediction(score=0.9)
    world.deliver(prediction)
    world.cycle(FINAL)
    before = world.documents()
    world.deliver(make_feedback(prediction), make_feedback(prediction, YEARS))

    world.cycle(FINAL + YEARS)

    assert world.documents() == before
    assert world.statuses() == ["too_late", "too_late"]


def test_feedback_whose_prediction_never_came_does_not_reopen_old_windows(world: World) -> None:
    """Feedback on a day that was final for years becomes an orphan; the documents of the day stay unchanged."""
    world.deliver(make_prediction(START))
    world.cycle(FINAL)
    before = world.documents()
    world.deliver(make_feedback(make_prediction(START)), make_prediction(START, 0.9))

    world.cycle(FINAL + YEARS)
    world.cycle(FINAL + YEARS + 25 * HOUR)

    assert world.statuses() == ["orphan"]
    assert world.documents() == before


def test_orphans_of_a_day_without_predictions_are_counted(world: World) -> None:
    """If all predictions of a day are lost, its orphans show it."""
    world.deliver(make_feedback(make_prediction(START)))
    world.cycle(START + HOUR)

    world.cycle(START + 26 * HOUR)

    hour = world.window("1h")
    assert (hour["orphan"], hour["predictions"], hour["n"]) == (1, 0, 0)


def test_a_prediction_from_the_epoch_has_its_own_window(world: World) -> None:
    """A clock that was never set makes windows of 1970, and changes no others."""
    lost = make_prediction(START.replace(year=1970), 0.9)
    world.deliver(lost, make_feedback(lost), make_prediction(START))

    world.cycle(FINAL)

    assert world.window("1h", "1970-03-02T10")["tp"] == 1
    assert world.window("1h", "2026-03-02T10")["predictions"] == 1
