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


def test_names_that_the_containers_do_not_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt name, and a setting that the compose file does not pass on; the example itself is fine."""
    root = Path(__file__).parents[4]
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "docker-compose.yml").write_text((root / "docker-compose.yml").read_text())
    example = (root / ".env.example").read_text()
    (tmp_path / ".env").write_text(
        f"{example}\nMODEL_SERVER_PROT=8600\nMODEL_SERVER_THRESHOLD=0.3\nCOMPOSE_PROFILES=a\n"
    )
    lines: list[str] = []

    with pytest.raises(StackError):
        ComposeProvider(StackSettings(), lines.append, tmp_path / "docker-compose.yml").up(detach=False)

    assert lines[:2] == [
        f"warning: {tmp_path}/.env: MODEL_SERVER_PROT is not read by the containers: did you mean MODEL_SERVER_PORT?",
        f"warning: {tmp_path}/.env: MODEL_SERVER_THRESHOLD is not read by the containers",
    ]
    assert not any("COMPOSE_FILE" in line for line in lines)
