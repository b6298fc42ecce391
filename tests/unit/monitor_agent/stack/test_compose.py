"""A machine without Docker; tests/integration/test_stack_compose.py runs a program in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor_agent.errors import StackError
from monitor_agent.settings import StackSettings
from monitor_agent.stack.compose import ComposeProvider


def test_without_docker_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing program is reported with an alternative."""
    monkeypatch.setenv("PATH", str(tmp_path))
    provider = ComposeProvider(StackSettings(), lambda _line: None, tmp_path / "docker-compose.yml")

    with pytest.raises(StackError, match=r"docker is not installed: .*--provider embedded"):
        provider.down()
