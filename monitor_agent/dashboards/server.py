"""The viewer as a process: its address, and the server that answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from monitor_agent.clock import SystemClock
from monitor_agent.dashboards.app import Viewer, create_app
from monitor_agent.dashboards.assets import bundle
from monitor_agent.dashboards.library import read_library
from monitor_agent.dashboards.login import BY_ELASTICSEARCH, NO_LOGIN, LoginPages, login_method, require_security
from monitor_agent.dashboards.shared_answers import MOST_SHARING
from monitor_agent.dashboards.visitor_work import MOST_AT_ONCE, MOST_WAITING
from monitor_agent.es.connection import open_gateway
from monitor_agent.es.retry import Backoff
from monitor_agent.http_serving.exposure import warn_of_exposure
from monitor_agent.http_serving.listener import bind
from monitor_agent.http_serving.server import HttpServer, ServedApplication
from monitor_agent.settings import ElasticsearchSettings, Settings

THREADS = 2 * (MOST_AT_ONCE + MOST_WAITING) + MOST_SHARING + 4
"""Enough for the logins and the searches that run or wait, for those who share them, and for the other pages."""
MAX_BODY_BYTES = 16 * 1024
REMEDY = "stop what listens there, or set DASHBOARDS_PORT or DASHBOARDS_HOST (0 = any free port)"
# A person waits for the page, so an error message must come soon.
PATIENCE = Backoff(tries=2, first=0.3, after_timeout=False)
LONGEST_ANSWER = timedelta(seconds=8)
"""The longest wait for an answer of Elasticsearch."""


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
    elasticsearch = replace(elasticsearch, request_timeout=min(LONGEST_ANSWER, elasticsearch.request_timeout))
    method = login_method(viewer, elasticsearch, PATIENCE)
    gateway = open_gateway(elasticsearch, PATIENCE)
    if viewer.auth == BY_ELASTICSEARCH:
        require_security(gateway)
    login = LoginPages(method) if method else None
    app = create_app(
        Viewer(
            library,
            gateway,
            SystemClock(),
            charts,
            login,
            agent=settings.agent,
            kibana=viewer.kibana,
            alert_actions=viewer.alert_actions,
        )
    )
    try:
        with bind(viewer.host, viewer.port, "the viewer", REMEDY) as listener:
            required, protected = settings.security.require_auth, viewer.auth != NO_LOGIN
            warn_of_exposure(
                "the viewer", viewer.host, "DASHBOARDS_AUTH", viewer, authenticated=protected, require=required
            )
            server = HttpServer(ServedApplication(app, THREADS, MAX_BODY_BYTES), listener, viewer.host, viewer)
            ready(server.address)
            server.run()
    finally:
        gateway.close()
