"""The viewer as a process: its address, and the server that answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import structlog

from monitor_agent.clock import SystemClock
from monitor_agent.dashboards.app import Viewer, create_app
from monitor_agent.dashboards.assets import bundle
from monitor_agent.dashboards.library import read_library
from monitor_agent.es.gateway import Gateway, connect
from monitor_agent.es.retry import Backoff
from monitor_agent.http_serving.exposure import check_exposure
from monitor_agent.http_serving.listener import bind
from monitor_agent.http_serving.server import HttpServer, ServedApplication
from monitor_agent.settings import DashboardsSettings, ElasticsearchSettings, Settings

THREADS = 8
MAX_BODY_BYTES = 16 * 1024
REMEDY = "stop what listens there, or set DASHBOARDS_PORT or DASHBOARDS_HOST (0 = any free port)"
_log = structlog.get_logger()
# A person waits for the page, so an error message must come soon.
PATIENCE = Backoff(tries=2, first=0.3)


def serve(
    settings: Settings,
    elasticsearch: ElasticsearchSettings,
    cache: Path,
    report: Callable[[str], None],
    ready: Callable[[str], None],
) -> None:
    """Serve the dashboards of the folder of saved objects until interrupted.

    Parameters
    ----------
    elasticsearch : the connection of the user who reads.
    cache : folder of the chart library.
    ready : called with the URL once the server answers.

    Raises
    ------
    DataError
        If a saved object is broken.
    PortInUseError
        If the server cannot listen on the address.
    SettingsError
        If the certificate cannot be used, or the viewer would answer everybody and REQUIRE_AUTH forbids that.
    StackError
        If the chart library is not installed.
    """
    viewer = settings.dashboards
    library = read_library(Path(settings.kibana.folder))
    charts = bundle(cache, report)
    gateway = Gateway(connect(elasticsearch), PATIENCE, ca_file=elasticsearch.ca_certs)
    app = create_app(Viewer(library, gateway, SystemClock(), charts))
    try:
        with bind(viewer.host, viewer.port, "the viewer", REMEDY) as listener:
            warn_of_exposure(viewer, require_auth=settings.security.require_auth)
            server = HttpServer(ServedApplication(app, THREADS, MAX_BODY_BYTES), listener, viewer.host, viewer)
            ready(server.address)
            server.run()
    finally:
        gateway.close()


def warn_of_exposure(settings: DashboardsSettings, *, require_auth: bool) -> None:
    """Log what the viewer lacks if other machines can reach it.

    Raises
    ------
    SettingsError
        If it lacks a login, and `require_auth` forbids that.
    """
    tls = "" if settings.tls_cert else "DASHBOARDS_TLS_CERT and DASHBOARDS_TLS_KEY"
    warning = check_exposure(
        "the viewer", settings.host, "DASHBOARDS_AUTH", authenticated=False, tls=tls, require=require_auth
    )
    if warning:
        _log.warning(warning)
