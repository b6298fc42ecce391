"""What several events on one prediction give together: values, conversions, repeated clicks; errors with labels."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from monitor_agent.contracts.feedback import FEEDBACK
from tests.factories import START, Document, feedback_id, index_of, iso, make_error, make_feedback, make_prediction
from tests.integration.agent_world import MUCH_LATER, World

FINAL = START + MUCH_LATER
HOURS: dict[str, Any] = {"base_window": timedelta(hours=1), "larger_windows": (timedelta(days=1),)}
SECOND = timedelta(seconds=1)


def day(world: World, model: str, segment: str = "all") -> dict[str, Any]:
    """Return the metrics document of a model's day."""
    (document,) = (
        document
        for document in world.documents().values()
        if (document["model_name"], document["model_version"], document["segment"]) == (model, "all", segment)
        and document["window_size"] == "1d"
    )
    return document


def forty_clicks() -> list[Document]:
    """Return a prediction and forty clicks on it, a second apart."""
    prediction = make_prediction(START, 0.6, model="forty")
    return [prediction, *(make_feedback(prediction, number * SECOND) for number in range(40))]


def clicked_or_bought() -> list[Document]:
    """Return ten clicked predictions, and five that were bought without a click."""
    predictions = [make_prediction(START + number * SECOND, 0.6, model="bought") for number in range(15)]
    types = ["click"] * 10 + ["purchase"] * 5
    return [
        *predictions,
        *(make_feedback(entry, type_=kind) for entry, kind in zip(predictions, types, strict=True)),
    ]


def purchases(model: str, *values: float) -> list[Document]:
    """Return a clicked prediction with purchases of these values."""
    prediction = make_prediction(START, 0.6, model=model)
    bought = [
        make_feedback(prediction, number * SECOND, "purchase", value=value) for number, value in enumerate(values, 1)
    ]
    return [prediction, make_feedback(prediction), *bought]


def failing_segment() -> list[Document]:
    """Return ten answered and ten failed requests of one scene, and two failed ones of a scene without an answer."""
    answered = [make_prediction(START + number * SECOND, scene="ad", model="failing") for number in range(10)]
    failed = [make_error(START + number * SECOND, scene="ad", model="failing") for number in range(10)]
    return [*answered, *failed, *(make_error(START, scene="cart", model="failing") for _ in range(2))]


def test_everything_on_a_prediction_counts_as_people_mean_it(world: World) -> None:
    """Two batches, a second agent with half of them again, and a rerun give the same."""
    clicked = make_prediction(START, 0.6, model="regret")
    regret = [clicked, make_feedback(clicked), make_feedback(clicked, timedelta(minutes=1), label=0)]
    events = [
        *forty_clicks(),
        *clicked_or_bought(),
        *purchases("purchases", 10, 20),
        *purchases("refund", 10, -10),
        *failing_segment(),
        *regret,
    ]
    world.deliver(*events[::2])
    world.cycle(START + timedelta(hours=1), **HOURS)
    world.deliver(*events)
    world.cycle(FINAL, **HOURS)

    forty = day(world, "forty")
    assert (forty["tp"], forty["matched"], forty["duplicate"]) == (1, 1, 39)
    statuses = [
        document["feedback"]["status"]
        for document in world.documents(FEEDBACK.alias).values()
        if document["model"]["name"] == "forty"
    ]
    assert sorted(statuses) == ["duplicate"] * 39 + ["matched"]

    bought = day(world, "bought")
    assert (bought["clicks"], bought["conversions"], bought["conversion_rate"]) == (10, 5, 0.0)
    assert bought["conversion_rate_high"] == pytest.approx(0.2775, abs=1e-4)

    values = [day(world, model) for model in ("purchases", "refund")]
    assert [document["value_per_thousand"] for document in values] == [30_000, 0]
    assert [(document["matched"], document["duplicate"]) for document in values] == [(3, 0), (3, 0)]
    assert [document["conversion_rate"] for document in values] == [1.0, 1.0]

    named = [day(world, "failing", f"labels.scene={scene}") for scene in ("ad", "cart")]
    assert [(document["requests"], document["errors"]) for document in named] == [(10, 10), (0, 2)]
    assert [document["error_rate"] for document in named] == [0.5, 1.0]
    assert named[0]["throughput"] == pytest.approx(20 / 86400)
    assert day(world, "failing")["errors"] == 12

    assert [day(world, "regret")[name] for name in ("n", "tp", "clicks", "duplicate")] == [1, 0, 0, 1]
    assert world.cycle(FINAL, **HOURS).tally.written == 0


def by_an_earlier_release(events: list[Document], statuses: list[str], **fields: Any) -> list[tuple[str, Document]]:
    """Return the documents of a prediction and its feedback as the release before wrote them, by `_id`."""
    prediction, *feedback = events
    rows = [
        [event["event"]["id"], event["feedback"]["type"], event["@timestamp"], None, event["feedback"].get("value")]
        for event in feedback[:32]
    ]
    written = {
        "label": 1,
        "clicked_at": iso(START),
        "count": len(rows),
        "duplicates": statuses[:32].count("duplicate"),
        "too_late": 0,
        "events": rows,
        **fields,
    }
    documents = [(prediction["event"]["id"], {**prediction, "feedback": written, "outcome": "tp"})]
    for event, status in zip(feedback, statuses, strict=True):
        documents.append((event["event"]["id"], {**event, "feedback": {**event["feedback"], "status": status}}))
    return documents


def test_a_backfill_counts_the_feedback_of_an_earlier_release_again(world: World) -> None:
    """It called the second purchase a duplicate and stored 32 clicks; a line of it that comes again counts once."""
    order, restless = purchases("order", 10, 20), forty_clicks()
    documents = by_an_earlier_release(
        order, ["matched", "matched", "duplicate"], value=10.0, types=["click", "purchase"]
    )
    documents += by_an_earlier_release(restless, ["matched"] + ["duplicate"] * 39, types=["click"])
    for identifier, document in documents:
        world.admin.index(index=index_of(document), id=identifier, document=document)
    again = order[2]
    world.admin.index(index=index_of(again), id=feedback_id(again), document=again)
    world.admin.indices.refresh(index="model-*")
    agent = world.make_agent(FINAL, **HOURS)
    agent.cycle()
    assert day(world, "forty")["duplicate"] == 31

    agent.backfill(START.replace(hour=0), START.replace(hour=0) + timedelta(days=1))

    assert (day(world, "forty")["matched"], day(world, "forty")["duplicate"]) == (1, 39)
    ordered = day(world, "order")
    assert (ordered["value_per_thousand"], ordered["matched"], ordered["duplicate"]) == (30_000, 3, 0)
    assert world.statuses() == ["duplicate"] * 39 + ["matched"] * 5
