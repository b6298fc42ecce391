"""The fixtures of all tests: one Elasticsearch for each process of a run, started when its first test needs it.

`elasticsearch` (session)
    a `tests.cluster.Cluster`: `elasticsearch.url`, `elasticsearch.users["monitor_agent"]` (a password),
    `elasticsearch.version`, `elasticsearch.client()` as `admin` (all privileges), or
    `elasticsearch.client("pipeline_writer" | "monitor_agent" | "analyst")` with the privileges of that role.
`clean_indices`
    the same cluster, with every `model-*`, `model_performance*` and `monitor-agent-*` index deleted before the
    test; index templates stay. Tests that write use it::

        def test_a_rule(clean_indices: Cluster) -> None:
            client = clean_indices.client("monitor_agent")

`pytest --stack=embedded` (default) starts the embedded node on a free port; `ELASTIC_VERSION` chooses its version.
`pytest --stack=external` uses ELASTICSEARCH_URL, ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD (a superuser), and
refuses a cluster that holds indices of the product, and more than one process (`make test WORKERS=0`).

Every node of the tests lives for minutes only (STACK_SHORT_LIVED), which saves half of the work of its start.

Tests marked `soak` run for long and are left out; `make soak` runs them alone. Hypothesis draws the same examples in
each run, except in soak tests, which draw new ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest
import structlog

from tests.cluster import Cluster, embedded_cluster, external_cluster

hypothesis.settings.register_profile("seeded", derandomize=True, deadline=None, database=None, print_blob=True)
hypothesis.settings.load_profile("seeded")

STACKS = {"embedded": embedded_cluster, "external": external_cluster}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--stack`."""
    parser.addoption(
        "--stack",
        choices=sorted(STACKS),
        default="embedded",
        help="the Elasticsearch of the tests: started by them, or an existing one",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make nodes short-lived, and refuse several processes on one cluster: each deletes what the next one writes.

    Raises
    ------
    UsageError
        If the run has several processes and an existing Elasticsearch.
    """
    os.environ.setdefault("STACK_SHORT_LIVED", "true")
    if config.getoption("--stack") == "external" and config.getoption("numprocesses", 0):
        raise pytest.UsageError("--stack=external takes one process: run `make test WORKERS=0`")


@pytest.fixture(autouse=True)
def clean_logging() -> Iterator[None]:
    """Reset logging after each test: the stream that a test has set up ends with the test."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def elasticsearch(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Yield the one Elasticsearch of this process."""
    with STACKS[request.config.getoption("--stack")]() as cluster:
        yield cluster


@pytest.fixture
def clean_indices(elasticsearch: Cluster) -> Cluster:
    """Return that Elasticsearch without any index of the product."""
    elasticsearch.clean()
    return elasticsearch
