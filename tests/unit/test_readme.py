"""The README promises nothing that is not there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.cli import COMMANDS
from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.prediction import PREDICTIONS
from tests.unit.test_docs import flat

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = [json.loads(block) for block in re.findall(r"```json\n(.+?)```", README, re.DOTALL)]
CONTRACTS = {"model.prediction": PREDICTIONS, "model.feedback": FEEDBACK}


@pytest.mark.parametrize("line", LINES, ids=lambda line: line["event"]["dataset"])
def test_a_line_of_another_server_has_only_known_fields(line: dict[str, Any]) -> None:
    """Every field of the examples is in its index's contract."""
    fields = CONTRACTS[line["event"]["dataset"]].fields

    assert [name for name in flat(line) if name not in fields and not name.startswith("labels.")] == []


def test_the_examples_belong_together() -> None:
    """The click names the prediction of the other example, by id and time."""
    prediction, click = LINES

    assert prediction["event"]["id"] == prediction["prediction"]["id"] == click["prediction"]["id"]
    assert prediction["@timestamp"] == click["prediction"]["timestamp"]


def test_every_link_leads_somewhere() -> None:
    """Each relative link names a file of the repository."""
    links = re.findall(r"\]\(([^)#]+?)\)", README)

    assert [link for link in links if not link.startswith("http") and not (ROOT / link).exists()] == []
    assert len(links) > 5


def test_every_command_exists() -> None:
    """Each `make` target is in the Makefile and each `monitor-agent` command is one."""
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert set(re.findall(r"\bmake ([a-z]+)\b", README)) <= set(targets)
    assert set(re.findall(r"\bmonitor-agent ([a-z][a-z-]+)", README)) <= set(COMMANDS)
