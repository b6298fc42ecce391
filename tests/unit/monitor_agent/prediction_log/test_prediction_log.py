"""What a Python program that is no model server of ours logs, and what it is told when a record is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor_agent.contracts import uuid7
from monitor_agent.errors import LogWriteError, RecordError, SettingsError
from monitor_agent.prediction_log import (
    Features,
    FeedbackRecord,
    PredictionLog,
    PredictionRecord,
    Ranking,
    VersionAssignment,
)
from monitor_agent.prediction_log.event_log import EventLog
from tests.dry_pipeline import document_of
from tests.unit.monitor_agent.prediction_log.factories import (
    NOW,
    file_size_limit,
    lines_in,
    make_log,
    make_prediction_log,
    sequences,
)

TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"


@dataclass
class ShopScore:
    """A dataclass of some shop."""

    score: float
    item_id: str


def test_a_request_is_written_and_answered(tmp_path: Path) -> None:
    """The answer has the ids, labels and ranks of the events; the pipeline accepts the lines."""
    with make_prediction_log(tmp_path, threshold=0.3) as log:
        answers = log.predictions(
            [
                {"score": 0.25, "item_id": "79", "position": 1, "features": {"numeric": {"price": 3}}},
                {"score": 0.75, "propensity": 0.5, "queue_time": 5, "compute_time": timedelta(milliseconds=1)},
            ],
            user_id="u1",
            session_id="s1",
            query="red hat",
            labels={"scene": "search"},
            duration=timedelta(milliseconds=3),
            trace=TRACEPARENT,
            request_id="r1",
        )

    first, second = lines_in(tmp_path)
    assert [(answer.rank, answer.outcome) for answer in answers] == [
        (2, {"score": 0.25, "label": 0}),
        (1, {"score": 0.75, "label": 1}),
    ]
    assert [event["prediction"]["id"] for event in (first, second)] == [answer.id for answer in answers]
    assert first["features"] == {"numeric": {"price": 3.0}}
    assert first["item"] == {"id": "79", "position": 1}
    assert first["service"] == {"name": "click", "environment": "test", "node": {"name": log.origin.node}}
    assert second["prediction"].items() >= {"propensity": 0.5, "queue_time": 5, "compute_time": 1_000_000}.items()
    for event in (first, second):
        assert event["event"]["duration"] == 3_000_000
        assert (event["http"], event["labels"]) == ({"request": {"id": "r1"}}, {"scene": "search"})
        assert len(event["user"]["id"]) == len(event["session"]["id"]) == len(event["query"]["hash"]) == 64
        assert event["trace"] == {"id": "a" * 32}
        assert "error" not in document_of(event)
    assert sequences(tmp_path) == [1, 2]


def test_feedback_is_written_with_the_time_of_its_prediction(tmp_path: Path) -> None:
    """One record or a list of them; the model is that of the log."""
    log = make_prediction_log(tmp_path)
    (answer,) = log.predictions([{"score": 0.5}])

    click = {"prediction_id": f"{{{answer.id.upper()}}}", "type": "click"}
    purchase = {"prediction_id": answer.id, "type": "purchase", "value": np.float32(12.5), "event_id": "order-1"}
    (made_id,) = log.feedback(click, trace=TRACEPARENT)
    ids = log.feedback([click, purchase])

    events = lines_in(tmp_path)[1:]
    assert [event["event"]["id"] for event in events] == [made_id, *ids]
    assert ids[1] == "order-1"
    assert {event["prediction"]["id"] for event in events} == {answer.id}
    assert {event["prediction"]["timestamp"] for event in events} == {"2026-11-23T10:00:00.123000Z"}
    assert events[2]["feedback"] == {"type": "purchase", "status": "new", "value": 12.5}
    assert all("error" not in document_of(event) for event in events)


def test_feedback_on_predictions_of_another_program(tmp_path: Path) -> None:
    """Their ids hold no time, so the caller names it: it selects the index."""
    moment = NOW - timedelta(days=3)

    make_prediction_log(tmp_path).feedback(
        [
            FeedbackRecord("order-17", moment, "click"),
            {"prediction_id": "p", "type": "click", "prediction_time": moment},
        ]
    )

    events = lines_in(tmp_path)
    assert [event["prediction"]["timestamp"] for event in events] == ["2026-11-20T10:00:00.123456Z"] * 2
    assert all("error" not in document_of(event) for event in events)


@pytest.mark.parametrize(
    ("options", "record", "outcome", "truth"),
    [
        (
            {"kind": "multiclass"},
            {"class": "boots", "scores": {"boots": 0.4, "hats": 0.6}},
            {"class": "boots", "scores": {"boots": 0.4, "hats": 0.6}},
            {"class": "hats"},
        ),
        (
            {"kind": "multiclass", "classes": ["boots", "hats"]},
            {"scores": {"boots": np.float32(0.25), "hats": 0.75}},
            {"class": "hats", "scores": {"boots": 0.25, "hats": 0.75}},
            {"class": "hats"},
        ),
        ({"kind": "multiclass"}, PredictionRecord(class_name="boots"), {"class": "boots"}, {"class": "hats"}),
        ({"kind": "regression"}, {"value": -3}, {"value": -3.0}, {"truth": 4.5}),
    ],
)
def test_the_other_kinds_of_models(
    tmp_path: Path, options: dict[str, Any], record: Any, outcome: dict[str, Any], truth: dict[str, Any]
) -> None:
    """Classes and numbers, and the true class or number as feedback."""
    log = make_prediction_log(tmp_path, **options)

    (answer,) = log.predictions([record])
    log.feedback({"prediction_id": answer.id, "type": "label", **truth})

    prediction, feedback = lines_in(tmp_path)
    assert answer.outcome == outcome
    assert prediction["prediction"].items() >= {"kind": options["kind"], **outcome}.items()
    assert feedback["feedback"] == {"type": "label", "status": "new", **truth}
    assert all("error" not in document_of(event) for event in (prediction, feedback))


@pytest.mark.parametrize(
    "record",
    [
        ShopScore(0.5, "79"),
        {"score": np.float64(0.5), "item_id": "79", "position": None},
        PredictionRecord(score=np.float32(0.5), item_id="79"),
    ],
)
def test_mappings_dataclasses_and_numbers_of_numpy_are_records(tmp_path: Path, record: Any) -> None:
    """All of them give the same event."""
    make_prediction_log(tmp_path).predictions([record])

    (event,) = lines_in(tmp_path)
    assert (event["prediction"]["score"], event["item"]) == (0.5, {"id": "79"})


@pytest.mark.parametrize(("score", "label"), [(float(np.float32(0.7)), 1), (0.69999999, 0), (0.7, 1)])
def test_a_double_is_compared_with_the_threshold_itself(tmp_path: Path, score: float, label: int) -> None:
    """A float32 is compared as NumPy compares it; 0.69999999 is above the float32 of 0.7, but below 0.7."""
    (answer,) = make_prediction_log(tmp_path, threshold=0.7).predictions([{"score": score}])

    assert answer.outcome["label"] == label


@pytest.mark.parametrize(("score", "clipped"), [(1.0000001, 1.0), (-1e-9, 0.0), (np.float32(1.0000002), 1.0)])
def test_rounding_beyond_0_and_1_is_clipped(tmp_path: Path, score: Any, clipped: float) -> None:
    """A sum of float32 may end a few steps above 1."""
    (answer,) = make_prediction_log(tmp_path).predictions([{"score": score}])

    assert answer.outcome["score"] == clipped
    assert "error" not in document_of(lines_in(tmp_path)[0])


def test_the_rest_of_a_record(tmp_path: Path) -> None:
    """Shadow versions, splits, lists that are scored one by one, times of the caller."""
    moment = datetime(2020, 2, 29, 12, tzinfo=timezone(timedelta(hours=2)))
    record = {
        "score": 0.5,
        "primary_id": "p1",
        "ranking": {"id": "page-7", "rank": 3, "size": 5},
        "timestamp": "2020-02-29T12:00:00+02:00",
        "features": Features({"price": 1.0}, {"brand": ""}, ages={"price": 86_400.0}),
        "batch_size": np.int64(4),
    }

    answers = make_prediction_log(tmp_path, engine="onnxruntime").predictions(
        [record, {**record, "timestamp": None, "ranking": Ranking("page-7", 4, 5), "primary_id": None}],
        timestamp=moment,
        assignment=VersionAssignment("canary", "user", 0.1),
        is_list=False,
    )

    first, second = lines_in(tmp_path)
    assert [uuid7.time_of(answer.id) for answer in answers] == [moment, moment]
    assert {first["@timestamp"], second["@timestamp"]} == {"2020-02-29T10:00:00.000000Z"}
    assert first["prediction"].items() >= {"shadow": True, "primary_id": "p1", "engine": "onnxruntime"}.items()
    assert second["prediction"]["shadow"] is False
    assert second["ranking"] == {"id": "page-7", "rank": 4, "size": 5}
    assert first["features"] == {
        "numeric": {"price": 1.0},
        "categorical": {"brand": ""},
        "age_s": {"price": 86_400.0},
    }
    assert first["prediction"]["assignment"] == {"name": "canary", "unit": "user", "propensity": 0.1}
    assert all("error" not in document_of(event) for event in (first, second))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({}, "predictions[1].score: is missing"),
        ({"score": 1.0001}, "predictions[1].score: a number in 0..1 is expected, 1.0001 given"),
        ({"score": float("nan")}, "predictions[1].score: a number in 0..1 is expected, nan given"),
        ({"score": "0.5"}, "predictions[1].score: a number is expected, text given"),
        ({"score": True}, "predictions[1].score: a number is expected, true or false given"),
        ({"score": 0.5, "value": 3}, "predictions[1].value: a binary model has no such field"),
        ({"score": 0.5, "itemid": "7"}, "predictions[1].itemid: unknown field; did you mean item_id?"),
        ({"score": 0.5, "item_id": 7}, "predictions[1].item_id: text is expected, a number given"),
        ({"score": 0.5, "item_id": "x" * 257}, "predictions[1].item_id: 1 to 256 characters expected, 257 given"),
        ({"score": 0.5, "item_id": "\ud800"}, "predictions[1].item_id: the text has half a surrogate pair"),
        ({"score": 0.5, "position": 0}, "predictions[1].position: whole number in 1..1e6 is expected"),
        ({"score": 0.5, "position": 1.5}, "predictions[1].position: whole number in 1..1e6 is expected"),
        ({"score": 0.5, "propensity": 0}, "predictions[1].propensity: a number in >0..1 is expected, 0.0 given"),
        ({"score": 0.5, "ranking": {"id": "l", "rank": 3, "size": 2}}, "predictions[1].ranking.rank: a rank up to"),
        ({"score": 0.5, "timestamp": datetime(2026, 1, 1)}, "predictions[1].timestamp: a datetime with an offset"),
        ({"score": 0.5, "timestamp": "2027-01-01T00:00:00Z"}, "predictions[1].timestamp: a time at most a day ahead"),
        ({"score": 0.5, "timestamp": "1969-01-01T00:00:00Z"}, "predictions[1].timestamp: a time since 1970"),
        (
            {"score": 0.5, "features": {"age_s": {"price": "old"}}},
            "predictions[1].features.age_s.price: a number is expected, text given",
        ),
        ({"score": 0.5, "features": {"price": 1}}, "predictions[1].features.price: unknown field"),
        (
            {"score": 0.5, "features": {"numeric": {"price": 10**400}}},
            "predictions[1].features.numeric.price: a number in -1e15..1e15 is expected, inf given",
        ),
        ({"score": 0.5, "features": {"categorical": {"a": "x" * 1025}}}, "predictions[1].features.categorical.a: 0 to"),
        ("0.5", "predictions[1]: a mapping or a dataclass is expected, text given"),
    ],
)
def test_a_wrong_record_is_named_and_nothing_is_written(tmp_path: Path, record: Any, message: str) -> None:
    """Not even the records before it, and no number is used."""
    log = make_prediction_log(tmp_path)

    with pytest.raises(RecordError) as refused:
        log.predictions([{"score": 0.5}, record])
    log.predictions([{"score": 0.5}])

    assert str(refused.value).startswith(message)
    assert refused.value.field == message.split(":")[0]
    assert sequences(tmp_path) == [1]


@pytest.mark.parametrize(
    ("request_fields", "message"),
    [
        ({"user": "u1"}, "user: unknown field; "),
        ({"user_id": ""}, "user_id: 1 to 256 characters expected, 0 given"),
        ({"labels": {"colour": "red"}}, "labels: unknown name; known are scene"),
        ({"labels": {"scene": 1}}, "labels.scene: text is expected, a number given"),
        ({"duration": -1}, "duration: whole number in 0..1e15 is expected"),
        ({"trace": 5}, "trace: a header traceparent is expected, a number given"),
        (
            {"assignment": {"name": "a", "unit": "page", "propensity": 1}},
            "assignment.unit: one of user, session, request",
        ),
    ],
)
def test_a_wrong_request_is_named(tmp_path: Path, request_fields: Any, message: str) -> None:
    """So is a field of the request."""
    log = make_prediction_log(tmp_path, labels=["scene"])

    with pytest.raises(RecordError) as refused:
        log.predictions([{"score": 0.5}], **request_fields)

    assert str(refused.value).startswith(message)
    assert lines_in(tmp_path) == []


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"type": "click"}, "feedback[0].prediction_id: is missing"),
        ({"prediction_id": "p1"}, "feedback[0].type: is missing"),
        ({"prediction_id": "p1", "type": "view"}, "feedback[0].type: one of impression, click, purchase, label"),
        ({"prediction_id": "p1", "type": "label"}, "feedback[0].label: is missing"),
        ({"prediction_id": "p1", "type": "click", "label": 2}, "feedback[0].label: 0 or 1 is expected"),
        ({"prediction_id": "p1", "type": "purchase", "value": 1e13}, "feedback[0].value: a number in -1e12..1e12"),
        ({"prediction_id": uuid7.make(NOW + timedelta(hours=1)), "type": "click"}, "feedback[0].prediction_id: has a"),
    ],
)
def test_wrong_feedback_is_named(tmp_path: Path, record: Any, message: str) -> None:
    """The whole call is refused."""
    log = make_prediction_log(tmp_path)

    with pytest.raises(RecordError) as refused:
        log.feedback([record])

    assert str(refused.value).startswith(message)
    assert lines_in(tmp_path) == []


def test_records_that_are_no_list_are_refused(tmp_path: Path) -> None:
    """A single mapping, no record at all, and a record that is too long for a line."""
    log = make_prediction_log(tmp_path)
    long = {"score": 0.5, "features": {"categorical": {f"f{number}": "é" * 1024 for number in range(16)}}}

    with pytest.raises(RecordError, match="predictions: a list of records is expected, a mapping given"):
        log.predictions({"score": 0.5})
    with pytest.raises(RecordError, match="predictions: a list that is not empty is expected"):
        log.predictions([])
    with pytest.raises(RecordError, match="feedback: a list that is not empty is expected"):
        log.feedback([])
    with pytest.raises(RecordError, match=r"predictions\[1\]: its event has 33\d+ bytes; at most 32768 are allowed"):
        log.predictions([{"score": 0.5}, long])

    assert lines_in(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "ranking"}, "kind='ranking' is no kind of predictions: choose binary, multiclass, regression"),
        ({"threshold": 1.5}, "threshold=1.5 is no probability"),
        ({"treshold": 0.5}, "PredictionLog has no option treshold: did you mean threshold?"),
        ({"version": "all"}, "the version of a PredictionLog stands for all versions together"),
        ({"model": ""}, "the model of a PredictionLog is empty"),
        ({"hmac_key": "short"}, "the key for ids has 5 characters"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    """Before anything is written; no file is left."""
    with pytest.raises(SettingsError) as refused:
        make_prediction_log(tmp_path, **options)

    assert str(refused.value).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_a_random_key_is_kept_in_the_folder(tmp_path: Path) -> None:
    """The same person has the same pseudonym after a restart."""
    for _ in range(2):
        with make_prediction_log(tmp_path, hmac_key="") as log:
            log.predictions([{"score": 0.5}], user_id="u1")

    assert len({event["user"]["id"] for event in lines_in(tmp_path)}) == 1
    assert (tmp_path / "hmac.key").stat().st_mode & 0o777 == 0o600


def test_several_models_share_one_file_and_one_sequence(tmp_path: Path) -> None:
    """Each has its own PredictionLog; the one that has not opened the file does not close it."""
    shared = make_log(tmp_path)
    first = make_prediction_log(shared, version="1")
    second = make_prediction_log(shared, model="price", kind="regression")
    first.predictions([{"score": 0.5}])
    second.predictions([{"value": 3.0}])
    second.close()
    first.predictions([{"score": 0.5}])

    assert [(event["model"]["name"], event["event"]["sequence"]) for event in lines_in(tmp_path)] == [
        ("click", 1),
        ("price", 2),
        ("click", 3),
    ]
    with pytest.raises(SettingsError, match="rotate_bytes: the event log that is shared has its own"):
        make_prediction_log(shared, rotate_bytes=5)


def test_a_full_disk_is_an_error_unless_the_caller_decides_otherwise(tmp_path: Path) -> None:
    """By default nothing is answered; with `answer_on_failure` there is an answer, a count, and a gap."""
    shared = make_log(tmp_path)
    strict, lenient = make_prediction_log(shared), make_prediction_log(shared, answer_on_failure=True)
    strict.predictions([{"score": 0.5}])
    with file_size_limit(shared.path.stat().st_size + 10):
        with pytest.raises(LogWriteError, match=r"events cannot be written \(File too large\)"):
            strict.predictions([{"score": 0.5}])
        assert len(lenient.predictions([{"score": 0.5}, {"score": 0.6}])) == 2
    strict.predictions([{"score": 0.5}])

    assert sequences(tmp_path) == [1, 4]
    assert shared.lost == 2


def test_the_defaults_are_those_of_the_model_server(tmp_path: Path) -> None:
    """A log of another program rotates and syncs as the server's settings say."""
    from monitor_agent.prediction_log import event_log
    from monitor_agent.settings import ServerSettings

    settings = ServerSettings()
    assert settings.rotate_bytes == event_log.ROTATE_BYTES
    assert settings.sync_interval.total_seconds() == event_log.SYNC_SECONDS
    with PredictionLog(tmp_path, model="click", version="1") as log:
        (answer,) = log.predictions([{"score": 0.5}])
    (event,) = lines_in(tmp_path)
    assert abs(uuid7.time_of(answer.id) - datetime.now(timezone.utc)) < timedelta(minutes=1)
    assert event["service"]["environment"] == settings.environment


def test_a_closed_log_refuses(tmp_path: Path) -> None:
    """A second close does nothing."""
    log = make_prediction_log(tmp_path)
    log.close()
    log.close()

    with pytest.raises(LogWriteError, match="closed"):
        log.predictions([{"score": 0.5}])
    assert isinstance(log.log, EventLog)
    assert list(tmp_path.iterdir()) == []
