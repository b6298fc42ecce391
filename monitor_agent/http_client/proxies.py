"""The proxies of the environment: `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` have one meaning for all clients.

Source: the rules of curl for the environment; `NO_PROXY` also takes networks such as `10.0.0.0/8`, as Go's clients do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib import request

from monitor_agent.errors import SettingsError
from monitor_agent.http_client.address import (
    HttpAddress,
    is_loopback,
    mask_credentials,
    parse_address,
    without_credentials,
)
from monitor_agent.http_client.authorization import basic_authorization

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY")
_PROXY_PORT = 80


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
        return f"{self.variable}={without_credentials(self.address)}"


def proxy_of(address: HttpAddress) -> HttpAddress | None:
    """Return the proxy for the requests to an address; None if they go directly. This machine never has one.

    Raises
    ------
    SettingsError
        If the environment names a proxy that is no address of http.
    """
    proxies = request.getproxies_environment()
    text = proxies.get(address.scheme, "")
    if not text or is_loopback(address.host) or _is_direct(address, proxies):
        return None
    proxy = EnvironmentProxy(f"{address.scheme.upper()}_PROXY", text)
    if problem := problem_of_proxy(text):
        raise SettingsError(f"{proxy}: {problem}", "write http://host:port, or unset it")
    return parse_address(text, proxy.variable, _PROXY_PORT)


def stated_proxies() -> list[EnvironmentProxy]:
    """Return the proxies that the environment of this process names, right or wrong."""
    proxies = request.getproxies_environment()
    values = {name: proxies.get(name.partition("_")[0].lower(), "") for name in VARIABLES}
    return [EnvironmentProxy(name, value) for name, value in values.items() if value]


def problem_of_proxy(text: str) -> str:
    """Return why a text is no address of a proxy; empty if it is one.

    >>> problem_of_proxy("http://proxy:3128"), problem_of_proxy("proxy:3128")
    ('', '')
    >>> problem_of_proxy("socks5://proxy:1080"), problem_of_proxy("http://proxy:port")
    ('a proxy of socks5:// is not supported', 'it is no address')
    """
    scheme, separator, _ = text.partition("://")
    if separator and scheme.lower() != "http":
        return f"a proxy of {mask_credentials(scheme)}:// is not supported"
    try:
        parse_address(text, "proxy", _PROXY_PORT)
    except SettingsError:
        return "it is no address"
    return ""


def proxy_headers(proxy: HttpAddress) -> dict[str, str]:
    """Return the headers for the proxy itself: its login, if its address names a user."""
    if not proxy.username:
        return {}
    return {"Proxy-Authorization": basic_authorization(proxy.username, proxy.password)}


def _is_direct(address: HttpAddress, proxies: Mapping[str, str]) -> bool:
    """Return whether `NO_PROXY` names a host: by its name, a domain around it, `*`, or its address or network."""
    if request.proxy_bypass_environment(f"{address.host}:{address.port}", dict(proxies)):  # type: ignore[attr-defined]
        return True
    try:
        host = ip_address(address.host)
    except ValueError:
        return False
    return any(_contains(entry.strip(" []"), host) for entry in proxies.get("no", "").split(","))


def _contains(network: str, host: object) -> bool:
    try:
        return host in ip_network(network, strict=False)
    except ValueError:
        return False
