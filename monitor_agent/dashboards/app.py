"""The viewer's pages and their data. It reads, and its pages never hold the address of Elasticsearch.

Only people write, with their own rights, and only if a setting lets them: see `alert_forms`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
from flask import Flask, Response, g, make_response, render_template, request, send_file, url_for
from werkzeug.exceptions import NotFound

from monitor_agent.clock import Clock
from monitor_agent.dashboards import compression, drop_page, error_pages, formats, start_page, table_routes
from monitor_agent.dashboards.alert_forms import AlertForms
from monitor_agent.dashboards.alert_routes import AlertPages
from monitor_agent.dashboards.assets import static_path
from monitor_agent.dashboards.dashboard_data import DashboardData, dashboard_data
from monitor_agent.dashboards.free_filter import free_filter
from monitor_agent.dashboards.library import END, START, Library
from monitor_agent.dashboards.login import LoginPages
from monitor_agent.dashboards.model_zones import ModelZone, model_zone
from monitor_agent.dashboards.page_panels import page_panels, row_sizes
from monitor_agent.dashboards.page_zone import ZONE_OF_MODELS, read_page_zone, zone_name
from monitor_agent.dashboards.palette import vega_config
from monitor_agent.dashboards.sessions import Session
from monitor_agent.dashboards.shared_answers import SHARED_SECONDS, SharedAnswers
from monitor_agent.dashboards.visitor_work import LONGEST_SECONDS, VisitorWork
from monitor_agent.errors import DataError, ElasticsearchError, MonitorError, SettingsError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.responses import UNAUTHORIZED, status_of
from monitor_agent.kibana.dashboard_model import Dashboard
from monitor_agent.kibana.times import TimeRange, time_range
from monitor_agent.pipeline.instants import milliseconds
from monitor_agent.pipeline.model_overview import Overview
from monitor_agent.settings import AgentSettings

CONTROL = "c."
MOST_CHARACTERS = 2000
"""Of a filter that a person writes."""
MODEL_BOARD = "model-quality"
LEAST_REFRESH_SECONDS = 5
LONGEST_CACHE = 365 * 86_400

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Viewer:
    """The parts of the viewer.

    Attributes
    ----------
    gateway : searches with the viewer's own user, or for everybody who needs no login.
    bundle : file of the chart library.
    login : the login; None = everybody sees everything.
    agent : the settings of models where the cluster holds none.
    kibana : address of a Kibana for links to its Discover; empty = no links.
    alert_actions : whether people may silence and acknowledge alerts; else the viewer only reads.
    """

    library: Library
    gateway: Gateway
    clock: Clock
    bundle: Path
    login: LoginPages | None = None
    agent: AgentSettings = field(default_factory=AgentSettings)
    kibana: str = ""
    alert_actions: bool = False


def create_app(viewer: Viewer) -> Flask:
    """Return the application."""
    app = Flask(__name__, static_url_path=static_path())
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = LONGEST_CACHE
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    compression.register(app)
    _add_guards(app, viewer)
    _add_pages(app, viewer)
    searches = VisitorWork()
    overviews = SharedAnswers[Overview]()
    _alert_pages(viewer, searches).register(app)
    table_routes.register(
        app, viewer.library.views, lambda name, panel: _table(viewer, name, panel), lambda: _gateway(viewer), searches
    )

    @app.get("/models")
    def models() -> str:
        gateway = _gateway(viewer)
        page = overviews.result(
            gateway,
            lambda: searches.result(lambda: start_page.read_overview(gateway, viewer.clock.now()), g.until),
            g.until,
        )
        read_page_zone(gateway, viewer.agent)
        return render_template("models.html", page=page, words=start_page, board=_board_of_models(viewer.library))

    @app.get("/explain-drop")
    def explain_drop() -> Response:
        gateway, now = _gateway(viewer), viewer.clock.now()
        form = drop_page.DropForm.of(request.args)
        try:
            drop = form.model and searches.result(
                lambda: drop_page.explained(gateway, form, viewer.agent, now), g.until
            )
            problem = ""
        except (DataError, SettingsError) as error:
            drop, problem = None, error_pages.sentence(str(error))
        page = drop_page.DropPage(form, drop or None, problem)
        status = HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK
        return make_response(render_template("drop.html", page=page, words=start_page), status)

    _add_data(app, viewer, searches)

    @app.get("/vega/<name>")
    def charts(name: str) -> Response:
        if name != viewer.bundle.name:
            raise NotFound("the viewer uses another version of the chart library now: load the page again")
        response = make_response(send_file(viewer.bundle, mimetype="text/javascript"))
        response.headers["Cache-Control"] = f"public, max-age={LONGEST_CACHE}, immutable"
        return response

    return app


def _add_data(app: Flask, viewer: Viewer, searches: VisitorWork) -> None:
    answers = SharedAnswers[bytes]()

    @app.get("/dashboards/<name>/data")
    def data(name: str) -> Response:
        dashboard = _dashboard(viewer.library, name)
        chosen, control_values = _time(viewer, dashboard), _control_values(dashboard)
        gateway = _gateway(viewer)
        try:
            kql, zone = request.args.get("q", "")[:MOST_CHARACTERS], zone_name(request.args.get("tz", ""))
            models = dashboard.chosen_values("model_name", control_values)

            def read() -> bytes:
                of_models = model_zone(gateway, viewer.agent, models) if zone == ZONE_OF_MODELS else None
                formats.ZONE.set(of_models.name if of_models else zone)
                page = dashboard_data(gateway, viewer.library, dashboard, chosen, control_values, kql)
                return _encoded(page, of_models)

            values = tuple((control, tuple(chosen_values)) for control, chosen_values in control_values.items())
            answer = answers.result(
                (gateway, name, chosen, values, kql, zone),
                lambda: searches.result(read, g.until),
                g.until,
                anew="no-cache" in request.cache_control,
            )
        except ElasticsearchError as error:
            if viewer.login is None or status_of(error) != UNAUTHORIZED:
                raise
            viewer.login.forget()
            response = _json({"error": "your login has ended", "login": url_for("login")})
            response.status_code = UNAUTHORIZED
            return response
        return Response(answer, mimetype="application/json")


def _alert_pages(viewer: Viewer, searches: VisitorWork) -> AlertPages:
    forms = AlertForms(viewer.clock, searches) if viewer.alert_actions and viewer.login else None
    return AlertPages(viewer.library, viewer.clock, viewer.agent, lambda: _gateway(viewer), searches, forms)


def _add_guards(app: Flask, viewer: Viewer) -> None:
    _add_session(app)
    error_pages.register(app)
    if viewer.login is not None:
        viewer.login.register(app)

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if request.endpoint == "static" and response.status_code < HTTPStatus.BAD_REQUEST:
            response.cache_control.immutable = True
        return response


def _add_pages(app: Flask, viewer: Viewer) -> None:
    library = viewer.library

    @app.get("/")
    def index() -> str:
        read_page_zone(_gateway(viewer), viewer.agent)
        return render_template("index.html", library=library)

    @app.get("/dashboards/<name>")
    def page(name: str) -> Response:
        dashboard, problem = _dashboard(library, name), ""
        try:
            _time(viewer, dashboard)
        except DataError as error:  # the page has the time picker, to correct it
            problem = error_pages.sentence(str(error))
        panels = page_panels(library, dashboard, lambda board: url_for("page", name=board))
        text = render_template(
            "dashboard.html",
            library=library,
            dashboard=dashboard,
            panels=panels,
            rows=row_sizes(panels),
            page=_page_settings(viewer, dashboard),
            problem=problem,
        )
        return make_response(text, HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK)


def _gateway(viewer: Viewer) -> Gateway:
    """Return the gateway of the person who asks."""
    session: Session | None = g.session
    return session.gateway if session is not None and session.gateway is not None else viewer.gateway


def _board_of_models(library: Library) -> str:
    """Return the id of the dashboard that a model's row opens."""
    return MODEL_BOARD if MODEL_BOARD in library.dashboards else next(iter(library.dashboards), "")


