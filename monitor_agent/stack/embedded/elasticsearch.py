"""A real Elasticsearch on this machine: secured, bound to the loopback, gone when its parent is gone.

`bin/elasticsearch` is a small launcher that starts the server and stops it on SIGTERM; the server itself ends when the
launcher does. The launcher gets SIGTERM when our process ends, so that even a killed parent leaves nothing behind.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from monitor_agent.errors import PortInUseError, StackError
from monitor_agent.extras import EMBEDDED_ELASTICSEARCH, OptionalComponent
from monitor_agent.files import PRIVATE_FOLDER, replace_file
from monitor_agent.settings import StackSettings, environment_without_secrets
from monitor_agent.stack.account import Account, give_passage, reachable_by, unprivileged_account
from monitor_agent.stack.embedded import archive, java, users
from monitor_agent.stack.embedded.configuration import HOST, ElasticsearchOptions, write_configuration
from monitor_agent.stack.embedded.proxy.process import ProxyProcess
from monitor_agent.stack.embedded.proxy.root_document import root_document
from monitor_agent.stack.instance import DataFolderLock, Instance
from monitor_agent.stack.process import ChildProcess, Command
from monitor_agent.stack.rest_call import Login, cluster_status

__all__ = [
    "ElasticsearchOptions",
    "EmbeddedElasticsearch",
    "cache_folder",
    "components_of_start",
    "home_folder",
    "is_free",
]

READY_SECONDS = 120.0
STOP_SECONDS = 30.0
BOOT_FAILURE = r"fatal exception while booting Elasticsearch\s*(.+)"
VERSION_FILE = "version"
COMPILE_LITTLE = "-XX:TieredStopAtLevel=1"
"""The compiler that optimises most takes half of the first minutes' work, and gains only after them."""
PORT_GRACE_SECONDS = 3.0
NODE_GRACE_SECONDS = 10.0
POLL_SECONDS = 0.05
# The folders for root, if the unprivileged account cannot reach the usual ones.
SYSTEM_CACHE = Path("/var/cache/model-monitor")
SYSTEM_DATA = Path("/var/lib/model-monitor")


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
        self.was_ready = False
        self._report = report
        self._account = unprivileged_account()
        self._data_dir = options.data_dir.absolute()
        self._home = home_folder(self._data_dir, self._account)
        self._lock = DataFolderLock(self._data_dir)
        self._process: ChildProcess | None = None
        self._proxy: ProxyProcess | None = None

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
        """Return whether the node, and the proxy before it, were started and have not ended."""
        return self._process is not None and self._process.running and (self._proxy is None or self._proxy.running)

    @property
    def pid(self) -> int | None:
        """Return the launcher's process id; None before the start."""
        return self._process.pid if self._process else None

    @property
    def url(self) -> str:
        """Return the address.

        Raises
        ------
        StackError
            If the node has not bound its port yet.
        """
        return self._proxy.url if self._proxy is not None else self.node_url

    @property
    def node_url(self) -> str:
        """Return the address of the node itself, behind the proxy if there is one.

        Raises
        ------
        StackError
            If the node has not bound its port yet.
        """
        return f"http://{self._bound('http')}"

    @property
    def proxy_pid(self) -> int | None:
        """Return the process id of the proxy; None if there is none."""
        return self._proxy.pid if self._proxy is not None else None

    @property
    def log_path(self) -> Path:
        """Return the path of the node's log."""
        return self._data_dir / "log" / "elasticsearch.log"

    def start(self) -> None:
        """Prepare the node (this fetches the server if it is missing) and start it, without waiting for it.

        Raises
        ------
        JavaNotFoundError
            If there is no Java that fits, and none can be fetched.
        PortInUseError
            If another process listens on its port.
        StackError
            If the data folder is in use, the server cannot be fetched, or the disk is full.
        """
        if not re.fullmatch(r"\d+[kmgKMG]", self.options.heap):
            raise StackError(f"the heap {self.options.heap!r} is malformed", "STACK_HEAP is a size such as 512m or 2g")
        if self.running:
            raise StackError(f"Elasticsearch is already running at {self.url}")
        cache_dir = cache_folder(self.options.cache_dir, self._account)
        runtime = java.require_java(
            self.options.version, os.environ, cache_dir, self._report, lambda home: reachable_by(self._account, home)
        )
        self.version = java.version_for(runtime, self.options.version)
        server = archive.server_folder(self.version, cache_dir, self._report)
        try:
            self._lock.acquire()
            self._start_process(runtime, server)
            if self.was_ready:
                self._lock.record(Instance(os.getpid(), f"http://{HOST}:{self.options.http_port}", self.version))
        except BaseException as error:
            self._lock.release()
            if isinstance(error, OSError):
                reason = f"{error.strerror}: {error.filename}" if error.filename else str(error)
                raise StackError(f"Elasticsearch cannot be prepared ({reason})", "set STACK_DATA_DIR") from error
            raise

    def wait_ready(self, timeout: float = READY_SECONDS) -> None:
        """Return when the node answers.

        Raises
        ------
        StackError
            If the node ends first (the message names the reason), or after `timeout` seconds.
        """
        if self._process is None:
            raise StackError("Elasticsearch was not started")
        try:
            self._process.wait_ready(self._healthy, timeout)
        except StackError as error:
            if "BindHttpException" in str(error):
                raise _port_in_use(self.options.http_port) from error
            raise
        self._lock.record(Instance(os.getpid(), self.url, self.version))
        # After another start, everybody still knows this address.
        self.options = replace(self.options, http_port=int(self.url.rpartition(":")[2]))
        self.was_ready = True

    def stop(self) -> None:
        """Stop the node; do nothing when it is not running."""
        try:
            if self._process is not None:
                self._process.stop()
        finally:
            if self._proxy is not None:  # last, so that it passes on the node's last answers
                self._proxy.stop()
            self._lock.release()

    def kill(self) -> None:
        """Kill the node at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
        if self._proxy is not None:
            self._proxy.kill()
        self._lock.release()

    def exit_code(self) -> int | None:
        """Return the exit status of the launcher, or of the proxy if that has ended alone; None while both run."""
        code = self._process.exit_code() if self._process else None
        return self._proxy.exit_code() if code is None and self._proxy is not None else code

    def end_in_words(self) -> str:
        """Return which process ended, and how."""
        if self._process is None:
            return "was not started"
        if self._process.running and self._proxy is not None and not self._proxy.running:
            return f"has lost its proxy, which {self._proxy.end_in_words()}"
        return self._process.end_in_words()

    def see_log(self) -> str:
        """Return where the log of the node is."""
        return f"see {self.log_path}"

    def _start_process(self, runtime: java.Java, server: Path) -> None:
        for port in (self.options.http_port, self.options.transport_port):
            if port and not _becomes_free(port):
                raise _port_in_use(port)
        if self._account and self._data_dir not in self._home.parents:
            self._report(f"Elasticsearch runs as {self._account.name} and keeps its data in {self._home}")
        self._check_version()
        self.users = users.passwords(self._data_dir)
        _await_end_of_node(self._home)
        self._proxy = self._take_port() if self.options.proxy else None
        try:
            proxy_port = self._proxy.port if self._proxy is not None else 0
            write_configuration(self._home, server, self.options, self.users, proxy_port)
            _give(self._home, self._account)
            self._process = ChildProcess(self._command(runtime, server))
            self._process.start()
            if self._proxy is not None:
                document = root_document(server, self.version, self.options.node_name, self.options.cluster_name)
                self._proxy.start(self._ports_file("http"), document, self.log_path.parent)
        except BaseException:
            self.stop()
            raise

    def _take_port(self) -> ProxyProcess:
        try:
            return ProxyProcess(HOST, self.options.http_port)
        except OSError as error:
            raise _port_in_use(self.options.http_port) from error

    def _check_version(self) -> None:
        path = self._data_dir / VERSION_FILE
        written = path.read_text(encoding="utf-8").strip() if path.exists() else self.version
        if java.oldest_java_of(written) > java.oldest_java_of(self.version):
            raise StackError(
                f"Elasticsearch {self.version} cannot read {self._data_dir}: the newer version {written} wrote it",
                f"install Java {java.oldest_java_of(written)} or newer, or choose another folder (STACK_DATA_DIR)",
            )
        replace_file(path, self.version + "\n")

    def _command(self, runtime: java.Java, server: Path) -> Command:
        environ = {
            key: value
            for key, value in environment_without_secrets(os.environ).items()
            if not key.startswith(("ES_", "CLI_JAVA"))
        }
        environ |= {
            "ES_JAVA_HOME": str(runtime.home),
            "ES_PATH_CONF": str(self._home / "config"),
            "ES_TMPDIR": str(self._home / "tmp"),
            # This server has no index for roles: without the property it tries to write one, again and again.
            "ES_JAVA_OPTS": (
                f"-Xms{self.options.heap} -Xmx{self.options.heap} -Des.queryable_built_in_roles_enabled=false"
                f"{f' {COMPILE_LITTLE}' if self.options.short_lived else ''}"
            ),
            # The launcher lives for seconds of work; it shares the runtime's own class archive.
            "CLI_JAVA_OPTS": f"{COMPILE_LITTLE} -Xshare:auto",
            "HOME": str(self._home),
        }
        return Command(
            name=self.name,
            argv=(str(server / "bin" / "elasticsearch"),),
            log_path=self.log_path,
            environ=environ,
            cwd=self._home,
            account=self._account,
            stop_seconds=STOP_SECONDS,
            reason_pattern=BOOT_FAILURE,
        )

    def _bound(self, kind: str) -> str:
        path = self._ports_file(kind)
        try:
            addresses = path.read_text(encoding="utf-8").split()
        except OSError:
            addresses = []
        bound = next((address for address in addresses if address.startswith(HOST)), "")
        if not bound:
            raise StackError("Elasticsearch has not bound its port yet", f"see {self.log_path}")
        return bound

    def _ports_file(self, kind: str) -> Path:
        return self._home / "logs" / f"{kind}.ports"

    def _healthy(self) -> bool:
        if self._proxy is not None and not self._proxy.running:
            raise StackError(f"{self.name} {self.end_in_words()}", "set STACK_PROXY=false to go without")
        if not self._ports_file("http").exists():
            return False
        # Yellow: every primary shard of the indices kept from an earlier run can be searched and written.
        login = Login(self.url, users.ADMIN, self.users[users.ADMIN])
        return cluster_status(login, "?wait_for_status=yellow&timeout=1s") in ("green", "yellow")


def cache_folder(configured: Path | None, account: Account | None = None) -> Path:
    """Return the folder for downloads: `configured`, else the user's cache folder if `account` can reach it."""
    if configured is not None:
        return configured.absolute()
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "model-monitor"
    return folder if reachable_by(account, folder) else SYSTEM_CACHE


