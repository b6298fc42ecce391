"""The page about the log of predictions: its example runs, and its tables name every field."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from monitor_agent.prediction_log import PredictionLog, PredictionLogOptions, PredictionRecord, RequestFields
from tests.dry_pipeline import document_of
from tests.unit.monitor_agent.prediction_log.factories import lines_in

PAGE = (Path(__file__).parents[4] / "docs" / "prediction-log.md").read_text(encoding="utf-8")
PROGRAM = re.compile(r"```python\n(.+?)```", re.DOTALL)
FOLDER = "/var/log/shop-scores"


def test_the_example_runs(tmp_path: Path) -> None:
    """A page is ranked and an item is clicked; the pipeline accepts the events."""
    (program,) = PROGRAM.findall(PAGE)
    names: dict[str, object] = {}
    exec(program.replace(f'"{FOLDER}"', repr(str(tmp_path))), names)
    rank_page, click, log = names["rank_page"], names["click"], names["log"]
    items = [{"id": str(number), "position": number, "price": 9.5, "brand": "b"} for number in (1, 2)]

    answer = rank_page({"items": items, "user": "u1", "session": "s1", "query": "red hat"})
    click({"prediction_id": answer[1]["prediction_id"]})
    log.close()

    assert isinstance(log, PredictionLog)
    assert [(entry["rank"], entry["label"]) for entry in answer] == [(2, 0), (1, 1)]
    events = lines_in(tmp_path)
    assert [event["event"]["dataset"] for event in events] == ["model.prediction"] * 2 + ["model.feedback"]
    assert events[2]["prediction"]["id"] == events[1]["prediction"]["id"] == answer[1]["prediction_id"]
    assert all("error" not in document_of(event) for event in events)


@pytest.mark.parametrize(
    "name",
    [
        *(entry.name for entry in fields(PredictionRecord)),
        *RequestFields.__annotations__,
        *PredictionLogOptions.__annotations__,
    ],
)
def test_the_page_names_every_field_and_option(name: str) -> None:
    """What a record, a call or a log may have is on the page."""
    assert f"`{name}`" in PAGE
