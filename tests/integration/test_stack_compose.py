"""The provider `compose` calls the `docker` program, and reports its failures in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.cli import main
from monitor_agent.errors import StackError
from monitor_agent.settings import StackSettings
from monitor_agent.stack.compose import ComposeProvider
from monitor_agent.stack.provider import ComponentStatus

ELASTICSEARCH = {"Service": "elasticsearch", "State": "running", "Health": "healthy"}
SETUP = {"Service": "setup", "State": "exited", "ExitCode": 0, "Status": "Exited (0)"}
RESTARTING = {"Service": "kibana", "State": "restarting", "Health": "", "Status": "Restarting (1)"}
STARTING = {"Service": "kibana", "State": "running", "Health": "starting"}
NO_MODEL = {"Service": "model-check", "State": "exited", "ExitCode": 1, "Status": "Exited (1)"}
REASON = "neither /models nor a folder in it holds a SavedModel: train one"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a compose file, and a `docker` on PATH that records its arguments and lists containers.

    Each list of containers comes from a file `containers.N`; the last one stays. The file `status` holds that of `up`.
    """
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(
        f"""#!/bin/sh
cd {tmp_path}
echo "$*" >> calls
case "$*" in
  *" ps "*)
    next=$(ls containers.* | head -n 1)
    cat "$next"
    [ "$(ls containers.* | wc -l)" -eq 1 ] || rm "$next";;
  *" logs "*) echo "error: {REASON}";;
  *" up"*) exit "$(cat status)";;
esac
"""
    )
    program.chmod(0o755)
    (tmp_path / "status").write_text("0")
    (tmp_path / "docker-compose.yml").write_text("services: {}\n")
    (tmp_path / ".env.example").write_text("ELASTIC_VERSION=9.5.0\nELASTIC_PASSWORD=\n")
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr("monitor_agent.stack.compose.PAUSE_SECONDS", 0.0)
    lists(tmp_path, [ELASTICSEARCH, SETUP])
    return tmp_path


def lists(folder: Path, *answers: list[dict[str, Any]]) -> None:
    """Let `docker compose ps` list these containers, one answer a call."""
    for number, answer in enumerate(answers):
        text = "".join(json.dumps(container) + "\n" for container in answer)
        (folder / f"containers.{number}").write_text(text)


def make_provider(folder: Path) -> ComposeProvider:
    return ComposeProvider(StackSettings(), lambda _line: None, folder / "docker-compose.yml")


def calls(folder: Path) -> list[str]:
    """Return the arguments of each call."""
    return [line.removeprefix("compose ") for line in (folder / "calls").read_text().splitlines()]


def test_status_lists_each_container(folder: Path) -> None:
    """A container that ran once and succeeded counts as running; one that restarts does not."""
    lists(folder, [ELASTICSEARCH, SETUP, RESTARTING])

    assert make_provider(folder).status() == [
        ComponentStatus("elasticsearch", True, "healthy"),
        ComponentStatus("setup", True, "Exited (0)"),
        ComponentStatus("kibana", False, "Restarting (1)"),
    ]


def test_up_makes_the_secrets_and_waits_for_health(folder: Path) -> None:
    """Detached, the command returns when all containers are healthy; missing secrets are generated first."""
    lists(folder, *[[ELASTICSEARCH, STARTING]] * 3, [ELASTICSEARCH, SETUP])

    make_provider(folder).up(detach=True)

    assert calls(folder)[0] == "up --build --detach"
    assert not (folder / "containers.2").exists()
    assert (folder / ".env").read_text().startswith("ELASTIC_VERSION=9.5.0\nELASTIC_PASSWORD=")


@pytest.mark.parametrize("status", ["0", "1"])
def test_a_container_that_fails_is_named_with_its_last_line(folder: Path, status: str) -> None:
    """So an empty folder of models is one clear line, whether docker notices the failure itself or not."""
    lists(folder, [ELASTICSEARCH, NO_MODEL])
    (folder / "status").write_text(status)

    with pytest.raises(StackError) as failure:
        make_provider(folder).up(detach=True)

    assert str(failure.value) == f"the container model-check failed: {REASON}: see `docker compose logs model-check`"


def test_a_container_that_restarts_again_and_again_is_a_failure(folder: Path) -> None:
    """Nobody waits in vain for it."""
    lists(folder, [ELASTICSEARCH, RESTARTING])

    with pytest.raises(StackError, match="the container kibana failed"):
        make_provider(folder).up(detach=True)


def test_containers_that_never_get_ready_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait has an end."""
    monkeypatch.setattr("monitor_agent.stack.compose.LONGEST_START_SECONDS", 0.0)
    lists(folder, [ELASTICSEARCH, STARTING])

    with pytest.raises(StackError, match=r"not ready: kibana \(starting\)"):
        make_provider(folder).up(detach=True)


def test_tls_stays_on(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`--tls` adds the file of TLS to those that docker compose reads, once; for the embedded stack it is refused."""
    monkeypatch.chdir(folder)
    command = ["stack", "up", "--provider", "compose", "--detach", "--tls"]

    assert main(command) == main(command) == main(command[:-1]) == 0

    lines = (folder / ".env").read_text().splitlines()
    assert [line for line in lines if "COMPOSE" in line] == ["COMPOSE_FILE=docker-compose.yml:docker-compose.tls.yml"]
    assert main(["stack", "up", "--provider", "embedded", "--tls"]) == 1
    assert "add --provider compose" in capsys.readouterr().err


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
