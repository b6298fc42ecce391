"""`monitor-agent check`: on a cluster that was set up, with the wrong user, without any cluster, over TLS."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.clock import SystemClock
from monitor_agent.diagnosis.tls import check_tls
from monitor_agent.settings import ElasticsearchSettings
from tests.cluster import Cluster
from tests.command_line import monitor_agent, set_up
from tests.factories import make_prediction
from tests.integration.test_service import environ_of
from tests.stand_in import Faults, StandIn

INDEX = "model-predictions-2026.03.02"


def results(capfd: pytest.CaptureFixture[str], expected: int) -> dict[str, dict[str, Any]]:
    """Return the rows of a check by name, the last one of each name."""
    capfd.readouterr()
    assert monitor_agent("check", "--json") == expected
    return {row["check"]: row for row in json.loads(capfd.readouterr().out)}


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, with ports that nobody else uses; return the folder."""
    monkeypatch.chdir(tmp_path)
    for variable in ("MODEL_SERVER_PORT", "DASHBOARDS_PORT", "STACK_HTTP_PORT", "MONITOR_HEALTH_PORT"):
        monkeypatch.setenv(variable, "0")
    return tmp_path


@pytest.fixture
def reached(cluster: Cluster, alone: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:  # noqa: ARG001 - a folder
    """Return a cluster after setup; commands run as the agent's user."""
    for name, value in environ_of(cluster).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PIPELINE_USERNAME", "pipeline_writer")
    monkeypatch.setenv("PIPELINE_PASSWORD", cluster.users["pipeline_writer"])
    return cluster


def test_a_cluster_that_was_set_up(reached: Cluster, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing fails with the least privileges; the user of the pipeline is checked for its own role."""
    rows = results(capfd, 0)

    fine = ("Elasticsearch", "version of Elasticsearch", "clock", "user of the agent", "index templates", "indices")
    assert {name: rows[name]["state"] for name in fine} == dict.fromkeys(fine, "ok")
    assert rows["version of Elasticsearch"]["finding"] == reached.version
    assert set(rows["clock"]) == {"check", "state", "finding", "remedy"}
    assert monitor_agent("check") == 0
    printed = capfd.readouterr().out
    assert printed.startswith("check ")
    assert reached.users["monitor_agent"] not in printed


def test_a_user_without_the_privileges(
    reached: Cluster, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The row names the role; a wrong password is one row, and the rest is skipped."""
    monkeypatch.setenv("PIPELINE_USERNAME", "analyst")
    monkeypatch.setenv("PIPELINE_PASSWORD", reached.users["analyst"])
    row = results(capfd, 1)["user of the pipeline"]
    assert row["finding"].startswith("analyst lacks ")
    assert "pipeline_writer" in row["remedy"]

    monkeypatch.delenv("PIPELINE_USERNAME")  # the pipeline then writes as pipeline_writer
    monkeypatch.setenv("PIPELINE_PASSWORD", reached.users["pipeline_writer"])
    assert results(capfd, 0)["user of the pipeline"]["state"] == "ok"

    monkeypatch.delenv("PIPELINE_PASSWORD")  # the pipeline runs on other machines
    assert results(capfd, 0)["user of the pipeline"]["state"] == "skipped"

    monkeypatch.setenv("PIPELINE_PASSWORD", "wrong password")
    row = results(capfd, 1)["user of the pipeline"]
    assert row["remedy"] == "check PIPELINE_USERNAME and PIPELINE_PASSWORD"

    monkeypatch.setenv("ELASTICSEARCH_PASSWORD", "wrong password")
    rows = results(capfd, 1)
    assert rows["Elasticsearch"]["remedy"].startswith("check ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD")
    assert rows["indices"]["state"] == "skipped"


@pytest.mark.parametrize(
    "page", [(404, "text/html", b"<title>404 Not Found</title>"), (200, "text/html", b"<h1>Login</h1>")]
)
def test_another_server_at_the_address(
    stand_in: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    page: tuple[int, str, bytes],
) -> None:
    """Its page is named as what it is, and the remedy is the address, not `setup`."""
    stand_in.faults = Faults(page=page)
    monkeypatch.setenv("ELASTICSEARCH_URL", stand_in.url)

    row = results(capfd, 1)["Elasticsearch"]

    title = page[2].decode().partition(">")[2].partition("<")[0]
    assert row["finding"] == (
        f'{stand_in.url}: the answer is not Elasticsearch\'s, but a page: "{title}" (status {page[0]})'
    )
    assert row["remedy"] == "check ELASTICSEARCH_URL and the proxy between"


def test_indices_in_the_way_and_missing_templates(reached: Cluster, capfd: pytest.CaptureFixture[str]) -> None:
    """Each is a row with its command."""
    event = make_prediction()
    with reached.client() as admin:
        admin.indices.delete_index_template(name="model-predictions")
        try:
            admin.index(index=INDEX, id="one", document=event)
            rows = results(capfd, 1)
        finally:
            assert set_up() == 1
    assert rows["index templates"] == {
        "check": "index templates",
        "state": "failed",
        "finding": "missing: model-predictions",
        "remedy": "run `monitor-agent setup` as the user monitor_setup",
    }
    assert rows["indices"]["remedy"] == f"run `monitor-agent setup --repair {INDEX}` as the user monitor_setup"


def test_nothing_runs(alone: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """The row says how to start it; a pipeline's files are read all the same."""
    monkeypatch.setenv("ELASTICSEARCH_URL", "http://elastic:hunter2hunter2@127.0.0.1:9")
    (alone / "var/pipeline").mkdir(parents=True)
    (alone / "var/pipeline/statistics.json").write_text(
        json.dumps({"state": "running", "inputs": {"log": {"files": 1, "bytes_behind": 7, "seconds_behind": 9.0}}})
    )

    rows = results(capfd, 1)

    assert rows["Elasticsearch"]["finding"] == "http://127.0.0.1:9: no answer (Connection refused)"
    assert rows["clock"]["state"] == "skipped"
    assert rows["pipeline"]["finding"] == "it does not run; 1 file, 7 bytes not delivered yet, 9 s behind"
    assert rows["windows of alerts"]["state"] == "ok"
    assert "hunter2" not in json.dumps(rows)


@contextmanager
def tls_server(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the address of a server with a certificate of its own for 127.0.0.1, and the certificate's file."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=elasticsearch", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "5"]
    subprocess.run(
        [*command, "-keyout", str(key), "-out", str(certificate), *names], check=True, capture_output=True, timeout=60
    )
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}", certificate
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_certificate_of_an_encrypted_connection(tmp_path: Path) -> None:
    """An unknown authority fails with the setting that names it; a certificate that expires soon is a warning."""
    now = SystemClock().now()
    with tls_server(tmp_path) as (url, certificate):
        unknown = check_tls(ElasticsearchSettings(url=(url,)), url, now)
        verified = check_tls(ElasticsearchSettings(url=(url,), ca_certs=str(certificate)), url, now)
        misnamed = check_tls(
            ElasticsearchSettings(url=(url,), ca_certs=str(certificate)), url.replace("127.0.0.1", "localhost"), now
        )
        missing = check_tls(ElasticsearchSettings(url=(url,), ca_certs=str(tmp_path / "none.pem")), url, now)

    assert (unknown.state, "ELASTICSEARCH_CA_CERTS" in unknown.remedy) == ("failed", True)
    assert (verified.state, verified.remedy) == ("warning", "renew the certificate of Elasticsearch")
    assert (misnamed.state, misnamed.remedy) == ("failed", "write a name that the certificate has in ELASTICSEARCH_URL")
    assert missing.state == "failed"
