"""The whole product on this machine, as child processes: Elasticsearch, model server, pipeline, agent, dashboards.

Each child reads its settings from its environment and gets the user of its own role only. If Elasticsearch is an
existing cluster (`STACK_PROVIDER=external`), the other components run against that one.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from monitor_agent.contracts.role_names import MONITOR_SETUP
from monitor_agent.errors import PortInUseError, StackError
from monitor_agent.files import read_address
from monitor_agent.settings import (
    ElasticsearchSettings,
    HttpSettings,
    Settings,
    environment_of,
    environment_without_secrets,
    process_environment_of,
)
from monitor_agent.stack.account import unprivileged_account
from monitor_agent.stack.embedded.configuration import options_from
from monitor_agent.stack.embedded.elasticsearch import EmbeddedElasticsearch, home_folder, is_free
from monitor_agent.stack.embedded.users import PASSWORDS_FILE, VIEWER
from monitor_agent.stack.process import ChildProcess, Command, Supervisor
from monitor_agent.stack.read_access import as_own_users
from monitor_agent.stack.rest_call import cluster_health, logins

READY_SECONDS = 180.0
LEAST_FREE_MIB = 200
MIB = 1024 * 1024
SHARED_WITH_PIPELINE = (
    "MODEL_LOG_DIR",
    "MODEL_SERVER_LOG_OTHER_FEATURES",
)
"""Settings of the model server that the pipeline reads, too."""
MODEL_SERVER, DASHBOARDS, RECEIVER = "model-server", "dashboards", "receiver"
PORT_OF = {MODEL_SERVER: "MODEL_SERVER_PORT", DASHBOARDS: "DASHBOARDS_PORT", RECEIVER: "PIPELINE_RECEIVE_PORT"}
"""The setting with the port of a component."""
ERROR_LINE = r"^error: (.+)"
"""The last line of a command that fails: its group 1 is the reason."""


class LocalProduct:
    """The components of the product, started in the main thread and stopped by a supervisor.

    Attributes
    ----------
    settings : the settings with absolute paths; once Elasticsearch is ready, with its address and users.
    users : password by user name of the embedded Elasticsearch; empty with an existing cluster.
    """

    def __init__(self, settings: Settings, supervisor: Supervisor, report: Callable[[str], None]) -> None:
        if settings.stack.provider == "compose":
            raise StackError(
                "the containers hold the whole product already", "run `monitor-agent stack up --provider compose`"
            )
        self.settings = _absolute(settings)
        self.users: dict[str, str] = {}
        self._supervisor = supervisor
        self._report = report
        self._node: EmbeddedElasticsearch | None = None
        self._children: dict[str, ChildProcess] = {}

    @property
    def log_dir(self) -> Path:
        """Return the folder of the logs, one `<component>.log` for each component."""
        return Path(self.settings.stack.data_dir) / "log"

    @property
    def passwords_file(self) -> Path:
        """Return the file with the passwords of the embedded Elasticsearch, which only its owner can read."""
        return Path(self.settings.stack.data_dir) / PASSWORDS_FILE

    def require_ports(self) -> None:
        """Return if every port of the settings is free; call this before slow work.

        Raises
        ------
        PortInUseError
            If another process listens on a port.
        """
        server, agent, dashboards = self.settings.server, self.settings.agent, self.settings.dashboards
        _require_port(server.host, server.port, "MODEL_SERVER_PORT")
        _require_port(agent.health_host, agent.health_port or 0, "MONITOR_HEALTH_PORT")
        _require_port(dashboards.host, dashboards.port, "DASHBOARDS_PORT")
        _require_port(self.settings.receive.host, self.settings.receive.port or 0, "PIPELINE_RECEIVE_PORT")

    def start_elasticsearch(self) -> None:
        """Start Elasticsearch, without waiting for it; do nothing if it is an existing cluster.

        Raises
        ------
        StackError
            If the disk is nearly full.
        """
        if self.settings.stack.provider == "embedded":
            require_space(Path(self.settings.stack.data_dir))
            self._report("starting Elasticsearch")
            self._node = EmbeddedElasticsearch(options_from(self.settings.stack), self._report)
            self._supervisor.start(self._node)

    def wait_for_elasticsearch(self) -> None:
        """Return when Elasticsearch answers; `settings` then hold its address and its users."""
        node = self._node
        if node is None:
            cluster_health(logins(self.settings.elasticsearch)[0])
            return
        node.wait_ready()
        self.users = node.users
        self.settings = as_own_users(self.settings, node.url, node.users)

    def setup_access(self) -> ElasticsearchSettings:
        """Return address and user of the set-up: `monitor_setup` if its password is known, else the configured user."""
        password = self.users.get(MONITOR_SETUP, "") or self.settings.stack.setup_password
        if not password:
            return self.settings.elasticsearch
        return dataclasses.replace(self.settings.elasticsearch, username=MONITOR_SETUP, password=password, api_key="")

    def start_model_server(self, model_dir: Path) -> None:
        """Start the model server on a folder of models, without waiting for it."""
        server = dataclasses.replace(self.settings.server, model_dir=str(model_dir.absolute()))
        environ = {**environment_of(server), **environment_of(self.settings.security)}
        self._start_addressed(MODEL_SERVER, ("-m", "model_server", "serve"), environ)

    def wait_for_model_server(self) -> str:
        """Return the model server's address as soon as its model is loaded."""
        return self._address(MODEL_SERVER)

    def start_pipeline(self) -> None:
        """Start the pipeline; the index templates must be there."""
        settings, elasticsearch = self.settings.pipeline, self.settings.elasticsearch
        if not Path(settings.config).exists():
            raise StackError(f"{settings.config} is not here", "correct PIPELINE_CONFIG, or remove it")
        environ = {
            **environment_of(settings),
            **environment_of(dataclasses.replace(elasticsearch, username="", password="", api_key="")),
            **{name: environment_of(self.settings.server)[name] for name in SHARED_WITH_PIPELINE},
            "PIPELINE_USERNAME": settings.username or elasticsearch.username,
            "PIPELINE_PASSWORD": settings.password or elasticsearch.password,
            "PIPELINE_API_KEY": settings.api_key or ("" if settings.username else elasticsearch.api_key),
        }
        self._start("pipeline", ("-m", "monitor_agent", "pipeline", "run", "-f", settings.config), environ)

    def start_agent(self, config: Path | None = None) -> None:
        """Start the agent, which then runs every period.

        Parameters
        ----------
        config : the file with the channels of its notifications.
        """
        sections = (self.settings.elasticsearch, self.settings.health, self.settings.security, self.settings.notify)
        environ = {name: text for section in sections for name, text in environment_of(section).items()}
        environ |= process_environment_of(self.settings.agent)
        self._start("agent", ("-m", "monitor_agent", *_config_options(config), "run"), environ)

    def start_dashboards(self) -> None:
        """Start the viewer of the dashboards, which reads as the user `viewer`, without waiting for it."""
        elasticsearch = self.settings.elasticsearch
        if VIEWER in self.users:
            elasticsearch = dataclasses.replace(elasticsearch, username=VIEWER, password=self.users[VIEWER])
        environ = {
            **environment_of(elasticsearch),
            **environment_of(self.settings.dashboards),
            **environment_of(self.settings.security),
            "KIBANA_FOLDER": self.settings.kibana.folder,
        }
        self._start_addressed(DASHBOARDS, ("-m", "monitor_agent", "dashboards"), environ)

    def wait_for_dashboards(self) -> str:
        """Return the viewer's address as soon as it answers."""
        return self._address(DASHBOARDS)

    def start_receiver(self, config: Path | None) -> None:
        """Start the receiver of the events of other systems, without waiting for it.

        Parameters
        ----------
        config : the file with its mappings.
        """
        sections = (self.settings.receive, self.settings.server, self.settings.security)
        environ = {name: text for section in sections for name, text in environment_of(section).items()}
        self._start_addressed(RECEIVER, ("-m", "monitor_agent", *_config_options(config), "receive"), environ)

    def wait_for_receiver(self) -> str:
        """Return the receiver's address as soon as it answers."""
        return self._address(RECEIVER)

    def _start_addressed(self, name: str, argv: tuple[str, ...], environ: Mapping[str, str]) -> None:
        """Start a component that writes its address into a file once it is ready."""
        path = self._address_file(name)
        path.unlink(missing_ok=True)
        self._start(name, (*argv, "--address-file", str(path)), environ)

    def _address(self, name: str) -> str:
        path, child = self._address_file(name), self._children[name]
        child.wait_ready(path.exists, READY_SECONDS)
        address = read_address(path)
        # After another start, it must have the address that users know.
        child.set_environ(PORT_OF[name], address.rpartition(":")[2])
        return address

    def _address_file(self, name: str) -> Path:
        return Path(self.settings.stack.data_dir) / f"{name}.address"

    def _start(self, name: str, argv: tuple[str, ...], environ: Mapping[str, str]) -> None:
        self._report(f"starting the {name.replace('-', ' ')}")
        log_path = self.log_dir / f"{name}.log"
        # Each component gets the secrets of its own sections only.
        environ = {**environment_without_secrets(os.environ), **environ}
        child = ChildProcess(Command(name, (sys.executable, *argv), log_path, environ, reason_pattern=ERROR_LINE))
        self._children[name] = child
        self._supervisor.start(child)


