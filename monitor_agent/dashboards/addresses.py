"""The addresses of the viewer and its dashboards, as `monitor-agent dashboards` serves them (pure)."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from monitor_agent.http_serving.listener import url_of
from monitor_agent.settings import Settings


def viewer_address(settings: Settings) -> str:
    """Return the address at which `monitor-agent dashboards` serves the viewer."""
    return url_of(settings.dashboards.host, settings.dashboards.port, tls=bool(settings.dashboards.tls_cert))


def dashboard_address(settings: Settings, dashboard: str, start: datetime, end: datetime, **controls: str) -> str:
    """Return the address of a dashboard of the viewer of these settings."""
    chosen = "".join(f"&c.{name}={quote(value)}" for name, value in controls.items())
    return f"{viewer_address(settings)}/dashboards/{dashboard}?from={_moment(start)}&to={_moment(end)}{chosen}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}"
