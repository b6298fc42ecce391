"""Which columns of a file hold the fields, if no map says it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.errors import DataError
from monitor_agent.importing.plans import ImportPlan, columns_of
from monitor_agent.importing.sources import complete_plan, source_files

ROWS: list[dict[str, Any]] = [
    {"id": "a", "time": "2026-07-06T10:00:00Z", "score": 0.5, "labels": {"scene": "search"}},
    {
        "id": "b",
        "time": "2026-07-06T10:00:00Z",
        "score": 0.5,
        "label": 1,
        "features": {"numeric": {"price": 2}},
        "x": 1,
    },
]


def completed(path: Path, *maps: str) -> ImportPlan:
    """Return the plan for one file."""
    return complete_plan(ImportPlan(columns_of(maps), model="m", version="1"), source_files([str(path)]))


def test_columns_with_the_names_of_fields_are_these_fields(tmp_path: Path) -> None:
    """Also names of the user's, and those that only a later row of NDJSON has."""
    (tmp_path / "a.ndjson").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (tmp_path / "a.csv").write_text("id,time,score,label,labels.scene,features.numeric.price,x\n")
    names = {"id", "time", "score", "label", "labels.scene", "features.numeric.price"}

    for name in ("a.ndjson", "a.csv"):
        plan = completed(tmp_path / name)
        assert plan.columns == {column: column for column in names}
        assert plan.kind == "binary"


def test_a_column_that_no_row_has_is_refused(tmp_path: Path) -> None:
    """A misspelt score would make labels of all predictions; one that only later rows have is accepted."""
    path = tmp_path / "a.ndjson"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))

    assert completed(path, "id=id,time=time,score=score,label=label").kind == "binary"
    with pytest.raises(DataError, match="has no column scor: score needs it; the columns are features, "):
        completed(path, "id=id,time=time,score=scor,label=label")
    path.write_text("")
    assert completed(path, "id=id,time=time,score=scor").kind == "binary"


def test_purchases_by_id_have_a_value(tmp_path: Path) -> None:
    """A number without a score is the output of a regression, unless the rows are clicks or purchases."""
    path = tmp_path / "a.csv"
    path.write_text("id,label,value\na,1,9.5\n")
    plan = ImportPlan({}, model="m", version="1", feedback_type="purchase")

    assert complete_plan(plan, source_files([str(path)])).kind == "binary"
    with pytest.raises(DataError, match="has no time"):
        completed(path)
