"""Where a server of another product listens."""

from __future__ import annotations

import socket
import sys
from pathlib import Path


def free_port() -> int:
    """Return a port of this machine that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def publish(port: int) -> None:
    """Write the address into the file that the last argument of the command names."""
    Path(sys.argv[-1]).write_text(f"http://127.0.0.1:{port}", encoding="ascii")
