"""The viewer as a process: its address, and the server that answers."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from waitress.server import create_server

from monitor_agent.clock import SystemClock
from monitor_agent.dashboards.app import LOOPBACK, Viewer, create_app
from monitor_agent.dashboards.assets import bundle
from monitor_agent.dashboards.library import read_library
from monitor_agent.errors import PortInUseError
from monitor_agent.es.gateway import Gateway, connect
from monitor_agent.es.retry import Backoff
from monitor_agent.settings import DashboardsSettings, ElasticsearchSettings

THREADS = 8
# A person waits for the answer: better a line that says what is wrong than a long wait.
PATIENCE = Backoff(tries=2, first=0.3)


def serve(
    settings: DashboardsSettings,
    elasticsearch: ElasticsearchSettings,
    folder: Path,
    cache: Path,
    report: Callable[[str], None],
    ready: Callable[[str], None],
) -> None:
    """Serve the dashboards of `folder` until interrupted.

    Parameters
    ----------
    cache : folder that keeps the chart library.
    ready : told the address once it answers.

    Raises DataError for broken objects, PortInUseError, StackError where the chart library is missing.
    """
    library = read_library(folder)
    charts = bundle(cache, report)
    hosts = (*LOOPBACK, settings.host) if settings.host in LOOPBACK else ()
    gateway = Gateway(connect(elasticsearch), PATIENCE)
    app = create_app(Viewer(library, gateway, SystemClock(), charts, hosts))
    try:
        server = create_server(app, host=settings.host, port=settings.port, threads=THREADS, ident=None)
    except (OSError, socket.gaierror) as error:
        raise PortInUseError(
            f"{settings.host}:{settings.port} cannot be listened on ({error.strerror or error})",
            "stop what listens there, or set DASHBOARDS_PORT (0 = any free one)",
        ) from error
    try:
        ready(f"http://{settings.host}:{server.effective_port}")
        server.run()
    finally:
        server.close()
        gateway.close()
