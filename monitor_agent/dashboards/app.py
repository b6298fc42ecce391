"""The viewer's pages and their data. It only reads, and never says how Elasticsearch is reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from flask import Flask, Response, make_response, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, SecurityError

from monitor_agent.clock import Clock
from monitor_agent.dashboards import markdown
from monitor_agent.dashboards.dashboard_data import board
from monitor_agent.dashboards.library import END, START, Library
from monitor_agent.dashboards.palette import vega_config
from monitor_agent.errors import DataError, MonitorError
from monitor_agent.es.gateway import Gateway
from monitor_agent.kibana.dashboard_model import Dashboard, GridPosition
from monitor_agent.kibana.times import time_range
from monitor_agent.pipeline.instants import milliseconds

CONTROL = "c."
LONGEST_CACHE = 365 * 86_400
LOOPBACK = ("127.0.0.1", "localhost", "::1")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Viewer:
    """What the pages are made of.

    Attributes
    ----------
    bundle : file of the chart library.
    hosts : names under which browsers may ask, so that no other site's name leads here; empty = any.
    """

    library: Library
    gateway: Gateway
    clock: Clock
    bundle: Path
    hosts: Sequence[str] = ()


def create_app(viewer: Viewer) -> Flask:
    """Return the application."""
    app = Flask(__name__)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    _add_guards(app, viewer.hosts)
    _add_pages(app, viewer)

    @app.get("/dashboards/<name>/data")
    def data(name: str) -> Response:
        return _data(viewer, viewer.library.dashboard(name))

    @app.get("/vega/<name>")
    def charts(name: str) -> Response:
        if name != viewer.bundle.name:
            raise DataError("another version of the chart library is used now", "load the page again")
        response = make_response(send_file(viewer.bundle, mimetype="text/javascript"))
        response.headers["Cache-Control"] = f"public, max-age={LONGEST_CACHE}, immutable"
        return response

    return app


def _add_guards(app: Flask, hosts: Sequence[str]) -> None:
    @app.before_request
    def refuse_strange_names() -> None:
        if hosts and request.host.rsplit(":", 1)[0].strip("[]") not in hosts:
            raise SecurityError("this viewer is not known by that name")

    @app.after_request
    def harden(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    @app.errorhandler(MonitorError)
    def told(error: MonitorError) -> ResponseReturnValue:
        if request.endpoint == "data":
            return _json({"error": str(error)}), 400 if isinstance(error, DataError) else 502
        return render_template("error.html", error=str(error)), 404

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> ResponseReturnValue:
        return render_template("error.html", error=error.description), error.code or 500


def _add_pages(app: Flask, viewer: Viewer) -> None:
    library = viewer.library

    @app.get("/")
    def index() -> str:
        return render_template("index.html", library=library)

    @app.get("/dashboards/<name>")
    def page(name: str) -> str:
        shown = library.dashboard(name)
        return render_template(
            "dashboard.html",
            library=library,
            dashboard=shown,
            panels=_panels(library, shown),
            page=_page_settings(viewer, shown),
        )


def _data(viewer: Viewer, shown: Dashboard) -> Response:
    """Return a dashboard's data for the time range and the controls that the request names."""
    start, end = request.args.get("from", shown.start or START), request.args.get("to", shown.end or END)
    time = time_range(start, end, viewer.clock.now())
    chosen = {
        each.id: [value for value in request.args.getlist(CONTROL + each.id) if value]
        for each in shown.controls
        if CONTROL + each.id in request.args
    }
    found = board(viewer.gateway, viewer.library, shown, time, chosen)
    return _json(
        {
            "range": [milliseconds(time.start), milliseconds(time.end)],
            "pictures": found.pictures,
            "options": found.options,
            "empty": found.empty,
            "extent": found.extent,
        }
    )


@dataclass(frozen=True)
class _PagePanel:
    """A panel as the page holds it before its data come."""

    id: str
    kind: str
    position: GridPosition
    title: str
    description: str
    html: str


def _panels(library: Library, shown: Dashboard) -> list[_PagePanel]:
    def address(name: str) -> str | None:
        return url_for("page", name=name) if name in library.dashboards else None

    found = []
    for panel in sorted(shown.panels, key=lambda each: (each.position.y, each.position.x)):
        if panel.kind in ("lens", "search"):
            subject = library.subject(panel)
            found.append(_PagePanel(panel.id, "data", panel.position, subject.title, subject.description, ""))
        elif panel.kind == "markdown":
            html = markdown.to_html(panel.text, address)
            found.append(_PagePanel(panel.id, "text", panel.position, panel.title, "", html))
        else:
            found.append(_PagePanel(panel.id, "unsupported", panel.position, panel.title, "", panel.text))
    return found


def _page_settings(viewer: Viewer, shown: Dashboard) -> dict[str, Any]:
    """Return what the page's script needs to know."""
    return {
        "data": url_for("data", name=shown.id),
        "bundle": url_for("charts", name=viewer.bundle.name),
        "from": shown.start or START,
        "to": shown.end or END,
        "refresh": shown.refresh_seconds,
        "controls": [
            {"id": each.id, "title": each.title, "field": each.field, "selected": each.selected, "single": each.single}
            for each in shown.controls
        ],
        "themes": {"light": vega_config(dark=False), "dark": vega_config(dark=True)},
    }


def _json(what: Any) -> Response:
    return Response(orjson.dumps(what), mimetype="application/json")
