"""A real Elasticsearch on this machine: secured, bound to the loopback, gone when its parent is gone.

`bin/elasticsearch` is a small launcher that starts the server and stops it on SIGTERM; the server itself ends when the
launcher does. The launcher gets SIGTERM when our process ends, so that even a killed parent leaves nothing behind.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import socket
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from monitor_agent.errors import PortInUseError, StackError
from monitor_agent.stack.account import Account, reachable_by, unprivileged_account
from monitor_agent.stack.embedded import archive, java, users
from monitor_agent.stack.instance import DataFolderLock, Instance
from monitor_agent.stack.process import ChildProcess, Command

HOST = "127.0.0.1"
READY_SECONDS = 120.0
STOP_SECONDS = 30.0
PROBE_SECONDS = 5.0
# Where root keeps what the unprivileged account must reach, when the wanted folder is out of that account's reach.
SYSTEM_CACHE = Path("/var/cache/model-monitor")
SYSTEM_DATA = Path("/var/lib/model-monitor")


@dataclass(frozen=True)
class ElasticsearchOptions:
    """How the embedded Elasticsearch is run.

    Attributes
    ----------
    data_dir : data, log and generated passwords; one node a folder.
    cache_dir : where the server is unpacked; None = the user's cache folder.
    version : a version of `archive.SHA512`; empty = the newest that the found Java runs.
    http_port, transport_port : 0 = any free one.
    heap : heap of the server, as Java writes it.
    cluster_name, node_name : names within a cluster.
    masters : node names that elect the first master of a new cluster; empty = this node is a cluster of its own.
    seed_hosts : `host:port` of the transport of the other nodes.
    """

    data_dir: Path
    cache_dir: Path | None = None
    version: str = ""
    http_port: int = 9200
    transport_port: int = 0
    heap: str = "512m"
    cluster_name: str = "model-monitor"
    node_name: str = "node-1"
    masters: tuple[str, ...] = ()
    seed_hosts: tuple[str, ...] = ()


class EmbeddedElasticsearch:
    """One node, from its preparation to its end; a context manager that starts it, waits for it and stops it.

    >>> with EmbeddedElasticsearch(ElasticsearchOptions(Path("var/stack"))) as node:  # doctest: +SKIP
    ...     print(node.url, node.users["admin"])
    """

    name = "elasticsearch"

    def __init__(self, options: ElasticsearchOptions, report: Callable[[str], None] = lambda _line: None) -> None:
        self.options = options
        self.version = options.version
        self.users: dict[str, str] = {}
        self._report = report
        self._account = unprivileged_account()
        self._data_dir = options.data_dir.absolute()
        self._lock = DataFolderLock(self._data_dir)
        self._process: ChildProcess | None = None

    def __enter__(self) -> EmbeddedElasticsearch:
        """Start the node and wait until it is ready."""
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the node."""
        self.stop()

    @property
    def running(self) -> bool:
        """Return whether the node was started and has not ended."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int | None:
        """Return the launcher's process id; None before the start."""
        return self._process.pid if self._process else None

    @property
    def url(self) -> str:
        """Return the address; StackError while the node has not bound its port yet."""
        return f"http://{self._bound('http')}"

    @property
    def transport_address(self) -> str:
        """Return `host:port` that other nodes reach this one at; StackError while it is not bound yet."""
        return self._bound("transport")

    @property
    def log_path(self) -> Path:
        """Return the path of the node's log."""
        return self._data_dir / "log" / "elasticsearch.log"

    def start(self) -> None:
        """Prepare the node (this fetches the server where it is missing) and start it, without waiting for it.

        Raises JavaNotFoundError, PortInUseError, and StackError for a folder in use, no registry or no disk space.
        """
        if self.running:
            raise StackError(f"Elasticsearch is already running at {self.url}")
        cache_dir = cache_folder(self.options.cache_dir, self._account)
        runtime = java.require_java(
            self.options.version, os.environ, cache_dir, self._report, lambda home: reachable_by(self._account, home)
        )
        self.version = java.version_for(runtime, self.options.version)
        server = archive.server_folder(self.version, cache_dir, self._report)
        self._lock.acquire()
        try:
            self._start_process(runtime, server)
        except BaseException:
            self._lock.release()
            raise

    def wait_ready(self, timeout: float = READY_SECONDS) -> None:
        """Return when the node answers; StackError at once when it ends before, or after `timeout` seconds."""
        if self._process is None:
            raise StackError("Elasticsearch was not started")
        try:
            self._process.wait_ready(self._healthy, timeout)
        except StackError as error:
            if "address already in use" in str(error).lower() or "BindHttpException" in str(error):
                raise self._port_in_use(self.options.http_port) from error
            raise
        self._lock.record(Instance(os.getpid(), self.url, self.version))

    def stop(self) -> None:
        """Stop the node; do nothing when it is not running."""
        try:
            if self._process is not None:
                self._process.stop()
        finally:
            self._lock.release()

    def kill(self) -> None:
        """Kill the node at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
        self._lock.release()

    def last_words(self) -> str:
        """Return the line of the log that best says why the node ended."""
        return self._process.last_words() if self._process else "it was not started"

    def _start_process(self, runtime: java.Java, server: Path) -> None:
        for port in (self.options.http_port, self.options.transport_port):
            if port and not _is_free(port):
                raise self._port_in_use(port)
        home = self._home()
        self.users = users.passwords(self._data_dir)
        _write_configuration(home, server, self.options, self.users)
        _give(home, self._account)
        self._process = ChildProcess(self._command(runtime, server, home))
        self._process.start()

    def _command(self, runtime: java.Java, server: Path, home: Path) -> Command:
        environ = {key: value for key, value in os.environ.items() if not key.startswith(("ES_", "CLI_JAVA"))}
        environ |= {
            "ES_JAVA_HOME": str(runtime.home),
            "ES_PATH_CONF": str(home / "config"),
            "ES_TMPDIR": str(home / "tmp"),
            "ES_JAVA_OPTS": f"-Xms{self.options.heap} -Xmx{self.options.heap}",
            # The launcher lives for seconds of work: compile little, share the runtime's own class archive.
            "CLI_JAVA_OPTS": "-XX:TieredStopAtLevel=1 -Xshare:auto",
            "HOME": str(home),
        }
        return Command(
            name=self.name,
            argv=(str(server / "bin" / "elasticsearch"),),
            log_path=self.log_path,
            environ=environ,
            cwd=home,
            account=self._account,
            stop_seconds=STOP_SECONDS,
        )

    def _home(self) -> Path:
        """Return the node's own folder (configuration, data), made where its account can reach it."""
        home = self._data_dir / "elasticsearch"
        if self._account is None or reachable_by(self._account, self._data_dir.parent):
            return home
        name = hashlib.sha256(str(self._data_dir).encode()).hexdigest()[:16]
        elsewhere = SYSTEM_DATA / name
        self._report(f"Elasticsearch runs as {self._account.name} and keeps its data in {elsewhere}")
        return elsewhere

    def _bound(self, kind: str) -> str:
        path = self._ports_file(kind)
        try:
            addresses = path.read_text(encoding="utf-8").split()
        except OSError as error:
            raise StackError("Elasticsearch has not bound its port yet", f"see {self.log_path}") from error
        return next(address for address in addresses if address.startswith(HOST))

    def _ports_file(self, kind: str) -> Path:
        return self._home_quietly() / "logs" / f"{kind}.ports"

    def _home_quietly(self) -> Path:
        report, self._report = self._report, lambda _line: None
        try:
            return self._home()
        finally:
            self._report = report

    def _healthy(self) -> bool:
        if not self._ports_file("http").exists():
            return False
        # Yellow: every primary shard of the indices kept from an earlier run can be searched and written.
        answer = _get(f"{self.url}/_cluster/health?wait_for_status=yellow&timeout=1s", users.ADMIN, self.users)
        return answer.get("status") in ("green", "yellow") and not answer.get("timed_out", True)

    def _port_in_use(self, port: int) -> PortInUseError:
        return PortInUseError(
            f"port {port} of {HOST} is taken by another process", "stop that process, or set STACK_HTTP_PORT (0 = any)"
        )


