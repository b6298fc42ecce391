"""Labels that come weeks later: what is known is visible at once, and the last label of a long wait still counts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.factories import START, Document, make_feedback, make_prediction
from tests.integration.agent_world import World

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PATIENT: dict[str, Any] = {
    "base_window": HOUR,
    "larger_windows": (DAY,),
    "feedback_type": "label",
    "attribution_window": 45 * DAY,
}


def progress(world: World) -> tuple[Any, ...]:
    """Return how far the hour is: its state, its labels, coverage and maturity, and the first metrics."""
    hour = world.window("1h")
    names = ("state", "n", "coverage", "maturity", "precision", "positive_rate", "alertable")
    return tuple(hour[name] for name in names)


def test_known_labels_are_visible_before_the_attribution_window_is_over(world: World) -> None:
    """Provisional metrics over the labels that are known; a cycle without new labels computes nothing."""
    settings = {**PATIENT, "absent_feedback": "unknown", "gate_positives": 1, "gate_coverage": 0.5}
    predictions = [make_prediction(START + n * timedelta(minutes=1), 0.6) for n in range(4)]
    answers = [make_feedback(predictions[label], DAY, "label", label=label) for label in (0, 1)]
    world.deliver(*predictions, *answers)
    world.cycle(START + 2 * DAY, **settings)
    assert progress(world) == ("provisional", 2, 0.5, 0.0, 0.5, 0.5, False)
    assert world.window("1h")["not_alertable"] == ["immature"]

    idle = world.cycle(START + 10 * DAY, **settings)
    assert (idle.tally.windows, idle.tally.merged, idle.tally.written) == (0, 0, 0)

    world.deliver(make_feedback(predictions[2], 10 * DAY, "label", label=1))
    world.cycle(START + 11 * DAY, **settings)
    assert progress(world) == ("provisional", 3, 0.75, 0.0, 2 / 3, 2 / 3, False)
    assert world.window("1d")["n"] == 3

    world.cycle(START + 47 * DAY, **settings)
    assert progress(world) == ("final", 3, 0.75, 1.0, 2 / 3, 2 / 3, True)
    assert world.documents("model-restatements") == {}


def test_a_label_after_sixty_days_finds_its_prediction(world: World) -> None:
    """Ids without a time are searched over the whole attribution window; silence is a negative only in the end."""
    settings = {**PATIENT, "attribution_window": 90 * DAY, "retention": True, "retention_events": 150 * DAY}
    predictions: list[Document] = []
    for number, score in enumerate((0.6, 0.6, 0.4)):
        prediction = make_prediction(START, score)
        prediction["event"]["id"] = prediction["prediction"]["id"] = f"payment-{number}"
        predictions.append(prediction)
    world.deliver(*predictions)
    world.cycle(START + 30 * DAY, **settings)
    chargeback = make_feedback(predictions[0], 60 * DAY, "label", label=1)
    del chargeback["prediction"]["timestamp"]
    world.deliver(chargeback)

    world.cycle(START + 61 * DAY, **settings)
    assert (world.statuses(), world.window("1h")["n"]) == (["matched"], 0)

    world.cycle(START + 91 * DAY, **settings)
    hour = world.window("1h")
    assert [hour[name] for name in ("state", "n", "tp", "fp", "fn", "tn")] == ["final", 3, 1, 1, 0, 1]