def _dashboard(library: Library, name: str) -> Dashboard:
    try:
        return library.dashboard(name)
    except MonitorError as error:
        raise NotFound(str(error)) from error


def _time(viewer: Viewer, dashboard: Dashboard) -> TimeRange:
    """Return the time range of the request, or that of the dashboard."""
    start, end = (request.args.get(name, "") for name in ("from", "to"))
    return time_range(start or dashboard.start or START, end or dashboard.end or END, _now(viewer))


def _now(viewer: Viewer) -> datetime:
    """Return the time in steps of seconds, so that visitors who ask one after the other ask the same."""
    now = viewer.clock.now()
    return now - timedelta(seconds=now.timestamp() % SHARED_SECONDS)


def _table(viewer: Viewer, name: str, panel: str) -> table_routes.AskedTable:
    """Return what a panel of a dashboard shows, and the filters and the time zone of the request."""
    dashboard = _dashboard(viewer.library, name)
    shows = next((entry for entry in dashboard.panels if entry.id == panel and entry.kind in ("lens", "search")), None)
    source = viewer.library.definition(shows).source if shows else None
    if source is None or isinstance(source, MonitorError):
        raise NotFound(f"{name} has no panel {panel}")
    context = dashboard.context(_time(viewer, dashboard), _control_values(dashboard))
    text = request.args.get("q", "")[:MOST_CHARACTERS]
    filters = (*context.filters, *free_filter(text, viewer.library, dashboard))
    zone = zone_name(request.args.get("tz", ""))
    if zone == ZONE_OF_MODELS:
        chosen = dashboard.chosen_values("model_name", _control_values(dashboard))
        zone = model_zone(_gateway(viewer), viewer.agent, chosen).name
    return table_routes.AskedTable(source, replace(context, filters=filters), zone)


