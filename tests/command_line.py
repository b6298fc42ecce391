"""The command `monitor-agent`, run inside the test: quicker than a process, with the same answers."""

from __future__ import annotations

import structlog

from monitor_agent import cli


def monitor_agent(*arguments: str) -> int:
    """Return the exit status of a command; how this process writes its log stays as it was."""
    before = structlog.get_config()
    try:
        return cli.main(arguments)
    finally:
        structlog.configure(**before)
