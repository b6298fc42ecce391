"""`monitor-agent stack`: up, down, and the data and processes after a kill."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import elasticsearch as client_library
import pytest

from monitor_agent.stack.instance import running_instance
from tests.waiting import wait_until


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Yield an empty data folder; the stack on it is stopped afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="model-monitor-"))
    folder.chmod(0o711)  # if root runs the test, the node's own account must be able to enter
    yield folder / "stack"
    stack("down", folder / "stack")
    shutil.rmtree(folder, ignore_errors=True)


def stack(action: str, data_dir: Path, *arguments: str, port: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `monitor-agent stack <action>` on the data folder."""
    return subprocess.run(
        [sys.executable, "-m", "monitor_agent", "stack", action, "--data", str(data_dir), *arguments],
        env={**os.environ, "STACK_HTTP_PORT": str(port)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def processes_of(data_dir: Path) -> list[int]:
    """Return the processes whose command line names the data folder."""
    needle = str(data_dir / "elasticsearch").encode()
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if needle in _read(path)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_detached_stack_keeps_its_data_and_leaves_nothing_running(data_dir: Path) -> None:
    """A detached stack stays up; a second `up` adopts it; after a kill no process is left and no document is lost."""
    port = free_port()
    up = stack("up", data_dir, "--detach", port=port)
    assert up.returncode == 0, up.stderr
    assert f"is ready: http://127.0.0.1:{port}" in up.stdout
    passwords = json.loads((data_dir / "passwords.json").read_text())
    assert all(up.stdout.count(f"  {user}\n") == 1 for user in passwords)
    assert not [user for user, password in passwords.items() if password in up.stdout]
    (export,) = [line.strip() for line in up.stdout.splitlines() if line.startswith("  export ")]
    printed = subprocess.run(
        ["sh", "-c", f'{export}; printf %s "$ELASTICSEARCH_PASSWORD"'], capture_output=True, text=True, check=True
    )
    assert printed.stdout == passwords["admin"]
    assert not [path for path in (data_dir / "log").iterdir() if passwords["analyst"] in path.read_text()]

    again = stack("up", data_dir, "--detach", "--show-passwords", port=port)
    assert all(f"  {password}\n" in again.stdout for password in passwords.values())
    assert (again.returncode, "already running" in again.stdout) == (0, True)
    instance = running_instance(data_dir)
    assert instance is not None
    with client_library.Elasticsearch(instance.url, basic_auth=("admin", passwords["admin"])) as client:
        client.index(index="model-releases", id="kept", document={"message": "kept"}, refresh=True)

    assert processes_of(data_dir)
    os.kill(instance.pid, signal.SIGKILL)
    wait_until(lambda: not processes_of(data_dir), 30)
    assert stack("status", data_dir).returncode == 1

    assert stack("up", data_dir, "--detach", port=port).returncode == 0
    with client_library.Elasticsearch(instance.url, basic_auth=("admin", passwords["admin"])) as client:
        assert client.get(index="model-releases", id="kept")["found"]
    status = stack("status", data_dir)
    assert (status.returncode, "elasticsearch: running" in status.stdout) == (0, True)
    (component,) = json.loads(stack("status", data_dir, "--json").stdout)
    assert (component["name"], component["running"]) == ("elasticsearch", True)

    assert "[node-1] started" in stack("logs", data_dir, "elasticsearch").stdout
    assert stack("down", data_dir).stdout == "stopped\n"
    assert not processes_of(data_dir)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(instance.url, timeout=5)


def test_a_taken_port_is_one_line(data_dir: Path) -> None:
    """Another listener on the port is reported at once, in one line that names the port; no process is left."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]

        up = stack("up", data_dir, port=port)

    assert up.returncode == 1
    assert up.stderr.splitlines()[-1].startswith(f"error: port {port} of 127.0.0.1 is taken by another process: ")
    assert "Traceback" not in up.stderr
    assert running_instance(data_dir) is None


def test_a_detached_stack_that_cannot_start_names_the_reason(data_dir: Path) -> None:
    """The failure of the process in the background is reported by the command."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]

        up = stack("up", data_dir, "--detach", port=port)

    assert up.returncode == 1
    assert f"port {port} of 127.0.0.1 is taken by another process" in up.stderr


def test_an_empty_folder_is_reported(data_dir: Path) -> None:
    """`down`, `status` and `logs` report a folder without a stack."""
    assert stack("down", data_dir).stdout == "nothing to stop\n"
    assert stack("status", data_dir).returncode == 1
    logs = stack("logs", data_dir, "elasticsearch")
    assert (logs.returncode, logs.stderr.startswith("error: elasticsearch has no log in")) == (1, True)
