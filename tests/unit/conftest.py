"""The rules of unit tests: they start no process and reach no other machine, so that they are quick everywhere.

Tests that need either are integration tests. A server on the loopback within the test's own process is allowed.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest

NEW_PROCESSES = [(subprocess.Popen, "__init__"), (os, "fork"), (os, "posix_spawn"), (os, "system")]
CONNECTIONS = ("bind", "connect", "connect_ex")


@pytest.fixture(scope="module", autouse=True)
def within_this_process() -> Iterator[None]:
    """Fail the test that starts a process or opens a socket to another machine."""
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in NEW_PROCESSES:
            patch.setattr(owner, name, refuse_process)
        for name in CONNECTIONS:
            patch.setattr(socket.socket, name, loopback_only(getattr(socket.socket, name)))
        yield


def refuse_process(*_arguments: object, **_options: object) -> NoReturn:
    """Fail the test that wants a process."""
    pytest.fail("a unit test starts no process: move it to tests/integration")


def loopback_only(operation: Callable[..., Any]) -> Callable[..., Any]:
    """Return a socket's operation that fails the test if the address is not of this machine."""

    def checked(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not is_loopback(address[0]):
            pytest.fail(f"a unit test reaches no other machine, such as {address[0]}: move it to tests/integration")
        return operation(self, address)

    return checked


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine; a name other than localhost is none."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
