"""Certificates that cannot be used are refused in one line that names the setting and the file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from structlog.testing import capture_logs

from monitor_agent.diagnosis.check_result import WARNING
from monitor_agent.diagnosis.servers import check_servers
from monitor_agent.errors import SettingsError
from monitor_agent.files import RETRY_SECONDS
from monitor_agent.http_serving.certificates import REMINDER_SECONDS, Certificates
from monitor_agent.settings import DashboardsSettings, Settings

Files = tuple[Path, Path]


@pytest.fixture(scope="module")
def issued() -> tuple[bytes, bytes, bytes]:
    """Return a certificate, its key, and the key of another one."""
    authority = trustme.CA()
    first, second = authority.issue_cert("localhost"), authority.issue_cert("localhost")
    return first.cert_chain_pems[0].bytes(), first.private_key_pem.bytes(), second.private_key_pem.bytes()


@pytest.fixture
def files(tmp_path: Path, issued: tuple[bytes, bytes, bytes]) -> Files:
    """Return the files of a certificate and its key."""
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    cert.write_bytes(issued[0])
    key.write_bytes(issued[1])
    return cert, key


def encrypted(key: bytes) -> bytes:
    """Return a key that wants a password."""
    return serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )


@pytest.mark.parametrize(
    ("spoil", "setting", "reason"),
    [
        (lambda cert, _key, _other: cert.unlink(), "CERT", "cannot be read (No such file or directory)"),
        (lambda _cert, key, _other: key.unlink(), "KEY", "cannot be read (No such file or directory)"),
        (lambda cert, _key, _other: (cert.unlink(), cert.mkdir()), "CERT", "cannot be read (Is a directory)"),
        (lambda cert, _key, _other: cert.write_bytes(b""), "CERT", "holds no certificate"),
        (lambda cert, key, _other: cert.write_bytes(key.read_bytes()), "CERT", "holds no certificate"),
        (lambda cert, key, _other: key.write_bytes(cert.read_bytes()), "KEY", "holds no private key"),
        (lambda _cert, key, other: key.write_bytes(other), "KEY", "is not the key of the certificate in"),
        (lambda _cert, key, _other: key.write_bytes(encrypted(key.read_bytes())), "KEY", "is encrypted"),
        (lambda cert, _key, _other: cert.write_bytes(cert.read_bytes()[:300]), "CERT", "cannot be used"),
    ],
)
def test_what_cannot_be_used_is_refused(
    files: Files, issued: tuple[bytes, bytes, bytes], spoil: Callable[..., None], setting: str, reason: str
) -> None:
    """The reason is the file's, not that of the TLS library."""
    spoil(*files, issued[2])

    with pytest.raises(SettingsError) as refused:
        Certificates(str(files[0]), str(files[1]), "DASHBOARDS")

    line = str(refused.value)
    assert line.startswith(f"DASHBOARDS_TLS_{setting}={files[setting == 'KEY']}")
    assert reason in line
    assert len(line.splitlines()) == 1


def test_files_that_are_replaced_one_after_the_other_are_used_once_they_fit(files: Files) -> None:
    """Between the two steps the old certificate stays."""
    certificates = Certificates(str(files[0]), str(files[1]), "DASHBOARDS")
    before = certificates.context()
    renewed = trustme.CA().issue_cert("localhost")
    files[0].write_bytes(renewed.cert_chain_pems[0].bytes())
    between = certificates.context()
    files[1].write_bytes(renewed.private_key_pem.bytes())

    after = certificates.context()

    assert between is before
    assert after is not before
    assert certificates.context() is after


