"""`monitor-agent setup` on clusters where something is in the way, its repairs, and commands before it."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch, helpers

from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.errors import StoppedError
from monitor_agent.es.connection import connect
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.obstacles import obstacle_of, read_states
from monitor_agent.es.repair import Repair
from tests.cluster import Cluster
from tests.command_line import monitor_agent, set_up
from tests.factories import START, Document, make_feedback, make_prediction
from tests.integration.test_service import environ_of, store_settings
from tests.pipelines import PipelineSandbox
from tests.waiting import wait_until

INDEX = "model-predictions-2026.03.02"
COPY = "model-predictions.repair-2026.03.02"
NO_SETUP = "error: Elasticsearch has none of the index templates: run `monitor-agent setup` as the user monitor_setup\n"
LATER = (START + timedelta(hours=3)).isoformat()


@pytest.fixture
def bare(clean_indices: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Yield the cluster without indices and templates; commands run as the agent's user; templates come back."""
    for name, value in environ_of(clean_indices).items():
        monkeypatch.setenv(name, value)
    with clean_indices.client() as admin:
        delete_templates(admin, [contract.name for contract in CONTRACTS])
        yield clean_indices
        delete_templates(admin, ["rival"])
        clean_indices.clean()
    assert set_up() == 0


def delete_templates(admin: Elasticsearch, names: Sequence[str]) -> None:
    """Delete index templates that exist."""
    for name in names:
        admin.options(ignore_status=404).indices.delete_index_template(name=name)


def write(admin: Elasticsearch, index: str, documents: Sequence[Document]) -> None:
    """Write documents as the pipeline does, into an index that Elasticsearch creates if it is missing."""
    actions = ({"_op_type": "create", "_index": index, "_id": doc["event"]["id"], "_source": doc} for doc in documents)
    helpers.bulk(admin, actions, refresh=True)


def predictions(count: int) -> list[Document]:
    """Return predictions of one hour, as the pipeline indexes them."""
    events = [make_prediction(START + timedelta(seconds=number)) for number in range(count)]
    return [{**event, "log": {"file": {"path": "/var/log/events.ndjson"}}} for event in events]


def sources(admin: Elasticsearch, index: str) -> dict[str, Document]:
    """Return the documents of an index or alias by id."""
    admin.indices.refresh(index=index)
    return {hit["_id"]: hit["_source"] for hit in helpers.scan(admin, index=index)}


def installed_templates(admin: Elasticsearch) -> set[str]:
    """Return the names of all index templates."""
    return {entry["name"] for entry in admin.indices.get_index_template()["index_templates"]}


