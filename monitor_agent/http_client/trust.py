"""Which certificates of servers are trusted: those of the system, or those of a file."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator

import truststore

from monitor_agent.errors import SettingsError

_CERTIFICATE = "BEGIN CERTIFICATE"
_KEY = "PRIVATE KEY"


def client_context(ca_certs: str, variable: str) -> ssl.SSLContext:
    """Return the rules for TLS connections of a client.

    Parameters
    ----------
    ca_certs : file with certificate authorities (PEM): then only these are trusted. Empty = those of the system, to
        which `SSL_CERT_FILE` and `SSL_CERT_DIR` belong.
    variable : the setting that holds `ca_certs`, for messages.

    Raises
    ------
    SettingsError
        If the file holds no certificate.
    """
    if not ca_certs:
        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=ca_certs)
    except (OSError, ValueError) as error:
        problem = _problem(ca_certs, error)
        raise SettingsError(
            f"{variable}={ca_certs}: {problem}", "give a file with the certificate of the authority, in the form PEM"
        ) from error
    return context


@contextlib.contextmanager
def system_certificates() -> Iterator[None]:
    """Let libraries that make their own connections, such as for a download, trust the certificates of the system."""
    truststore.inject_into_ssl()
    try:
        yield
    finally:
        truststore.extract_from_ssl()


def _problem(path: str, error: Exception) -> str:
    """Return what is wrong with a file of certificates."""
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - a path with a NUL must be a ValueError here as well
            content = stream.read(1_000_000).decode("latin-1")
    except (OSError, ValueError) as unreadable:
        return f"the file cannot be read ({getattr(unreadable, 'strerror', None) or unreadable})"
    if not content.strip():
        return "the file is empty"
    if _CERTIFICATE in content:
        return f"a certificate in the file is damaged ({getattr(error, 'reason', None) or error})"
    if _KEY in content:
        return "the file holds a private key, no certificate"
    return "the file holds no certificate in the form PEM"
