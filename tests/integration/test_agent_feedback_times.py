"""Feedback without the time of its prediction: before its prediction, over midnight, with ids of any kind."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

from monitor_agent.contracts import uuid7
from tests.factories import START, Document, make_feedback, make_prediction
from tests.integration.agent_world import World

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MIDNIGHT = START.replace(hour=0) + DAY
NOON = MIDNIGHT + 12 * HOUR
HOURS: dict[str, Any] = {"base_window": HOUR, "larger_windows": (DAY,)}
IDS = {
    "of its time": uuid7.make,
    "UUIDv4": lambda _: str(uuid.uuid4()),
    "order number": lambda at: f"order/{at.timestamp():.0f}-17",
    "of a clock that was never set": lambda _: uuid7.make(datetime(1970, 1, 1, 0, 5, tzinfo=timezone.utc)),
    "of the day before": lambda at: uuid7.make(at - DAY),
    "of a year to come": lambda at: uuid7.make(at.replace(year=2090)),
    "of the year 9999": lambda _: uuid7.make(datetime(9999, 12, 31, 23, 59, tzinfo=timezone.utc)),
    "beyond all years": lambda _: "ffffffff-ffff-7fff-bfff-" + uuid.uuid4().hex[:12],
}
"""Where an id comes from -> makes the id of a prediction at a moment."""


def name(prediction: Document, identifier: str) -> Document:
    """Return a prediction under another id."""
    prediction["event"]["id"] = prediction["prediction"]["id"] = identifier
    return prediction


def make_timeless(prediction: Document, after: timedelta = 5 * SECOND) -> Document:
    """Return a click as a front end sends it, without the time of its prediction."""
    click = make_feedback(prediction, after)
    del click["prediction"]["timestamp"]
    return click


def pairs_around_midnight() -> list[tuple[Document, Document]]:
    """Return predictions with a click each: on both sides of midnight, also of clocks that are behind."""
    pairs: list[tuple[Document, Document]] = []
    for number, make_id in enumerate(IDS.values()):
        for after, at in ((2 * MINUTE, MIDNIGHT - MINUTE), (-2 * MINUTE, MIDNIGHT + MINUTE)):
            prediction = make_prediction(at + number * SECOND, 0.6)
            name(prediction, make_id(at + number * SECOND))
            pairs.append((prediction, make_timeless(prediction, after)))
    return pairs


def days(world: World) -> list[tuple[int, int, int, str]]:
    """Return predictions, positives, orphans and state of each day."""
    by_start = {
        document["window_start"]: document
        for document in world.documents().values()
        if (document["window_size"], document["model_version"], document["segment"]) == ("1d", "all", "all")
    }
    return [
        (day["predictions"], day.get("tp", 0) + day.get("fn", 0), day["orphan"], day["state"])
        for _, day in sorted(by_start.items())
    ]


def test_clicks_before_their_predictions_count_at_once(world: World) -> None:
    """All kinds of ids, over midnight: the first cycle after the predictions has the right numbers."""
    pairs = pairs_around_midnight()
    world.deliver(*(click for _, click in pairs))
    world.cycle(MIDNIGHT + 10 * MINUTE, **HOURS)
    assert world.statuses() == ["waiting"] * len(pairs)

    world.deliver(*(prediction for prediction, _ in pairs))
    world.cycle(NOON, **HOURS)

    half = len(IDS)
    assert world.statuses() == ["matched"] * len(pairs)
    assert days(world) == [(half, half, 0, "final"), (half, half, 0, "provisional")] or days(world) == [
        (half, half, 0, "final"),
        (half, half, 0, "open"),
    ]
    assert world.cycle(NOON, **HOURS).tally.written == 0


def test_many_waiting_clicks_cost_what_their_predictions_cost(world: World) -> None:
    """The ids of few new predictions are searched; of many, the clicks are read: all of a page, or those in time."""
    first, last = make_prediction(MIDNIGHT - HOUR, 0.6), make_prediction(MIDNIGHT, 0.6)
    later = [make_prediction(MIDNIGHT + number * SECOND) for number in range(130)]
    strangers = [make_timeless(make_prediction(MIDNIGHT - 5 * HOUR), number * HOUR) for number in range(8)]
    out_of_time = [make_timeless(first, 40 * MINUTE), make_timeless(last, 3 * HOUR)]
    world.deliver(*strangers, *out_of_time, *map(make_timeless, later[:3]))
    world.cycle(MIDNIGHT + HOUR, **HOURS, page_size=1)

    world.deliver(first)
    world.cycle(MIDNIGHT + 2 * HOUR, **HOURS, page_size=1)
    assert world.statuses() == ["too_late", *["waiting"] * 12]

    world.deliver(*later)
    world.cycle(NOON, **HOURS, page_size=1)
    assert world.statuses() == [*["matched"] * 3, "too_late", *["waiting"] * 9]

    world.deliver(last)
    world.cycle(NOON, **HOURS)
    assert world.statuses() == [*["matched"] * 3, *["too_late"] * 2, *["waiting"] * 8]


def test_over_midnight_one_click_counts(world: World) -> None:
    """A second click after midnight is a duplicate, and so is the first click if it is sent again without its time."""
    prediction = name(make_prediction(MIDNIGHT - MINUTE, 0.6), "order-17")
    late, early = make_timeless(prediction, 2 * MINUTE), make_timeless(prediction, 10 * SECOND)
    again = make_timeless(prediction, 3 * MINUTE)
    again["event"]["id"] = early["event"]["id"]
    world.deliver(prediction)
    for click in (late, again, early):
        world.deliver(click)
        world.cycle(NOON, **HOURS)

    day = world.window("1d")
    assert (day["matched"], day["duplicate"], day["tp"]) == (1, 1, 1)
    hits = world.admin.search(index="model-feedback")["hits"]["hits"]
    assert {hit["_source"]["@timestamp"]: hit["_source"]["feedback"]["status"] for hit in hits} == {
        early["@timestamp"]: "matched",
        late["@timestamp"]: "duplicate",
        again["@timestamp"]: "duplicate",
    }


def test_orphans_are_counted_on_the_day_of_their_ids_and_a_backfill_finds_them(world: World) -> None:
    """The time in the id is the prediction's time; other ids count at the time of the click."""
    at = MIDNIGHT - MINUTE
    predictions = [make_prediction(at, 0.6), name(make_prediction(at, 0.6), "order-17")]
    nameless = make_timeless(predictions[0], 3 * MINUTE)
    del nameless["prediction"]["id"]
    world.deliver(
        make_prediction(at, 0.3), nameless, *(make_timeless(prediction, 2 * MINUTE) for prediction in predictions)
    )
    world.cycle(MIDNIGHT + 10 * MINUTE, **HOURS)
    world.cycle(MIDNIGHT + 25 * HOUR, **HOURS)
    assert world.statuses() == ["orphan"] * 3
    assert days(world) == [(1, 0, 1, "final"), (0, 0, 2, "final")]

    world.deliver(*predictions)
    world.make_agent(MIDNIGHT + 26 * HOUR, **HOURS).backfill(MIDNIGHT - HOUR, MIDNIGHT)
    world.cycle(MIDNIGHT + 26 * HOUR, **HOURS)

    assert world.statuses() == ["matched", "matched", "orphan"]
    assert days(world)[0] == (3, 2, 0, "restated")


