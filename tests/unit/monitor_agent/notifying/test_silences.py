"""Silences: what their patterns mean, and which of them are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitor_agent.errors import DataError
from monitor_agent.notifying.assembly import SAMPLE
from monitor_agent.notifying.silences import MOST_CHARACTERS, Silence, quiet_of
from tests.factories import START

SILENCE = Silence("s", SAMPLE.start, SAMPLE.start.replace(year=2027), "kim", "maintenance", model="click")


@pytest.mark.parametrize(
    ("model", "covered"), [("click", True), ("cl*", True), ("CLICK", False), ("", False), ("[c]lick", True)]
)
def test_a_silence_covers_the_models_of_its_pattern(model: str, covered: bool) -> None:
    """Upper and lower case differ."""
    assert replace(SILENCE, model=model).covers(SAMPLE, SAMPLE.start) == covered


def test_a_name_with_brackets_is_its_own_pattern() -> None:
    """Nobody has to escape a name that they copy."""
    firing = replace(SAMPLE, group=(("model_name", "click[v2]*"),))

    assert replace(SILENCE, model="click[v2]*").covers(firing, firing.start)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"model": ""}, "the model is empty"),
        ({"alert": " "}, "the alert is empty"),
        ({"reason": "\n"}, "the reason is empty"),
        ({"reason": "r" * (MOST_CHARACTERS + 1)}, "the reason has 1001 characters"),
        ({"end": START.replace(year=2020)}, "the silence ends before it begins"),
        ({"model": "**"}, "the silence covers everything"),
        ({"model": "*", "labels": {"severity": "*"}}, "the silence covers everything"),
        ({"labels": {"severity": "high"}}, "there is no severity high"),
    ],
)
def test_a_silence_that_nobody_can_want_is_refused(changes: dict[str, object], problem: str) -> None:
    """An empty name comes from a variable that is not set: it must not silence everything."""
    with pytest.raises(DataError, match=problem):
        replace(SILENCE, **changes).check()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes", [{"model": ["a", "b"]}, {"alert": 5}, {"end": "never"}, {"matchers": ["none"]}, {"author": None}]
)
def test_a_document_that_nobody_can_read_silences_nothing(changes: dict[str, object]) -> None:
    """And it keeps no other silence from being read."""
    document = SILENCE.document()
    quiet = quiet_of([{"_id": "bad", "_source": {**document, **changes}}, {"_id": "s", "_source": document}])

    assert quiet.silences == (SILENCE,)
