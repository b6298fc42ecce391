"""What a user reads if the server is no Elasticsearch or Kibana of a version that the product supports."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.connection import open_gateway
from monitor_agent.es.retry import Backoff
from monitor_agent.logstash.delivery.template_gate import TemplateGate
from monitor_agent.logstash.delivery.transport import ElasticsearchAccess, Transport
from monitor_agent.logstash.delivery.troubles import Troubles
from monitor_agent.settings import ElasticsearchSettings
from monitor_agent.stack.rest_call import logins, require_elasticsearch
from tests.byte_server import http_reply, listening
from tests.command_line import monitor_agent
from tests.kibana_stand_in import kibana_stand_in
from tests.unit.monitor_agent.es.answers import Answer, serving

PRODUCT = "X-Elastic-Product: Elasticsearch"
OPENSEARCH = {
    "name": "node-1",
    "version": {"distribution": "opensearch", "number": "2.11.0", "build_type": "tar"},
    "tagline": "The OpenSearch Project: https://opensearch.org/",
}
DISGUISED = {**OPENSEARCH, "version": {"number": "7.10.2"}}
SERVERLESS = {"version": {"number": "8.11.0", "build_flavor": "serverless"}, "tagline": "You Know, for Search"}
UNSUPPORTED = [
    pytest.param({"version": {"number": "7.17.3"}}, [PRODUCT], "this is 7.17.3 at ", id="7.17"),
    pytest.param({"version": {"number": "7.10.0"}}, [], "this is 7.10.0 at ", id="7.10 without the header"),
    pytest.param({"version": {"number": "8.18.8"}}, [PRODUCT], "this is 8.18.8 at ", id="8.18"),
    pytest.param(OPENSEARCH, [], "this is OpenSearch 2.11.0 at ", id="OpenSearch"),
    pytest.param(DISGUISED, [], "this is OpenSearch 7.10.2 at ", id="OpenSearch with the version of Elasticsearch"),
    pytest.param(SERVERLESS, [PRODUCT], "this is Elasticsearch Serverless 8.11.0 at ", id="serverless"),
]


def by_agent(url: str) -> str:
    """Return what a user of any command reads."""
    with contextlib.closing(open_gateway(ElasticsearchSettings(url=(url,)), Backoff(tries=1))) as gateway:
        try:
            gateway.refresh(["model-predictions"])
        except ElasticsearchError as error:
            return str(error)
    return ""


def by_stack(url: str) -> str:
    """Return what a user of `stack up` and `stack users` with an existing cluster reads."""
    try:
        require_elasticsearch(logins(ElasticsearchSettings(url=(url,)))[0])
    except ElasticsearchError as error:
        return str(error)
    return ""


def by_pipeline(url: str) -> str:
    """Return the trouble that the pipeline reports while its lines wait."""
    troubles = Troubles()
    with contextlib.closing(Transport(ElasticsearchAccess([url]))) as transport:
        waiting = TemplateGate(transport, troubles).waiting({"an-index-of-mine"})
    assert bool(waiting) == bool(troubles)
    return troubles.text()


CLIENTS = {"agent": by_agent, "stack": by_stack, "pipeline": by_pipeline}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("document", "headers", "expected"), UNSUPPORTED)
def test_an_old_version_or_another_product_is_one_line(
    client: str, document: dict[str, Any], headers: list[str], expected: str
) -> None:
    """The line says what is needed, what is there, and where."""
    with listening(http_reply(document, *headers)) as port:
        line = CLIENTS[client](f"http://127.0.0.1:{port}")

    assert line.startswith("Elasticsearch 8.19 or newer is needed, this is ")
    assert f"{expected}http://127.0.0.1:{port}: " in line
    assert "\n" not in line


@pytest.mark.parametrize("client", ["stack", "pipeline"])
@pytest.mark.parametrize("number", ["8.19.0", "8.19.21-SNAPSHOT", "9.0.0", "9.5.0", "10.0.0"])
def test_a_supported_version_is_no_error(client: str, number: str) -> None:
    """8.19 and all that is newer."""
    with listening(http_reply({"version": {"number": number}}, PRODUCT)) as port:
        assert CLIENTS[client](f"http://127.0.0.1:{port}") == ""


@pytest.mark.parametrize("status", [403, 404, 405])
def test_a_server_that_does_not_say_its_version_is_not_refused(status: int) -> None:
    """Such as a user without the right `monitor`, or a node without this page; it is asked once."""
    settings = ElasticsearchSettings()
    error = Answer({"error": {"type": "security_exception", "reason": "unauthorized"}, "status": status}, status)
    with serving(error, Answer({})) as server:
        settings = ElasticsearchSettings(url=(server.url,))
        with contextlib.closing(open_gateway(settings)) as gateway:
            gateway.refresh(["model-predictions"])
            gateway.refresh(["model-predictions"])

    assert [path for _, path, _ in server.requests if path == "/"] == ["/"]
    assert len(server.requests) == 3


@pytest.mark.parametrize("command", [["once"], ["setup"], ["alerts"]])
def test_commands_refuse_an_old_version(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on standard error, and the exit status 1."""
    with listening(http_reply({"version": {"number": "7.17.3"}}, PRODUCT)) as port:
        monkeypatch.setenv("ELASTICSEARCH_URL", f"http://127.0.0.1:{port}")
        status = monitor_agent(*command)

    assert status == 1
    assert capsys.readouterr().err == (
        f"error: Elasticsearch 8.19 or newer is needed, this is 7.17.3 at http://127.0.0.1:{port}: "
        "upgrade it to 8.19 or to 9\n"
    )


@pytest.mark.parametrize("version", ["7.17.3", "8.18.8"])
def test_an_old_kibana_is_one_line(
    version: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is imported."""
    monkeypatch.setenv("KIBANA_FOLDER", str(Path(__file__).parents[4] / "kibana"))
    with kibana_stand_in() as server:
        server.version = version
        monkeypatch.setenv("KIBANA_URL", server.url)
        status = monitor_agent("kibana", "import")

    assert (status, server.objects) == (1, {})
    assert f"Kibana 8.19 or newer is needed, this is {version} at {server.url}: " in capsys.readouterr().err


@pytest.mark.parametrize("document", [{}, {"version": {"number": "9.5.0"}, "tagline": "You Know, for Search"}])
def test_what_is_no_kibana_is_one_line(
    document: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as the address of Elasticsearch."""
    with listening(http_reply(document)) as port:
        monkeypatch.setenv("KIBANA_URL", f"http://127.0.0.1:{port}")
        status = monitor_agent("kibana", "export")

    assert status == 1
    assert f"http://127.0.0.1:{port} is no Kibana" in capsys.readouterr().err
