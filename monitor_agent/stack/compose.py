"""The full stack in containers, by `docker compose` and the file `docker-compose.yml`."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monitor_agent.errors import StackError, name_meant
from monitor_agent.settings import StackSettings
from monitor_agent.stack.provider import ComponentStatus

COMPOSE_FILE = "docker-compose.yml"
SECRET_BYTES = 16
OWN_OF_DOCKER = ("COMPOSE_", "DOCKER_")
"""First parts of names that docker compose itself reads."""
"""How like another name a misspelt name is, from 0 to 1."""


class ComposeProvider:
    """The containers of one compose file."""

    def __init__(self, settings: StackSettings, report: Callable[[str], None], file: Path = Path(COMPOSE_FILE)) -> None:
        self._settings = settings
        self._report = report
        self._file = file

    def up(self, *, detach: bool, show_passwords: bool = False) -> None:  # noqa: ARG002  # they are in a file
        """Start the containers; with `detach`, return when all of them are healthy."""
        environment = self._file.with_name(".env")
        if self._file.is_file() and write_environment(self._file.with_name(".env.example"), environment):
            self._report(f"passwords were generated and are kept in {environment}")
        if self._file.is_file() and environment.is_file():
            for warning in unread_names(environment.read_text("utf-8"), self._file.read_text("utf-8")):
                self._report(f"warning: {environment}: {warning}")
        self._report("starting the containers")
        self._run("up", *(("--detach", "--wait") if detach else ()))

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
                container["State"] == "running" or (container["State"] == "exited" and container.get("ExitCode") == 0),
                str(container.get("Health") or container.get("Status") or container["State"]),
            )
            for container in self._containers()
        ]

    def logs(self, component: str, *, follow: bool) -> None:
        """Print the log of a service (empty = all); with `follow`, until interrupted."""
        self._run("logs", *(("--follow",) if follow else ()), *((component,) if component else ()))

    def _containers(self) -> list[dict[str, Any]]:
        return parse_containers(self._run("ps", "--all", "--format", "json", capture=True))

    def _run(self, *arguments: str, capture: bool = False) -> str:
        docker = shutil.which("docker")
        if docker is None:
            raise StackError(
                "docker is not installed", "install Docker with its compose plug-in, or use --provider embedded"
            )
        if not self._file.is_file():
            raise StackError(f"{self._file} is not here", "run the command in the project's folder")
        command = [docker, "compose", "--file", str(self._file), *arguments]
        pipe = subprocess.PIPE if capture else None  # output that is not read here goes to the user as it comes
        done = subprocess.run(command, stdout=pipe, stderr=pipe, text=True, check=False)
        if done.returncode:
            lines = [line.strip() for line in (done.stderr or "").splitlines() if line.strip()]
            reason = lines[-1] if lines else f"status {done.returncode}"
            raise StackError(f"docker compose {arguments[0]} failed ({reason})", "see `docker compose logs`")
        return done.stdout or ""


def write_environment(example: Path, target: Path) -> bool:
    """Write the file of variables if it is missing; return whether it was missing.

    An empty variable of the example gets a random value. Only its owner can read the file.
    """
    if target.exists():
        return False
    lines = example.read_text(encoding="utf-8").splitlines()
    filled = [line + secrets.token_hex(SECRET_BYTES) if line.endswith("=") else line for line in lines]
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write("\n".join(filled) + "\n")
    return True


def unread_names(environment: str, compose: str) -> list[str]:
    """Return a warning for each name in a `.env` file that the compose file does not read.

    >>> unread_names("MODEL_SERVER_PROT=1\\nELASTIC_PORT=2\\n", "${ELASTIC_PORT:-9200} ${MODEL_SERVER_PORT:-8500}")
    ['MODEL_SERVER_PROT is not read by the containers: did you mean MODEL_SERVER_PORT?']
    """
    names = re.findall(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=", environment, re.MULTILINE)
    readable = set(re.findall(r"(?<!\$)\$\{(\w+)", compose))
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
