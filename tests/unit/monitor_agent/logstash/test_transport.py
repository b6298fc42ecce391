"""Requests reach Elasticsearch with the configured credentials and compression."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest

from monitor_agent.errors import SettingsError
from monitor_agent.http_client.authorization import basic_authorization
from monitor_agent.logstash.delivery.transport import ElasticsearchAccess, Transport, UnreachableError
from tests.echo_server import Echo, serve


@pytest.fixture
def port() -> Iterator[int]:
    """Yield the port of an echo."""
    yield from serve(ThreadingHTTPServer(("127.0.0.1", 0), Echo))


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({}, "None"),
        ({"user": "writer", "password": "secret"}, "Basic d3JpdGVyOnNlY3JldA=="),
        ({"api_key": "aWQ6a2V5"}, "ApiKey aWQ6a2V5"),
        ({"api_key": "id:key"}, "ApiKey aWQ6a2V5"),
    ],
)
def test_credentials_are_sent(port: int, options: dict[str, str], sent: str) -> None:
    """A user with a password, or an API key in either of its forms."""
    answer = Transport(ElasticsearchAccess([f"http://127.0.0.1:{port}"], **options)).request("POST", "/_bulk", b"{}")  # type: ignore[arg-type]

    assert answer.body.decode() == f"/_bulk {sent} {{}}"


def test_a_body_may_be_compressed_and_an_address_may_have_a_path(port: int) -> None:
    """`compression_level`, and a proxy that serves Elasticsearch below a path."""
    access = ElasticsearchAccess([f"http://127.0.0.1:{port}/search/"], compression=1)

    assert Transport(access).request("POST", "/_bulk", b"{}" * 1000).body == b"/search/_bulk None " + b"{}" * 1000


@pytest.mark.parametrize("address", ["ftp://host:9200", "http://", "http://[:9200"])
def test_a_malformed_address_is_an_error(address: str) -> None:
    """A mistake in ELASTICSEARCH_URL is reported at the start."""
    with pytest.raises(SettingsError, match=r"hosts=.*: write http://"):
        Transport(ElasticsearchAccess([address]))


def test_a_failure_refers_to_no_body() -> None:
    """The bodies of failed requests are freed at once, because garbage is collected rarely in this process."""
    body = b"x" * 1000
    transport = Transport(ElasticsearchAccess(["http://127.0.0.1:9", "http://127.0.0.1:10"]))
    before = sys.getrefcount(body)
    gc.disable()
    try:
        for _ in range(5):
            with pytest.raises(UnreachableError):
                transport.request("POST", "/", body)
        after = sys.getrefcount(body)
    finally:
        gc.enable()

    assert after <= before + 1  # this test still has the last failure


def test_the_user_of_an_address_is_sent(port: int) -> None:
    """As the agent does; a user of the options beside it must be the same."""
    host = f"http://shipper:S3cr%40t@127.0.0.1:{port}"
    expected = basic_authorization("shipper", "S3cr@t")

    for access in (
        ElasticsearchAccess([host], user="pipeline_writer"),
        ElasticsearchAccess([host], user="shipper", password="S3cr@t"),
    ):
        assert Transport(access).request("POST", "/_bulk", b"{}").body.split()[1:3] == expected.encode().split()
    second = Transport(ElasticsearchAccess([f"http://127.0.0.1:{port}", host], user="pipeline_writer"))
    answers = [second.request("POST", "/_bulk", b"{}").body for _ in range(2)]
    assert [answer.split()[1:3] for answer in answers] == [expected.encode().split()] * 2
    for other in ({"user": "other", "password": "x"}, {"api_key": "key"}):
        with pytest.raises(SettingsError, match="names a user") as caught:
            Transport(ElasticsearchAccess([host], **other))  # type: ignore[arg-type]
        assert "S3cr" not in str(caught.value)
