"""Feedback as other programs and other releases write it: ids, several items of an order, no status, bad values."""

from __future__ import annotations

import uuid
from datetime import timedelta
from itertools import product
from typing import Any

from monitor_agent.contracts.feedback import FEEDBACK
from tests.factories import START, Document, id_of, index_of, make_feedback, make_prediction
from tests.integration.agent_world import MUCH_LATER, World

FINAL = START + MUCH_LATER
HOURS: dict[str, Any] = {"base_window": timedelta(hours=1), "larger_windows": (timedelta(days=1),)}
SECOND = timedelta(seconds=1)


def store(world: World, *documents: Document, id_: str = "") -> None:
    """Index documents under other `_id`s than those of their events."""
    for document in documents:
        world.admin.index(index=index_of(document), id=id_ or uuid.uuid4().hex, document=document)
    world.admin.indices.refresh(index="model-*")


def counts(world: World) -> tuple[int, int, int, int]:
    """Return how many labels, true positives, clicks that count and repeated clicks the day has."""
    day = world.window("1d")
    return day["n"], day["tp"], day["matched"], day["duplicate"]


def test_a_uuid_is_the_same_in_any_case_and_in_braces(world: World) -> None:
    """Ids with a time and without one: each form of the click finds each form of the prediction."""
    forms = ("{}", "{{{}}}")
    written = [(form, upper) for form in forms for upper in (False, True)]
    pairs = list(product(written, written, (True, False)))
    for number, ((form, upper), (form_of_click, upper_click), with_time) in enumerate(pairs):
        prediction = make_prediction(START + number * SECOND, 0.6)
        name = prediction["event"]["id"] if with_time else f"3f2b8c1e-9d4a-4e6b-8f0a-1b2c3d4e5f{number:02}"
        prediction["event"]["id"] = prediction["prediction"]["id"] = form.format(name.upper() if upper else name)
        click = make_feedback(prediction)
        click["prediction"]["id"] = form_of_click.format(name.upper() if upper_click else name)
        world.deliver(prediction, click)

    world.cycle(FINAL, **HOURS)

    assert counts(world) == (32, 32, 32, 0)
    assert set(world.statuses()) == {"matched"}


def test_a_prediction_without_an_id_of_its_own_has_that_of_its_event(world: World) -> None:
    """Another server writes `event.id` only, and no UUID."""
    prediction = make_prediction(START, 0.6)
    prediction["event"]["id"] = prediction["prediction"]["id"] = "request-17-item-1"
    click = make_feedback(prediction)
    del prediction["prediction"]["id"]
    world.deliver(prediction, click)

    world.cycle(FINAL, **HOURS)

    assert counts(world) == (1, 1, 1, 0)


def test_an_order_of_three_items_is_three_clicks(world: World) -> None:
    """The shop sends its order number as the id of the event, once for each item."""
    for order in range(3):
        for item in range(3):
            prediction = make_prediction(START + (3 * order + item) * SECOND, 0.6)
            click = make_feedback(prediction)
            click["event"]["id"] = f"order-{order}"
            world.deliver(prediction, click)

    world.cycle(FINAL, **HOURS)

    assert counts(world) == (9, 9, 9, 0)
    assert world.cycle(FINAL, **HOURS).tally.written == 0


def test_an_event_under_an_old_and_a_new_id_counts_once(world: World) -> None:
    """Before an upgrade `_id` was the event's id; the event arrives again under a new `_id`, now in upper case."""
    prediction = make_prediction(START, 0.6)
    click = make_feedback(prediction)
    world.deliver(prediction)
    store(world, click, id_=click["event"]["id"])
    world.cycle(FINAL, **HOURS)

    store(world, {**click, "event": {**click["event"], "id": click["event"]["id"].upper()}})
    world.cycle(FINAL, **HOURS)

    assert counts(world) == (1, 1, 1, 0)
    assert world.statuses() == ["matched", "matched"]

    earlier = make_feedback(prediction, after=SECOND)
    store(world, earlier)
    world.cycle(FINAL, **HOURS)

    assert counts(world) == (1, 1, 1, 1)
    by_event = {
        (event["event"]["id"].lower(), event["feedback"]["status"])
        for event in world.documents("model-feedback").values()
    }
    assert by_event == {(click["event"]["id"], "duplicate"), (earlier["event"]["id"], "matched")}


