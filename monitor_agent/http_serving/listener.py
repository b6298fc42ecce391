"""The socket that a server listens on, its address as a URL, and how many connections the process can hold."""

from __future__ import annotations

import os
import resource
import socket

import structlog

from monitor_agent.errors import PortInUseError

RESERVE = 64
"""File descriptors that are left for all else than connections."""
LEAST_CONNECTIONS = 8
_log = structlog.get_logger()


def bind(host: str, port: int, server: str, remedy: str) -> socket.socket:
    """Return a socket that is bound, but does not listen yet; port 0 = any free one.

    Parameters
    ----------
    server : the server, for the error, such as `the viewer`.
    remedy : what to do if the address cannot be used.

    Raises
    ------
    PortInUseError
        If the socket cannot be bound to the address.
    """
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PortInUseError(f"{server} cannot listen on {host}:{port} ({reason})", remedy) from error
    return listener


def url_of(host: str, port: int, *, tls: bool) -> str:
    """Return the address of a server as a URL.

    >>> url_of("127.0.0.1", 8500, tls=False), url_of("::1", 8600, tls=True)
    ('http://127.0.0.1:8500', 'https://[::1]:8600')
    """
    name = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{name}:{port}"


def room_for(connections: int, variable: str) -> int:
    """Return how many connections the process can hold; raise its limit of open files as far as that is allowed.

    Parameters
    ----------
    connections : how many are wanted.
    variable : the setting that wants them, for the warning.
    """
    in_use = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else RESERVE  # noqa: PTH112, PTH208
    needed = connections + in_use + RESERVE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
        except (OSError, ValueError):
            pass
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    room = max(LEAST_CONNECTIONS, soft - in_use - RESERVE)
    if room < connections:
        _log.warning(
            f"the limit of open files ({soft}) leaves room for {room} connections, not for {connections}: raise it "
            f"(`ulimit -n`, `LimitNOFILE` of systemd), or lower {variable}"
        )
    return min(room, connections)
