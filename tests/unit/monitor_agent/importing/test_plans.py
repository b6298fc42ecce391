"""Maps of columns, and what a plan refuses."""

from __future__ import annotations

from typing import Any

import pytest

from monitor_agent.errors import DataError
from monitor_agent.importing.plans import ImportPlan, columns_of


def test_a_map_takes_columns_of_any_name() -> None:
    """Blanks, brackets, dots, commas and equal signs; fields are recognised before an equal sign."""
    assert columns_of(
        ["id=Case [no],time=decided at (local)", "labels.site=site, old,features.numeric.a b=x=y", "score=out.p[1]"]
    ) == {
        "id": "Case [no]",
        "time": "decided at (local)",
        "labels.site": "site, old",
        "features.numeric.a b": "x=y",
        "score": "out.p[1]",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scor=p", "there is no field scor: did you mean score"),
        ("labels.=p", "there is no field labels."),
        ("score", "--map score is malformed: write FIELD=COLUMN"),
        ("score=", "--map score= is malformed"),
        ("score=a,score=b", "the field score has two columns"),
    ],
)
def test_a_wrong_map_is_one_line(text: str, message: str) -> None:
    """It names the field, and what is right."""
    with pytest.raises(DataError) as refused:
        columns_of([text])
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": ""}, "the model is not named: give --model NAME, or map a column: --map model=COLUMN"),
        ({"version": "all"}, "--version stands for all versions together"),
        ({"time_zone": "Mars"}, "--time-zone Mars is unknown"),
        ({"time_format": "iso"}, "--time-format iso is unknown"),
        ({"feedback_type": "impression"}, "--feedback-type impression is unknown"),
        ({"threshold": 2.0}, "--threshold 2.0 is no probability"),
    ],
)
def test_a_plan_refuses_what_cannot_hold(changed: dict[str, Any], message: str) -> None:
    """Each line names the option."""
    with pytest.raises(DataError) as refused:
        ImportPlan(**{"columns": {"score": "p"}, "model": "m", "version": "1", **changed}).check()
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        (("score", "value"), "binary"),
        (("class", "score"), "multiclass"),
        (("value", "label"), "regression"),
        (("label",), "binary"),
    ],
)
def test_the_columns_tell_the_kind_of_the_predictions(fields: tuple[str, ...], kind: str) -> None:
    """A class is multiclass; a value without a score is a predicted number."""
    assert ImportPlan(dict.fromkeys(fields, "x")).kind == kind
