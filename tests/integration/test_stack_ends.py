"""The embedded stack ends with a clear line if one of its processes is killed; the server is a stand-in here."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor_agent.stack.account import reachable_by, unprivileged_account
from monitor_agent.stack.instance import running_instance
from tests.waiting import processes_in, wait_until

VERSION = "9.5.0"
MANIFEST = """\
Change: abc
Build-Date: 2026-01-01T00:00:00Z
X-Compile-Elasticsearch-Snapshot: false
X-Compile-Lucene-Version: 10.5.0
"""
SERVER = """\
#!{python}
import http.server, json, os, pathlib
home = pathlib.Path(os.environ["ES_PATH_CONF"]).parent
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        root = self.path.partition("?")[0] == "/"
        body = json.dumps({{"status": "green", "cluster_uuid": "abc"}}).encode()
        self.send_response(405 if root else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
(home / "logs" / "http.ports").write_text(f"127.0.0.1:{{server.server_port}}\\n")
server.serve_forever()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder with a cache that holds the stand-in; if root runs the test, its own account must enter."""
    account = unprivileged_account()
    interpreters = (os.path.realpath(sys.executable), "/usr/bin/python3", "/usr/local/bin/python3")
    usable = [path for path in interpreters if Path(path).exists() and reachable_by(account, Path(path).parent)]
    if not usable:
        pytest.skip("no Python can be run by the account of Elasticsearch")
    with tempfile.TemporaryDirectory(prefix="model-monitor-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        server = folder / "cache" / f"elasticsearch-{VERSION}"
        for subfolder in ("bin", "config", "lib"):
            (server / subfolder).mkdir(parents=True)
        (server / "config" / "jvm.options").write_text("")
        program = server / "bin" / "elasticsearch"
        program.write_text(SERVER.format(python=usable[0]))
        program.chmod(0o755)
        with zipfile.ZipFile(server / "lib" / f"elasticsearch-{VERSION}.jar", "w") as jar:
            jar.writestr("META-INF/MANIFEST.MF", MANIFEST)
        yield folder
        stack("down", folder)


def stack(action: str, folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `monitor-agent stack <action>`."""
    return subprocess.run(
        [sys.executable, "-m", "monitor_agent", "stack", action, "--data", str(folder / "stack"), *arguments],
        env={
            **os.environ,
            "STACK_HTTP_PORT": "0",
            "STACK_CACHE_DIR": str(folder / "cache"),
            "ELASTIC_VERSION": VERSION,
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def process_of(folder: Path, words: str) -> int:
    """Return the process with these words in its command line that names the folder."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if words in command and str(folder) in command:
            return int(path.parent.name)
    raise AssertionError(f"no process has {words} in its command line")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("embedded.proxy", "has lost its proxy, which ended by SIGKILL"),
        ("bin/elasticsearch", "ended by SIGKILL"),
    ],
)
def test_the_stack_ends_with_a_process_of_it(folder: Path, words: str, reason: str) -> None:
    """The log names which one it was, and no process is left."""
    up = stack("up", folder, "--detach")
    assert up.returncode == 0, up.stderr

    os.kill(process_of(folder, words), signal.SIGKILL)

    wait_until(lambda: running_instance(folder / "stack") is None, 30)
    wait_until(lambda: not processes_in(folder), 30)
    logs = folder / "stack" / "log"
    last = (logs / "stack.log").read_text().splitlines()[-1]
    assert last == f"error: elasticsearch {reason}: see {logs / 'elasticsearch.log'}"


def test_the_proxy_can_be_left_out(folder: Path) -> None:
    """Then the node answers itself, and cannot answer `GET /`."""
    up = stack("up", folder, "--detach", STACK_PROXY="false")
    assert up.returncode == 0, up.stderr
    (url,) = re.findall(r"is ready: (\S+)", up.stdout)
    assert (folder / "stack" / "elasticsearch" / "logs" / "http.ports").read_text().strip() == url[7:]
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(url, timeout=30)
    assert stack("down", folder).stdout == "stopped\n"


def test_the_port_is_the_proxys(folder: Path) -> None:
    """The root is answered at the configured port; the node has another one."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    up = stack("up", folder, "--detach", STACK_HTTP_PORT=str(port))
    assert up.returncode == 0, up.stderr
    with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=30) as answer:
        assert json.load(answer)["cluster_uuid"] == "abc"
    ports = (folder / "stack" / "elasticsearch" / "logs" / "http.ports").read_text()
    assert not ports.strip().endswith(f":{port}")
    configuration = (folder / "stack" / "elasticsearch" / "config" / "elasticsearch.yml").read_text()
    assert f"http.port: 0\nhttp.publish_port: {port}\n" in configuration
    assert stack("down", folder).stdout == "stopped\n"
    wait_until(lambda: not processes_in(folder), 30)
