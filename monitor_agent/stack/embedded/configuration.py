"""The configuration files of an embedded Elasticsearch node."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from monitor_agent.files import private_folder
from monitor_agent.settings import StackSettings
from monitor_agent.stack.embedded import users

HOST = "127.0.0.1"
LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] [%node_name] %marker%m%consoleException%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


@dataclass(frozen=True)
class ElasticsearchOptions:
    """The options of an embedded Elasticsearch.

    Attributes
    ----------
    data_dir : data, log and generated passwords; one node a folder.
    cache_dir : folder of the unpacked server; None = the user's cache folder.
    version : a version of `archive.SHA512`; empty = the newest that the installed Java runs.
    http_port, transport_port : 0 = any free one.
    proxy : whether `http_port` belongs to a proxy that answers `GET /`; the node then has another port.
    heap : heap of the server, as Java writes it.
    short_lived : whether it runs for minutes only, so that its Java compiles little.
    cluster_name, node_name : names within a cluster.
    masters : node names that elect the first master of a new cluster; empty = this node is a cluster of its own.
    seed_hosts : `host:port` of the transport of the other nodes.
    """

    data_dir: Path
    cache_dir: Path | None = None
    version: str = ""
    http_port: int = 9200
    transport_port: int = 0
    proxy: bool = True
    heap: str = "512m"
    short_lived: bool = False
    cluster_name: str = "model-monitor"
    node_name: str = "node-1"
    masters: tuple[str, ...] = ()
    seed_hosts: tuple[str, ...] = ()


def options_from(settings: StackSettings) -> ElasticsearchOptions:
    """Return the options of the embedded Elasticsearch that these settings describe."""
    return ElasticsearchOptions(
        data_dir=Path(settings.data_dir),
        cache_dir=Path(settings.cache_dir) if settings.cache_dir else None,
        version=settings.version,
        http_port=settings.http_port,
        proxy=settings.proxy,
        heap=settings.heap,
        short_lived=settings.short_lived,
    )


def write_configuration(
    home: Path,
    server: Path,
    options: ElasticsearchOptions,
    passwords_by_user: dict[str, str],
    proxy_port: int = 0,
) -> None:
    """Write the configuration of a node into `<home>/config`, and make the folders that it needs in `home`.

    Parameters
    ----------
    home : the node's own folder.
    server : the unpacked server, whose options for the JVM are taken over.
    options : of the node.
    passwords_by_user : the users of its file realm.
    proxy_port : the port of the proxy before the node; 0 = there is none.
    """
    config = home / "config"
    shutil.rmtree(home / "tmp", ignore_errors=True)
    for folder in (home, config, config / "jvm.options.d", home / "data", home / "logs", home / "tmp"):
        private_folder(folder)
    for kind in ("http", "transport"):
        (home / "logs" / f"{kind}.ports").unlink(missing_ok=True)
    files = {
        "elasticsearch.yml": _settings_text(options, home, proxy_port),
        "jvm.options": _jvm_options(server),
        "log4j2.properties": LOGGING,
        **users.realm_files(passwords_by_user),
    }
    for name, text in files.items():
        path = config / name
        path.unlink(missing_ok=True)
        # Exclusive, so that root never writes through a link that the node's account left here.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)


def _settings_text(options: ElasticsearchOptions, home: Path, proxy_port: int) -> str:
    """Return `elasticsearch.yml`; JSON values are YAML too."""
    alone = {"discovery.type": "single-node"}
    cluster = {"discovery.seed_hosts": list(options.seed_hosts), "cluster.initial_master_nodes": list(options.masters)}
    settings: dict[str, object] = {
        "cluster.name": options.cluster_name,
        "node.name": options.node_name,
        "path.data": str(home / "data"),
        "path.logs": str(home / "logs"),
        "network.host": HOST,
        "http.port": 0 if proxy_port else options.http_port,
        # Clients that ask the node for its address must come to the proxy, too.
        **({"http.publish_port": proxy_port} if proxy_port else {}),
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
