"""What stands in the way of the documents is reported as what it is; no line is lost, and others go on."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.install import install
from monitor_agent.logstash import compiler, runner
from monitor_agent.logstash.plugin import PipelineContext
from monitor_agent.logstash.statistics import report
from monitor_agent.settings import AgentSettings, PipelineSettings
from tests.cluster import Cluster
from tests.factories import START, Document, make_prediction
from tests.pipelines import PipelineSandbox, stop
from tests.stand_in import Faults, StandIn
from tests.waiting import wait_until

HTTPS_PORT = b"<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>"
BLOCKED = {
    "type": "cluster_block_exception",
    "reason": "index [model-predictions-2026.03.02] blocked by: [FORBIDDEN/8/index write (api)];",
}
LARGE_DOCUMENTS = """
input { stdin { codec => json_lines } }
output {
  elasticsearch {
    hosts => ["URL"] index => "documents" document_id => "%{id}" action => "create" retry_initial_interval => 0.02
    compression_level => 0
  }
}
"""
OLD, NEW = "model-predictions-2026.03.02", "model-predictions-2026.03.03"
SOON = timedelta(seconds=0.05)

pytestmark = pytest.mark.usefixtures("frequent_statistics")


def predictions(count: int, day: int = 0) -> list[Document]:
    return [make_prediction(START + timedelta(days=day, seconds=number)) for number in range(count)]


def ids(events: list[Document]) -> set[str]:
    return {event["event"]["id"] for event in events}


@pytest.fixture
def real(cluster: Cluster, tmp_path: Path) -> PipelineSandbox:
    """Return a pipeline to the real Elasticsearch, with only the rights of its role."""
    return PipelineSandbox(tmp_path, cluster.url, "pipeline_writer", cluster.users["pipeline_writer"])


def stored(cluster: Cluster, index: str) -> set[str]:
    """Return the ids of all documents of an index; empty while its shards start."""
    with cluster.client() as client:
        reader = client.options(ignore_status=503, max_retries=0)
        reader.indices.refresh(index=index, ignore_unavailable=True)
        answer = reader.search(index=index, size=1000, source=False, ignore_unavailable=True)
    return {hit["_id"] for hit in answer["hits"]["hits"]} if "hits" in answer else set()


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (
            (400, "text/html", HTTPS_PORT),
            "the answer is HTML, not Elasticsearch's: write https:// in ELASTICSEARCH_URL",
        ),
        ((404, "text/html", b"<h1>404 Not Found</h1>"), "is HTML, not Elasticsearch's: check ELASTICSEARCH_URL"),
        ((404, "application/json", b'{"message":"no Route matched"}'), "is other JSON, not Elasticsearch's"),
        ((400, "application/json", b'{"error":"no handler found for uri"}'), "is other JSON, not Elasticsearch's"),
        ((413, "text/html", b"<h1>413</h1>"), "let the proxy between, or http.max_content_length"),
        ((401, "text/html", b"<h1>401</h1>"), "check PIPELINE_USERNAME and PIPELINE_PASSWORD"),
        ((407, "text/html", b"<h1>407</h1>"), "is HTML, not Elasticsearch's: check ELASTICSEARCH_URL and the proxy"),
        ((403, "text/html", b"<h1>403</h1>"), "is HTML, not Elasticsearch's: check ELASTICSEARCH_URL"),
        ((200, "text/html", b"<!doctype html><title>Sign in</title>"), 'status 200, "Sign in"'),
        ((200, "application/json", b""), "the answer is empty"),
        ((200, "application/json", b'{"errors":false,"items":[{"create":{"sta'), "the answer is cut off"),
        ((302, "text/html", b""), "the answer is a redirection to sso.example/login, not Elasticsearch's"),
        ((502, "text/html", b"<title>502 Bad Gateway</title>"), 'status 502, "502 Bad Gateway"'),
    ],
)
def test_the_answer_of_a_proxy_says_nothing_about_documents(
    stand_in: StandIn, tmp_path: Path, page: tuple[int, str, bytes], text: str
) -> None:
    """Whatever its status is: the lines wait, the trouble names address and answer, and no line is a dead letter."""
    url = stand_in.url.replace("http://", "http://somebody:secret@")
    sandbox = PipelineSandbox(tmp_path, url, "somebody", "secret")
    events = predictions(40)
    sandbox.append(*events)
    stand_in.faults = Faults(page=page)
    with sandbox.running():
        wait_until(lambda: text in sandbox.statistics().get("trouble", "") and stand_in.answers["page"] > 3)
        trouble, delivered = sandbox.statistics()["trouble"], sandbox.statistics()["delivered"]
        stand_in.faults = Faults()
        wait_until(lambda: sandbox.statistics()["delivered"])

    assert f"({stand_in.url} gave status {page[0]}" in trouble
    assert "secret" not in trouble
    assert not delivered
    assert set(stand_in.of("model-predictions")) == ids(events)
    assert stand_in.of("model-deadletters") == {}
    assert not list((sandbox.data / "dead_letters").glob("*"))


def test_a_proxy_that_takes_only_small_requests_gets_small_requests(
    stand_in: StandIn, sandbox: PipelineSandbox
) -> None:
    """413 of a proxy: requests become smaller; everything arrives, and later requests are small from the start."""
    stand_in.faults = Faults(largest_of_proxy=100_000)
    events = predictions(500)
    sandbox.append(*events)
    with sandbox.running():
        wait_until(lambda: sandbox.statistics().get("delivered"))

    assert set(stand_in.of("model-predictions")) == ids(events)
    assert stand_in.of("model-deadletters") == {}


def test_a_document_that_a_proxy_refuses_waits_by_itself(stand_in: StandIn, tmp_path: Path) -> None:
    """413 of a proxy for one large document makes no dead letter; the run ends when that is delivered as well."""
    stand_in.faults = Faults(largest_of_proxy=60_000)
    lines = [orjson.dumps({"id": str(number), "text": "x" * (100_000 if number == 2 else 10)}) for number in range(9)]
    settings = PipelineSettings(data_dir=str(tmp_path / "data"), park_after=SOON)
    (tmp_path / "lines").write_bytes(b"\n".join(lines) + b"\n")
    with (tmp_path / "lines").open("rb") as stream:
        context = PipelineContext(settings, stream, io.BytesIO(), "host-1")
        text = LARGE_DOCUMENTS.replace("URL", stand_in.url)
        program = compiler.compile_sections(compiler.parse_sources([("large.conf", text)]), {}, context)
        thread = threading.Thread(target=runner.run, args=(program, context), daemon=True)
        thread.start()
        sandbox = PipelineSandbox(tmp_path, stand_in.url)
        wait_until(lambda: sandbox.statistics().get("parked") and len(stand_in.documents) == 8)
        statistics = sandbox.statistics()
        stand_in.faults = Faults()
        thread.join(20)

    assert not thread.is_alive()
    assert len(stand_in.documents) == 9
    assert [row["reason"] for row in statistics["parked"]] == ["too large for a proxy"]
    assert (sandbox.statistics()["state"], sandbox.statistics()["trouble"]) == ("stopped", "")


@contextmanager
def trouble_in(cluster: Cluster, kind: str) -> Iterator[None]:
    """Let the old day's index take no documents while the block runs."""
    with cluster.client() as client:
        if kind == "shard limit":
            client.cluster.put_settings(persistent={"cluster.max_shards_per_node": 1})
        elif kind == "closed":
            client.indices.close(index=OLD)
        else:
            client.indices.put_settings(index=OLD, settings={f"index.blocks.{kind}": True})
        try:
            yield
        finally:
            if kind == "shard limit":
                client.cluster.put_settings(persistent={"cluster.max_shards_per_node": None})
            elif kind == "closed":
                client.indices.open(index=OLD)
            else:
                client.indices.put_settings(index=OLD, settings={f"index.blocks.{kind}": None})


