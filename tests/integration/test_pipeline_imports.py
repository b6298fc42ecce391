"""Which libraries the running pipeline loads: each costs memory and time at the start."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"elasticsearch", "flask", "numpy", "tensorflow", "waitress"}
LIST_MODULES = """
import sys
from monitor_agent.cli import main
try:
    main(["pipeline", "validate", "-"])
finally:
    print(*sorted(name for name in sys.modules if "." not in name))
"""


def test_the_pipeline_loads_no_library_of_other_commands() -> None:
    """Numbers of metrics, Elasticsearch's client and servers belong to other commands."""
    answer = subprocess.run(
        [sys.executable, "-c", LIST_MODULES], input="", capture_output=True, text=True, check=True, timeout=60
    )

    assert not HEAVY & set(answer.stdout.split()), answer.stdout
