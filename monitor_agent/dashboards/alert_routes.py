"""The routes of the pages about alerts: the list, a firing, and the windows and documents behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from flask import Flask, Response, g, make_response, render_template, request
from werkzeug.exceptions import NotFound

from monitor_agent.alerting.definitions import Alert, load_alerts
from monitor_agent.clock import Clock
from monitor_agent.dashboards import alert_words, formats
from monitor_agent.dashboards.alert_forms import LENGTHS, AlertForms, FormState
from monitor_agent.dashboards.alert_list import STATES, AlertFilter, read_alert_list
from monitor_agent.dashboards.document_page import DocumentPage, read_document
from monitor_agent.dashboards.firing_page import read_firing_page
from monitor_agent.dashboards.library import Library
from monitor_agent.dashboards.page_zone import read_page_zone
from monitor_agent.dashboards.visitor_work import VisitorWork
from monitor_agent.errors import DataError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.history import History
from monitor_agent.es.model_settings_store import read_rules
from monitor_agent.es.window_explanation import read_window
from monitor_agent.settings import AgentSettings


@dataclass(frozen=True)
class AlertPages:
    """The pages about alerts.

    Attributes
    ----------
    gateway : returns the searches of the person who asks.
    forms : silence and acknowledge; None = they are off.
    agent : the settings that name the list of alerts, and those of models where the cluster holds none.
    """

    library: Library
    clock: Clock
    agent: AgentSettings
    gateway: Callable[[], Gateway]
    searches: VisitorWork
    forms: AlertForms | None = None

    def register(self, app: Flask) -> None:
        """Add the pages to an application."""
        app.add_url_rule("/alerts", "alerts", self._list, methods=["GET"])
        app.add_url_rule("/alerts/<identifier>", "firing", self._firing, methods=["GET"])
        if self.forms is not None:
            self.forms.register(app)
        app.add_url_rule("/windows/<identifier>", "window", self._window, methods=["GET"])
        address = "/documents/<kind>/<identifier>"
        app.add_url_rule(address, "document", self._document, methods=["GET"])
        app.add_url_rule(f"{address}/json", "document_json", self._document_json, methods=["GET"])

    def _alerts(self) -> dict[str, Alert]:
        return {alert.id: alert for alert in load_alerts(self.agent.alerts)}

    def _list(self) -> str:
        gateway, chosen, alerts = self.gateway(), AlertFilter.of(request.args), self._alerts()
        page = self.searches.result(lambda: read_alert_list(gateway, chosen, self.agent, self.clock.now()), g.until)
        read_page_zone(gateway, self.agent)
        return render_template("alerts.html", page=page, states=STATES, alerts=alerts, words=alert_words)

    def _firing(self, identifier: str) -> Response:
        gateway = self.gateway()
        try:
            page = self.searches.result(
                lambda: read_firing_page(gateway, identifier, self.agent, self.clock.now()), g.until
            )
        except DataError as error:
            raise NotFound(str(error)) from error
        boards = self.library.dashboards
        read_page_zone(gateway, self.agent, [page.firing.model] if page.firing.model else [])
        form = self.forms.state() if self.forms and page.firing.open else FormState()
        names = {"words": alert_words, "zone": formats.ZONE.get(), "lengths": LENGTHS}
        text = render_template("firing.html", page=page, boards=boards, form=form, **names)
        return make_response(text, HTTPStatus.OK)

    def _window(self, identifier: str) -> str:
        gateway = self.gateway()
        try:
            window = self.searches.result(
                lambda: read_window(
                    History(gateway, self.agent.page_size), read_rules(gateway, self.agent), identifier
                ),
                g.until,
            )
        except DataError as error:
            raise NotFound(str(error)) from error
        return render_template("window.html", window=window)

    def _document(self, kind: str, identifier: str) -> str:
        page = self._stored(kind, identifier)
        model = page.source.get("model_name")
        read_page_zone(self.gateway(), self.agent, [model] if isinstance(model, str) else [])
        return render_template("document.html", page=page, local_moment=formats.local_moment)

    def _document_json(self, kind: str, identifier: str) -> Response:
        return Response(self._stored(kind, identifier).json, mimetype="application/json")

    def _stored(self, kind: str, identifier: str) -> DocumentPage:
        gateway, alerts = self.gateway(), self._alerts().values()
        try:
            return self.searches.result(lambda: read_document(gateway, alerts, kind, identifier), g.until)
        except DataError as error:
            raise NotFound(str(error)) from error