@pytest.mark.parametrize(
    ("kind", "label", "text"),
    [
        (
            "write",
            "blocked: write",
            f"index {OLD} is blocked by [FORBIDDEN/8/index write (api)]: remove index.blocks.w",
        ),
        ("read_only", "blocked: read_only", f'by PUT {OLD}/_settings {{"index.blocks.read_only": null}}'),
        ("closed", "closed", f"open it by POST {OLD}/_open"),
        ("shard limit", "shard limit", "delete old indices, or raise cluster.max_shards_per_node"),
    ],
)
def test_an_index_that_takes_nothing_waits_by_itself(
    real: PipelineSandbox, cluster: Cluster, kind: str, label: str, text: str
) -> None:
    """The other days go on; the trouble names index and remedy; after it, also after a restart, everything arrives."""
    old, new = predictions(5), predictions(60, day=1)
    with cluster.client() as client:
        client.indices.create(index=NEW)
        if kind != "shard limit":
            client.indices.create(index=OLD)
    with trouble_in(cluster, kind):
        real.append(*old[:2])
        with real.running(park_after=SOON, batch_size=20):
            wait_until(lambda: real.statistics().get("parked"))
            real.append(*new, *old[2:])
            wait_until(lambda: stored(cluster, NEW) == ids(new))
            wait_until(lambda: [row["documents"] for row in real.statistics()["parked"]] == [5])
            statistics = real.statistics()
    with real.running(park_after=SOON):
        wait_until(lambda: real.statistics()["state"] == "running" and real.statistics()["delivered"])

    assert text in statistics["trouble"]
    assert "PIPELINE_USERNAME" not in statistics["trouble"]
    assert not statistics["delivered"]
    assert [(row["index"], row["reason"]) for row in statistics["parked"]] == [(OLD, label)]
    assert any(line.startswith("parked on disk: 5 documents (") and OLD in line for line in report(statistics))
    assert real.statistics()["parked"] == []
    assert stored(cluster, OLD) == ids(old)
    assert stored(cluster, "model-deadletters-*") == set()


