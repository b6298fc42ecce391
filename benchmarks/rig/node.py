"""An Elasticsearch for one benchmark: real, alone, with the product's templates, gone afterwards.

`python -m benchmarks.rig.node PREDICTIONS CLICKS` fills a node with a day and keeps it until Ctrl-C; it prints the
variables for `monitor-agent`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path

import orjson
from elasticsearch import Elasticsearch

from benchmarks.rig.http_subject import tree_cpu_seconds
from benchmarks.rig.traffic import Action, Traffic
from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.contracts.model_settings import MODEL_SETTINGS
from monitor_agent.contracts.role_names import MONITOR_SETUP
from monitor_agent.es.connection import connect
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.install import install
from monitor_agent.es.model_settings_store import ModelSettingsStore
from monitor_agent.settings import AgentSettings, ElasticsearchSettings, load
from monitor_agent.settings.model_tables import plain
from monitor_agent.stack.embedded.elasticsearch import ElasticsearchOptions, EmbeddedElasticsearch

AT_ONCE = 2000
THREADS = 3
MERGING_SECONDS = 0.2
"""Seconds between two questions whether the node still merges segments."""
EVENTS = "model-predictions-*,model-feedback-*,model-errors-*"
RESULTS = "model-performance-*,model-restatements-*,model-curves-*,model-drift-*,model-releases,monitor-agent-state"


class Node:
    """A running node; `users` are its passwords by user name, `server` is what started it."""

    def __init__(self, url: str, users: dict[str, str], server: EmbeddedElasticsearch) -> None:
        self.users = users
        self.server = server
        self.settings = ElasticsearchSettings(url=(url,), username="monitor_agent", password=users["monitor_agent"])
        self.admin = Elasticsearch(url, basic_auth=("admin", users["admin"]), request_timeout=120)

    def gateway(self) -> Gateway:
        """Return the agent's gateway to it."""
        return Gateway(connect(self.settings))

    @property
    def cpu_seconds(self) -> float:
        """The processor time of the node so far: of its launcher, and of the Java process that the launcher starts."""
        return tree_cpu_seconds(self.server.pid) if self.server.pid else 0.0

    def _setup_gateway(self) -> Gateway:
        setup = replace(self.settings, username=MONITOR_SETUP, password=self.users[MONITOR_SETUP])
        return Gateway(connect(setup))

    def install(self) -> None:
        """Put the product's index templates."""
        with contextlib.closing(self._setup_gateway()) as gateway:
            install(gateway, AgentSettings())

    def use(self, settings: AgentSettings) -> None:
        """Let the node hold these settings of models, as the set-up of an empty node does."""
        self.delete(MODEL_SETTINGS.name)
        with contextlib.closing(self._setup_gateway()) as gateway:
            ModelSettingsStore(gateway).begin(plain(settings), datetime.now(timezone.utc))

    def delete(self, pattern: str) -> None:
        """Delete all indices that match."""
        names = sorted(self.admin.indices.get(index=pattern, ignore_unavailable=True, features="aliases"))
        if names:
            self.admin.indices.delete(index=names)

    def load(self, actions: Iterable[Action]) -> float:
        """Index documents, so that searches see them; return the seconds that it took.

        The call waits until the node has merged its segments: in production a day's load is spread over the day.
        """
        started = time.monotonic()
        waiting = iter(actions)
        with ThreadPoolExecutor(THREADS) as pool:
            running = [pool.submit(self._send, batch) for batch in islice(_batches(waiting), THREADS + 1)]
            for batch in _batches(waiting):
                running.pop(0).result()
                running.append(pool.submit(self._send, batch))
            for sending in running:
                sending.result()
        self.admin.indices.refresh(index=EVENTS)
        seconds = time.monotonic() - started
        while self._merging():
            time.sleep(MERGING_SECONDS)
        return seconds

    def _merging(self) -> bool:
        merges = self.admin.indices.stats(index=EVENTS, metric="merge")["_all"]["total"].get("merges")
        return bool(merges and merges["current"])

    def _send(self, batch: list[Action]) -> None:
        lines: list[bytes] = []
        for action in batch:
            lines += [orjson.dumps({"create": {"_index": action.index, "_id": action.id}}), action.source]
        answer = self.admin.bulk(operations=lines, filter_path="errors,items.*.error")
        if answer["errors"]:
            raise RuntimeError(f"a generated event was refused: {answer['items'][0]}")

    def size(self, pattern: str) -> tuple[int, int]:
        """Return the numbers of documents and bytes in the matching indices."""
        self.admin.indices.flush(index=pattern)
        total = self.admin.indices.stats(index=pattern, metric="docs,store")["_all"]["primaries"]
        return total["docs"]["count"], total["store"]["size_in_bytes"]


@contextlib.contextmanager
def running_node() -> Iterator[Node]:
    """Yield a node with the product's templates."""
    folder = Path(tempfile.mkdtemp(prefix="model-monitor-bench-"))
    folder.chmod(0o711)  # if root runs this, the node's own account must be able to enter
    stack = load(os.environ).stack
    cache_dir = Path(stack.cache_dir) if stack.cache_dir else None
    options = ElasticsearchOptions(folder / "stack", cache_dir, version=stack.version, heap=stack.heap, http_port=0)
    try:
        with EmbeddedElasticsearch(options) as running:
            node = Node(running.url, running.users, running)
            node.install()
            yield node
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _batches(actions: Iterator[Action]) -> Iterator[list[Action]]:
    while batch := list(islice(actions, AT_ONCE)):
        yield batch


def main(arguments: list[str]) -> None:
    """Fill a node with a day and keep it."""
    predictions, clicks = (int(argument) for argument in arguments)
    with running_node() as node:
        seconds = node.load(Traffic(predictions, clicks).actions())
        settings = node.settings
        print(f"# {len(CONTRACTS)} templates, {predictions} predictions and {clicks} clicks in {seconds:.0f} s")
        print(f"export ELASTICSEARCH_URL={settings.url[0]}")
        print(
            f"export ELASTICSEARCH_USERNAME={settings.username} ELASTICSEARCH_PASSWORD={settings.password}", flush=True
        )
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main(sys.argv[1:])
