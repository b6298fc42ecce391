"""What a server lacks that other machines can reach: one warning, or a refusal to start."""

from __future__ import annotations

import structlog

from monitor_agent.errors import SettingsError
from monitor_agent.http_client.address import is_loopback
from monitor_agent.http_serving.server_warning import ServerWarning
from monitor_agent.settings import HttpSettings

_log = structlog.get_logger()


def warn_of_exposure(
    server: str, host: str, login: str, settings: HttpSettings, *, authenticated: bool, require: bool
) -> None:
    """Log what a server lacks if other machines can reach it; the parameters are those of `exposure_of`.

    Raises
    ------
    SettingsError
        If it lacks a login, and `require` forbids that.
    """
    exposure = exposure_of(server, host, login, settings, authenticated=authenticated, require=require)
    if exposure is not None:
        _log.warning(str(exposure))


def exposure_of(
    server: str, host: str, login: str, settings: HttpSettings, *, authenticated: bool, require: bool
) -> ServerWarning | None:
    """Return what a server of the product lacks; the other parameters are those of `check_exposure`.

    Parameters
    ----------
    settings : the server's own, for its certificate.

    Raises
    ------
    SettingsError
        If it lacks a login, and `require` forbids that.
    """
    names = f"{settings.prefix}_TLS_CERT and {settings.prefix}_TLS_KEY"
    tls = "" if settings.tls_cert else names
    return check_exposure(server, host, login, authenticated=authenticated, tls=tls, require=require)


def check_exposure(
    server: str, host: str, login: str, *, authenticated: bool, tls: str, require: bool
) -> ServerWarning | None:
    """Return what a server lacks; None if it lacks nothing or only this machine reaches it.

    Parameters
    ----------
    server : the server, such as `the viewer`.
    host : the address that it listens on.
    login : the settings that protect it, such as `MONITOR_HEALTH_TOKEN`.
    authenticated : whether these are set.
    tls : the settings of its certificate; empty if it has one.
    require : the setting REQUIRE_AUTH.

    Raises
    ------
    SettingsError
        If the server would answer everybody, and `require` forbids that.

    >>> check_exposure("the viewer", "0.0.0.0", "DASHBOARDS_AUTH", authenticated=True, tls="", require=True)
    >>> print(check_exposure("the viewer", "0.0.0.0", "DASHBOARDS_AUTH", authenticated=False, tls="", require=False))
    the viewer listens on 0.0.0.0 and answers everybody who reaches it: set DASHBOARDS_AUTH
    """
    if is_loopback(host):
        return None
    place = f"{server} listens on {host or 'every address'}"
    if require and not authenticated:
        raise SettingsError(
            f"{place} and would answer everybody who reaches it, and REQUIRE_AUTH=true forbids that",
            f"set {login}, or listen on 127.0.0.1",
        )
    lacks = [
        *(() if authenticated else (("answers everybody who reaches it", login),)),
        *((("sends all data in clear", tls),) if tls else ()),
    ]
    if not lacks:
        return None
    return ServerWarning(
        f"{place} and {' and '.join(fault for fault, _ in lacks)}", f"set {' and '.join(names for _, names in lacks)}"
    )