def test_feedback_without_a_status_or_a_time_of_its_prediction_is_joined(world: World) -> None:
    """It is new; a click that came before its prediction waits, and is joined in the first cycle after it."""
    predictions = [make_prediction(START + number * SECOND, 0.6) for number in range(2)]
    clicks = [make_feedback(prediction) for prediction in predictions]
    for click in clicks:
        del click["feedback"]["status"]
    world.deliver(*clicks)
    for click in clicks[1:]:
        source = {**click, "prediction": {"id": click["prediction"]["id"]}}
        world.admin.index(index=index_of(click), id=id_of(click), document=source, refresh=True)
    report = world.cycle(START + timedelta(minutes=1), **HOURS)
    assert world.statuses() == ["waiting", "waiting"]
    assert report.feedback == {"waiting": 2}

    world.deliver(*predictions)
    world.cycle(FINAL, **HOURS)

    assert counts(world) == (2, 2, 2, 0)
    assert set(world.statuses()) == {"matched"}


BAD: dict[str, tuple[str, Document]] = {
    "text as a value": ("bad feedback.value", {"type": "click", "value": "3.5"}),
    "list of values": ("bad feedback.value", {"type": "click", "value": [1, 2]}),
    "huge value": ("bad feedback.value", {"type": "click", "value": 1e300}),
    "label 2": ("bad feedback.label", {"type": "click", "label": 2}),
    "label -1": ("bad feedback.label", {"type": "label", "label": -1}),
    "no label": ("no feedback.label", {"type": "label"}),
    "unknown type": ("bad feedback.type", {"type": "like"}),
    "no type": ("bad feedback.type", {"label": 1}),
}


def test_feedback_that_says_too_little_is_set_aside(world: World) -> None:
    """It is `invalid`, with the reason; the other clicks count, and the next cycle has nothing to do."""
    right = make_prediction(START, 0.6)
    world.deliver(right, make_feedback(right))
    for number, (_, fields) in enumerate(BAD.values()):
        prediction = make_prediction(START + number * SECOND, 0.6)
        click = make_feedback(prediction)
        click["feedback"] = {**fields, "status": "new"}
        world.deliver(prediction, click)
    timeless = make_feedback(right)
    del timeless["@timestamp"]
    world.admin.index(index=FEEDBACK.index_for(START), id=timeless["event"]["id"], document=timeless, refresh=True)

    report = world.cycle(FINAL, **HOURS)

    assert report.feedback == {"matched": 1, "invalid": len(BAD) + 1}
    assert counts(world) == (len(BAD) + 1, 1, 1, 0)
    reasons = sorted(
        event["feedback"]["problem"]
        for event in world.documents("model-feedback").values()
        if event["feedback"]["status"] == "invalid"
    )
    assert reasons == sorted(["bad timestamp", *(reason for reason, _ in BAD.values())])
    assert world.cycle(FINAL, **HOURS).tally.windows == 0


def test_feedback_on_other_kinds_is_kept(world: World) -> None:
    """If a model is binary, it is joined; what it says stays in its document, and no metric counts it."""
    multiclass = make_prediction(START, **{"kind": "multiclass", "class": "boots", "scores": {"boots": 0.7}})
    regression = make_prediction(START, kind="regression", value=12.5)
    world.deliver(
        make_prediction(START),
        multiclass,
        make_feedback(multiclass, type_="label", **{"class": "sandals"}),
        regression,
        make_feedback(regression, type_="label", truth=11.0),
    )

    report = world.cycle(FINAL, **HOURS, kind="binary")

    assert report.feedback == {"matched": 2}
    assert report.not_counted == {"kind multiclass": 1, "kind regression": 1}
    stored_feedback = [event["feedback"] for event in world.documents("model-feedback").values()]
    assert {(fields.get("class"), fields.get("truth")) for fields in stored_feedback} == {
        ("sandals", None),
        (None, 11.0),
    }
    assert counts(world) == (1, 0, 0, 0)


def test_a_prediction_without_a_readable_time_stops_nothing(world: World) -> None:
    """Its feedback waits; the clicks on other predictions count."""
    right, timeless = make_prediction(START, 0.6), make_prediction(START, 0.6)
    world.deliver(right, make_feedback(right), make_feedback(timeless))
    index = index_of(timeless)
    del timeless["@timestamp"]
    world.admin.index(index=index, id=timeless["event"]["id"], document=timeless, refresh=True)

    world.cycle(START + timedelta(hours=1), **HOURS)

    assert world.statuses() == ["matched", "waiting"]