def _control_values(dashboard: Dashboard) -> dict[str, list[str]]:
    """Return the values of the request for each control that is in it."""
    return {
        control.id: [value for value in request.args.getlist(CONTROL + control.id) if value]
        for control in dashboard.controls
        if CONTROL + control.id in request.args
    }


def _encoded(data: DashboardData, zone: ModelZone | None) -> bytes:
    document = {
        "range": [milliseconds(data.time.start), milliseconds(data.time.end)],
        "panels": data.panels,
        "options": data.options,
        "empty": data.empty,
        "extent": data.extent,
        "zone": zone,
    }
    return orjson.dumps(document)


def _page_settings(viewer: Viewer, dashboard: Dashboard) -> dict[str, Any]:
    """Return the settings of the page's script."""
    return {
        "data": url_for("data", name=dashboard.id),
        "here": request.path,
        "bundle": url_for("charts", name=viewer.bundle.name),
        "from": dashboard.start or START,
        "to": dashboard.end or END,
        "refresh": max(LEAST_REFRESH_SECONDS, dashboard.refresh_seconds) if dashboard.refresh_seconds else 0,
        "least_refresh": LEAST_REFRESH_SECONDS,
        "controls": [
            {
                "id": control.id,
                "title": control.title,
                "field": control.field,
                "selected": control.selected,
                "single": control.single,
            }
            for control in dashboard.controls
        ],
        "kibana": viewer.kibana.rstrip("/"),
        "themes": {"light": vega_config(dark=False), "dark": vega_config(dark=True)},
    }


def _add_session(app: Flask) -> None:
    """Let every request have a session, which is None without a login, and a time for its answer."""

    @app.before_request
    def begin() -> None:
        g.session, g.closes_session = None, False
        formats.ZONE.set("UTC")
        g.until = time.monotonic() + LONGEST_SECONDS

    @app.teardown_request
    def end(_error: BaseException | None) -> None:
        session: Session | None = g.get("session")
        if g.get("closes_session") and session is not None and session.gateway is not None:
            session.gateway.close()


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content), mimetype="application/json")
