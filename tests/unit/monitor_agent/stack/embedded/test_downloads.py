"""A download that fails says by what, and what to set: the registry is behind a proxy that the test controls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from jgo.constants import MAVEN_CENTRAL_URL

from monitor_agent.errors import JavaNotFoundError, StackError
from monitor_agent.stack.embedded import archive
from monitor_agent.stack.embedded.downloads import download_failure
from monitor_agent.stack.embedded.java import fetch_java
from tests.network import proxy, tls_node

VERSION = "9.5.0"
REGISTRY = urlsplit(MAVEN_CENTRAL_URL).hostname or ""
DAY = timedelta(days=1)
NOW = datetime.now(timezone.utc)
PAGE = b"<html><title>Access <b>denied</b></title></html>"


def elasticsearch(folder: Path) -> str:
    """Return what a user reads if Elasticsearch cannot be fetched."""
    with pytest.raises(StackError) as caught:
        archive.server_folder(VERSION, folder / "cache", lambda _line: None)
    assert f"or put the archive at {folder}/m2/org/elasticsearch/" in caught.value.hint
    return str(caught.value)


def java(folder: Path) -> str:
    """Return what a user reads if Java cannot be fetched."""
    with pytest.raises(JavaNotFoundError) as caught:
        fetch_java(folder, lambda _line: None)
    assert "or install Java 21" in caught.value.hint
    return str(caught.value)


each_download = pytest.mark.parametrize("download", [elasticsearch, java])
Download = Callable[[Path], str]


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use no proxy and no repository of this machine."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))


@each_download
@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("HTTP/1.1 403 Forbidden", "does not connect to the server (403 Forbidden): check HTTP_PROXY, HTTPS_PROXY"),
        ("HTTP/1.1 407 Login", "the proxy wants a login (407): write http://user:password@host:port in HTTPS_PROXY"),
    ],
)
def test_a_proxy_that_refuses(
    download: Download, reply: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables of the proxy are named."""
    with proxy(f"{reply}\r\nContent-Length: 0\r\n\r\n".encode()) as (url, _):
        monkeypatch.setenv("HTTPS_PROXY", url)
        line = download(tmp_path)

    assert expected in line
    assert "\n" not in line


@each_download
@pytest.mark.parametrize("fault", ["unknown authority", "expired", "another name"])
def test_a_certificate_of_the_network(
    download: Download, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as that of a proxy of the company that opens the encryption."""
    authority = trustme.CA()
    expected = {
        "unknown authority": "signed by an authority that is not trusted",
        "expired": "the certificate of the server has expired",
        "another name": "another server answers: check HTTP_PROXY",
    }[fault]
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(trusted)
    if fault != "unknown authority":
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    names = ["other.example"] if fault == "another name" else [REGISTRY, "raw.githubusercontent.com", "github.com"]
    last = NOW - DAY if fault == "expired" else NOW + DAY
    certificate = authority.issue_cert(*names, not_before=NOW - 9 * DAY, not_after=last)
    with tls_node(lambda: certificate, b"") as address, proxy(b"", address) as (url, _):
        monkeypatch.setenv("HTTPS_PROXY", url)
        line = download(tmp_path)

    assert expected in line
    if fault == "unknown authority":
        assert "set SSL_CERT_FILE to the file with the certificate of your authority" in line


@pytest.mark.parametrize(("status", "hint"), [("403 Forbidden", "a proxy may refuse it"), ("503 Busy", "try again")])
def test_a_status_and_the_title_of_its_page(
    status: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library hides the status, so that it is asked for once more."""
    authority = trustme.CA()
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(trusted)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    certificate = authority.issue_cert(REGISTRY)
    reply = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(PAGE)}\r\n\r\n".encode() + PAGE
    with tls_node(lambda: certificate, reply) as address, proxy(b"", address) as (url, _):
        monkeypatch.setenv("HTTPS_PROXY", url)
        line = elasticsearch(tmp_path)

    assert f': HTTP status {status[:3]}, "Access denied": {hint}' in line


def test_an_error_that_is_none_of_the_network_keeps_its_text() -> None:
    """Such as a full disk."""
    assert download_failure(RuntimeError("first line\nsecond line")).reason == "first line"