def cache_folder(wanted: Path | None, account: Account | None = None) -> Path:
    """Return the folder for what is fetched: `wanted`, else the user's cache folder, where `account` can reach it."""
    if wanted is not None:
        return wanted.absolute()
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "model-monitor"
    return folder if reachable_by(account, folder) else SYSTEM_CACHE


def _write_configuration(
    home: Path, server: Path, options: ElasticsearchOptions, passwords_by_user: dict[str, str]
) -> None:
    config = home / "config"
    shutil.rmtree(home / "tmp", ignore_errors=True)
    for folder in (config / "jvm.options.d", home / "data", home / "logs", home / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    for kind in ("http", "transport"):
        (home / "logs" / f"{kind}.ports").unlink(missing_ok=True)
    files = {
        "elasticsearch.yml": _settings_text(options, home),
        "jvm.options": _jvm_options(server),
        "log4j2.properties": LOGGING,
        **users.realm_files(passwords_by_user),
    }
    for name, text in files.items():
        path = config / name
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")


def _settings_text(options: ElasticsearchOptions, home: Path) -> str:
    """Return `elasticsearch.yml`; JSON values are YAML too."""
    alone = {"discovery.type": "single-node"}
    cluster = {"discovery.seed_hosts": list(options.seed_hosts), "cluster.initial_master_nodes": list(options.masters)}
    settings: dict[str, object] = {
        "cluster.name": options.cluster_name,
        "node.name": options.node_name,
        "path.data": str(home / "data"),
        "path.logs": str(home / "logs"),
        "network.host": HOST,
        "http.port": options.http_port,
        "transport.port": options.transport_port,
        "node.portsfile": True,
        **(cluster if options.masters or options.seed_hosts else alone),
        "xpack.security.enabled": True,
        "xpack.security.autoconfiguration.enabled": False,
        "xpack.security.enrollment.enabled": False,
        "xpack.security.http.ssl.enabled": False,
        "xpack.security.transport.ssl.enabled": False,
        "xpack.security.authc.realms.file.file1.order": 0,
        "xpack.security.authc.reserved_realm.enabled": False,
        # The flood stage makes every index read-only at 95 % of a disk that others fill, too: nothing could be
        # written on a laptop whose disk is nearly full, however much space is left for a demonstration.
        "cluster.routing.allocation.disk.threshold_enabled": False,
        "action.destructive_requires_name": True,
    }
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items())


def _jvm_options(server: Path) -> str:
    """Return the server's own options without its log of garbage collections, which fills disks."""
    text = (server / "config" / "jvm.options").read_text(encoding="utf-8")
    return "".join(
        line for line in text.splitlines(keepends=True) if not line.lstrip("0123456789-:").startswith("Xlog")
    )


def _give(folder: Path, account: Account | None) -> None:
    if account is None:
        return
    for path in (folder, *folder.rglob("*")):
        if path.stat().st_uid != account.uid:
            os.chown(path, account.uid, account.gid)
    folder.parent.chmod(folder.parent.stat().st_mode | 0o011)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _get(url: str, user: str, passwords_by_user: dict[str, str]) -> dict[str, object]:
    """Return the JSON answer; empty while nothing answers properly."""
    token = base64.b64encode(f"{user}:{passwords_by_user[user]}".encode()).decode()
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {token}"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the loopback is never behind a proxy
    try:
        with opener.open(request, timeout=PROBE_SECONDS) as response:
            answer: dict[str, object] = json.load(response)
            return answer
    except (OSError, ValueError):
        return {}


LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %marker%m%consoleException%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""
