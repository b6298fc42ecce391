"""Requests of urllib: with trusted certificates and the proxy of the environment; every answer is read in whole."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from email.message import Message
from typing import Any

from monitor_agent.http_client.address import parse_address, with_user
from monitor_agent.http_client.connections import HttpConnection, HttpsConnection, ProxyError
from monitor_agent.http_client.proxies import proxy_of
from monitor_agent.http_client.trust import client_context


class _EveryStatus(urllib.request.HTTPErrorProcessor):
    """Every status is an answer; redirections are not followed: they lead to a login page or to another server."""

    def http_response(self, request: urllib.request.Request, response: Any) -> Any:  # noqa: ARG002
        """Return the answer as it is."""
        return response

    def https_response(self, request: urllib.request.Request, response: Any) -> Any:  # noqa: ARG002
        """Return the answer as it is."""
        return response


class _Http(urllib.request.HTTPHandler):
    """Opens connections with bounded answers."""

    def http_open(self, request: urllib.request.Request) -> Any:
        """Return the answer to a request."""
        return _opened(self, HttpConnection, request)


class _Https(urllib.request.HTTPSHandler):
    """Opens TLS connections with bounded answers."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._rules = context

    def https_open(self, request: urllib.request.Request) -> Any:
        """Return the answer to a request."""
        return _opened(self, HttpsConnection, request, context=self._rules)


def _opened(handler: Any, kind: Any, request: urllib.request.Request, **options: Any) -> Any:
    """Return the answer to a request; an error of the way to a proxy is one of the proxy."""
    try:
        return handler.do_open(kind, request, **options)
    except urllib.error.URLError as error:
        proxied = request.has_proxy() or getattr(request, "_tunnel_host", None)
        if proxied and not isinstance(error.reason, ssl.SSLError | TimeoutError):
            raise ProxyError(str(error.reason)) from error
        raise


def opener(url: str, ca_certs: str, variable: str) -> urllib.request.OpenerDirector:
    """Return what opens the requests to one address; an answer of whatever status is no error.

    Parameters
    ----------
    ca_certs : file with the certificate authority; empty = those of the system.
    variable : the setting that holds `ca_certs`, for messages.

    Raises
    ------
    SettingsError
        If the file holds no certificate, or the environment names a proxy that is no address of http.
    """
    address = parse_address(url, "address")
    handlers: list[urllib.request.BaseHandler] = [_EveryStatus()]
    proxy = proxy_of(address)
    named = with_user(proxy.url, proxy.username, proxy.password) if proxy and proxy.username else ""
    handlers.append(urllib.request.ProxyHandler({address.scheme: named or proxy.url} if proxy else {}))
    handlers.append(_Http())
    if address.scheme == "https":
        handlers.append(_Https(client_context(ca_certs, variable)))
    return urllib.request.build_opener(*handlers)


def answer_to(
    opened: urllib.request.OpenerDirector, request: urllib.request.Request, seconds: float
) -> tuple[int, Message, bytes]:
    """Return status, header and body of the answer to a request.

    Parameters
    ----------
    seconds : the longest wait for the next bytes.

    Raises
    ------
    OSError, HTTPException
        If there is no answer, or it is too large or too slow; `failures.failure_of` names the reason.
    """
    with opened.open(request, timeout=seconds) as answer:
        return answer.status, answer.headers, answer.read()