def test_lines_written_before_setup_are_counted_after_its_repair(
    bare: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    """Setup installs every template, names the index and the command; the command loses no document."""
    events = predictions(20)
    with bare.client() as admin:
        write(admin, INDEX, events)
        write(admin, "model-feedback-2026.03.02", [make_feedback(events[0])])

        assert set_up() == 1
        printed = capfd.readouterr().out
        assert {contract.name for contract in CONTRACTS} <= installed_templates(admin)
        assert re.search(f"^in the way: {INDEX}: .*log.file.path is text, not keyword", printed, re.MULTILINE)
        assert f"run `monitor-agent setup --repair {INDEX}`" in printed
        assert "run `monitor-agent setup --repair model-feedback-2026.03.02`" in printed

        assert set_up("--repair", "--dry-run") == 0
        assert f"{INDEX}: would copy 20 documents into an index with the right mapping" in capfd.readouterr().out
        assert set_up("--repair", INDEX) == 1
        assert f"{INDEX}: repaired, 20 documents" in (printed := capfd.readouterr().out)
        assert "in the way: model-feedback-2026.03.02" in printed
        assert set_up("--repair") == 0
        assert set_up() == 0

        assert sources(admin, "model-predictions") == {event["event"]["id"]: event for event in events}
        assert monitor_agent("once", "--now", LATER) == 0
        windows = [doc for doc in sources(admin, "model_performance").values() if doc["window_size"] == "1h"]
        assert {(doc["n"], doc["tp"] + doc["fn"]) for doc in windows} == {(20, 1)}
        assert not admin.indices.exists(index=COPY)


@pytest.mark.usefixtures("frequent_statistics")
def test_lines_that_wait_for_setup_are_counted(
    bare: Cluster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The pipeline starts first, then `setup`, then `once`: nothing is indexed before, all is counted afterwards."""
    sandbox = PipelineSandbox(tmp_path, bare.url, "pipeline_writer", bare.users["pipeline_writer"])
    events = [make_prediction(START + timedelta(seconds=number)) for number in range(20)]
    sandbox.append(*events, make_feedback(events[0]), b"not json")
    with sandbox.running():
        wait_until(lambda: "run `monitor-agent setup`" in sandbox.statistics().get("trouble", ""))
        assert monitor_agent("once", "--now", LATER) == 1
        assert bare.index_names() == []
        assert set_up() == 0
        wait_until(lambda: sandbox.statistics()["delivered"])
    assert sandbox.statistics()["trouble"] == ""
    capfd.readouterr()

    assert monitor_agent("once", "--now", LATER) == 0

    assert "feedback: 1 matched" in capfd.readouterr().out
    with bare.client() as admin:
        windows = [doc for doc in sources(admin, "model_performance").values() if doc["window_size"] == "1h"]
        assert {(doc["n"], doc["tp"] + doc["fn"]) for doc in windows} == {(20, 1)}
        assert [doc["error"]["type"] for doc in sources(admin, "model-deadletters").values()] == ["malformed"]


def test_one_index_in_the_way_stops_no_other_one(bare: Cluster, capfd: pytest.CaptureFixture[str]) -> None:
    """Other indices of the same pattern get new fields and their alias."""
    with bare.client() as admin:
        admin.indices.create(index=INDEX, mappings={"properties": {"message": {"type": "long"}}})
        admin.indices.create(index="model-predictions-2026.03.03")
        admin.indices.create(index="model-errors-2026.03.03")
        admin.indices.create(index="model-errors-2026.03.04")
        admin.indices.close(index="model-errors-2026.03.04")

        assert set_up() == 1

        printed = capfd.readouterr().out
        assert f"in the way: {INDEX}: message is long, not text" in printed
        assert "in the way: model-errors-2026.03.04: it is closed" in printed
        assert "alias model-predictions added to model-predictions-2026.03.03" in printed
        assert set(admin.indices.get(index="model-predictions")) == {"model-predictions-2026.03.03"}
        extended = admin.indices.get_mapping(index="model-predictions-2026.03.03")
        assert "prediction" in extended["model-predictions-2026.03.03"]["mappings"]["properties"]
        assert set_up("--repair") == 0
        assert set(admin.indices.get(index="model-errors")) == {"model-errors-2026.03.03", "model-errors-2026.03.04"}


def test_an_index_with_the_name_of_the_alias_is_distributed(bare: Cluster, capfd: pytest.CaptureFixture[str]) -> None:
    """Its documents go into the indices of their days; what has no date becomes a dead letter."""
    events = [make_prediction(START), make_prediction(START + timedelta(days=1))]
    with bare.client() as admin:
        write(admin, "model-predictions", [*events, {"event": {"id": "undated"}}])

        assert set_up() == 1
        assert "in the way: model-predictions: it has the name that the alias" in capfd.readouterr().out
        assert set_up("--repair") == 0

        assert sorted(sources(admin, INDEX)) == [events[0]["event"]["id"]]
        assert sorted(sources(admin, "model-predictions")) == sorted(event["event"]["id"] for event in events)
        (letter,) = sources(admin, "model-deadletters").values()
        assert letter["event"]["id"] == "undated"


def test_an_alias_in_the_place_of_an_index_is_replaced(
    bare: Cluster, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Somebody has copied an index by hand and put an alias in its place: the agent needs an index of that name."""
    events = predictions(3)
    with bare.client() as admin:
        write(admin, "model-predictions_x", events)
        admin.indices.put_alias(index="model-predictions_x", name=INDEX)
        try:
            assert set_up() == 1
            # The index behind the alias is another one's, so that only a superuser may remove the alias from it.
            assert set_up("--repair", INDEX) == 1
            assert capfd.readouterr().err.endswith("only a superuser may do this (docs/users.md)\n")
            monkeypatch.setenv("ELASTICSEARCH_USERNAME", "admin")
            monkeypatch.setenv("ELASTICSEARCH_PASSWORD", bare.users["admin"])
            assert monitor_agent("setup", "--repair", INDEX) == 0
            assert len(sources(admin, INDEX)) == 3
            assert list(admin.indices.get(index=INDEX)) == [INDEX]
            write(admin, "model-predictions_x", predictions(1))
        finally:
            admin.indices.delete(index="model-predictions_x")


def test_documents_that_the_right_mapping_refuses_become_dead_letters(
    bare: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    """They keep their text and the reason, and can be sent again."""
    good, bad = predictions(2)
    bad["shop"] = {"basket": [1, 2]}
    with bare.client() as admin:
        write(admin, INDEX, [good, bad])

        assert set_up("--repair") == 0

        assert "repaired, 1 document, 1 became dead letters" in capfd.readouterr().out
        assert list(sources(admin, INDEX)) == [good["event"]["id"]]
        (letter,) = sources(admin, "model-deadletters").values()
        assert letter["error"]["type"] == "refused"
        assert "shop" in letter["error"]["message"]
        assert bad["event"]["id"] in letter["message"]


def test_results_that_the_right_mapping_refuses_stay_where_they_are(
    bare: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    """They come from no line: the command names them, and writers may go on."""
    with bare.client() as admin:
        admin.index(index="model-releases", id="one", document={"model_name": 7, "stranger": 1}, refresh=True)
        assert set_up() == 1

        assert set_up("--repair") == 1

        assert "documents do not fit the right mapping, such as one: " in capfd.readouterr().err
        assert list(sources(admin, "model-releases")) == ["one"]
        admin.index(index="model-releases", id="two", document={"model_name": 8})
        assert not admin.indices.exists(index="model-releases.repair")


def test_a_read_only_index_is_named_with_what_blocks_it(bare: Cluster, capfd: pytest.CaptureFixture[str]) -> None:
    """A repair cannot help: the text says which setting to remove."""
    with bare.client() as admin:
        admin.indices.create(index="model-errors-2026.03.03", settings={"index.blocks.read_only_allow_delete": True})

        assert set_up() == 1

        assert (
            "in the way: model-errors-2026.03.03: it cannot be brought up to date, because it is read-only"
            in capfd.readouterr().out
        )
        assert set_up("--repair", "model-errors-2026.03.03") == 1
        assert "model-errors-2026.03.03 needs no repair, or a repair cannot help" in capfd.readouterr().err


def test_templates_of_others_are_named(bare: Cluster, capfd: pytest.CaptureFixture[str]) -> None:
    """A template of the same priority refuses one of ours; one of a higher priority would win."""
    with bare.client() as admin:
        for priority, problem in ((500, "has the same priority"), (900, "it has a higher priority")):
            delete_templates(admin, ["model-predictions"])
            body: dict[str, Any] = {"index_patterns": ["model-pred*"], "priority": priority}
            admin.indices.put_index_template(name="rival", body=body)

            assert set_up() == 1

            printed = capfd.readouterr().out
            assert re.search(f"^in the way: .*rival.*{problem}|in the way: .*rival: {problem}", printed, re.MULTILINE)
            assert {contract.name for contract in CONTRACTS} - installed_templates(admin) <= {"model-predictions"}


class Interruption:
    """Stops a gateway after a number of requests, as a crash would: nothing is tidied up."""

    def __init__(self, requests: int) -> None:
        self.left = requests

    def __call__(self) -> bool:
        """Return whether the process is dead; called before each request."""
        self.left -= 1
        return self.left < 0


def interrupted(cluster: Cluster, admin: Elasticsearch, requests: int, late: Document) -> bool:
    """Repair an index, die after some requests, let a writer and then a second run go on; return whether it died."""
    write(admin, INDEX, predictions(3))
    admin.indices.put_index_template(name="model-predictions", body=PREDICTIONS.template())
    with connect(cluster.settings("monitor_setup")) as client:
        state = next(state for state in read_states(Gateway(client)) if state.name == INDEX)
        try:
            Repair(Gateway(client, stopping=Interruption(requests)), state, 2, lambda _line: None, lambda: None).run()
            died = False
        except StoppedError:
            died = True
        written = False
        try:
            write(admin, INDEX, [late])
            written = True
        except helpers.BulkIndexError as error:
            assert "cluster_block_exception" in str(error.errors)  # noqa: PT017 - both results are right
        assert set_up("--repair") == 0
        if not written:
            write(admin, INDEX, [late])
        assert [obstacle_of(state) for state in read_states(Gateway(client)) if obstacle_of(state)] == []
    return died


def check_crashes(cluster: Cluster, counts: Iterable[int]) -> None:
    """Interrupt repairs after the numbers of requests, until one is complete before."""
    with cluster.client() as admin:
        for requests in counts:
            delete_templates(admin, ["model-predictions"])
            late = make_prediction(START + timedelta(minutes=5))
            died = interrupted(cluster, admin, requests, late)
            assert len(sources(admin, "model-predictions")) == 4
            assert late["event"]["id"] in sources(admin, INDEX)
            assert admin.indices.get_mapping(index=INDEX)[INDEX]["mappings"]["dynamic"] == "strict"
            assert not admin.indices.exists(index=COPY)
            admin.indices.delete(index=INDEX)
            if not died:
                return


def test_a_second_run_completes_a_repair_that_was_killed(bare: Cluster) -> None:
    """Whatever a crash has left, no document is lost or doubled, and writers are blocked no longer."""
    check_crashes(bare, (12, 25, 29))  # while it copies, after the deletion, after the clone


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a dead process closes nothing
def test_a_repair_may_be_killed_between_any_two_requests(bare: Cluster) -> None:
    """The same at each of the requests."""
    check_crashes(bare, itertools.count())


def test_the_newer_version_of_a_document_stays(bare: Cluster) -> None:
    """A crash after the deletion of the index lets the agent label a document that was sent again: its label stays."""
    (event,) = predictions(1)
    identifier = event["event"]["id"]
    with bare.client() as admin:
        assert set_up() == 0
        admin.indices.create(index=COPY, mappings=PREDICTIONS.mapping())
        write(admin, COPY, [event])
        write(admin, INDEX, [event])
        admin.update(index=INDEX, id=identifier, doc={"feedback": {"label": 1}})

        assert set_up("--repair") == 0

        assert sources(admin, INDEX)[identifier]["feedback"] == {"label": 1}


@pytest.mark.parametrize("command", [["once"], ["backfill", "--from", "2026-03-02", "--to", "2026-03-03"], ["alerts"]])
def test_a_command_before_setup_says_so(bare: Cluster, capfd: pytest.CaptureFixture[str], command: list[str]) -> None:
    """It writes nothing, which would make indices without their mapping."""
    assert monitor_agent(*command) == 1

    assert capfd.readouterr().err == NO_SETUP
    assert bare.index_names() == []


def test_templates_of_another_name_are_enough(bare: Cluster) -> None:
    """Users may manage the templates themselves."""
    names = [f"acme-{contract.name}" for contract in CONTRACTS]
    with bare.client() as admin:
        for name, contract in zip(names, CONTRACTS, strict=True):
            admin.indices.put_index_template(name=name, body=contract.template())
        try:
            store_settings(bare)
            assert monitor_agent("once", "--now", LATER) == 0
        finally:
            delete_templates(admin, names)


def test_an_agent_before_setup_ends(bare: Cluster) -> None:
    """`run` would otherwise fill indices with a wrong mapping."""
    done = subprocess.run(
        [sys.executable, "-m", "monitor_agent", "run"],
        env=environ_of(bare),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.endswith(NO_SETUP)
    assert bare.index_names() == []


def test_once_names_an_index_without_the_alias(bare: Cluster, capfd: pytest.CaptureFixture[str]) -> None:
    """The agent cannot count what it does not see."""
    assert set_up() == 0
    with bare.client() as admin:
        write(admin, INDEX, predictions(1))
        admin.indices.delete_alias(index=INDEX, name="model-predictions")
        capfd.readouterr()

        assert monitor_agent("once", "--now", LATER) == 0

        warning = f"warning: the agent does not see {INDEX}, which lacks the alias model-predictions: run `monitor-ag"
        assert warning in capfd.readouterr().err
        assert set_up() == 0
        wait_until(lambda: sources(admin, "model-predictions"))
