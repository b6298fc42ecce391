"""The console script: what is wrong is one line, also what is not installed."""

from __future__ import annotations

import subprocess
import sys

WITHOUT = (
    "import sys; sys.modules['waitress'] = None; from monitor_agent.cli import main; sys.exit(main(['dashboards']))"
)


def test_a_command_whose_extra_is_missing_names_it() -> None:
    """The base install runs the agent; what needs more says what to install, and shows no traceback."""
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1
    assert done.stderr == "error: dashboards needs waitress: pip install 'model-monitor[embedded]'\n"
