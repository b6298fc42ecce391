"""The proxy as the launcher of the node sees it: a port that is taken at once, and a process that answers there."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

from monitor_agent.stack.process import ChildProcess, Command

STOP_SECONDS = 5.0
BACKLOG = 1024


class ProxyProcess:
    """The proxy before a node; it reads the node's own address from the node's ports file when a client comes."""

    name = "elasticsearch-proxy"

    def __init__(self, host: str, port: int) -> None:
        """Take the port; 0 = any free one.

        Raises
        ------
        OSError
            If the port is taken.
        """
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._child: ChildProcess | None = None
        try:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((host, port))
            self._listener.listen(BACKLOG)  # clients may connect from now on; they wait for the process
        except OSError:
            self._listener.close()
            raise
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://{host}:{self.port}"

    @property
    def running(self) -> bool:
        """Return whether it was started and has not ended."""
        return self._child is not None and self._child.running

    @property
    def pid(self) -> int | None:
        """Return the process id; None before the start."""
        return self._child.pid if self._child else None

    def start(self, ports_file: Path, document: dict[str, Any], log_dir: Path) -> None:
        """Start the process; it has the port from then on.

        Parameters
        ----------
        ports_file : the file that the node writes its own address into.
        document : the node's answer to `GET /`, without the id of the cluster.
        log_dir : the folder of its log.

        Raises
        ------
        StackError
            If the process cannot be started.
        """
        descriptor = self._listener.fileno()
        command = Command(
            name=self.name,
            argv=(
                *(sys.executable, "-m", "monitor_agent.stack.embedded.proxy"),
                *(str(descriptor), str(ports_file), json.dumps(document)),
            ),
            log_path=log_dir / f"{self.name}.log",
            stop_seconds=STOP_SECONDS,
            descriptors=(descriptor,),
        )
        self._child = ChildProcess(command)
        try:
            self._child.start()
        finally:
            self._listener.close()

    def stop(self) -> None:
        """Stop the process and give the port back; do nothing when it is not running."""
        self._listener.close()
        if self._child is not None:
            self._child.stop()

    def kill(self) -> None:
        """Kill the process at once, as a crash would."""
        self._listener.close()
        if self._child is not None:
            self._child.kill()

    def exit_code(self) -> int | None:
        """Return the exit status, negative for a signal; None before the end."""
        return self._child.exit_code() if self._child else None

    def end_in_words(self) -> str:
        """Return how the process ended."""
        return self._child.end_in_words() if self._child else "was not started"
