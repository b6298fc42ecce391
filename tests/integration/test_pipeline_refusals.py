"""Events of other servers: the pipeline checks them, sets what can be set, and says why it refuses one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import orjson
import pytest

from tests.factories import feedback_id, iso, make_error, make_feedback, make_prediction
from tests.pipelines import PipelineSandbox
from tests.stand_in import StandIn
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("frequent_statistics")
Document = dict[str, Any]
UPPER = "01A1F866-10E8-74C0-B9A0-1C4F2DA54A07"


def deliver(sandbox: PipelineSandbox, *lines: Document | bytes) -> None:
    """Run the pipeline until these lines are delivered."""
    sandbox.append(*lines)
    with sandbox.running():
        wait_until(lambda: sandbox.statistics().get("delivered"))


def reasons(stand_in: StandIn) -> dict[str, str]:
    """Return the reasons of the dead letters by the ids of their events."""
    letters = stand_in.of("model-deadletters").values()
    return {letter["event"].get("id", letter["message"]): letter["error"]["type"] for letter in letters}


def without(outer: str, name: str) -> Callable[[Document], object]:
    """Return the change that removes a field."""
    return lambda event: event[outer].pop(name)


def having(outer: str, **fields: Any) -> Callable[[Document], object]:
    """Return the change that sets fields."""
    return lambda event: event[outer].update(fields)


CHANGES: list[tuple[Callable[[Document], object], str]] = [
    (without("prediction", "score"), "bad prediction.score"),
    (having("prediction", score=None), "bad prediction.score"),
    (having("prediction", score="0.5"), "bad prediction.score"),
    (having("prediction", score=-2.0065), "bad prediction.score"),
    (having("prediction", score=1.0000000000000002), "bad prediction.score"),
    (without("prediction", "label"), "bad prediction.label"),
    (having("prediction", label=2), "bad prediction.label"),
    (having("prediction", label="1"), "bad prediction.label"),
    (having("prediction", log_loss_1="0.5"), "bad prediction.log_loss"),
    (having("prediction", log_loss_0=-0.1), "bad prediction.log_loss"),
    (without("model", "version"), "bad model.version"),
    (having("model", version="all"), "bad model.version"),
    (without("model", "name"), "bad model.name"),
    (having("event", duration=-1), "bad event.duration"),
]


def test_a_prediction_without_a_required_field_is_a_dead_letter(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """Nothing is guessed: the wrong predictions are kept with text and reason, those between them are stored."""
    bad, good = [make_prediction() for _ in CHANGES], [make_prediction() for _ in CHANGES]
    for event, (change, _) in zip(bad, CHANGES, strict=True):
        change(event)

    deliver(sandbox, *(event for pair in zip(bad, good, strict=True) for event in pair))

    expected = {event["event"]["id"]: reason for event, (_, reason) in zip(bad, CHANGES, strict=True)}
    assert reasons(stand_in) == expected
    assert set(stand_in.of("model-predictions")) == {event["event"]["id"] for event in good}
    texts = {letter["message"] for letter in stand_in.of("model-deadletters").values()}
    assert texts == {orjson.dumps(event).decode() for event in bad}


def test_log_losses_are_optional(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """A prediction without them, or with nulls, is stored as it is."""
    missing, null = make_prediction(), make_prediction(log_loss_1=None, log_loss_0=None)
    del missing["prediction"]["log_loss_1"], missing["prediction"]["log_loss_0"]

    deliver(sandbox, missing, null)

    stored = stand_in.of("model-predictions")
    assert [stored[event["event"]["id"]]["prediction"] for event in (missing, null)] == [
        missing["prediction"],
        null["prediction"],
    ]


def test_two_objects_on_one_line_are_one_dead_letter(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """A line whose newline was lost is kept whole, so that neither object is lost."""
    line = orjson.dumps(make_prediction()) + orjson.dumps(make_prediction())

    deliver(sandbox, line)

    (letter,) = stand_in.documents.values()
    assert (letter["error"]["type"], letter["message"]) == ("malformed", line.decode())


def test_a_uuid_has_one_form(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """Feedback names its prediction in lower case without braces, and events that differ only in that are one."""
    spellings = (UPPER, UPPER.lower(), f"{{{UPPER}}}", f"{{{UPPER.lower()}}}")
    events = [make_feedback(make_prediction()) for _ in spellings]
    for event, spelling in zip(events, spellings, strict=True):
        event["prediction"]["id"] = event["event"]["id"] = spelling

    deliver(sandbox, *events)

    ((identifier, stored),) = stand_in.of("model-feedback").items()
    assert (stored["prediction"]["id"], stored["event"]["id"]) == (UPPER.lower(), UPPER.lower())
    assert identifier == feedback_id(stored)
    assert stand_in.answers["item 409"] == 3


def test_an_event_about_several_predictions_is_several_documents(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """An order of three items has one event id; each item gets its feedback, once."""
    items = [make_feedback(make_prediction(), type_="purchase", value=5.0) for _ in range(3)]
    for item in items:
        item["event"]["id"] = "order-9"

    deliver(sandbox, *items, items[0])

    assert set(stand_in.of("model-feedback")) == {feedback_id(item) for item in items}


def test_the_status_of_feedback_is_set(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """Feedback of another program has no status, or one that is the agent's to say; it begins as new."""
    plain, decided = make_feedback(make_prediction()), make_feedback(make_prediction())
    del plain["feedback"]["status"]
    decided["feedback"] |= {"status": "matched", "waiting_since": iso(datetime.now(timezone.utc)), "problem": "x"}

    deliver(sandbox, plain, decided)

    assert [stored["feedback"] for stored in stand_in.of("model-feedback").values()] == [
        {"type": "click", "label": 1, "status": "new"}
    ] * 2


