"""What a server lacks that other machines can reach: one warning, or a refusal to start (pure)."""

from __future__ import annotations

from monitor_agent.errors import SettingsError
from monitor_agent.http_serving.host_names import is_loopback


def check_exposure(server: str, host: str, login: str, *, authenticated: bool, tls: str, require: bool) -> str:
    """Return what a server lacks; empty if it lacks nothing or only this machine reaches it.

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
    ''
    >>> check_exposure("the viewer", "0.0.0.0", "DASHBOARDS_AUTH", authenticated=False, tls="", require=False)
    'the viewer listens on 0.0.0.0 and answers everybody who reaches it: set DASHBOARDS_AUTH'
    """
    if is_loopback(host):
        return ""
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
        return ""
    return f"{place} and {' and '.join(fault for fault, _ in lacks)}: set {' and '.join(names for _, names in lacks)}"
