"""The Elasticsearch that tests use, whichever stack it comes from."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from monitor_agent import settings
from monitor_agent.stack.embedded.elasticsearch import ElasticsearchOptions, EmbeddedElasticsearch

PRODUCT_INDICES = "model-*,model_performance*,monitor-agent-*"


@dataclass(frozen=True)
class Cluster:
    """A running Elasticsearch.

    Attributes
    ----------
    url : its address.
    users : password by user name.
    version : its version, such as `9.5.0`.
    admin : the user that may do everything.
    """

    url: str
    users: dict[str, str]
    version: str
    admin: str = "admin"

    def client(self, user: str = "admin") -> Elasticsearch:
        """Return a client that acts as `user`; `admin` is the user that may do everything.

        Skips the test if the cluster has no such user.
        """
        name = self.admin if user == "admin" else user
        if name not in self.users:
            pytest.skip(f"the cluster has no user {user}")
        return Elasticsearch(self.url, basic_auth=(name, self.users[name]), request_timeout=30)

    def settings(self, user: str) -> settings.ElasticsearchSettings:
        """Return the settings that reach it as `user`."""
        return settings.ElasticsearchSettings(url=(self.url,), username=user, password=self.users[user])

    def index_names(self) -> list[str]:
        """Return the names of all indices that the product writes."""
        with self.client() as client:
            return sorted(client.indices.get(index=PRODUCT_INDICES, ignore_unavailable=True, features="aliases"))

    def clean(self) -> None:
        """Delete all indices that the product writes; templates stay."""
        names = self.index_names()
        if names:
            with self.client() as client:
                client.indices.delete(index=names, ignore_unavailable=True)


@contextlib.contextmanager
def embedded_cluster() -> Iterator[Cluster]:
    """Yield an empty node of the embedded stack on a free port; it is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="model-monitor-"))
    folder.chmod(0o711)  # if root runs the tests, the node has an account of its own, which must reach this folder
    stack = settings.load(os.environ).stack
    cache_dir = Path(stack.cache_dir) if stack.cache_dir else None
    options = ElasticsearchOptions(folder / "stack", cache_dir, version=stack.version, http_port=0, short_lived=True)
    try:
        with EmbeddedElasticsearch(options) as node:
            yield Cluster(node.url, node.users, node.version)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def external_cluster() -> Iterator[Cluster]:
    """Yield the cluster at ELASTICSEARCH_URL; the run ends at once if it holds indices that tests would delete."""
    reached = settings.load(os.environ).elasticsearch
    with Elasticsearch(list(reached.url), basic_auth=(reached.username, reached.password)) as client:
        nodes = client.nodes.info(filter_path="nodes.*.version")["nodes"]
    version = next(iter(nodes.values()))["version"]
    cluster = Cluster(reached.url[0], {reached.username: reached.password}, version, admin=reached.username)
    if cluster.index_names():
        pytest.exit(f"{cluster.url} holds model-* indices, which the tests would delete", returncode=2)
    yield cluster
    cluster.clean()
