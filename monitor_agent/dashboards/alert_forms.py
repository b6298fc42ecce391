"""The viewer's only writes: silences and acknowledgements, by people whose own user of Elasticsearch may write them.

They are off unless `DASHBOARDS_ALERT_ACTIONS` turns them on. A form needs a login by Elasticsearch, the token of the
session, and a user with the privileges of the role `alert_operator`. What is written is written with the rights of this
user, so Elasticsearch checks them once more.
"""

from __future__ import annotations

import glob
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from flask import Flask, Response, g, redirect, request, url_for
from werkzeug.exceptions import Forbidden
from werkzeug.wrappers import Response as AnyResponse

from monitor_agent.alerting.firings import Firing
from monitor_agent.clock import Clock
from monitor_agent.dashboards.firing_page import read_firing
from monitor_agent.dashboards.sessions import Session
from monitor_agent.dashboards.visitor_work import VisitorWork
from monitor_agent.durations import parse_duration
from monitor_agent.errors import DataError, MissingPrivilegeError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.rights import require_privileges
from monitor_agent.notifying.silence_store import SilenceStore
from monitor_agent.notifying.silences import Silence

LENGTHS = {"1h": "1 hour", "4h": "4 hours", "1d": "1 day", "1w": "1 week"}
"""How long a silence may last, with its words."""
LONGEST_REASON = 500
SEE_OTHER = 303
TOKEN = "token"
SILENCE, ACKNOWLEDGE = "alerts silence", "alerts ack"
"""The commands that do the same."""

Write = Callable[[Gateway, Firing, str], object]
"""Writes something about a firing, as a user with this name."""


@dataclass(frozen=True)
class FormState:
    """Whether the page of a firing has forms.

    Attributes
    ----------
    token : the token that a form must carry; empty = there are no forms.
    problem : why there are none; empty = nobody has to know.
    """

    token: str = ""
    problem: str = ""


@dataclass(frozen=True)
class AlertForms:
    """The forms of the page of a firing."""

    clock: Clock
    searches: VisitorWork

    def register(self, app: Flask) -> None:
        """Add what the forms send to an application."""
        app.add_url_rule("/alerts/<identifier>/silence", "silence", self._silence, methods=["POST"])
        app.add_url_rule("/alerts/<identifier>/unsilence", "unsilence", self._unsilence, methods=["POST"])
        app.add_url_rule("/alerts/<identifier>/acknowledge", "acknowledge", self._acknowledge, methods=["POST"])

    def state(self) -> FormState:
        """Return whether the person who asks may use the forms."""
        session: Session | None = g.session
        if session is None or session.gateway is None or not session.form_token:
            return FormState()
        gateway = session.gateway
        try:
            self.searches.result(lambda: _require_role(gateway), g.until)
        except MissingPrivilegeError:
            return FormState(problem=f"The user {session.user} may not do this: it needs the role alert_operator.")
        return FormState(session.form_token)

    def _silence(self, identifier: str) -> AnyResponse:
        length, reason = _length(request.form), _text(request.form, "reason")
        now = self.clock.now()

        def write(gateway: Gateway, firing: Firing, author: str) -> object:
            if not firing.open:
                raise DataError("the firing has recovered", "there is nothing to silence")
            labels = {name: value for name, value in firing.group if name != "model_name"}
            return SilenceStore(gateway).add(
                Silence(
                    "",
                    now,
                    now + length,
                    author,
                    reason,
                    glob.escape(firing.model) or "*",
                    glob.escape(firing.rule),
                    {name: glob.escape(value) for name, value in labels.items()},
                )
            )

        return self._written(identifier, write)

    def _unsilence(self, identifier: str) -> AnyResponse:
        silence, now = _text(request.form, "silence"), self.clock.now()
        return self._written(identifier, lambda gateway, _firing, _author: SilenceStore(gateway).end(silence, now))

    def _acknowledge(self, identifier: str) -> AnyResponse:
        reason, now = request.form.get("reason", "").strip()[:LONGEST_REASON], self.clock.now()

        def write(gateway: Gateway, firing: Firing, author: str) -> None:
            if not firing.open:
                raise DataError("the firing has recovered", "there is nothing to acknowledge")
            SilenceStore(gateway).acknowledge(firing, author, reason, now)

        return self._written(identifier, write)

    def _written(self, identifier: str, write: Write) -> AnyResponse:
        """Write, as the person who has sent the form; return the way back to the firing's page."""
        session = _session_of_form()
        gateway = session.gateway
        assert gateway is not None

        def work() -> object:
            _require_role(gateway)
            return write(gateway, read_firing(gateway, identifier), session.user)

        try:
            self.searches.result(work, g.until)
        except MissingPrivilegeError as error:
            raise Forbidden(f"{error.message}: silences and acknowledgements need the role alert_operator") from error
        return redirect(url_for("firing", identifier=identifier), SEE_OTHER, Response)


def _session_of_form() -> Session:
    """Return the session that a form belongs to.

    Raises
    ------
    Forbidden
        If there is none, or the form does not carry its token.
    """
    session: Session | None = g.session
    if session is None or session.gateway is None or not session.form_token:
        raise Forbidden(
            "only a person who has logged in on the login page may send this: programs use the command line"
        )
    if not hmac.compare_digest(session.form_token.encode(), request.form.get(TOKEN, "").encode("utf-8", "replace")):
        raise Forbidden("this form is not of your session: load the page of the firing again")
    return session


def _require_role(gateway: Gateway) -> None:
    for command in (SILENCE, ACKNOWLEDGE):
        require_privileges(gateway, command)


def _length(form: Mapping[str, str]) -> timedelta:
    text = form.get("length", "")
    if text not in LENGTHS:
        raise DataError("the silence has no length", f"choose one of {', '.join(LENGTHS)}")
    return parse_duration(text)


def _text(form: Mapping[str, str], name: str) -> str:
    text = form.get(name, "").strip()[:LONGEST_REASON]
    if not text:
        raise DataError(f"the {name} is missing", f"fill in the {name}")
    return text
