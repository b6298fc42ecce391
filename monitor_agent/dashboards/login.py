"""The login of the viewer: by a user of Elasticsearch, or by a token; nothing of a dashboard is shown without it."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import orjson
from flask import Flask, Response, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden

from monitor_agent.dashboards.sessions import LONGEST_SECONDS, FailedLogins, Session, Sessions
from monitor_agent.errors import ElasticsearchError, SettingsError
from monitor_agent.es.connection import connect
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.responses import UNAUTHORIZED, status_of
from monitor_agent.es.retry import Backoff
from monitor_agent.http_serving.origins import PageOrigins
from monitor_agent.settings import DashboardsSettings, ElasticsearchSettings

NO_LOGIN, BY_ELASTICSEARCH, BY_TOKEN = "none", "elasticsearch", "token"
COOKIE = "model_monitor_session"
OPEN_ENDPOINTS = frozenset({"static", "charts", "login", "enter"})
TOO_MANY_REQUESTS = 429
SEE_OTHER = 303
MAY_HAVE_SECURITY = (0, UNAUTHORIZED, 403, 429, 502, 503, 504)
"""Answers to a question about the user that do not say that there are no users; 0 is no answer."""
TOKEN_USER = "token"
LONGEST_FIELD = 1024

Authenticate = Callable[[str, str], Gateway]
"""Returns the searches of a user with this password; raises ElasticsearchError if they are refused."""


@dataclass(frozen=True)
class LoginMethod:
    """How people log in.

    Attributes
    ----------
    token : the one token; empty = Elasticsearch checks users.
    authenticate : checks a user of Elasticsearch.
    """

    token: str
    authenticate: Authenticate


def login_method(
    settings: DashboardsSettings, elasticsearch: ElasticsearchSettings, backoff: Backoff
) -> LoginMethod | None:
    """Return how people log in; None = nobody needs to."""

    def authenticate(user: str, password: str) -> Gateway:
        account = replace(elasticsearch, username=user, password=password, api_key="")
        gateway = Gateway(connect(account), backoff, ca_file=account.ca_certs)
        try:
            gateway.call("check the password", lambda client: client.security.authenticate().body)
        except BaseException:
            gateway.close()
            raise
        return gateway

    if settings.auth == NO_LOGIN:
        return None
    return LoginMethod(settings.token if settings.auth == BY_TOKEN else "", authenticate)


def require_security(gateway: Gateway) -> None:
    """Return if Elasticsearch has users, or does not answer at the moment.

    Raises
    ------
    SettingsError
        If it has none, so that nobody could log in.
    """
    try:
        gateway.call("check the security", lambda client: client.security.authenticate().body)
    except ElasticsearchError as error:
        if status_of(error) not in MAY_HAVE_SECURITY:
            raise SettingsError(
                "DASHBOARDS_AUTH=elasticsearch, and this Elasticsearch has no security: nobody could log in",
                "use DASHBOARDS_AUTH=token, or turn its security on",
            ) from error


class LoginPages:
    """The login pages of one viewer, and the check of every other request."""

    def __init__(self, method: LoginMethod, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._method = method
        self._sessions = Sessions(monotonic)
        self._failures = FailedLogins(monotonic)
        self._origins = PageOrigins()

    def register(self, app: Flask) -> None:
        """Add the pages and the check to an application."""
        app.before_request(self._check)
        app.add_url_rule("/login", "login", self._page, methods=["GET"])
        app.add_url_rule("/login", "enter", self._enter, methods=["POST"])
        app.add_url_rule("/logout", "leave", self._leave, methods=["POST"])

    def _check(self) -> ResponseReturnValue | None:
        """Return the answer to a request without a login; None = go on."""
        writes = request.method not in ("GET", "HEAD", "OPTIONS")
        if writes and (page := self._origins.refused_page(request.environ)):  # it could log its visitor in or out
            raise Forbidden(f"{page} may not send forms here")
        g.session = self._sessions.of(request.cookies.get(COOKIE, ""))
        if g.session is not None or request.endpoint in OPEN_ENDPOINTS:
            return None
        if request.authorization is not None:
            return self._check_header()
        if request.endpoint == "page" or request.endpoint == "index":
            return redirect(url_for("login", next=_own_place()), SEE_OTHER)
        return _unauthorized("log in first", url_for("login"))

    def _check_header(self) -> ResponseReturnValue | None:
        """Let programs in that send the token, or a user and a password, with each request."""
        header = request.authorization
        if header is not None and header.type == "bearer" and self._method.token:
            user, password = TOKEN_USER, header.token or ""
        elif header is not None and header.type == "basic" and not self._method.token:
            user, password = str(header.username or ""), str(header.password or "")
        else:
            return _unauthorized("the header Authorization is not of the kind that DASHBOARDS_AUTH wants", "")
        problem, gateway = self._tried(user, password)
        if problem:
            return _unauthorized(problem, "")
        g.session = Session(user, gateway, 0.0, 0.0)
        g.closes_session = gateway is not None
        return None

    def _page(self) -> ResponseReturnValue:
        if g.session is not None:
            return redirect(_next_place(request.args.get("next", "")), SEE_OTHER)
        return self._form("", 200)

    def _enter(self) -> ResponseReturnValue:
        user = TOKEN_USER if self._method.token else request.form.get("user", "")[:LONGEST_FIELD]
        problem, gateway = self._tried(user, request.form.get("password", "")[:LONGEST_FIELD])
        if problem:
            return self._form(problem, TOO_MANY_REQUESTS if problem == _WAIT else UNAUTHORIZED)
        self._sessions.end(request.cookies.get(COOKIE, ""))
        response = redirect(_next_place(request.form.get("next", "")), SEE_OTHER)
        assert isinstance(response, Response)
        response.set_cookie(
            COOKIE,
            self._sessions.begin(user, gateway),
            max_age=int(LONGEST_SECONDS),
            path=request.script_root or "/",
            secure=request.is_secure,
            httponly=True,
            samesite="Lax",
        )
        return response

    def _leave(self) -> ResponseReturnValue:
        self._sessions.end(request.cookies.get(COOKIE, ""))
        response = redirect(url_for("login"), SEE_OTHER)
        assert isinstance(response, Response)
        response.delete_cookie(COOKIE, path=request.script_root or "/", secure=request.is_secure, httponly=True)
        return response

    def forget(self) -> None:
        """End the session of this request: Elasticsearch no longer accepts its user."""
        self._sessions.end(request.cookies.get(COOKIE, ""))

    def _tried(self, user: str, password: str) -> tuple[str, Gateway | None]:
        """Return why a login fails, "" if it does not, and the searches of the user."""
        address = request.remote_addr or ""
        if self._failures.too_many(address, user):
            return _WAIT, None
        if self._method.token:
            if hmac.compare_digest(self._method.token.encode(), password.encode("utf-8", "surrogatepass")):
                return "", None
            self._failures.add(address, user)
            return "The token is wrong.", None
        try:
            if user and password:
                return "", self._method.authenticate(user, password)
        except ElasticsearchError as error:
            if status_of(error) != UNAUTHORIZED:
                return f"The password cannot be checked now: {error.message}", None
        except SettingsError as error:
            return f"This user cannot log in: {error.message}", None
        self._failures.add(address, user)
        return "The user or the password is wrong.", None

    def _form(self, problem: str, status: int) -> ResponseReturnValue:
        page = render_template(
            "login.html",
            by_token=bool(self._method.token),
            problem=problem,
            user=request.form.get("user", "")[:LONGEST_FIELD],
            next=request.values.get("next", "")[:LONGEST_FIELD],
        )
        return make_response(page, status)


_WAIT = "Too many logins have failed. Wait a minute, then try again."


def _unauthorized(problem: str, login: str) -> ResponseReturnValue:
    content = {"error": problem, **({"login": login} if login else {})}
    return Response(orjson.dumps(content), UNAUTHORIZED, mimetype="application/json")


def _own_place() -> str:
    """Return path and query of this request, below the viewer's own prefix."""
    query = request.query_string.decode("latin-1")
    return f"{request.path}?{query}" if query else request.path


def _next_place(text: str) -> str:
    """Return the address of a page of this viewer that a text names; its first page if the text names another place."""
    inside = re.fullmatch(r"/(?!/)[^\\\x00-\x20\x7f]*", text) is not None
    return f"{request.script_root}{text}" if inside else url_for("index")
