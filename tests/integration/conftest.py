"""The fixtures of integration tests: a click model, trained when the first test needs it, pipelines, and an agent.

`saved_model` (run)
    a folder for MODEL_SERVER_MODEL_DIR, with version `1` of the model `click` of the Open Bandit log.
`installation` (run)
    the product, installed from its wheel alone; the checkout is invisible there.
`stand_in`, `sandbox`
    an Elasticsearch that fails as a test wants, and the folders of a pipeline that sends there.
`installed` (module), `cluster`, `world`
    an Elasticsearch as `monitor-agent setup` leaves it; the same, empty before each test; an agent on it.
`frequent_statistics`
    makes runners of this process write their statistics often, so that no test waits for them.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor_agent.demo import open_bandit
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.install import install
from monitor_agent.logstash import runner
from monitor_agent.settings import AgentSettings
from tests.cluster import Cluster
from tests.installation import Installation, install_wheel, installation_in
from tests.integration.agent_world import World, world_on
from tests.pipelines import PipelineSandbox
from tests.stand_in import StandIn
from tests.workers import folder_of_run

SAMPLING_STEP = 20
"""The training uses all clicked impressions, and one of 20 without a click."""


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the run's one click model; no test may change it."""
    return folder_of_run(tmp_path_factory, "model", train) / "models"


def train(folder: Path) -> None:
    """Train the model by the command that users train with."""
    log = open_bandit.load("all", folder)
    few = tuple(row for index, row in enumerate(log.train) if row.click or index % SAMPLING_STEP == 0)
    dataclasses.replace(log, train=few).write_training_csv(folder / "training.csv")
    command = [sys.executable, "-m", "model_server", "train", "--data", str(folder / "training.csv")]
    done = subprocess.run(
        [*command, "--out", str(folder / "models")], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Return the run's one installation of the wheel."""
    return installation_in(folder_of_run(tmp_path_factory, "wheel", install_wheel))


@pytest.fixture
def frequent_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make runners of this process write their statistics often."""
    monkeypatch.setattr(runner, "STATISTICS_SECONDS", 0.05)


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """Yield an Elasticsearch that fails as a test wants."""
    with StandIn().serving() as serving:
        yield serving


@pytest.fixture
def sandbox(stand_in: StandIn, tmp_path: Path) -> PipelineSandbox:
    """Return the folders of a pipeline that sends to the stand-in; none of them exists yet."""
    return PipelineSandbox(tmp_path, stand_in.url)


@pytest.fixture(scope="module")
def installed(elasticsearch: Cluster) -> Cluster:
    """Return the cluster, empty, with the templates that the user of the set-up installs."""
    elasticsearch.clean()
    with elasticsearch.client("monitor_setup") as client:
        install(Gateway(client), AgentSettings())
    return elasticsearch


@pytest.fixture
def cluster(installed: Cluster) -> Cluster:
    """Return that cluster, empty."""
    installed.clean()
    return installed


@pytest.fixture
def world(cluster: Cluster) -> Iterator[World]:
    """Yield an empty world."""
    with world_on(cluster) as world:
        yield world