@pytest.mark.parametrize("make", [make_prediction, make_error, lambda: make_feedback(make_prediction())])
def test_a_long_id_is_refused_by_itself(
    make: Callable[[], Document], stand_in: StandIn, sandbox: PipelineSandbox
) -> None:
    """Elasticsearch would refuse the whole request of an id with more than 512 bytes; the limit is in bytes."""
    ids = ["i" * 512, "i" * 513, "\N{GRINNING FACE}" * 128, "\N{GRINNING FACE}" * 129, "", "last"]
    events = [make() for _ in ids]
    for event, identifier in zip(events, ids, strict=True):
        event["event"]["id"] = identifier

    deliver(sandbox, *events)

    letters = [letter["error"]["type"] for letter in stand_in.of("model-deadletters").values()]
    stored = [document["event"]["id"] for (index, _), document in stand_in.documents.items() if "dead" not in index]
    assert sorted(letters) == ["event.id too long", "event.id too long", "no event.id"]
    assert sorted(stored) == sorted(["i" * 512, "\N{GRINNING FACE}" * 128, "last"])


@pytest.mark.parametrize("field", ["@timestamp", "prediction.timestamp"])
def test_a_time_is_between_1970_and_a_day_ahead(field: str, stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """A clock may be ahead by hours, but not by years; a dead letter about a time is dated now."""
    now = datetime.now(timezone.utc)
    reason = "timestamp" if field == "@timestamp" else field
    times = {
        iso(now + timedelta(hours=23)): "",
        iso(now + timedelta(hours=24, minutes=10)): f"{reason} in the future",
        "2126-03-02T10:00:00Z": f"{reason} in the future",
        "1969-12-31T23:59:59Z": f"bad {reason}",
        "1970-01-01T00:30:00+01:00": f"bad {reason}",
        "1970-01-01T00:00:00Z": "",
    }
    events = [make_feedback(make_prediction()) for _ in times]
    for number, (event, time) in enumerate(zip(events, times, strict=True)):
        event["event"]["id"] = f"e{number}"
        if field == "@timestamp":
            event["@timestamp"] = time
        else:
            event["prediction"]["timestamp"] = time

    deliver(sandbox, *events)

    assert reasons(stand_in) == {f"e{number}": reason for number, reason in enumerate(times.values()) if reason}
    assert len(stand_in.of("model-feedback")) == 2
    days = {index for index, _ in stand_in.documents if "deadletters" in index}
    if field == "@timestamp":
        assert days <= {f"model-deadletters-{now + timedelta(days=day):%Y.%m.%d}" for day in (0, 1)}