def components_of_start(settings: StackSettings) -> tuple[OptionalComponent, ...]:
    """Return what a start of the stack needs beyond the base installation: what fetches the server, if it must be."""
    configured = Path(settings.cache_dir) if settings.cache_dir else None
    cache = cache_folder(configured, unprivileged_account())
    needed = settings.provider == "embedded" and not archive.is_fetched(settings.version, cache)
    return (EMBEDDED_ELASTICSEARCH,) if needed else ()


def home_folder(data_dir: Path, account: Account | None) -> Path:
    """Return the node's own folder (configuration, data): in `data_dir` if `account` can reach that."""
    if reachable_by(account, data_dir.parent):
        return data_dir / "elasticsearch"
    return SYSTEM_DATA / hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]


def _give(folder: Path, account: Account | None) -> None:
    if account is None:
        return
    for path in (folder, *folder.rglob("*")):
        if path.lstat().st_uid != account.uid:
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
    folder.chmod(PRIVATE_FOLDER)
    if folder.parent == SYSTEM_DATA:
        folder.parent.chmod(folder.parent.stat().st_mode | 0o011)
    else:
        give_passage(folder.parent, account)


def _becomes_free(port: int) -> bool:
    """Return whether the port is free; wait a little for a node whose parent has just been killed."""
    deadline = time.monotonic() + PORT_GRACE_SECONDS
    while not (free := is_free(port)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return free


def _await_end_of_node(home: Path) -> None:
    """Wait a little for a node whose parent has just been killed: it has the lock of its data until its end."""
    deadline = time.monotonic() + NODE_GRACE_SECONDS
    path = home / "data" / "node.lock"
    while path.exists() and _is_locked_by_node(path) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _is_locked_by_node(path: Path) -> bool:
    with path.open("r+b") as stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def is_free(port: int, host: str = HOST) -> bool:
    """Return whether nothing listens on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _port_in_use(port: int) -> PortInUseError:
    return PortInUseError(
        f"port {port} of {HOST} is taken by another process", "stop that process, or set STACK_HTTP_PORT (0 = any)"
    )
