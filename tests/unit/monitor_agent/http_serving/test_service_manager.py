"""systemd learns when a server is ready."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from monitor_agent.http_serving.service_manager import notify_ready


@pytest.mark.parametrize("abstract", [False, True])
def test_readiness_is_reported(abstract: bool, tmp_path: Path) -> None:
    """The message goes to the socket, also in the abstract namespace."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{path}" if abstract else path)
        manager.settimeout(10)

        notify_ready(f"@{path}" if abstract else path)

        assert manager.recv(100) == b"READY=1"


def test_nobody_listens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A server works without systemd, and warns once if the socket cannot be used."""
    notify_ready("")
    assert capsys.readouterr() == ("", "")

    notify_ready(str(tmp_path / "nobody"))
    assert "does not learn that the server is ready" in "".join(capsys.readouterr())
