"""The README and the contributor's guide name only files, targets and commands that exist."""

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
PAGES = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"),
    *("logstash/README.md", "docs/architecture.md", "docs/containers.md", "docs/upgrade.md"),
    "docs/examples/README.md",
    *("packaging/systemd/README.md", "packaging/kubernetes/README.md"),
)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
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


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file(page: str) -> None:
    """Each relative link names a file of the repository."""
    path = ROOT / page
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))

    assert [link for link in links if not link.startswith("http") and not (path.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_command_exists(page: str) -> None:
    """Each `make` target is in the Makefile and each `monitor-agent` command is one."""
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"^([\w-]+):", MAKEFILE, re.MULTILINE)

    assert set(re.findall(r"(?:`|\$ |^)make ([a-z][a-z-]*)\b", text, re.MULTILINE)) <= set(targets)
    assert set(re.findall(r"(?<![\w-])monitor-agent ([a-z][a-z-]+)", text)) <= set(COMMANDS)


def test_the_guide_names_every_target() -> None:
    """Each target that a person calls is in the contributor's guide, with the time that it takes."""
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)

    assert [target for target in phony.split() if f"| `make {target}" not in guide] == []