def warnings_of(certificates: Certificates) -> list[str]:
    """Return what is warned about when the server looks at its files."""
    with capture_logs() as lines:
        certificates.refresh()
    return [line["event"] for line in lines if line["log_level"] == "warning"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda cert, _key, other: cert.write_bytes(other.cert_chain_pems[0].bytes()[:700]),
        lambda _cert, key, other: key.write_bytes(other.private_key_pem.bytes()[:100]),
        lambda cert, _key, other: cert.write_bytes(other.cert_chain_pems[0].bytes()),
        lambda _cert, key, other: key.write_bytes(other.private_key_pem.bytes()),
        lambda cert, _key, _other: cert.unlink(),
        lambda _cert, key, _other: key.write_bytes(b""),
    ],
    ids=["half a certificate", "half a key", "another certificate", "another key", "no certificate", "an empty key"],
)
def test_a_renewal_that_fails_is_told_once_and_changes_nothing(files: Files, spoil: Callable[..., None]) -> None:
    """However often the server looks; when the files fit again, it uses them."""
    now = [0.0]
    certificates = Certificates(str(files[0]), str(files[1]), "DASHBOARDS", monotonic=lambda: now[0])
    before = certificates.context()
    renewed = trustme.CA().issue_cert("localhost")
    spoil(*files, renewed)
    reports = warnings_of(certificates)
    for _ in range(3):
        now[0] += RETRY_SECONDS + 1
        reports += warnings_of(certificates)
    between = certificates.context()
    files[0].write_bytes(renewed.cert_chain_pems[0].bytes())
    files[1].write_bytes(renewed.private_key_pem.bytes())
    now[0] += RETRY_SECONDS + 1

    assert len(reports) == 1
    assert "the server keeps the old one: DASHBOARDS_TLS_" in reports[0]
    assert between is before
    assert certificates.context() is not before


def issue(files: Files, end: datetime, begin: datetime | None = None) -> None:
    """Write a certificate that ends at a moment, and its key."""
    certificate = trustme.CA().issue_cert("localhost", not_before=begin, not_after=end)
    files[1].write_bytes(certificate.private_key_pem.bytes())
    files[0].write_bytes(certificate.cert_chain_pems[0].bytes())


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=14, hours=1), ""),
        (timedelta(days=13, hours=23), "expires in 13 days, on "),
        (timedelta(hours=30), "expires in 30 hours, on "),
        (timedelta(minutes=5), "expires in 1 hour, on "),
        (timedelta(seconds=-1), "has expired on "),
        (timedelta(days=365 * 40), ""),
    ],
)
def test_a_certificate_that_ends_soon_is_told(files: Files, left: timedelta, words: str) -> None:
    """In one line at the start, for each renewed certificate, and once a day."""
    now, monotonic = datetime.now(timezone.utc).replace(microsecond=0), [5.0]
    issue(files, now + left, now - timedelta(days=100))
    certificates = Certificates(str(files[0]), str(files[1]), "DASHBOARDS", lambda: now, lambda: monotonic[0])
    reports = [warnings_of(certificates)]
    reports.append(warnings_of(certificates))
    monotonic[0] += REMINDER_SECONDS + 1
    reports.append(warnings_of(certificates))
    issue(files, now + left, now - timedelta(days=100))
    reports.append(warnings_of(certificates))

    if not words:
        assert reports == [[]] * 4
        return
    assert [len(lines) for lines in reports] == [1, 0, 1, 1]
    assert reports[0][0].startswith(f"DASHBOARDS_TLS_CERT={files[0]} {words}{now + left:%Y-%m-%d}")
    assert "renew it" in reports[0][0]


def test_the_check_names_a_certificate_that_ends_soon(files: Files) -> None:
    """Before the viewer is started."""
    issue(files, datetime.now(timezone.utc) + timedelta(days=3, hours=1))
    settings = Settings(dashboards=DashboardsSettings(tls_cert=str(files[0]), tls_key=str(files[1])))

    ends = [result for result in check_servers(settings) if result.state == WARNING]

    assert [(result.check, "expires in 3 days" in result.finding) for result in ends] == [("viewer", True)]
    assert ends[0].remedy.startswith("renew it")
