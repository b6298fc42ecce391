"""The login of the viewer: by a user of Elasticsearch, or by a token; nothing of a dashboard is shown without it."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus

import orjson
from flask import Flask, Response, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden

from monitor_agent.dashboards import error_pages
from monitor_agent.dashboards.sessions import FAILURE_SECONDS, LONGEST_SECONDS, FailedLogins, Session, Sessions
from monitor_agent.dashboards.visitor_work import RETRY_AFTER_SECONDS, VisitorWork
from monitor_agent.errors import ElasticsearchError, SettingsError
from monitor_agent.es.connection import connect, names_of
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.responses import UNAUTHORIZED, status_of
from monitor_agent.es.retry import Backoff
from monitor_agent.http_serving.origins import PageOrigins
from monitor_agent.settings import DashboardsSettings, ElasticsearchSettings

NO_LOGIN, BY_ELASTICSEARCH, BY_TOKEN = "none", "elasticsearch", "token"
COOKIE = "model_monitor_session"
PAGE_ENDPOINTS = frozenset({"index", "page"})
OPEN_ENDPOINTS = frozenset({"static", "charts", "login", "enter"})
TOO_MANY_REQUESTS = 429
SEE_OTHER = 303
WAITING_SECONDS = {TOO_MANY_REQUESTS: int(FAILURE_SECONDS), HTTPStatus.SERVICE_UNAVAILABLE: RETRY_AFTER_SECONDS}
"""The header Retry-After, by status."""
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
        gateway = Gateway(connect(account), backoff, names=names_of(account))
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


@dataclass(frozen=True)
class _Attempt:
    """The outcome of a login: why it has failed, "" if it has not, and the searches of the user."""

    problem: str = ""
    status: int = 200
    gateway: Gateway | None = None

    def with_waiting_time(self, response: Response) -> Response:
        """Return the answer, which says when a new attempt makes sense."""
        if self.status in WAITING_SECONDS:
            response.headers["Retry-After"] = str(WAITING_SECONDS[self.status])
        return response


class LoginPages:
    """The login pages of one viewer, and the check of every other request."""

    def __init__(self, method: LoginMethod, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._method = method
        self._sessions = Sessions(monotonic)
        self._failures = FailedLogins(monotonic)
        self._origins = PageOrigins()
        self._work = VisitorWork()

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
        if request.endpoint in PAGE_ENDPOINTS or error_pages.wants_page():
            return redirect(url_for("login", next=_own_place() if request.method == "GET" else None), SEE_OTHER)
        return _refused(_Attempt("log in first", UNAUTHORIZED), url_for("login"))

    def _check_header(self) -> ResponseReturnValue | None:
        """Let programs in that send the token, or a user and a password, with each request."""
        header = request.authorization
        if header is not None and header.type == "bearer" and self._method.token:
            user, password = TOKEN_USER, header.token or ""
        elif header is not None and header.type == "basic" and not self._method.token:
            user, password = str(header.username or ""), str(header.password or "")
        else:
            problem = "the header Authorization is not of the kind that DASHBOARDS_AUTH wants"
            return _refused(_Attempt(problem, UNAUTHORIZED))
        attempt = self._tried(user, password)
        if attempt.problem:
            return _refused(attempt)
        g.session = Session(user, attempt.gateway, 0.0, 0.0)
        g.closes_session = attempt.gateway is not None
        return None

    def _page(self) -> ResponseReturnValue:
        if g.session is not None:
            return redirect(_next_place(request.args.get("next", "")), SEE_OTHER)
        return self._form(_Attempt())

    def _enter(self) -> ResponseReturnValue:
        user = TOKEN_USER if self._method.token else request.form.get("user", "")[:LONGEST_FIELD]
        attempt = self._tried(user, request.form.get("password", "")[:LONGEST_FIELD])
        if attempt.problem:
            return self._form(attempt)
        self._sessions.end(request.cookies.get(COOKIE, ""))
        response = redirect(_next_place(request.form.get("next", "")), SEE_OTHER)
        assert isinstance(response, Response)
        response.set_cookie(
            COOKIE,
            self._sessions.begin(user, attempt.gateway),
            max_age=int(LONGEST_SECONDS),
            path=request.script_root or "/",
            secure=request.is_secure,
            httponly=True,
            # Not Strict: a person who follows a link in a mail or a chat would have to log in again.
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

    def _tried(self, user: str, password: str) -> _Attempt:
        address = request.remote_addr or ""
        if self._failures.too_many(address, user):
            return _Attempt("too many logins have failed: wait a minute, then try again", TOO_MANY_REQUESTS)
        if self._method.token:
            if hmac.compare_digest(self._method.token.encode(), password.encode("utf-8", "surrogatepass")):
                return _Attempt()
            self._failures.add(address, user)
            return _Attempt("the token is wrong", UNAUTHORIZED)
        try:
            if user and password:
                check = partial(self._method.authenticate, user, password)
                return _Attempt(gateway=self._work.result(check, g.until, Gateway.close))
        except ElasticsearchError as error:
            if status_of(error) != UNAUTHORIZED:
                problem = f"the password cannot be checked now: {error.message}"
                return _Attempt(problem, error_pages.status_for(error))
        except SettingsError as error:
            return _Attempt(f"this user cannot log in: {error.message}", UNAUTHORIZED)
        self._failures.add(address, user)
        return _Attempt("the user or the password is wrong", UNAUTHORIZED)

    def _form(self, attempt: _Attempt) -> ResponseReturnValue:
        page = render_template(
            "login.html",
            by_token=bool(self._method.token),
            problem=error_pages.sentence(attempt.problem) if attempt.problem else "",
            is_wrong=attempt.status == UNAUTHORIZED,
            user=request.form.get("user", "")[:LONGEST_FIELD],
            next=request.values.get("next", "")[:LONGEST_FIELD],
        )
        return attempt.with_waiting_time(make_response(page, attempt.status))


def _refused(attempt: _Attempt, login: str = "") -> Response:
    """Return the answer to a program, or to the script of a page, which then leads to the login."""
    content = {"error": attempt.problem, **({"login": login} if login else {})}
    return attempt.with_waiting_time(Response(orjson.dumps(content), attempt.status, mimetype="application/json"))


def _own_place() -> str:
    """Return path and query of this request, below the viewer's own prefix."""
    query = request.query_string.decode("latin-1")
    return f"{request.path}?{query}" if query else request.path


def _next_place(text: str) -> str:
    """Return the address of a page of this viewer that a text names; its first page if the text names another place."""
    inside = re.fullmatch(r"/(?!/)[^\\\x00-\x20\x7f]*", text) is not None
    return f"{request.script_root}{text}" if inside else url_for("index")
