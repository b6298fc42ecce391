"""`python -m monitor_agent.stack.embedded.proxy DESCRIPTOR PORTS_FILE DOCUMENT`: the proxy before the embedded node.

DESCRIPTOR is a bound socket that the launcher opened, PORTS_FILE the file in which the node states its address, and
DOCUMENT the node's answer to `GET /` in JSON, without the cluster's id. SIGTERM ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from monitor_agent.stack.embedded.proxy.connection import ClientConnection
from monitor_agent.stack.embedded.proxy.root_request import Address

HOST = "127.0.0.1"
BACKLOG = 1024


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM."""
    descriptor, ports_file, document = arguments
    _raise_file_limit()
    listener = socket.socket(fileno=int(descriptor))
    asyncio.run(_serve(listener, Path(ports_file), json.loads(document)))


async def _serve(listener: socket.socket, ports_file: Path, document: dict[str, Any]) -> None:
    def locate() -> Address:
        for address in ports_file.read_text(encoding="utf-8").split():
            host, _, port = address.rpartition(":")
            if host == HOST:
                return host, int(port)
        raise ConnectionError(f"{ports_file} names no address")

    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    await loop.create_server(lambda: ClientConnection(locate, document), sock=listener, backlog=BACKLOG)
    await stopped.wait()


def _raise_file_limit() -> None:
    """Allow as many connections as the system lets a process have: each needs two descriptors."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main(sys.argv[1:])
