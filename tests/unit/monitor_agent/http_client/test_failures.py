"""What a user reads if a connection fails: the fault of the certificate, or who answered in place of the server."""

from __future__ import annotations

import contextlib
import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import trustme
import urllib3

from monitor_agent.errors import ElasticsearchError, KibanaError, SettingsError
from monitor_agent.es.connection import open_gateway
from monitor_agent.es.retry import Backoff
from monitor_agent.http_client.failures import AddressSettings, failure_of, page_title
from monitor_agent.http_client.trust import client_context
from monitor_agent.kibana.api import Kibana
from monitor_agent.logstash.delivery.transport import ElasticsearchAccess, Transport, UnreachableError
from monitor_agent.settings import ElasticsearchSettings, KibanaSettings
from monitor_agent.stack.rest_call import cluster_health, logins
from tests.byte_server import listening

NOW = datetime.now(timezone.utc)
DAY = timedelta(days=1)


def by_agent(url: str, ca_certs: str) -> str:
    """Return what a user of the agent reads."""
    settings = ElasticsearchSettings(url=(url,), ca_certs=ca_certs, request_timeout=timedelta(seconds=20))
    with contextlib.closing(open_gateway(settings, Backoff(tries=1))) as gateway:
        with pytest.raises(ElasticsearchError) as caught:
            gateway.search("model-predictions", {})
        return str(caught.value)


def by_stack(url: str, ca_certs: str) -> str:
    """Return what a user of `stack up` with an existing cluster reads."""
    (login,) = logins(ElasticsearchSettings(url=(url,), ca_certs=ca_certs))
    with pytest.raises(ElasticsearchError) as caught:
        cluster_health(login)
    return str(caught.value)


def by_kibana(url: str, ca_certs: str) -> str:
    """Return what a user of `kibana import` reads."""
    kibana = Kibana(KibanaSettings(url=url, ca_certs=ca_certs, request_timeout=timedelta(seconds=20)))
    with pytest.raises(KibanaError) as caught:
        kibana.import_objects("{}", overwrite=True)
    return str(caught.value)


def by_pipeline(url: str, ca_certs: str) -> str:
    """Return what the pipeline logs."""
    transport = Transport(ElasticsearchAccess([url], ca_certs=ca_certs, timeout_seconds=20))
    with contextlib.closing(transport), pytest.raises(UnreachableError) as caught:
        transport.request("POST", "/_bulk", b"{}")
    return str(caught.value)


