"""The command `monitor-agent`, run inside the test: quicker than a process, with the same answers."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
from collections.abc import Mapping
from unittest import mock

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


def run_with(environ: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command with this environment alone; return its exit status and what it prints."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with (
        mock.patch.dict(os.environ, environ, clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        status = monitor_agent(*arguments)
    printed, complaints = (stream.buffer.getvalue().decode() for stream in (out, err))
    return subprocess.CompletedProcess(arguments, status, printed, complaints)


def set_up(*options: str) -> int:
    """Return the exit status of `monitor-agent setup`, as `monitor_setup` if its password is in the environment."""
    with pytest.MonkeyPatch.context() as environment:
        password = os.environ.get("STACK_SETUP_PASSWORD", "")
        if password:
            environment.setenv("ELASTICSEARCH_USERNAME", "monitor_setup")
            environment.setenv("ELASTICSEARCH_PASSWORD", password)
        return monitor_agent("setup", *options)
