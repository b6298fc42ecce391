"""The rows of ids of many instances, read at once: the same values and the same errors as one after the other."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any
from unittest import mock

import hypothesis
import pytest
from hypothesis import strategies as st

from model_server.errors import ValidationError
from model_server.predict_request import PredictParser
from model_server.signatures import id_rows
from monitor_agent.settings import ServerSettings
from tests.unit.model_server.factories import IDS, TEXTS, make_reader

NOW = datetime(2026, 11, 23, 10, tzinfo=timezone.utc)
NAMES = ("input_seq", "input_mask", "segment_ids")


def outcome(body: Any, *, at_once: bool) -> Any:
    """Return the parsed instances as plain values, or the error."""
    parser = PredictParser(ServerSettings(max_instances=20), make_reader())
    least = id_rows.LEAST_ROWS if at_once else 1000
    with mock.patch.object(id_rows, "LEAST_ROWS", least):
        try:
            request = parser.parse(body, NOW)
        except ValidationError as error:
            return str(error), error.field, error.logged_message
    return [
        (
            instance.inputs.form.signature,
            [(value.tolist(), value.dtype) for value in instance.inputs.values],
            instance.inputs.group,
            instance.position,
            instance.item_id,
        )
        for instance in request.instances
    ]


@st.composite
def instances(draw: st.DrawFn) -> dict[str, Any]:
    """Return an instance, right in most cases."""
    length = draw(st.integers(1, 8))
    bits = st.lists(st.integers(0, 1), min_size=length, max_size=length)
    instance: dict[str, Any] = {
        "input_seq": draw(st.lists(st.integers(0, 99), min_size=length, max_size=length)),
        "input_mask": draw(st.one_of(st.just([1] * length), bits)),
        "segment_ids": draw(bits),
    }
    details = draw(st.sampled_from([{}, {}, {"position": 3}, {"item_id": "a"}]))
    return {**instance, **details}


WRONG = st.sampled_from(
    [None, "text", [], [1.0], [True], [-1], [100], [2**70], [[1]], [None], [1] * 9, [1] * 5000, {}, 1]
)


@hypothesis.given(st.lists(instances(), min_size=4, max_size=8))
@hypothesis.settings(max_examples=80, deadline=None)
def test_right_rows_have_the_same_values(rows: list[dict[str, Any]]) -> None:
    """Types, lengths without padding, and details are those of the slow way."""
    body = {"instances": rows}

    assert id_rows.read_rows(rows, make_reader().forms, make_reader().limits) is not None
    assert outcome(body, at_once=True) == outcome(body, at_once=False)


@hypothesis.given(
    st.lists(instances(), min_size=4, max_size=8),
    st.integers(0, 3),
    st.sampled_from([*NAMES, "text_a", "example", "inputs", "position", "surprise"]),
    WRONG,
)
@hypothesis.settings(max_examples=150, deadline=None)
def test_wrong_rows_have_the_same_errors(rows: list[dict[str, Any]], place: int, name: str, value: Any) -> None:
    """Whatever is wrong, and wherever: the message and its field are those of the slow way."""
    rows[place] = {**rows[place], name: value}

    assert outcome({"instances": rows}, at_once=True) == outcome({"instances": rows}, at_once=False)


@pytest.mark.parametrize(
    "row", [TEXTS, {"input_seq": [1]}, {**IDS, "input_mask": [0] * 6}, {**IDS, "segment_ids": [0]}, [], None, 7]
)
def test_a_row_of_another_kind_among_right_ones(row: Any) -> None:
    """Rows of ids and others may be mixed."""
    body = {"instances": [IDS, IDS, row, IDS, IDS]}

    assert outcome(body, at_once=True) == outcome(body, at_once=False)
