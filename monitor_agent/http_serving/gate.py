"""The rules that a request meets before the application: what proxies say, and the names that the server answers to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from monitor_agent.http_serving.direct import DirectRequest
from monitor_agent.http_serving.host_names import AllowedHosts
from monitor_agent.http_serving.proxies import TrustedProxies
from monitor_agent.http_serving.requests import OWN_ADDRESS, REFUSAL
from monitor_agent.settings import HttpSettings


class Gate:
    """The application behind the rules of proxies and host names.

    Parameters
    ----------
    host : the address that the server listens on.
    answers_refusals : whether the application answers requests with the key `REFUSAL`; if not, the answer is one line.
    """

    def __init__(self, application: Any, host: str, settings: HttpSettings, *, answers_refusals: bool) -> None:
        self._application = application
        self._answers_refusals = answers_refusals
        self._proxies = TrustedProxies(settings.trusted_proxies)
        self._hosts = AllowedHosts(host, settings.allowed_hosts)
        names = f"{settings.prefix}_ALLOWED_HOSTS"
        self._unknown_host = f"this server does not answer to that host name; {names} lists those that it answers to"

    def admits(self, request: DirectRequest) -> bool:
        """Return whether the rules let a request pass; if not, the application answers it, or refuses it."""
        host = request.headers.get("HOST", "")
        if "X_FORWARDED_HOST" in request.headers and self._proxies:
            return False
        return bool(self._hosts.accept(host, request.channel.own_address))

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self._proxies.apply(environ)
        if REFUSAL not in environ:
            header = environ.get("HTTP_HOST")
            if header is not None and not self._hosts.accept(header, environ[OWN_ADDRESS]):
                environ[REFUSAL] = (HTTPStatus.MISDIRECTED_REQUEST, self._unknown_host)
        if REFUSAL in environ and not self._answers_refusals:
            return _refuse(environ, start_response)
        answer: Iterable[bytes] = self._application(environ, start_response)
        return answer


def _refuse(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    status, reason = HTTPStatus(environ[REFUSAL][0]), environ[REFUSAL][1]
    body = f"{' '.join(reason.split())}\n".encode()
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