def _config_options(config: Path | None) -> tuple[str, ...]:
    return () if config is None else ("--config", str(config.absolute()))


def _require_port(host: str, port: int, variable: str) -> None:
    if port and not is_free(port, host):
        raise PortInUseError(
            f"port {port} of {host} is taken by another process",
            f"stop that process, or set {variable} (0 = any free one)",
        )


def require_space(folder: Path) -> None:
    """Return if the disk of a folder, which may not exist yet, has space for a start.

    Raises
    ------
    StackError
        If it has too little space.
    """
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free // MIB
    if free < LEAST_FREE_MIB:
        raise StackError(
            f"{existing} has {free} MiB left, and {LEAST_FREE_MIB} MiB are needed",
            "free disk space, or choose another folder",
        )


def delete_data(data_dir: Path) -> None:
    """Delete a data folder and the files of its embedded Elasticsearch outside it; the server must not run."""
    folder = data_dir.absolute()
    shutil.rmtree(home_folder(folder, unprivileged_account()), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _absolute(settings: Settings) -> Settings:
    """Return the settings with absolute paths, which do not depend on the working directory."""
    return dataclasses.replace(
        settings,
        dashboards=_with_absolute_certificate(settings.dashboards),
        health=_with_absolute_certificate(settings.health),
        receive=_with_absolute_certificate(settings.receive),
        server=dataclasses.replace(
            _with_absolute_certificate(settings.server),
            model_dir=str(Path(settings.server.model_dir).absolute()),
            log_dir=str(Path(settings.server.log_dir).absolute()),
        ),
        pipeline=dataclasses.replace(
            settings.pipeline,
            config=str(Path(settings.pipeline.config).absolute()),
            data_dir=str(Path(settings.pipeline.data_dir).absolute()),
        ),
        stack=dataclasses.replace(settings.stack, data_dir=str(Path(settings.stack.data_dir).absolute())),
        kibana=dataclasses.replace(settings.kibana, folder=str(Path(settings.kibana.folder).absolute())),
    )


_Server = TypeVar("_Server", bound=HttpSettings)


def _with_absolute_certificate(settings: _Server) -> _Server:
    if not settings.tls_cert:
        return settings
    cert, key = (str(Path(name).absolute()) for name in (settings.tls_cert, settings.tls_key))
    return dataclasses.replace(settings, tls_cert=cert, tls_key=key)