CLIENTS = {"agent": by_agent, "stack": by_stack, "kibana": by_kibana, "pipeline": by_pipeline}


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """Return the rules of a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("fault", ["expired", "not valid yet", "another name", "not trusted", "unknown to the system"])
def test_a_fault_of_a_certificate_has_its_name(
    authority: trustme.CA, authority_file: str, client: str, fault: str
) -> None:
    """One line says what is wrong, and names the file and the setting where they are the cause."""
    setting = "KIBANA" if client == "kibana" else "ELASTICSEARCH"
    certificate, file, expected = {
        "expired": (authority.issue_cert("127.0.0.1", not_after=NOW - DAY), authority_file, ["has expired", "renew"]),
        "not valid yet": (
            authority.issue_cert("127.0.0.1", not_before=NOW + DAY, not_after=NOW + 9 * DAY),
            authority_file,
            ["is not valid yet", "clock"],
        ),
        "another name": (
            authority.issue_cert("es.example"),
            authority_file,
            ["for another name", f"{setting}_URL"],
        ),
        "not trusted": (
            trustme.CA().issue_cert("127.0.0.1"),
            authority_file,
            ["not trusted", authority_file, f"{setting}_CA_CERTS"],
        ),
        "unknown to the system": (authority.issue_cert("127.0.0.1"), "", ["not trusted", f"set {setting}_CA_CERTS"]),
    }[fault]
    with listening(context=server_context(certificate)) as port:
        line = CLIENTS[client](f"https://127.0.0.1:{port}", file)

    for text in expected:
        assert text in line
    assert "\n" not in line
    assert "_ssl.c" not in line


def test_a_certificate_that_cannot_be_used_is_no_question_of_authority() -> None:
    """Such as one for clients: another file with authorities would not help."""
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = 26, "unsuitable certificate purpose"

    failure = failure_of(error, AddressSettings("ELASTICSEARCH_URL", "ELASTICSEARCH_CA_CERTS", "ca.pem"))

    assert failure.reason == "the certificate of the server cannot be used (unsuitable certificate purpose)"
    assert failure.hint == "let the server have another certificate"


@pytest.mark.parametrize("client", CLIENTS)
def test_https_to_a_server_without_it_says_so(client: str) -> None:
    """The setting to correct is named."""
    with listening(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") as port:
        line = CLIENTS[client](f"https://127.0.0.1:{port}", "")

    assert "the server does not speak TLS" in line
    assert "write http:// in" in line


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("reply", [b"", b"SSH-2.0-OpenSSH_9.6\r\n"], ids=["nothing", "another protocol"])
def test_a_server_that_does_not_speak_http_is_one_line(client: str, reply: bytes) -> None:
    """Such as a wrong port."""
    with listening(reply) as port:
        line = CLIENTS[client](f"http://127.0.0.1:{port}", "")

    assert "\n" not in line
    assert "no answer" in line
    assert "_URL" in line


@pytest.mark.parametrize("client", ["agent", "stack", "kibana"])
@pytest.mark.parametrize(
    ("status", "header", "page", "expected"),
    [
        ("302 Found", "Location: https://me:S3cret@sso.example/login?x=1", "", "302"),
        ("403 Forbidden", "Server: squid", "<html><title>Access\x07 denied</title>", "Access denied"),
        ("404 Not Found", "Server: nginx", "<html><h1>404 <b>Not</b> Found</h1>", "404 Not Found"),
        ("407 Proxy Authentication Required", "Server: squid", "<title>Log in</title>", "Log in"),
        ("200 OK", "Server: portal", "<html><title>Welcome to the hotel</title></html>", "Welcome to the hotel"),
    ],
)
def test_a_page_of_a_proxy_is_one_line(client: str, status: str, header: str, page: str, expected: str) -> None:
    """The line has the page's title, no markup, and the setting to check; nothing is followed."""
    reply = (
        f"HTTP/1.1 {status}\r\n{header}\r\nContent-Type: text/html\r\nConnection: close\r\n"
        f"Content-Length: {len(page)}\r\n\r\n{page}"
    )
    with listening(reply.encode()) as port:
        line = CLIENTS[client](f"http://127.0.0.1:{port}", "")

    assert expected in line
    assert not {"\n", "\x07", "<"} & set(line)
    assert "S3cret" not in line
    assert "KIBANA_" in line or "ELASTICSEARCH_" in line


def test_a_name_that_does_not_exist_is_reported() -> None:
    """The name server is named among what to check."""
    assert "the name of the host is unknown" in by_stack("http://no-such-host.invalid:9200", "")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read"),
        (b"", "the file is empty"),
        (b"\x30\x82\x01\x0a\x02\x82", "no certificate in the form PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n", "a private key, no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nMC4=\n-----END CERTIFICATE-----\n", "a certificate in the file is damaged"),
        (b"hello", "no certificate in the form PEM"),
    ],
    ids=["missing", "empty", "DER", "key", "damaged", "text"],
)
def test_a_file_without_a_certificate_is_refused(tmp_path: Path, content: bytes | None, problem: str) -> None:
    """One line names the setting and the file."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=problem) as caught:
        client_context(str(path), "KIBANA_CA_CERTS")

    assert str(caught.value).startswith(f"KIBANA_CA_CERTS={path}: ")


def test_a_folder_of_certificates_is_refused(tmp_path: Path) -> None:
    """The setting names a file."""
    with pytest.raises(SettingsError, match="cannot be read"):
        client_context(str(tmp_path), "ELASTICSEARCH_CA_CERTS")


def test_the_authority_of_a_company_is_trusted_by_the_system(
    authority: trustme.CA, authority_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a setting the system's store is trusted, to which `SSL_CERT_FILE` belongs."""
    monkeypatch.setenv("SSL_CERT_FILE", authority_file)
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    with listening(reply, server_context(authority.issue_cert("127.0.0.1"))) as port:
        pool = urllib3.HTTPSConnectionPool("127.0.0.1", port, ssl_context=client_context("", "ELASTICSEARCH_CA_CERTS"))
        with contextlib.closing(pool):
            assert pool.request("GET", "/", retries=False, timeout=20).status == 200


def test_a_title_is_cut_and_has_no_markup() -> None:
    """A page may be hostile or huge."""
    assert page_title(b"<title>" + b"x" * 500 + b"</title>") == "x" * 100
    assert page_title(b"<title>a<script>b</script>\x1b[31m</title>") == "a b [31m"
    assert page_title(b" " * 20_000 + b"<title>late</title>") == ""
