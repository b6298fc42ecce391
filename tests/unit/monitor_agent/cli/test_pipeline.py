"""`monitor-agent pipeline check` and `run`, as a user meets them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from monitor_agent.cli import main

PIPELINE = """
input { stdin { codec => json } }
filter {
  if [a] > 1 { mutate { add_tag => ["big"] } }
  mutate { remove_field => ["@version", "@timestamp", "event", "host"] }
}
output { if "big" in [tags] { stdout { codec => json_lines } } else { stdout { codec => line { format => "%{a}" } } } }
"""


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """Return a folder with the pipeline."""
    folder = tmp_path / "pipeline"
    folder.mkdir()
    (folder / "10-all.conf").write_text(PIPELINE)
    return folder


def run_pipeline(path: Path, text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Return what `pipeline run` did with `text` on its standard input."""
    command = [sys.executable, "-m", "monitor_agent", "pipeline", "run", "-f", str(path)]
    environ = {"PIPELINE_DATA_DIR": str(folder / "data"), "PATH": ""}
    return subprocess.run(command, input=text, capture_output=True, text=True, env=environ, timeout=30, check=False)


def test_check_accepts_and_warns(configuration: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A legal configuration is fine; comparisons that drop events are named with their place."""
    status = main(["pipeline", "check", "-f", str(configuration)])

    warning, summary = capsys.readouterr().out.splitlines()
    assert status == 0
    assert warning.startswith(f"warning: {configuration}/10-all.conf:4:6: an event without [a] is dropped by >")
    assert summary == f"{configuration} is fine: 5 plugins, files read: 1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "input { stdin { } }\nfilter { mutate { add_tags => 1 } }",
            "10-all.conf:2:19: the filter mutate has no option",
        ),
        ("input { stdin { } }\nfilter {", "10-all.conf:2:9: expected"),
        ('input { stdin { type => "${NO_SUCH_VARIABLE}" } }', "the environment variable NO_SUCH_VARIABLE is not set"),
        ("filter { drop { } }", "there is no input"),
        ("", "the configuration holds no plugin"),
    ],
)
def test_check_refuses_in_one_line(
    text: str, message: str, configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A refused configuration ends with status 1 and one line with file, line and what is wrong."""
    (configuration / "10-all.conf").write_text(text)

    status = main(["pipeline", "check", "-f", str(configuration)])

    printed = capsys.readouterr()
    assert status == 1
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert message in printed.err
    assert printed.err.count("\n") == 1


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
