"""Which modules of the agent a serving process loads."""

from __future__ import annotations

import subprocess
import sys

ROOMS = {
    "contracts",
    "durations",
    "errors",
    "files",
    "http_client",
    "http_serving",
    "prediction_log",
    "product_files",
    "settings",
    "vocabulary",
}
MOST_MODULES = 60
LIST_MODULES = """
import sys
import model_server.app
print("\\n".join(name for name in sys.modules if name.split(".")[0] == "monitor_agent"))
"""


def test_the_server_loads_only_what_it_needs_of_the_agent() -> None:
    """The application loads settings, what HTTP needs and the contracts of its own events, but no room of the agent."""
    answer = subprocess.run([sys.executable, "-c", LIST_MODULES], capture_output=True, text=True, check=True)

    modules = answer.stdout.split()
    assert {name.split(".")[1] for name in modules if "." in name} == ROOMS
    assert "monitor_agent.contracts.catalogue" not in modules
    assert len(modules) <= MOST_MODULES