def test_ids_that_repeat_mean_the_nearest_prediction(world: World) -> None:
    """A shop numbers its orders anew each day: a click belongs to the order of its own day, in any batch."""
    at = MIDNIGHT - 2 * HOUR
    orders = [name(make_prediction(at + number * DAY, 0.6), "order-1") for number in range(3)]
    world.deliver(*orders, *(make_timeless(order, number * MINUTE) for number, order in enumerate(orders)))

    world.cycle(NOON + 3 * DAY, **HOURS)

    assert world.statuses() == ["matched"] * 3
    assert days(world) == [(1, 1, 0, "final")] * 3


def test_feedback_years_after_the_time_in_its_id_expires_in_the_end(world: World) -> None:
    """The id may be wrong, so the feedback waits; then retention has deleted the day of its prediction."""
    wrong = name(make_prediction(NOON, 0.6), uuid7.make(NOON - 400 * DAY))
    lost = make_prediction(NOON - 400 * DAY)
    clicks = [make_timeless(wrong), make_timeless(lost, 400 * DAY)]
    world.deliver(make_prediction(NOON), *clicks)
    world.cycle(NOON + MINUTE, **HOURS, retention=True)
    assert world.statuses() == ["waiting", "waiting"]

    world.deliver(wrong)
    world.cycle(NOON + 25 * HOUR, **HOURS, retention=True)

    assert world.statuses() == ["expired", "matched"]
    assert days(world) == [(2, 1, 0, "final")]
