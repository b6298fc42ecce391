"""Each scenario of `monitor-agent demo`, whole, as a user runs it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor_agent.demo.scenarios import NAMES

SECONDS = 1200
WORDS = {
    "search": ("exactly once: all 10,000", "Version 2 of the model search fell", "its first hour", "look at"),
    "ads": ("labels.advertiser=north", "labels.advertiser=south", "value_per_thousand"),
    "medical": ("of 319 cases", "no random sample", "recall"),
    "fraud": ("week from", "final", "recall falls"),
    "bad-release": ("Version 2 of the model search fell", "worse-version", "no-data", "response-time", "lost-lines"),
}
"""What the output of a scenario must say."""

pytestmark = pytest.mark.soak


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that Elasticsearch's own account may enter, if root runs the test."""
    path = Path(tempfile.mkdtemp(prefix="model-monitor-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_runs_and_says_what_it_shows(name: str, folder: Path) -> None:
    """It ends without an error, says what is simulated, and names what was found and where to look."""
    words = [sys.executable, "-m", "monitor_agent", "demo", "--scenario", name, "--out", str(folder / "out")]
    models = ["--models", str(folder / "models")] if name == "search" else []
    done = subprocess.run([*words, *models], capture_output=True, text=True, timeout=SECONDS, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert [text for text in WORDS[name] if text not in done.stdout] == []
    assert "not fired" not in done.stdout
    assert "monitor-agent dashboards --data" in done.stdout
    assert name == "search" or "imulated" in done.stdout.splitlines()[0] + done.stdout
    assert "Traceback" not in done.stderr
