"""`monitor-agent deadletters`: what was refused is listed, shown, and sent again once the cause is mended."""

from __future__ import annotations

import argparse
from pathlib import Path

import orjson
import pytest

from monitor_agent.cli import deadletters as command
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.errors import DataError
from monitor_agent.settings import ElasticsearchSettings, PipelineSettings, ServerSettings, Settings
from tests.cluster import Cluster
from tests.factories import make_prediction
from tests.pipelines import PipelineSandbox
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("frequent_statistics")


@pytest.fixture
def sandbox(cluster: Cluster, tmp_path: Path) -> PipelineSandbox:
    """Return the folders of a pipeline that may only do what its role allows."""
    return PipelineSandbox(tmp_path, cluster.url, "pipeline_writer", cluster.users["pipeline_writer"])


class Desk:
    """The command as the agent's user gives it, and what it prints."""

    def __init__(self, sandbox: PipelineSandbox, cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
        self.sandbox = sandbox
        self.url = cluster.url
        self._password = cluster.users["monitor_agent"]
        self._capsys = capsys

    def __call__(self, *arguments: str) -> str:
        """Return what the command prints; its errors are raised."""
        parser = argparse.ArgumentParser()
        command.add_parser(parser.add_subparsers())
        reached = ElasticsearchSettings(url=(self.url,), username="monitor_agent", password=self._password)
        settings = Settings(
            elasticsearch=reached,
            server=ServerSettings(log_dir=str(self.sandbox.logs)),
            pipeline=PipelineSettings(data_dir=str(self.sandbox.data)),
        )
        self._capsys.readouterr()
        assert command.run(parser.parse_args(["deadletters", *arguments]), settings) == 0
        return self._capsys.readouterr().out


@pytest.fixture
def desk(sandbox: PipelineSandbox, cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> Desk:
    """Return the command, for the letters of the pipeline."""
    return Desk(sandbox, cluster, capsys)


def deliver(sandbox: PipelineSandbox) -> None:
    """Run the pipeline until everything is delivered."""
    with sandbox.running():
        wait_until(lambda: sandbox.statistics().get("state") == "running" and sandbox.statistics()["delivered"])


def test_a_letter_arrives_once_the_cause_is_mended(sandbox: PipelineSandbox, cluster: Cluster, desk: Desk) -> None:
    """A field that the mapping did not know: after it does, replay brings the event, and the letter is gone."""
    event = {**make_prediction(), "campaign": "spring"}
    sandbox.append(event, b"not json")
    deliver(sandbox)
    listed = desk("list")
    document = orjson.loads(desk("list", "--json", "--limit", "1"))
    shown = orjson.loads(desk("show", "--reason", "refused"))
    with cluster.client() as client:
        mapping = {"properties": {"campaign": {"type": "keyword"}}}
        client.indices.put_mapping(index="model-predictions-*", body=mapping)

    replayed = desk("replay", "--reason", "refused")
    deliver(sandbox)

    assert "1 refused" in listed
    assert "1 malformed" in listed
    assert document["reasons"] == {"refused": 1, "malformed": 1}
    assert len(document["letters"]) == 1
    assert orjson.loads(shown["message"]) == event
    assert replayed.startswith("1 lines are on their way again")
    with cluster.client() as client:
        client.indices.refresh(index="model-*")
        (hit,) = client.search(index=PREDICTIONS.alias)["hits"]["hits"]
        assert (hit["_id"], hit["_source"]["campaign"]) == (event["event"]["id"], "spring")
    assert "refused" not in desk("list")


def test_letters_in_the_data_folder_can_be_sent_without_elasticsearch(sandbox: PipelineSandbox, desk: Desk) -> None:
    """--offline: what the runner kept on disk is enough; the files are set aside, so that it is not sent twice."""
    event = {**make_prediction(), "campaign": "spring"}
    sandbox.append(event)
    deliver(sandbox)
    desk.url = "http://127.0.0.1:9"

    out = sandbox.logs / "replayed"
    first = desk("replay", "--all", "--offline", "--out", str(out))
    second = desk("replay", "--all", "--offline")

    assert first.startswith("1 lines")
    assert second.startswith("0 lines")
    (file,) = out.glob("replay-*.ndjson")
    assert orjson.loads(file.read_bytes()) == event


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["replay"], "no dead letter is named: name ids, --reason or --all"),
        (["show", "feed"], "there is no dead letter feed: see `monitor-agent deadletters list`"),
    ],
)
def test_a_mistake_is_told_in_one_line(desk: Desk, arguments: list[str], told: str) -> None:
    """Nothing is sent again by accident; an unknown id is said to be one."""
    with pytest.raises(DataError) as caught:
        desk(*arguments)

    assert str(caught.value) == told
