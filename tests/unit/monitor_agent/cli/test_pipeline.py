"""`monitor-agent pipeline check`, as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor_agent.cli import main
from tests.sample_pipeline import write_pipeline


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """Return a folder with the pipeline."""
    return write_pipeline(tmp_path / "pipeline")


def test_check_accepts_and_warns(configuration: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A legal configuration is fine; comparisons that drop events are named with their place."""
    status = main(["pipeline", "check", "-f", str(configuration)])

    warning, summary = capsys.readouterr().out.splitlines()
    assert status == 0
    assert warning.startswith(f"warning: {configuration}/10-all.conf:4:6: > drops an event without [a]")
    assert summary == f"{configuration} is fine: 5 plugins, files read: 1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "input { stdin { } }\nfilter { mutate { add_tags => 1 } }",
            "10-all.conf:2:19: the filter mutate has no option",
        ),
        ("input { stdin { } }\nfilter {", "10-all.conf:2:9: the "),
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
