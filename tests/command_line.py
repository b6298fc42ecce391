"""The command `monitor-agent`, run inside the test: quicker than a process, with the same answers."""

from __future__ import annotations

import os

import pytest
import structlog

from monitor_agent import cli


def monitor_agent(*arguments: str) -> int:
    """Return the exit status of a command; how this process writes its log stays as it was."""
    before = structlog.get_config()
    try:
        return cli.main(arguments)
    finally:
        structlog.configure(**before)


def set_up(*options: str) -> int:
    """Return the exit status of `monitor-agent setup`, as `monitor_setup` if its password is in the environment."""
    with pytest.MonkeyPatch.context() as environment:
        password = os.environ.get("STACK_SETUP_PASSWORD", "")
        if password:
            environment.setenv("ELASTICSEARCH_USERNAME", "monitor_setup")
            environment.setenv("ELASTICSEARCH_PASSWORD", password)
        return monitor_agent("setup", *options)
