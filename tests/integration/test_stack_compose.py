"""The provider `compose` calls the `docker` program, and reports its failures in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monitor_agent.errors import StackError
from monitor_agent.settings import StackSettings
from monitor_agent.stack.compose import ComposeProvider
from monitor_agent.stack.provider import ComponentStatus

CONTAINERS = [
    {"Service": "elasticsearch", "State": "running", "Health": "healthy"},
    {"Service": "setup", "State": "exited", "ExitCode": 0, "Status": "Exited (0)"},
    {"Service": "kibana", "State": "restarting", "Health": "", "Status": "Restarting (1)"},
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a compose file, and a `docker` on PATH that records its arguments and lists containers."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    listed = "\\n".join(json.dumps(container) for container in CONTAINERS)
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\ncase "$*" in *" ps "*) printf \'{listed}\\n\';; esac\n'
    )
    program.chmod(0o755)
    (tmp_path / "docker-compose.yml").write_text("services: {}\n")
    (tmp_path / ".env.example").write_text("ELASTIC_VERSION=9.5.0\nELASTIC_PASSWORD=\n")
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return tmp_path


def make_provider(folder: Path) -> ComposeProvider:
    return ComposeProvider(StackSettings(), lambda _line: None, folder / "docker-compose.yml")


def calls(folder: Path) -> list[str]:
    """Return the arguments of each call after the compose file."""
    return [line.split("docker-compose.yml ")[1] for line in (folder / "calls").read_text().splitlines()]


def test_status_lists_each_container(folder: Path) -> None:
    """A container that ran once and succeeded counts as running; one that restarts does not."""
    assert make_provider(folder).status() == [
        ComponentStatus("elasticsearch", True, "healthy"),
        ComponentStatus("setup", True, "Exited (0)"),
        ComponentStatus("kibana", False, "Restarting (1)"),
    ]


def test_up_makes_the_secrets_and_waits_for_health(folder: Path) -> None:
    """Detached, the command returns when all containers are healthy; missing secrets are generated first."""
    make_provider(folder).up(detach=True)

    assert calls(folder) == ["up --detach --wait"]
    assert (folder / ".env").read_text().startswith("ELASTIC_VERSION=9.5.0\nELASTIC_PASSWORD=")


def test_logs_name_the_service(folder: Path) -> None:
    """The log of one service can be followed, and all logs can be printed."""
    make_provider(folder).logs("kibana", follow=True)
    make_provider(folder).logs("", follow=False)

    assert calls(folder) == ["logs --follow kibana", "logs"]


def test_the_last_line_of_docker_is_the_reason(folder: Path) -> None:
    """If docker fails, the message holds its last line."""
    (folder / "bin" / "docker").write_text("#!/bin/sh\necho 'first' >&2\necho 'no daemon' >&2\nexit 1\n")

    with pytest.raises(StackError, match=r"docker compose ps failed \(no daemon\)"):
        make_provider(folder).status()
