"""The explanation of a metrics document."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monitor_agent import metrics
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.pipeline.explanation import REASONS, explain
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings

SETTINGS = AgentSettings()


def sections_of(
    document: dict[str, Any], restatements: Sequence[dict[str, Any]] = (), not_counted: Mapping[str, int] | None = None
) -> dict[str, Sequence[tuple[str, str, str]]]:
    """Return title -> lines of the explanation of a document."""
    sections = explain("id", document, restatements, not_counted or {}, Calendar(SETTINGS), SETTINGS)
    return {section.title: section.lines for section in sections}


def test_each_reason_has_a_text() -> None:
    """Each reason for an undefined metric has a text."""
    room = Path(metrics.__file__).parent
    reasons = {
        reason
        for path in room.glob("*.py")
        for reason in re.findall(r'Undefined\("([a-z_]+)"\)', path.read_text(encoding="utf-8"))
    }

    assert reasons - REASONS.keys() == set()


def test_an_explanation_has_finality_and_former_contents() -> None:
    """A document that is not final has the time when it will be; a restated one has reason and differences."""
    document = {**PERFORMANCE.sample, "state": "provisional"}
    earlier = {"revision": 2, "reason": "late_feedback", "document": {**document, "tp": 0, "fn": 1}}

    sections = {
        section.title: section.lines
        for section in explain("id", document, [earlier], {"bad prediction.rank": 2}, Calendar(SETTINGS), SETTINGS)
    }

    assert ("final at", "2026-11-23T11:32:00Z") in [line[:2] for line in sections["id"]]
    assert ("state", "provisional", "it has ended, but labels may still arrive in time") in sections["id"]
    assert sections["stored, but not counted"] == [
        ("bad prediction.rank", "2", "`prediction.rank` is no whole number in 1..1e6")
    ]
    assert sections["former contents"] == [("revision 2", "late_feedback", "tp 0 -> 1, fn 1 -> 0")]


def test_labels_that_count_early_are_a_part_of_the_predictions_shown() -> None:
    """No prediction is mature yet; the labels that are known are counted."""
    document = {**PERFORMANCE.sample, "state": "provisional", "shown": 9, "mature": 0, "judged_early": 9}

    sections = sections_of(document)

    remark = "5 fewer: the label is not known yet, or did not come in time"
    assert ("labelled", "4", remark) in sections["from predictions to labels"]
