"""The proxies that the environment names for requests of urllib: `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from monitor_agent.http_client.address import mask_credentials, parse_address

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY")


@dataclass(frozen=True)
class EnvironmentProxy:
    """A proxy, and the variable that names it.

    Attributes
    ----------
    variable : one of `VARIABLES`; the environment may have it in small letters.
    address : as the variable has it, maybe with user and password.
    """

    variable: str
    address: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.variable}={mask_credentials(self.address)}"


def proxy_of(url: str) -> EnvironmentProxy | None:
    """Return the proxy that requests to an address use; None if they use none. This machine is behind no proxy.

    Raises
    ------
    SettingsError
        If it is no address.
    """
    address = parse_address(url, "address")
    proxy = urllib.request.getproxies().get(address.scheme, "")
    if not proxy or address.is_loopback or urllib.request.proxy_bypass(f"{address.host}:{address.port}"):
        return None
    return EnvironmentProxy(f"{address.scheme.upper()}_PROXY", proxy)


def problem_of_proxy(text: str) -> str:
    """Return why a text is no address of a proxy; empty if it is one.

    >>> problem_of_proxy("http://proxy:3128"), problem_of_proxy("proxy:3128")
    ('', '')
    >>> problem_of_proxy("socks5://proxy:1080"), problem_of_proxy("http://proxy:port")
    ('a proxy of socks5:// is not supported', 'it is no address')
    """
    address = text if "://" in text else f"http://{text}"
    try:
        proxy = urlsplit(address)
        valid = bool(proxy.hostname) and (proxy.port is None or proxy.port > 0)
    except ValueError:
        valid = False
    if not valid:
        return "it is no address"
    return "" if proxy.scheme in ("http", "https") else f"a proxy of {proxy.scheme}:// is not supported"
