"""The bodies that `POST /feedback` accepts, and the errors of the bodies that it refuses."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from model_server.errors import ValidationError
from model_server.feedback_request import parse
from monitor_agent.contracts import uuid7
from monitor_agent.prediction_log import FeedbackRecord
from monitor_agent.settings import ServerSettings
from tests.unit.monitor_agent.prediction_log.factories import NOW

SETTINGS = ServerSettings(max_instances=3)
CLICK = {"prediction_id": "p1", "type": "click"}


def test_one_event_or_a_list_of_them() -> None:
    """Both forms give the same feedback."""
    purchase = {"prediction_id": "p2", "type": "purchase", "value": 12.5, "event_id": "e2", "label": 1}

    assert parse(CLICK, SETTINGS, NOW) == [FeedbackRecord("p1", None, "click")]
    assert parse([CLICK, purchase], SETTINGS, NOW) == [
        FeedbackRecord("p1", None, "click"),
        FeedbackRecord("p2", None, "purchase", label=1, value=12.5, event_id="e2"),
    ]


def test_a_label_is_of_the_kind_of_its_model() -> None:
    """A class, or a number, instead of 1 or 0."""
    label = {"prediction_id": "p1", "type": "label"}

    (of_class,) = parse({**label, "class": "boots"}, SETTINGS, NOW)
    (of_number,) = parse({**label, "truth": -12.5}, SETTINGS, NOW)

    assert (of_class.class_name, of_class.label, of_number.truth) == ("boots", None, -12.5)


def test_the_prediction_id_holds_a_time() -> None:
    """A UUIDv7 holds the time of the prediction, which selects the index."""
    moment = NOW - timedelta(minutes=3)

    (feedback,) = parse({**CLICK, "prediction_id": uuid7.make(moment)}, SETTINGS, NOW)

    assert feedback.prediction_time == moment.replace(microsecond=123000)


def test_a_uuid_is_the_same_in_any_case_and_in_braces() -> None:
    """The event has the form that is compared, whichever form the client sends; other ids stay as they are."""
    identifier, event_id = uuid7.make(NOW), uuid7.make(NOW)
    body = {**CLICK, "prediction_id": f"{{{identifier.upper()}}}", "event_id": event_id.upper()}

    (feedback,) = parse(body, SETTINGS, NOW)
    (other,) = parse({**CLICK, "prediction_id": "P1", "event_id": "{Order-17}"}, SETTINGS, NOW)

    assert (feedback.prediction_id, feedback.event_id) == (identifier, event_id)
    assert feedback.prediction_time is not None
    assert (other.prediction_id, other.event_id) == ("P1", "{Order-17}")


def test_a_client_may_set_the_time_if_that_is_allowed() -> None:
    """A replay sends the time of each event."""
    body = {**CLICK, "timestamp": "2019-11-24T00:00:01Z"}

    (feedback,) = parse(body, ServerSettings(allow_client_timestamps=True), NOW)

    assert feedback.timestamp == datetime(2019, 11, 24, 0, 0, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("timestamp", "2026-12-31T00:00:00Z", "a time at most a day ahead"),
        ("prediction_id", uuid7.make(NOW + timedelta(days=2)), "has a time in the future"),
    ],
    ids=["timestamp", "prediction_id"],
)
def test_a_replay_is_at_most_a_day_ahead(name: str, value: str, reason: str) -> None:
    """The pipeline would refuse the event."""
    with pytest.raises(ValidationError, match=reason):
        parse({**CLICK, name: value}, ServerSettings(allow_client_timestamps=True), NOW)


def test_the_ends_of_the_range_belong_to_it() -> None:
    """A refund of the largest value is accepted."""
    bodies = [{**CLICK, "type": "purchase", "value": value} for value in (-1e12, 0, 10**12)]

    assert [feedback.value for feedback in parse(bodies, SETTINGS, NOW)] == [-1e12, 0.0, 1e12]


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        (5, "", "the body: an object is expected, a number given"),
        ([], "the body", "a list that is not empty"),
        ([CLICK] * 4, "the body", "at most 3 elements are expected, 4 given"),
        ([CLICK, {}], "[1].prediction_id", "is missing"),
        ({**CLICK, "prediction_id": ""}, "prediction_id", "1 to 256 characters"),
        ({"prediction_id": "p1"}, "type", "is missing"),
        ({**CLICK, "type": "like"}, "type", "one of impression, click, purchase, label is expected"),
        ({**CLICK, "type": ["click"]}, "type", "one of impression"),
        ({**CLICK, "label": 2}, "label", "a whole number from 0 to 1"),
        ({**CLICK, "label": True}, "label", "a whole number from 0 to 1"),
        ({**CLICK, "type": "label"}, "label", "is missing"),
        ({**CLICK, "type": "label", "class": ""}, "class", "1 to 256 characters"),
        ({**CLICK, "type": "label", "truth": "12"}, "truth", "a number is expected, text given"),
        ({**CLICK, "value": "12"}, "value", "a number is expected, text given"),
        ({**CLICK, "value": 1e300}, "value", "a number from -1e+12 to 1e+12 is expected, 1e+300 given"),
        ({**CLICK, "value": -1_000_000_000_001}, "value", "a number from -1e+12 to 1e+12"),
        ({**CLICK, "event_id": "x" * 129}, "event_id", "1 to 128 characters expected, 129 given"),
        ({**CLICK, "timestamp": "2026-11-23T10:00:00Z"}, "timestamp", "the server sets the time"),
        ({**CLICK, "user_id": "u"}, "user_id", "unknown field"),
        ({**CLICK, "prediction_id": uuid7.make(NOW + timedelta(hours=1))}, "prediction_id", "has a time in the future"),
    ],
)
def test_an_error_names_the_field(body: Any, field: str, reason: str) -> None:
    """The error has the path of the field and the expected value."""
    with pytest.raises(ValidationError) as refused:
        parse(body, SETTINGS, NOW)

    assert refused.value.field == field
    assert reason in str(refused.value)
