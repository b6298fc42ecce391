"""Who may send a request: API keys, origins of web pages, types of bodies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from flask import Flask, Response, g, request

from model_server.api_keys import ADMIN, FEEDBACK, PREDICT, ApiKey, ApiKeys
from model_server.errors import (
    ForbiddenOriginError,
    MissingRightError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
)
from monitor_agent.http_serving.origins import ANY, PageOrigins
from monitor_agent.settings import ServerSettings

JSON = "application/json"
PLAIN_TYPES = (JSON, "application/json; charset=utf-8", "application/json;charset=utf-8")
"""What most clients send as the type of a body."""
BEACON_TYPES = ("text/plain", "")
"""The types of `navigator.sendBeacon` with a text, and with bytes; a page may send them to another site unasked."""
RELOAD = "/v1/config/reload"
RIGHT_OF: Mapping[str, str] = {"/predict": PREDICT, "/feedback": FEEDBACK, "/metrics": "", RELOAD: ADMIN}
"""The right that a path needs; "" = any key. Other paths are open: load balancers and probes ask them."""
SERVING_PREFIX = "/v1/"
"""The paths of TensorFlow Serving's API."""
NO_CONTENT = 204
PREFLIGHT_SECONDS = 600
ALLOWED_HEADERS = "Content-Type, Content-Encoding, Authorization, X-API-Key, X-Request-Id, traceparent, tracestate"
EXPOSED_HEADERS = "X-Request-Id, Retry-After"
_BEARER = "bearer "


class KeyFinder(Protocol):
    """Finds what is stored of a key."""

    def owner(self, key: str) -> ApiKey | None:
        """Return what is stored of a key; None if it is unknown."""


class AccessRules:
    """The rules for the requests of one server.

    Parameters
    ----------
    keys : None = the server is open.
    """

    def __init__(self, settings: ServerSettings, keys: KeyFinder | None) -> None:
        self._origins = PageOrigins(settings.allowed_origins)
        self._keys = keys

    def register(self, app: Flask) -> None:
        """Let an application keep the rules; its handler of `before_request` has called `identify`."""
        app.before_request(self.check)
        app.after_request(self.add_headers)

    def identify(self) -> None:
        """Set `g.api_key`, what is stored of the request's key, and `g.is_stranger`: it needs a known key and has none.

        What strangers send is counted, but never logged, whatever is wrong with it: they must not fill the disk.
        """
        headers = request.headers
        key = _presented_key(headers.get("Authorization", ""), headers.get("X-API-Key", ""))
        g.api_key = self._keys.owner(key) if self._keys is not None and key else None
        g.is_stranger = self._keys is not None and g.api_key is None

    def check(self) -> Response | None:
        """Return the answer to a browser's question whether a page may send a request; None = go on.

        Raises
        ------
        RequestError
            If the request is refused.
        """
        origin = request.headers.get("Origin", "")
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            self._refuse_strangers()
            return Response(status=NO_CONTENT)
        if request.method == "POST":
            self._refuse_strangers()
        self._check_key()
        if request.method == "POST" and request.url_rule is not None:
            self._check_type(origin)
        return None

    def add_headers(self, response: Response) -> Response:
        """Let the page of an allowed origin read the answer."""
        if not self._origins:
            return response
        response.vary.add("Origin")
        origin = request.headers.get("Origin", "")
        if origin and self._origins.lists(origin):
            headers = response.headers
            headers["Access-Control-Allow-Origin"] = ANY if self._origins.any else origin
            headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
            if response.status_code == NO_CONTENT:
                headers["Access-Control-Allow-Methods"] = "POST, GET"
                headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
                headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
        return response

    def let_pass(self, headers: Mapping[str, str]) -> bool:
        """Return whether a `POST /predict` with a body of JSON needs no further look; pages of browsers do.

        Parameters
        ----------
        headers : names in capital letters with underscores.
        """
        if headers.get("CONTENT_TYPE") not in PLAIN_TYPES or "ORIGIN" in headers or "SEC_FETCH_SITE" in headers:
            return False
        if self._keys is None:
            return True
        key = _presented_key(headers.get("AUTHORIZATION", ""), headers.get("X_API_KEY", ""))
        owner = self._keys.owner(key) if key else None
        return owner is not None and PREDICT in owner.rights

    @property
    def vary(self) -> tuple[tuple[str, str], ...]:
        """The header that says that answers differ by the page that asks."""
        return (("Vary", "Origin"),) if self._origins else ()

    def _refuse_strangers(self) -> None:
        """Refuse what the page of another site sends: its visitor's browser reaches servers that the page does not."""
        if page := self._origins.refused_page(request.environ):
            raise ForbiddenOriginError(f"{page} may not send this; see MODEL_SERVER_ALLOWED_ORIGINS")

    def _check_key(self) -> None:
        right = _right()
        if self._keys is None and right == ADMIN:
            raise MissingRightError("this needs an API key with the right admin, and the server has no keys")
        if self._keys is None or right is None:
            return
        if g.is_stranger:
            headers = request.headers
            is_present = _presented_key(headers.get("Authorization", ""), headers.get("X-API-Key", ""))
            problem = "the API key is unknown" if is_present else "an API key is missing"
            raise UnauthorizedError(f"{problem}; send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`")
        if right and right not in g.api_key.rights:
            raise MissingRightError(f"the API key {g.api_key.name} lacks the right {right}")

    def _check_type(self, origin: str) -> None:
        kind = request.mimetype
        if request.path.startswith(SERVING_PREFIX) and not origin:  # tools of TensorFlow Serving send other types
            return
        if kind == JSON or (kind in BEACON_TYPES and request.path == "/feedback" and origin):
            return
        stated = f"the body is {kind[:100]}" if kind else "the header Content-Type is missing"
        raise UnsupportedMediaTypeError(f"{stated}; send JSON with `Content-Type: {JSON}`")


def _right() -> str | None:
    """Return the right that the request needs; "" = any key, None = no key."""
    if request.path.startswith(SERVING_PREFIX) and request.path not in RIGHT_OF:
        return PREDICT if request.method == "POST" else ""
    return RIGHT_OF.get(request.path)


def _presented_key(authorization: str, api_key: str) -> str:
    """Return the key that the headers `Authorization` and `X-API-Key` carry; "" = none."""
    if authorization[: len(_BEARER)].lower() == _BEARER:
        return authorization[len(_BEARER) :].strip()
    return api_key.strip()


def keys_of(settings: ServerSettings) -> ApiKeys | None:
    """Return the keys that the settings name; None if they name none: the server is open then.

    Raises
    ------
    SettingsError
        If the file cannot be used.
    """
    return ApiKeys(Path(settings.api_keys)) if settings.api_keys else None
