"""The full stack in containers, by `docker compose` and the file `docker-compose.yml`."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monitor_agent.errors import StackError, name_meant
from monitor_agent.files import replace_file
from monitor_agent.settings import StackSettings
from monitor_agent.stack.provider import ComponentStatus

COMPOSE_FILE = "docker-compose.yml"
TLS_FILE = "docker-compose.tls.yml"
ENVIRONMENT, EXAMPLE = ".env", ".env.example"
FILES = "COMPOSE_FILE"
"""The variable that tells docker compose its files, separated by colons."""
SECRET_BYTES = 16
OWN_OF_DOCKER = ("COMPOSE_", "DOCKER_")
"""First parts of names that docker compose itself reads."""
LONGEST_START_SECONDS = 600.0
PAUSE_SECONDS = 1.0
_ASSIGNMENT = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_PASSED_ON = re.compile(r"^ +([A-Z][A-Z0-9_]*):[ ]*$", re.MULTILINE)
"""A name without a value in a compose file: docker compose passes the variable on if it is set."""


class ComposeProvider:
    """The containers of one project of docker compose.

    Attributes
    ----------
    tls : whether `up` turns TLS on, for this start and all later ones.
    """

    def __init__(self, settings: StackSettings, report: Callable[[str], None], file: Path = Path(COMPOSE_FILE)) -> None:
        self._settings = settings
        self._report = report
        self._file = file
        self.tls = False

    def up(self, *, detach: bool, show_passwords: bool = False) -> None:  # noqa: ARG002  # they are in a file
        """Start the containers; with `detach`, return when all of them are healthy.

        Raises
        ------
        StackError
            If docker is missing or fails, or a container ends or does not become healthy: with its last line.
        """
        if self._file.is_file():
            self._prepare()
        self._report("starting the containers")
        # After an upgrade the images of this project are older than its files.
        done = self._docker("up", "--build", *(("--detach",) if detach else ()))
        if done.returncode:
            self._refuse_failed()
            raise _failure("up", done)
        if detach:
            self._wait()

    def down(self) -> bool:
        """Stop the containers, keeping their volumes; return whether there were any."""
        if not self._containers():
            return False
        self._run("down")
        return True

    def status(self) -> list[ComponentStatus]:
        """Return the state of each container; one that ran once and succeeded counts as running."""
        return [
            ComponentStatus(
                str(container["Service"]),
                container["State"] == "running" or _has_succeeded(container),
                _state(container),
            )
            for container in self._containers()
        ]

    def logs(self, component: str, *, follow: bool) -> None:
        """Print the log of a service (empty = all); with `follow`, until interrupted."""
        self._run("logs", *(("--follow",) if follow else ()), *((component,) if component else ()))

    def _prepare(self) -> None:
        """Complete the file of variables, and warn of names in it that no container reads."""
        environment, example = self._file.with_name(ENVIRONMENT), self._file.with_name(EXAMPLE)
        is_new = not environment.exists()
        added = complete_environment(example, environment) if example.is_file() else []
        if added:
            names = f"{environment} had no value for {', '.join(added)}: it was added"
            self._report(f"passwords were generated and are kept in {environment}" if is_new else names)
        text = environment.read_text("utf-8") if environment.exists() else ""
        if self.tls and (with_tls := _with_tls(text)) != text:
            replace_file(environment, with_tls)
        files = sorted(self._file.parent.glob("docker-compose*.yml"))
        for warning in unread_names(text, "\n".join(path.read_text("utf-8") for path in files)):
            self._report(f"warning: {environment}: {warning}")

    def _wait(self) -> None:
        """Wait until each container is healthy, or has ended with success if it runs once."""
        deadline = time.monotonic() + LONGEST_START_SECONDS
        while True:
            self._refuse_failed()
            waiting = [container for container in self._containers() if not _is_ready(container)]
            if not waiting:
                return
            if time.monotonic() > deadline:
                names = ", ".join(f"{container['Service']} ({_state(container)})" for container in waiting)
                raise StackError(f"these containers are not ready: {names}", "see `docker compose logs`")
            time.sleep(PAUSE_SECONDS)

    def _refuse_failed(self) -> None:
        """Raise a `StackError` with the last line of the first container that has failed."""
        for container in self._containers():
            if container["State"] in ("restarting", "dead") or container.get("ExitCode"):
                service = str(container["Service"])
                lines = self._run(
                    "logs", "--no-color", "--no-log-prefix", "--tail", "1", service, capture=True
                ).splitlines()
                reason = lines[-1].strip().removeprefix("error: ") if lines else _state(container)
                raise StackError(f"the container {service} failed: {reason}", f"see `docker compose logs {service}`")

    def _containers(self) -> list[dict[str, Any]]:
        return parse_containers(self._run("ps", "--all", "--format", "json", capture=True))

    def _run(self, *arguments: str, capture: bool = False) -> str:
        done = self._docker(*arguments, capture=capture)
        if done.returncode:
            raise _failure(arguments[0], done)
        return done.stdout or ""

    def _docker(self, *arguments: str, capture: bool = False) -> subprocess.CompletedProcess[str]:
        """Run docker compose in the folder of the file: it reads `.env` there, which may name further files."""
        docker = shutil.which("docker")
        if docker is None:
            raise StackError(
                "docker is not installed", "install Docker with its compose plug-in, or use --provider embedded"
            )
        if not self._file.is_file():
            raise StackError(
                f"{self._file} is not here", "run the command in a clone of the project: the containers are built there"
            )
        command = [docker, "compose", *arguments]
        pipe = subprocess.PIPE if capture else None  # output that is not read here goes to the user as it comes
        return subprocess.run(command, cwd=self._file.parent, stdout=pipe, stderr=pipe, text=True, check=False)


def _failure(action: str, done: subprocess.CompletedProcess[str]) -> StackError:
    lines = [line.strip() for line in (done.stderr or "").splitlines() if line.strip()]
    reason = lines[-1] if lines else f"status {done.returncode}"
    return StackError(f"docker compose {action} failed ({reason})", "see `docker compose logs`")


def _has_succeeded(container: dict[str, Any]) -> bool:
    return container["State"] == "exited" and container.get("ExitCode") == 0


def _is_ready(container: dict[str, Any]) -> bool:
    healthy = (container.get("Health") or "healthy") == "healthy"
    return _has_succeeded(container) or (container["State"] == "running" and healthy)


def _state(container: dict[str, Any]) -> str:
    return str(container.get("Health") or container.get("Status") or container["State"])


def complete_environment(example: Path, target: Path) -> list[str]:
    """Give each variable of the example a value in the file of variables; return the names that had none.

    A variable that is empty in the example gets a random value. Only its owner can read the file.
    """
    text = target.read_text("utf-8") if target.exists() else ""
    required = dict(_ASSIGNMENT.findall(example.read_text("utf-8")))
    present = {name: value for name, value in _ASSIGNMENT.findall(text) if value}
    missing = {name: value for name, value in required.items() if name not in present}
    if not missing:
        return []
    filled = {name: f"{name}={value or secrets.token_hex(SECRET_BYTES)}" for name, value in missing.items()}
    lines = []
    for line in (text or example.read_text("utf-8")).splitlines():
        match = _ASSIGNMENT.match(line)
        lines.append(filled.pop(match[1], line) if match else line)
    replace_file(target, "\n".join([*lines, *filled.values()]) + "\n")
    return list(missing)


def _with_tls(environment: str) -> str:
    """Return the variables with the file of TLS among the files of docker compose.

    >>> _with_tls("A=1\\n")
    'A=1\\nCOMPOSE_FILE=docker-compose.yml:docker-compose.tls.yml\\n'
    """
    files = dict(_ASSIGNMENT.findall(environment)).get(FILES, COMPOSE_FILE).split(":")
    if TLS_FILE in files:
        return environment
    lines = [line for line in environment.splitlines() if not (match := _ASSIGNMENT.match(line)) or match[1] != FILES]
    return "\n".join([*lines, f"{FILES}={':'.join([*files, TLS_FILE])}"]) + "\n"


def unread_names(environment: str, compose: str) -> list[str]:
    """Return a warning for each name in a `.env` file that the compose file does not read.

    >>> unread_names("MODEL_SERVER_PROT=1\\nELASTIC_PORT=2\\n", "${ELASTIC_PORT:-9200} ${MODEL_SERVER_PORT:-8500}")
    ['MODEL_SERVER_PROT is not read by the containers: did you mean MODEL_SERVER_PORT?']
    """
    names = [name for name, _ in _ASSIGNMENT.findall(environment)]
    readable = set(re.findall(r"(?<!\$)\$\{(\w+)", compose)) | set(_PASSED_ON.findall(compose))
    warnings = []
    for name in dict.fromkeys(names):
        if name not in readable and not name.startswith(OWN_OF_DOCKER):
            meant = name_meant(name, readable)
            question = f": did you mean {meant}?" if meant else ""
            warnings.append(f"{name} is not read by the containers{question}")
    return warnings


def parse_containers(text: str) -> list[dict[str, Any]]:
    """Return the containers that `docker compose ps --format json` lists: one array, or one object a line.

    >>> parse_containers('{"Service": "a"}\\n{"Service": "b"}')
    [{'Service': 'a'}, {'Service': 'b'}]
    >>> parse_containers('[{"Service": "a"}]')
    [{'Service': 'a'}]
    """
    if text.lstrip().startswith("["):
        listed: list[dict[str, Any]] = json.loads(text)
        return listed
    return [json.loads(line) for line in text.split("\n") if line.strip()]
