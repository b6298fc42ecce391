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
# A person waits for the page, so an error message must come soon.
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
    cache : folder of the chart library.
    ready : called with the URL once the server answers.

    Raises
    ------
    DataError
        If a saved object is broken.
    PortInUseError
        If the server cannot listen on the address.
    StackError
        If the chart library is not installed.
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
            f"the viewer cannot listen on {settings.host}:{settings.port} ({error.strerror or error})",
            "stop what listens there, or set DASHBOARDS_PORT (0 = any free one)",
        ) from error
    try:
        ready(f"http://{settings.host}:{server.effective_port}")
        server.run()
    finally:
        server.close()
        gateway.close()
