"""Documents in words."""

from __future__ import annotations

import re
from pathlib import Path

from monitor_agent import metrics
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.pipeline.explanation import REASONS, explain
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings

SETTINGS = AgentSettings()


def test_every_reason_has_words() -> None:
    """No reason for an undefined metric is told as its code name."""
    room = Path(metrics.__file__).parent
    reasons = {
        reason
        for path in room.glob("*.py")
        for reason in re.findall(r'Undefined\("([a-z_]+)"\)', path.read_text(encoding="utf-8"))
    }

    assert reasons - REASONS.keys() == set()


def test_a_document_says_how_final_it_is_and_what_it_said_before() -> None:
    """A document that is not final says when it will be; a restated one says what moved and why."""
    document = {**PERFORMANCE.sample, "state": "provisional"}
    earlier = {"revision": 2, "reason": "late_feedback", "document": {**document, "tp": 0, "fn": 1}}

    sections = {
        section.title: section.lines for section in explain("id", document, [earlier], Calendar(SETTINGS), SETTINGS)
    }

    assert ("final at", "2026-11-23T11:32:00Z") in [line[:2] for line in sections["id"]]
    assert sections["what it said before"] == [("revision 2", "late_feedback", "tp 0 -> 1, fn 1 -> 0")]
