"""`monitor-agent deadletters`: refused lines are listed, printed, and sent again after the cause is repaired."""

from __future__ import annotations

import argparse
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from monitor_agent.cli import deadletters as command
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.errors import DataError
from monitor_agent.logstash.delivery.letter_files import read_letters
from monitor_agent.settings import ElasticsearchSettings, PipelineSettings, ServerSettings, Settings
from tests.cluster import Cluster
from tests.factories import make_prediction
from tests.pipelines import PipelineSandbox
from tests.stand_in import Faults, StandIn
from tests.waiting import wait_until

BLOCKED = (403, {"type": "cluster_block_exception", "reason": "index [x] blocked by: [FORBIDDEN/8/index write (api)];"})

pytestmark = pytest.mark.usefixtures("frequent_statistics")


@pytest.fixture
def sandbox(cluster: Cluster, tmp_path: Path) -> PipelineSandbox:
    """Return a pipeline with only the rights of its role."""
    return PipelineSandbox(tmp_path, cluster.url, "pipeline_writer", cluster.users["pipeline_writer"])


class DeadLettersCommand:
    """The command with the rights of a user, by default the agent's, and its output."""

    def __init__(self, sandbox: PipelineSandbox, cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
        self.sandbox = sandbox
        self.url = cluster.url
        self.user = "monitor_agent"
        self._users = cluster.users
        self._capsys = capsys
        self.errors = ""

    def __call__(self, *arguments: str) -> str:
        """Return the output of the command; its errors are raised."""
        parser = argparse.ArgumentParser()
        command.add_parser(parser.add_subparsers())
        reached = ElasticsearchSettings(url=(self.url,), username=self.user, password=self._users[self.user])
        settings = Settings(
            elasticsearch=reached,
            server=ServerSettings(log_dir=str(self.sandbox.logs)),
            pipeline=PipelineSettings(data_dir=str(self.sandbox.data)),
        )
        self._capsys.readouterr()
        assert command.run(parser.parse_args(["deadletters", *arguments]), settings) == 0
        printed = self._capsys.readouterr()
        self.errors = printed.err
        return printed.out


@pytest.fixture
def deadletters_command(
    sandbox: PipelineSandbox, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> DeadLettersCommand:
    """Return the command, for the letters of the pipeline."""
    return DeadLettersCommand(sandbox, cluster, capsys)


def deliver(sandbox: PipelineSandbox) -> None:
    """Run the pipeline until everything is delivered."""
    with sandbox.running():
        wait_until(lambda: sandbox.statistics().get("state") == "running" and sandbox.statistics()["delivered"])


def test_a_letter_arrives_after_the_cause_is_repaired(
    sandbox: PipelineSandbox, cluster: Cluster, deadletters_command: DeadLettersCommand
) -> None:
    """A field is missing in the mapping; when it is added, a replay stores the event and removes the letter."""
    event = {**make_prediction(), "item": {"campaign": "spring"}}
    sandbox.append(event, b"not json")
    deliver(sandbox)
    listed = deadletters_command("list")
    document = orjson.loads(deadletters_command("list", "--json", "--limit", "1"))
    letter = orjson.loads(deadletters_command("show", "--reason", "refused"))
    with cluster.client() as client:
        mapping = {"properties": {"item": {"properties": {"campaign": {"type": "keyword"}}}}}
        client.indices.put_mapping(index="model-predictions-*", body=mapping)

    replayed = deadletters_command("replay", "--reason", "refused")
    deliver(sandbox)

    assert "1 refused" in listed
    assert "1 malformed" in listed
    assert document["reasons"] == {"refused": 1, "malformed": 1}
    assert len(document["letters"]) == 1
    assert orjson.loads(letter["message"]) == event
    assert replayed.startswith("1 line written to ")
    with cluster.client() as client:
        client.indices.refresh(index="model-*")
        (hit,) = client.search(index=PREDICTIONS.alias)["hits"]["hits"]
        assert (hit["_id"], hit["_source"]["item"]) == (event["event"]["id"], event["item"])
    assert "refused" not in deadletters_command("list")
    assert deadletters_command("list", "--offline") == "no dead letters\n"


def test_letters_of_both_places_are_listed_once(
    sandbox: PipelineSandbox, deadletters_command: DeadLettersCommand
) -> None:
    """A refused line is on disk and in the index, a malformed line in the index, an unindexed line on disk only."""
    refused, unindexed = ({**make_prediction(score=score), "item": {"campaign": "spring"}} for score in (0.25, 0.75))
    sandbox.append(refused, b"not json")
    deliver(sandbox)
    # Another Elasticsearch has taken the second letter, as if it had been lost on the way to the index.
    with StandIn().serving() as stand_in:
        stand_in.faults = Faults(items={400: 1.0}, blocked={"model-deadletters-2026.03.02": BLOCKED})
        elsewhere = PipelineSandbox(sandbox.folder, stand_in.url)
        elsewhere.append(unindexed)
        with elsewhere.running(park_after=timedelta(seconds=60)):
            wait_until(lambda: len(read_letters(sandbox.data / "dead_letters")) == 2)

    document = orjson.loads(deadletters_command("list", "--json"))
    places = {letter.get("event", {}).get("id"): letter["_places"] for letter in document["letters"]}
    first = deadletters_command("replay", "--all")
    second = deadletters_command("replay", "--all")

    assert document["reasons"] == {"refused": 2, "malformed": 1}
    assert places[refused["event"]["id"]] == ["index", "data folder"]
    assert places[unindexed["event"]["id"]] == ["data folder"]
    assert sorted(places.values()).count(["index"]) == 1
    assert (first[:7], second[:7]) == ("3 lines", "0 lines")
    (file,) = sandbox.logs.glob("replay-*.ndjson")
    assert sorted(file.read_bytes().splitlines()) == sorted(
        [orjson.dumps(refused), orjson.dumps(unindexed), b"not json"]
    )
    assert deadletters_command("list") == "no dead letters\n"


def test_a_user_who_may_only_read_sees_the_letters(
    sandbox: PipelineSandbox, deadletters_command: DeadLettersCommand
) -> None:
    """Such a user may not make the newest letters visible, which the index does by itself soon."""
    sandbox.append(b"not json")
    deliver(sandbox)
    deadletters_command.user = "deadletter_reader"

    wait_until(lambda: "1 malformed" in deadletters_command("list"))
    assert deadletters_command.errors == ""


def test_an_expired_letter_is_gone(
    sandbox: PipelineSandbox, cluster: Cluster, deadletters_command: DeadLettersCommand
) -> None:
    """A letter that was indexed once exists as long as the index says so, whatever is still on disk."""
    sandbox.append({**make_prediction(), "item": {"campaign": "spring"}})
    deliver(sandbox)
    with cluster.client() as client:
        client.indices.delete(index="model-deadletters-2026.03.02")

    assert deadletters_command("list") == "no dead letters\n"
    assert "1 refused" in deadletters_command("list", "--offline")


def test_without_elasticsearch_the_local_letters_are_listed(
    sandbox: PipelineSandbox, deadletters_command: DeadLettersCommand
) -> None:
    """One line says so; a replay is refused, because the letters in the index could not be removed."""
    sandbox.append({**make_prediction(), "item": {"campaign": "spring"}})
    deliver(sandbox)
    deadletters_command.url = "http://127.0.0.1:9"

    listed = deadletters_command("list")

    assert "1 refused" in listed
    assert "(index, data folder)" in listed
    (notice,) = deadletters_command.errors.splitlines()
    assert notice.startswith("notice: only the dead letters in PIPELINE_DATA_DIR are read, because ")
    with pytest.raises(DataError, match="use --offline"):
        deadletters_command("replay", "--all")


@pytest.mark.parametrize("arguments", [["--reason", "refused"], ["ID"]])
def test_a_part_of_the_local_letters_can_be_sent(
    sandbox: PipelineSandbox, deadletters_command: DeadLettersCommand, arguments: list[str]
) -> None:
    """By an id or a reason, while the pipeline runs."""
    sandbox.append(*({**make_prediction(score=score), "item": {"campaign": "spring"}} for score in (0.25, 0.75)))
    deliver(sandbox)
    chosen = read_letters(sandbox.data / "dead_letters")[0].id[:12]

    with sandbox.running():
        replayed = deadletters_command("replay", "--offline", *(chosen if text == "ID" else text for text in arguments))

    assert replayed.startswith("1 line " if arguments == ["ID"] else "2 lines ")


def test_letters_in_the_data_folder_can_be_sent_without_elasticsearch(
    sandbox: PipelineSandbox, deadletters_command: DeadLettersCommand
) -> None:
    """--offline: the runner's files are enough; the letters are marked as sent, so that none is sent twice."""
    event = {**make_prediction(), "item": {"campaign": "spring"}}
    sandbox.append(event)
    deliver(sandbox)
    deadletters_command.url = "http://127.0.0.1:9"

    out = sandbox.logs / "replayed"
    first = deadletters_command("replay", "--all", "--offline", "--out", str(out))
    second = deadletters_command("replay", "--all", "--offline")

    assert first.startswith("1 line ")
    assert second.startswith("0 lines")
    (file,) = out.glob("replay-*.ndjson")
    assert orjson.loads(file.read_bytes()) == event


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["replay"], "no dead letter is named: give ids, --reason or --all"),
        (["show", "feed"], "there is no dead letter feed: see `monitor-agent deadletters list`"),
    ],
)
def test_a_mistake_gives_one_line(deadletters_command: DeadLettersCommand, arguments: list[str], message: str) -> None:
    """Nothing is sent again by accident; an unknown id is an error."""
    with pytest.raises(DataError) as caught:
        deadletters_command(*arguments)

    assert str(caught.value) == message
