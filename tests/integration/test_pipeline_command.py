"""`monitor-agent pipeline run`, as a user meets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.sample_pipeline import write_pipeline


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """Return a folder with the pipeline."""
    return write_pipeline(tmp_path / "pipeline")


def run_pipeline(path: Path, text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Return what `pipeline run` did with `text` on its standard input."""
    command = [sys.executable, "-m", "monitor_agent", "pipeline", "run", "-f", str(path)]
    environ = {"PIPELINE_DATA_DIR": str(folder / "data"), "PATH": ""}
    return subprocess.run(command, input=text, capture_output=True, text=True, env=environ, timeout=30, check=False)


def test_run_ends_with_its_standard_input(configuration: Path, tmp_path: Path) -> None:
    """Events go to standard output and nothing else does; what is told goes to standard error."""
    done = run_pipeline(configuration, '{"a":2}\n{"b":1}\n{"a":0}', tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ['{"a":2,"tags":["big"]}', "0"]
    assert "event dropped" in done.stderr
    assert "10-all.conf:4:6: [a] > 1" in done.stderr


def test_run_refuses_before_it_reads(configuration: Path, tmp_path: Path) -> None:
    """A refused configuration ends with status 1, one line, and no output."""
    (configuration / "20-bad.conf").write_text("output { nowhere { } }")

    done = run_pipeline(configuration, "{}\n", tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {configuration}/20-bad.conf:1:10: there is no output 'nowhere'")
    assert not (tmp_path / "data").exists()
