"""The completion scripts in a real bash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

COMPLETE = r"""
source "$1"
COMP_WORDS=($2)
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
COMP_LINE=$2
COMP_POINT=${#COMP_LINE}
$(complete -p "$COMP_WORDS" | sed 's/.*-F \([^ ]*\) .*/\1/') "$COMP_WORDS" "${COMP_WORDS[$COMP_CWORD]}"
printf '%s\n' "${COMPREPLY[@]}"
"""


def run(*command: str) -> str:
    """Return what a command prints; it must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the file of the bash script by the name of the program."""
    paths = {}
    for name in ("monitor-agent", "model-server"):
        paths[name] = tmp_path_factory.mktemp("completion") / f"{name}.bash"
        paths[name].write_text(run(sys.executable, "-m", name.replace("-", "_"), "completion", "bash"))
    return paths


@pytest.mark.parametrize("name", ["monitor-agent", "model-server"])
def test_the_script_is_valid_bash(scripts: dict[str, Path], name: str) -> None:
    """Bash reads the whole script without an error."""
    run("bash", "-n", str(scripts[name]))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("monitor-agent tot", ["totals"]),
        ("monitor-agent stack st", ["status"]),
        ("monitor-agent totals --fr", ["--from"]),
        ("monitor-agent completion ba", ["bash"]),
        ("model-server tr", ["train"]),
        ("model-server train --max", ["--max-seq-length"]),
    ],
)
def test_bash_completes_commands_and_options(scripts: dict[str, Path], line: str, expected: list[str]) -> None:
    """The last word of the line is completed, as after a press of the tabulator key."""
    script = scripts[line.split()[0]]

    assert run("bash", "-c", COMPLETE, "bash", str(script), line).split() == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_shell_has_a_script(shell: str) -> None:
    """Each shell that the help names gets a script with the commands in it."""
    assert "explain-window" in run(sys.executable, "-m", "monitor_agent", "completion", shell)
