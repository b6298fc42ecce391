"""Requests of urllib: with trusted certificates, past the proxy to this machine, and without following redirections."""

from __future__ import annotations

import urllib.request
from typing import Any

from monitor_agent.errors import SettingsError
from monitor_agent.http_client.address import parse_address
from monitor_agent.http_client.proxies import problem_of_proxy, proxy_of
from monitor_agent.http_client.trust import client_context


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    """A redirection leads to a login page or to another server, and would turn a POST into a GET."""

    def redirect_request(self, *_arguments: Any) -> None:
        """Return no further request, so that the redirection is an error."""


def opener(url: str, ca_certs: str, variable: str) -> urllib.request.OpenerDirector:
    """Return what opens the requests to one address.

    Parameters
    ----------
    ca_certs : file with the certificate authority; empty = those of the system.
    variable : the setting that holds `ca_certs`, for messages.

    Raises
    ------
    SettingsError
        If the file holds no certificate, or the environment names a proxy that cannot be used.
    """
    address = parse_address(url, "address")
    proxy = proxy_of(url)
    problem = problem_of_proxy(proxy.address) if proxy is not None else ""
    if proxy is not None and problem:
        raise SettingsError(f"{proxy}: {problem}", "write http://host:port, or unset it")
    handlers: list[urllib.request.BaseHandler] = [_NoRedirection()]
    if address.is_loopback:
        handlers.append(urllib.request.ProxyHandler({}))  # the loopback is never behind a proxy
    if address.scheme == "https":
        handlers.append(urllib.request.HTTPSHandler(context=client_context(ca_certs, variable)))
    return urllib.request.build_opener(*handlers)
