"""The bodies that `POST /predict` accepts, and the errors of the bodies that it refuses."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from model_server.errors import ValidationError
from model_server.predict_request import Features, PredictParser, PredictRequest
from model_server.signatures.instance_inputs import InstanceInputs
from monitor_agent.settings import ServerSettings
from tests.unit.model_server.factories import IDS, TEXTS, make_reader

SETTINGS = ServerSettings(
    labels=("scene", "slot"), numeric_features=("price",), categorical_features=("brand",), max_instances=3
)


NOW = datetime(2026, 11, 23, 10, tzinfo=timezone.utc)


def parse(body: Any, settings: ServerSettings = SETTINGS, **model: Any) -> PredictRequest:
    return PredictParser(settings, make_reader(**model)).parse(body, NOW)


def values_of(inputs: InstanceInputs) -> dict[str, Any]:
    """Return the values of an instance by the field that they come from."""
    return {column.place: value.tolist() for column, value in zip(inputs.form.columns, inputs.values, strict=True)}


def batch(**details: Any) -> dict[str, Any]:
    """Return a batch whose second instance has further details."""
    return {"instances": [TEXTS, {**TEXTS, **details}]}


def test_the_body_may_be_a_single_instance() -> None:
    """Ids at the top level are one instance; padding at their end is dropped."""
    request = parse({**IDS, "item_id": "79"})

    assert request.single
    assert [values_of(instance.inputs) for instance in request.instances] == [
        {"input_seq": [2, 5, 3, 6, 3], "input_mask": [1, 1, 1, 1, 1], "segment_ids": [0, 0, 0, 1, 1]}
    ]
    assert request.instances[0].item_id == "79"


def test_a_batch_may_mix_ids_and_texts() -> None:
    """Instances come in both forms, with their details and a shared context."""
    context = {"session_id": "s", "user_id": "u", "query": "hat", "labels": {"scene": "search"}}
    details = {"item_id": "1", "position": 2, "propensity": 0.5, "shadow": True}

    request = parse({"instances": [IDS, {**TEXTS, **details}], "context": context})

    second = request.instances[1]
    assert not request.single
    assert values_of(second.inputs) == {"text_a": b"red evening", "text_b": b"hat"}
    assert (second.item_id, second.position, second.propensity, second.shadow) == ("1", 2, 0.5, True)
    assert vars(request.context) == context


def test_features_are_sorted_by_their_allow_lists() -> None:
    """Names in the lists are numbers or keywords; all further features are left out, or go to `other` by a setting."""
    body = {**TEXTS, "features": {"price": 3, "brand": "b", "colour": "red", "size": 4}}

    features = parse(body).instances[0].features
    all_features = parse(body, replace(SETTINGS, log_other_features=True)).instances[0].features

    assert features == Features({"price": 3.0}, {"brand": "b"}, left_out=frozenset({"colour", "size"}))
    assert all_features == Features({"price": 3.0}, {"brand": "b"}, {"colour": "red", "size": 4})


def test_null_is_the_same_as_absent() -> None:
    """Clients may send all fields, with null for the empty fields."""
    request = parse({**TEXTS, "item_id": None, "features": None, "input_seq": None, "context": None})

    assert request.instances[0].item_id is None
    assert request.instances[0].features == Features()


def test_an_instance_may_have_its_own_time() -> None:
    """If clients may set the time, the time of an instance overrides that of the request; any offset becomes UTC."""
    body = {**batch(timestamp="2026-11-23T12:00:00.5+02:00"), "timestamp": "2026-11-23T09:00:00Z"}

    first, second = parse(body, ServerSettings(allow_client_timestamps=True)).instances

    assert first.timestamp == datetime(2026, 11, 23, 9, tzinfo=timezone.utc)
    assert second.timestamp == datetime(2026, 11, 23, 10, 0, 0, 500000, tzinfo=timezone.utc)


def test_a_time_is_at_most_a_day_ahead() -> None:
    """The pipeline would refuse an event of a later time."""
    settings = ServerSettings(allow_client_timestamps=True)

    assert parse({**TEXTS, "timestamp": "2026-11-24T09:59:00Z"}, settings).instances[0].timestamp
    with pytest.raises(ValidationError, match="timestamp: a time at most a day ahead is expected"):
        parse({**TEXTS, "timestamp": "2026-11-24T10:00:01Z"}, settings)


REFUSED: list[tuple[Any, str, str]] = [
    ([], "", "the body: an object is expected, a list given"),
    ({}, "input_seq", "is missing"),
    ({**TEXTS, "instances": None, "colour": 1}, "colour", "unknown field"),
    ({"instances": [TEXTS], **IDS}, "input_seq", "unknown field"),
    ({"instances": {}}, "instances", "a list that is not empty"),
    ({"instances": []}, "instances", "a list that is not empty"),
    ({"instances": [TEXTS] * 4}, "instances", "at most 3 elements are expected, 4 given"),
    ({"instances": [TEXTS, 5]}, "instances[1]", "an object is expected, a number given"),
    ({"instances": [TEXTS], "timestamp": "2026-11-23T10:00:00Z"}, "timestamp", "the server sets the time"),
    ({**IDS, **TEXTS}, "text_a", "cannot be given together with input_seq"),
    ({**IDS, "input_mask": [1, 1, 1]}, "input_mask", "6 values expected, 3 given"),
    ({"instances": [TEXTS, {**IDS, "segment_ids": [0]}]}, "instances[1].segment_ids", "6 values expected, 1 given"),
    ({**IDS, "segment_ids": None}, "segment_ids", "is missing"),
    ({**IDS, "input_seq": "2 5 3"}, "input_seq", "a list of whole numbers"),
    ({**IDS, "input_seq": []}, "input_seq", "a list of whole numbers"),
    ({**IDS, "input_seq": [2, 5, 3, 6, 3, True]}, "input_seq", "a list of whole numbers"),
    ({**IDS, "input_seq": [[2, 5, 3, 6, 3, 0]]}, "input_seq", "a list of whole numbers"),
    ({**IDS, "input_seq": [2, 5, 3, 100, 3, 0]}, "input_seq", "values from 0 to 99 expected, 0 to 100 given"),
    ({**IDS, "input_seq": [2, 5, 3, -1, 3, 0]}, "input_seq", "values from 0 to 99"),
    ({**IDS, "input_mask": [1, 1, 1, 1, 2, 0]}, "input_mask", "values from 0 to 1"),
    (dict.fromkeys(IDS, [1] * 9), "input_seq", "at most 8 values are expected, 9 given"),
    (dict.fromkeys(IDS, [0] * 5000), "input_seq", "at most 4096 values"),
    ({"text_a": "a"}, "text_b", "is missing"),
    ({"text_a": 1, "text_b": "b"}, "text_a", "text is expected, a number given"),
    (batch(item_id=7), "instances[1].item_id", "text is expected, a number given"),
    (batch(item_id=""), "instances[1].item_id", "1 to 256 characters expected, 0 given"),
    (batch(item_id="x" * 257), "instances[1].item_id", "257 given"),
    (batch(position=0), "instances[1].position", "a whole number from 1"),
    (batch(position=1.5), "instances[1].position", "a whole number"),
    (batch(position=True), "instances[1].position", "a whole number"),
    (batch(position=1_000_001), "instances[1].position", "a whole number from 1 to 1000000"),
    (batch(ranking={"id": "p", "rank": 1, "size": 1_000_001}), "instances[1].ranking.size", "from 2 to 1000000"),
    (batch(propensity=1e300), "instances[1].propensity", "a number from -1e+15 to 1e+15"),
    (batch(features={"price": 1.1e15}), "instances[1].features.price", "a number from -1e+15 to 1e+15"),
    (batch(features={"price": -(2**63)}), "instances[1].features.price", "-9.22337e+18 given"),
    (batch(propensity=0), "instances[1].propensity", "a number above 0, up to 1"),
    (batch(propensity=1.01), "instances[1].propensity", "a number above 0, up to 1"),
    (batch(propensity="1"), "instances[1].propensity", "a number is expected, text given"),
    (batch(ranking="page-1"), "instances[1].ranking", "an object is expected, text given"),
    (batch(ranking={"id": "p", "rank": 1}), "instances[1].ranking.size", "is missing"),
    (batch(ranking={"id": "p", "rank": 3, "size": 2}), "instances[1].ranking.rank", "a whole number from 1 to 2"),
    (batch(ranking={"id": "p", "rank": 1, "size": 1}), "instances[1].ranking.size", "a whole number from 2"),
    (batch(shadow="no"), "instances[1].shadow", "true or false is expected"),
    (batch(features=[1]), "instances[1].features", "an object is expected, a list given"),
    (batch(features={"price": "3"}), "instances[1].features.price", "a number is expected, text given"),
    (batch(features={"price": False}), "instances[1].features.price", "a number is expected"),
    (batch(features={"brand": 3}), "instances[1].features.brand", "text of at most"),
    (batch(features={"colour": {"r": 1}}), "instances[1].features.colour", "a number, or text"),
    (batch(features={"colour": None}), "instances[1].features.colour", "a number, or text"),
    (batch(features={"": 1}), "instances[1].features", "a name has 1 to 128 printable characters"),
    (batch(features={"a\0b": 1}), "instances[1].features", "a name has 1 to 128 printable characters"),
    (batch(timestamp="2026-11-23T10:00:00Z"), "instances[1].timestamp", "the server sets the time"),
    ({**TEXTS, "context": "search"}, "context", "an object is expected, text given"),
    ({**TEXTS, "context": {"ip": "1"}}, "context.ip", "unknown field, known are session_id, user_id, query, labels"),
    ({**TEXTS, "context": {"user_id": 1}}, "context.user_id", "text is expected"),
    ({**TEXTS, "context": {"query": "x" * 4097}}, "context.query", "4097 given"),
    ({**TEXTS, "context": {"labels": []}}, "context.labels", "an object is expected"),
    ({**TEXTS, "context": {"labels": {"shop": "a"}}}, "context.labels.shop", "unknown field, known are scene, slot"),
    ({**TEXTS, "context": {"labels": {"scene": 1}}}, "context.labels.scene", "text is expected"),
    ({**TEXTS, "context": {"labels": {"scene": ""}}}, "context.labels.scene", "1 to 256 characters"),
]


@pytest.mark.parametrize(("body", "field", "reason"), REFUSED, ids=[f"{row[1]}-{i}" for i, row in enumerate(REFUSED)])
def test_an_error_names_the_field(body: Any, field: str, reason: str) -> None:
    """The error has the path of the field and the expected value."""
    with pytest.raises(ValidationError) as refused:
        parse(body)

    assert refused.value.field == field
    assert str(refused.value).startswith(field)
    assert reason in str(refused.value)


@pytest.mark.parametrize("text", ["yesterday", "2026-11-23T10:00:00", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z"])
def test_an_invalid_time_is_refused(text: str) -> None:
    """A time needs an offset and must be in the range of the index."""
    with pytest.raises(ValidationError, match="timestamp: a time"):
        parse({**TEXTS, "timestamp": text}, ServerSettings(allow_client_timestamps=True))


def test_a_model_without_tokeniser_takes_ids_only() -> None:
    """Raw text is refused if the model has no tokeniser."""
    with pytest.raises(ValidationError, match=r"instances\[0\].text_a: this model takes input_seq"):
        parse({"instances": [TEXTS]}, takes_text=False)
