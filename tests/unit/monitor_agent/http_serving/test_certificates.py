"""Certificates that cannot be used are refused in one line that names the setting and the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from monitor_agent.errors import SettingsError
from monitor_agent.http_serving.certificates import Certificates

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
