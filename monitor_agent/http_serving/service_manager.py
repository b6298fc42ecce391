"""Tells systemd that a server is ready (`Type=notify`); elsewhere it does nothing.

Source: the manual page sd_notify(3) of systemd, "Standalone Implementations".
"""

from __future__ import annotations

import socket

import structlog

NOTIFY_SOCKET = "NOTIFY_SOCKET"
"""The environment variable with the address of systemd's datagram socket."""

_log = structlog.get_logger()


def notify_ready(address: str) -> None:
    """Report that requests are answered from now on; if systemd cannot be reached, one warning says why.

    Parameters
    ----------
    address : the value of `NOTIFY_SOCKET`; `@` begins one in the abstract namespace, "" = there is no systemd.
    """
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as messages:
            messages.connect(f"\0{address[1:]}" if address.startswith("@") else address)
            messages.sendall(b"READY=1")
    except OSError as error:
        _log.warning("the service manager does not learn that the server is ready", reason=error.strerror or str(error))
