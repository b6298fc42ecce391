"""Writers, a runner and nodes of Elasticsearch: processes that can be killed and started again."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
from elasticsearch import Elasticsearch, helpers

from monitor_agent import settings
from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.stack.embedded import users
from monitor_agent.stack.embedded.elasticsearch import ElasticsearchOptions, EmbeddedElasticsearch
from tests.pipelines import ROOT, PipelineSandbox, stop
from tests.waiting import wait_until

READY_SECONDS = 300.0
PATIENCE_SECONDS = 180.0


class Nodes:
    """One node, or several that are a cluster; a node has the same ports after every start."""

    def __init__(self, folder: Path, count: int) -> None:
        stack = settings.load(os.environ).stack
        cache_dir = Path(stack.cache_dir) if stack.cache_dir else None
        names = tuple(f"node-{number}" for number in range(1, count + 1))
        ports = free_ports(2 * count)
        hosts = tuple(f"127.0.0.1:{port}" for port in ports[count:])
        cluster = {"masters": names, "seed_hosts": hosts} if count > 1 else {}
        passwords: dict[str, str] = {}
        self._nodes: dict[str, EmbeddedElasticsearch] = {}
        for name, http, transport in zip(names, ports[:count], ports[count:], strict=True):
            options = ElasticsearchOptions(
                folder / name, cache_dir, stack.version, http, transport, node_name=name, **cluster
            )
            options.data_dir.mkdir(parents=True)
            if passwords:  # the users of a cluster are the same on every node
                (options.data_dir / users.PASSWORDS_FILE).write_text(orjson.dumps(passwords).decode())
            passwords = users.passwords(options.data_dir)
            self._nodes[name] = EmbeddedElasticsearch(options)
        self.passwords = passwords
        self.urls = [f"http://127.0.0.1:{port}" for port in ports[:count]]

    def start(self, *names: str) -> None:
        """Start nodes, or all nodes if none is named, and wait until they answer."""
        chosen = [self._nodes[name] for name in names or self._nodes]
        for node in chosen:
            node.start()
        for node in chosen:
            node.wait_ready(READY_SECONDS)

    def kill(self, name: str = "node-1") -> None:
        """kill -9."""
        self._nodes[name].kill()

    def stop(self) -> None:
        """Kill the running nodes."""
        for node in self._nodes.values():
            node.kill()

    def client(self) -> Elasticsearch:
        """Return a client with all rights; it tries another node if one is gone."""
        return Elasticsearch(
            self.urls, basic_auth=(users.ADMIN, self.passwords[users.ADMIN]), request_timeout=30, max_retries=10
        )


@dataclasses.dataclass
class PipelineLoad:
    """Writers and the runner that delivers their lines, all of them processes."""

    sandbox: PipelineSandbox
    rate: int = 200
    writers: list[subprocess.Popen[bytes]] = dataclasses.field(default_factory=list)
    runner: subprocess.Popen[bytes] | None = None

    def start_writer(self) -> None:
        """Start another writer with separate files; it logs to `writers.log`."""
        command = [sys.executable, "-m", "tests.event_writer", str(self.sandbox.logs), str(self.rate)]
        self.sandbox.folder.mkdir(parents=True, exist_ok=True)
        with (self.sandbox.folder / "writers.log").open("ab") as log:
            self.writers.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log))

    def kill_writer(self) -> None:
        """kill -9 of the oldest writer."""
        writer = self.writers.pop(0)
        writer.kill()
        writer.wait()

    def start_runner(self) -> None:
        """Start the pipeline."""
        self.runner = self.sandbox.spawn()

    def kill_runner(self) -> None:
        """kill -9 of the pipeline."""
        assert self.runner is not None
        self.runner.kill()
        self.runner.wait()

    def written(self) -> set[str]:
        """Return the ids of all whole lines in the files."""
        lines = (line for path in self.sandbox.logs.glob("*.ndjson") for line in path.read_bytes().split(b"\n")[:-1])
        return {orjson.loads(line)["event"]["id"] for line in lines}

    def drain(self) -> None:
        """Stop the writers and wait until everything is delivered."""
        while self.writers:
            self.kill_writer()
        runner = self.runner
        assert runner is not None

        def delivered() -> bool:
            statistics = self.sandbox.statistics()
            return statistics.get("process") == runner.pid and bool(statistics["delivered"])

        wait_until(delivered, PATIENCE_SECONDS, interval=0.1)

    def close(self) -> None:
        """End every process."""
        while self.writers:
            self.kill_writer()
        if self.runner is not None and self.runner.poll() is None:
            stop(self.runner)

    def memory_mib(self) -> float:
        """Return the memory of the runner."""
        assert self.runner is not None
        pages = int(Path(f"/proc/{self.runner.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


class ClusterLoad(PipelineLoad):
    """A load on real nodes."""

    def __init__(self, nodes: Nodes, sandbox: PipelineSandbox) -> None:
        super().__init__(sandbox)
        self.nodes = nodes

    def until_count(self, goal: int) -> None:
        """Wait until Elasticsearch finds at least `goal` predictions."""
        wait_until(lambda: self.count() >= goal, PATIENCE_SECONDS, interval=0.3)

    def count(self) -> int:
        """Return the number of predictions in Elasticsearch; 0 while it does not answer."""
        with self.nodes.client() as client, contextlib.suppress(Exception):
            client.indices.refresh(index="model-predictions-*")
            return int(client.count(index="model-predictions-*")["count"])
        return 0

    def stored(self) -> Counter[str]:
        """Return how often each event is in Elasticsearch, in any index."""
        with self.nodes.client() as client:
            client.indices.refresh(index="model-*")
            hits = helpers.scan(client, index="model-*,-model-settings", query={"_source": ["event.id"]}, size=5000)
            return Counter(hit["_source"]["event"]["id"] for hit in hits)

    def close(self) -> None:
        """End every process."""
        super().close()
        self.nodes.stop()


@contextlib.contextmanager
def cluster_load(count: int) -> Iterator[ClusterLoad]:
    """Yield a cluster of `count` nodes with the product's templates, without a writer and a runner."""
    folder = Path(tempfile.mkdtemp(prefix="model-monitor-"))
    folder.chmod(0o711)  # run by root, a node has an account of its own that must get here
    nodes = Nodes(folder, count)
    sandbox = PipelineSandbox(
        folder / "pipeline", ",".join(nodes.urls), "pipeline_writer", nodes.passwords["pipeline_writer"]
    )
    load = ClusterLoad(nodes, sandbox)
    try:
        nodes.start()
        with nodes.client() as client:
            for contract in CONTRACTS:
                client.indices.put_index_template(name=contract.name, body=contract.template())
        yield load
    finally:
        load.close()
        shutil.rmtree(folder, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Return different ports that no process listens on."""
    with contextlib.ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in sockets]
