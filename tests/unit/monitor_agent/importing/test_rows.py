"""One row of a table becomes a prediction, a label, or both."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from monitor_agent.contracts import uuid7
from monitor_agent.importing.plans import ImportPlan
from monitor_agent.importing.rows import ImportedRow, RowError, RowReader
from monitor_agent.pipeline import instants
from monitor_agent.prediction_log.recorded_events import RecordedEvents
from monitor_agent.settings import AgentSettings

AT = "2026-11-23T10:00:00Z"
COLUMNS = {"id": "id", "time": "at", "score": "p", "label": "y", "feedback_time": "seen at", "value": "paid"}


def settings_at(_model: str, _moment: datetime) -> AgentSettings:
    """Return the settings of all models."""
    return AgentSettings()


def read(values: dict[str, Any], *, is_label: bool = False, **plan: Any) -> ImportedRow:
    plan = {"columns": COLUMNS, "model": "m", "version": "1", **plan}
    return RowReader(ImportPlan(**plan), settings_at).read(values, "sha", 7, is_label=is_label)


def test_a_row_with_its_label_holds_what_the_join_would_write() -> None:
    """The decision by the threshold, the click at its time, and the outcome."""
    row = read({"id": "a", "at": AT, "p": "0.75", "y": "Yes", "seen at": "2026-11-23T10:05:00Z", "paid": "2.5"})

    prediction = row.prediction
    assert prediction is not None
    assert prediction.joined is not None
    assert prediction.result["label"] == 1
    assert prediction.outcome == "tp"
    assert {name: prediction.joined[name] for name in ("label", "types", "value", "count", "too_late", "delay")} == {
        "label": 1, "types": ["click"], "value": 2.5, "count": 1, "too_late": 0, "delay": 300_000_000_000,
    }  # fmt: skip


def test_a_row_may_have_the_ages_of_its_features() -> None:
    """In seconds; an empty cell is no age, a text is refused."""
    columns = {**COLUMNS, "features.numeric.price": "price", "features.age_s.price": "price age"}
    values = {"id": "a", "at": AT, "p": 0.75, "price": "9.5", "price age": "86400"}
    prediction = read(values, columns=columns).prediction
    assert prediction is not None

    event = RecordedEvents(str).prediction(prediction)
    assert event["features"] == {"numeric": {"price": 9.5}, "age_s": {"price": 86_400}}
    without = read({**values, "price age": ""}, columns=columns).prediction
    assert without is not None
    assert not without.ages
    with pytest.raises(RowError, match="price age") as refused:
        read({**values, "price age": "a day"}, columns=columns)
    assert refused.value.reason == "bad features.age_s"


def test_a_label_after_the_attribution_window_is_too_late() -> None:
    """As for a click that a server logs."""
    row = read({"id": "a", "at": AT, "p": 0.75, "y": 1, "seen at": "2026-11-23T12:00:00Z"})

    assert row.prediction is not None
    assert row.prediction.joined is not None
    assert (row.prediction.joined["label"], row.prediction.joined["too_late"], row.prediction.outcome) == (
        None,
        1,
        None,
    )


@pytest.mark.parametrize(
    ("feedback_type", "label", "event"),
    [("click", "no", None), ("purchase", 0, None), ("label", False, 0), ("label", "1.0", 1), ("label", "NA", None)],
)
def test_a_no_is_an_event_only_for_labels(feedback_type: str, label: Any, event: int | None) -> None:
    """Nobody clicked: there is no event. A doctor who said no: there is one."""
    row = read({"id": "a", "at": AT, "p": 0.75, "y": label}, feedback_type=feedback_type)

    assert (row.feedback.label if row.feedback else None) == event
    assert (row.feedback is None) == (event is None)


def test_classes_and_positives_are_equal_as_numbers() -> None:
    """A program that writes tables makes `3.0` of a label 3 if the label of another row is missing."""
    columns = {"time": "at", "class": "c", "label": "y"}
    row = read({"at": AT, "c": "3", "y": "3.0"}, columns=columns)
    assert row.prediction is not None
    assert row.prediction.outcome == "correct"

    for label, positive in (("1.0", "1"), (1, "1.0"), (Decimal("1.00"), "1")):
        row = read({"id": "a", "at": AT, "p": 0.75, "y": label}, positives=(positive,))
        assert row.feedback is not None


def test_ids_follow_from_the_row_and_tell_its_day() -> None:
    """The same row has the same id; another model, version, file or row has another one."""
    columns = {"time": "at", "score": "p", "label": "y"}
    values = {"at": AT, "p": 0.5, "y": 1}
    row = read(values, columns=columns)
    differing = [
        read(values, columns=columns, model="n"),
        read(values, columns=columns, version="2"),
        RowReader(ImportPlan(columns, "m", "1"), settings_at).read(values, "sha", 8, is_label=False),
        RowReader(ImportPlan(columns, "m", "1"), settings_at).read(values, "other", 7, is_label=False),
    ]

    assert read(values, columns=columns) == row
    assert len({entry.prediction_id for entry in (row, *differing)}) == 5
    assert uuid7.time_of(row.prediction_id) == instants.parse(AT)
    assert row.feedback is not None
    assert read(values, columns=columns).feedback == row.feedback


@pytest.mark.parametrize(
    ("value", "identifier"),
    [(17.0, "17"), (2**70, str(2**70)), (Decimal("12.50"), "12.50"), (b"x1", "x1"), (" B-1 ", "B-1"), (True, "true")],
)
def test_an_id_of_any_type_is_its_text(value: Any, identifier: str) -> None:
    """Tables write whole numbers as floats when one of them is missing."""
    assert read({"id": value, "at": AT, "p": 0.5}).prediction_id == identifier


@pytest.mark.parametrize(
    ("changed", "reason", "text"),
    [
        ({"p": "0,5"}, "bad prediction.score", "'p' (score) holds '0,5', which is no number"),
        ({"p": 1.5}, "bad prediction.score", "which is no number in 0..1"),
        ({"p": "1_0"}, "bad prediction.score", "which is no number"),
        ({"p": float("nan")}, "bad prediction.score", "'p' (score) is empty"),
        ({"at": None}, "no timestamp", "'at' (time) is empty"),
        ({"at": "1969-12-31T00:00:00Z", "id": ""}, "bad timestamp", "is before 1970"),
        ({"y": "maybe"}, "bad feedback.label", "which is no label such as 1, true, yes, 0, false or no"),
        ({"paid": 1e13, "y": 1}, "bad feedback.value", "which is no number in -1e12..1e12"),
        ({"id": "x" * 200}, "bad row", "which has 200 characters, more than 128"),
        ({"id": ["x"]}, "bad row", "which is no text"),
        ({"id": "\ud800"}, "bad row", "which holds half a character"),
        ({"p": 10**400}, "bad prediction.score", "which is no number in 0..1"),
    ],
)
def test_a_refused_row_names_the_column_and_the_cell(changed: dict[str, Any], reason: str, text: str) -> None:
    """With the reason that the pipeline gives for such an event."""
    with pytest.raises(RowError) as refused:
        read({"id": "a", "at": AT, "p": 0.5, "y": 0, **changed})
    assert refused.value.reason == reason
    assert text in refused.value.explanation


def test_a_positive_of_the_user_makes_every_other_label_negative() -> None:
    """In any case of letters."""
    labels = [
        read({"id": "a", "at": AT, "p": 0.5, "y": text}, positives=("malignant",), feedback_type="label").feedback
        for text in ("Malignant", "benign", "")
    ]

    assert [label.label if label else None for label in labels] == [1, 0, None]


def test_classes_and_numbers_have_labels_of_their_kind() -> None:
    """The true class of a multiclass model, the true number of a regression."""
    boots = read(
        {"at": AT, "c": "boots", "p": 0.7, "y": "sandals"},
        columns={"time": "at", "class": "c", "score": "p", "label": "y"},
    )
    price = read({"at": AT, "v": "12.5", "y": 11}, columns={"time": "at", "value": "v", "label": "y"})

    assert boots.prediction is not None
    assert boots.feedback is not None
    assert boots.prediction.result == {"kind": "multiclass", "class": "boots", "scores": {"boots": 0.7}}
    assert boots.feedback.class_name == "sandals"
    assert boots.prediction.outcome == "incorrect"
    assert price.prediction is not None
    assert price.feedback is not None
    assert (price.prediction.result["value"], price.feedback.truth) == (12.5, 11.0)


def test_nested_objects_are_reached_by_dots() -> None:
    """A column of this very name comes first."""
    columns = {"id": "meta.id", "time": "meta.at", "score": "out.p"}
    row = read({"meta": {"id": "a", "at": AT}, "out": {"p": 0.25}, "out.p": 0.5}, columns=columns)

    assert row.prediction is not None
    assert (row.prediction_id, row.prediction.result["score"]) == ("a", 0.5)


def test_a_label_alone_has_the_time_of_its_prediction() -> None:
    """That of its id, if the id tells one; else somebody must look it up."""
    identifier = uuid7.of_digest(instants.parse(AT), bytes(10))
    known_time = read({"id": identifier, "y": 1}, is_label=True)
    without = read({"id": "case-1", "y": 1}, is_label=True)
    timed = RowReader(ImportPlan(COLUMNS, "m", "1"), settings_at).timed(without, instants.parse(AT))

    assert known_time.predicted_at == instants.parse(AT)
    assert without.predicted_at is None
    assert timed.feedback is not None
    assert timed.feedback.timestamp == timed.predicted_at == instants.parse(AT)
    assert timed.newest == instants.parse(AT) + timedelta()
    assert timed.feedback.event_id