def test_parked_documents_survive_kills(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """kill -9 while documents are parked, and again while they are sent: each is there once, or a dead letter."""
    old, new = predictions(600), predictions(600, day=1)
    refused = make_prediction(START, note="poison")
    stand_in.faults = Faults(blocked={OLD: (403, BLOCKED)}, dropped_after=0.05)
    environ = {"PIPELINE_PARK_AFTER": "100ms"}
    sandbox.append(refused, *(event for pair in zip(old, new, strict=True) for event in pair))
    process = sandbox.spawn(environ)
    wait_until(lambda: len(stand_in.documents) > 200)
    process.kill()
    process.wait()
    process = sandbox.spawn(environ)
    wait_until(lambda: len(stand_in.documents) == 600)
    stand_in.faults = Faults(items={429: 0.05}, late=0.2)
    wait_until(lambda: len(stand_in.documents) > 700)
    process.kill()
    process.wait()
    process = sandbox.spawn(environ)
    try:
        wait_until(lambda: sandbox.statistics()["process"] == process.pid and sandbox.statistics()["delivered"])
    finally:
        stop(process)

    assert set(stand_in.of("model-predictions")) == ids(old) | ids(new)
    (letter,) = stand_in.of("model-deadletters").values()
    assert letter["event"]["id"] == refused["event"]["id"]
    assert list((sandbox.data / "parked").rglob("*.ndjson")) == []


def test_the_space_for_parked_documents_has_a_limit(stand_in: StandIn, sandbox: PipelineSandbox) -> None:
    """Beyond it, lines wait in their files, and the trouble says so; they arrive when the block is gone."""
    stand_in.faults = Faults(blocked={OLD: (403, BLOCKED)})
    old = predictions(100)
    sandbox.append(*old)
    with sandbox.running(park_after=SOON, parked_max=10_000, batch_size=5):
        wait_until(lambda: "PIPELINE_PARKED_MAX" in sandbox.statistics().get("trouble", ""))
        behind = sandbox.statistics()["inputs"]["model_server_log"]["bytes_behind"]
        size = sum(path.stat().st_size for path in (sandbox.data / "parked").rglob("*.ndjson"))
        stand_in.faults = Faults()
        wait_until(lambda: sandbox.statistics()["delivered"])

    assert behind > 0
    assert 0 < size <= 10_000
    assert set(stand_in.of("model-predictions")) == ids(old)


@pytest.fixture
def without_templates(cluster: Cluster) -> Iterator[Cluster]:
    """Yield the cluster as it is before `monitor-agent setup`; afterwards the templates are there again."""
    with cluster.client() as client:
        for contract in CONTRACTS:
            client.indices.delete_index_template(name=contract.name)
    yield cluster
    set_up(cluster)


def set_up(cluster: Cluster) -> None:
    with cluster.client("monitor_setup") as client:
        install(Gateway(client), AgentSettings())


def test_lines_wait_for_the_templates(without_templates: Cluster, tmp_path: Path) -> None:
    """The runner starts before `setup`: it makes no index, says what is missing, and goes on by itself afterwards."""
    cluster = without_templates
    sandbox = PipelineSandbox(tmp_path, cluster.url, "pipeline_writer", cluster.users["pipeline_writer"])
    events = predictions(20)
    sandbox.append(*events, b"not json")
    with sandbox.running(park_after=SOON):
        wait_until(lambda: "model-predictions is missing: run `monitor-agent setup`" in trouble_of(sandbox))
        statistics, indices = sandbox.statistics(), cluster.index_names()
        set_up(cluster)
        wait_until(lambda: sandbox.statistics()["delivered"])

    assert "model-deadletters is missing" in statistics["trouble"]
    assert (statistics["delivered"], statistics["parked"], indices) == (False, [], [])
    assert sandbox.statistics()["trouble"] == ""
    assert stored(cluster, "model-predictions") == ids(events)


def trouble_of(sandbox: PipelineSandbox) -> Any:
    return sandbox.statistics().get("trouble", "")


def test_a_template_with_another_name_is_enough(without_templates: Cluster, tmp_path: Path) -> None:
    """Users may manage their templates themselves; what counts is the pattern."""
    cluster = without_templates
    sandbox = PipelineSandbox(tmp_path, cluster.url, "pipeline_writer", cluster.users["pipeline_writer"])
    template = next(contract for contract in CONTRACTS if contract.name == "model-predictions").template()
    events = predictions(3)
    sandbox.append(*events)
    with cluster.client() as client:
        client.indices.put_index_template(name="acme-events", body=template)
        try:
            with sandbox.running():
                wait_until(lambda: sandbox.statistics().get("delivered"))
        finally:
            client.indices.delete_index_template(name="acme-events")

    assert stored(cluster, "model-predictions") == ids(events)


def test_a_user_without_the_right_to_one_index_is_reported(real: PipelineSandbox, cluster: Cluster) -> None:
    """A security exception names the settings of the credentials, and no line is lost."""
    real.append(make_prediction())
    analyst = PipelineSandbox(real.folder, real.url, "analyst", cluster.users["analyst"])
    with analyst.running():
        wait_until(lambda: "PIPELINE_USERNAME" in trouble_of(analyst))
        trouble = trouble_of(analyst)
    with real.running(park_after=SOON):
        wait_until(lambda: real.statistics()["delivered"] and len(stored(cluster, "model-predictions")) == 1)

    assert "security_exception" in trouble
