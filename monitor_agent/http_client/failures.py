"""Why a server gave no answer, or who has answered in its place: one line, and what to do."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Any

from monitor_agent.http_client.address import mask_credentials

_TITLE = re.compile(rb"<(title|h1)[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_MARKUP = re.compile(r"<[^>]*>")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_OS_ERROR = re.compile(r"\[Errno -?\d+\] ([^\[)'\"]+)")
_LONGEST_TITLE = 100
_LONGEST_REASON = 200
_HEAD = 10_000
"""Bytes of a page that are searched for its title."""
_EXPIRED, _NOT_YET_VALID, _OTHER_NAME, _OTHER_IP = 10, 9, 62, 64
_SELF_SIGNED, _SELF_SIGNED_IN_CHAIN = 18, 19
_PLAIN = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE")
_VERSIONS = ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE", "HANDSHAKE_FAILURE")
_CLIENT_CERTIFICATE = ("CERTIFICATE_REQUIRED", "BAD_CERTIFICATE")


@dataclass(frozen=True)
class NoAnswer:
    """Why there is no answer.

    Attributes
    ----------
    hint : what to do; empty if the reason says nothing about it.
    permanent : whether the same request fails again until somebody corrects something.
    """

    reason: str
    hint: str = ""
    permanent: bool = False


@dataclass(frozen=True)
class AddressSettings:
    """The settings of a connection, for messages.

    Attributes
    ----------
    url, ca_certs : the names of the settings of address and certificate authority.
    ca_file : the value of the latter.
    """

    url: str
    ca_certs: str
    ca_file: str = ""


ELASTICSEARCH = AddressSettings("ELASTICSEARCH_URL", "ELASTICSEARCH_CA_CERTS")
CHECK_ELASTICSEARCH = "check that Elasticsearch runs and that ELASTICSEARCH_URL is right"
CHECK_PROXY = "check ELASTICSEARCH_URL and the proxy between"


def failure_of(error: BaseException, names: AddressSettings = ELASTICSEARCH) -> NoAnswer:
    """Return why a request failed, by the innermost of the errors that wrap each other."""
    inner = innermost(error)
    if isinstance(inner, ssl.SSLCertVerificationError):
        return _certificate(inner, names)
    if isinstance(inner, ssl.SSLError):
        return _handshake(inner, names)
    if isinstance(inner, socket.gaierror):
        return NoAnswer("no answer (the name of the host is unknown)", f"check {names.url} and the name server (DNS)")
    if isinstance(inner, TimeoutError) or "timed out" in str(inner):
        return NoAnswer("no answer in time", f"check {names.url}, the firewall and the proxy between")
    if isinstance(inner, (http.client.RemoteDisconnected, http.client.BadStatusLine, http.client.IncompleteRead)):
        return NoAnswer(
            "no answer (the server closed the connection without one)",
            f"check that the server runs; if it speaks TLS, write https:// in {names.url}",
        )
    system = _OS_ERROR.search(str(inner))
    text = getattr(inner, "strerror", None) or (system[1] if system else "") or str(inner) or type(inner).__name__
    return NoAnswer(f"no answer ({_BLANK.sub(' ', mask_credentials(str(text))).strip()[:_LONGEST_REASON]})")


def innermost(error: BaseException) -> BaseException:
    """Return the error at the root of others, as far as it says more than they do."""
    errors = [error]
    while (inner := _inner(errors[-1])) is not None and inner not in errors:
        errors.append(inner)
    return errors[-1]


def _inner(error: BaseException) -> BaseException | None:
    """Return the error that an error wraps: Python's own chain, or the attribute that urllib uses."""
    reason = getattr(error, "reason", None)
    return error.__cause__ or error.__context__ or (reason if isinstance(reason, BaseException) else None)


def _certificate(error: ssl.SSLCertVerificationError, names: AddressSettings) -> NoAnswer:
    code = error.verify_code
    if code == _EXPIRED:
        return NoAnswer("the certificate of the server has expired", "renew the certificate", permanent=True)
    if code == _NOT_YET_VALID:
        hint = "correct the clock of this machine, or renew the certificate"
        return NoAnswer("the certificate of the server is not valid yet", hint, permanent=True)
    if code in (_OTHER_NAME, _OTHER_IP):
        return NoAnswer(
            f"the certificate of the server is for another name ({error.verify_message})",
            f"write a name that the certificate has in {names.url}",
            permanent=True,
        )
    signer = "itself" if code == _SELF_SIGNED else "an authority that is not trusted"
    reason = f"the certificate of the server is signed by {signer} ({error.verify_message or error.reason})"
    if names.ca_file:
        return NoAnswer(
            f"{reason}; {names.ca_file} does not hold its authority",
            f"set {names.ca_certs} to the file with the authority that signed the certificate",
            permanent=True,
        )
    hint = f"set {names.ca_certs} to the file with the certificate of your authority"
    return NoAnswer(reason, hint, permanent=True)


def _handshake(error: ssl.SSLError, names: AddressSettings) -> NoAnswer:
    name = error.reason or ""
    if name in _PLAIN:
        hint = f"write http:// in {names.url}, or let the server speak TLS"
        return NoAnswer("the server does not speak TLS", hint, permanent=True)
    if any(version in name for version in _VERSIONS):
        return NoAnswer(f"server and client have no version of TLS in common ({name})", "let the server offer TLS 1.2")
    if any(certificate in name for certificate in _CLIENT_CERTIFICATE):
        return NoAnswer(f"the server wants a certificate of the client ({name})", "let it accept clients without one")
    if isinstance(error, ssl.SSLEOFError) or "EOF" in name:
        return NoAnswer("the server closed the connection during the TLS handshake", f"check {names.url}")
    return NoAnswer(f"TLS failed ({name or error})", f"check that the server speaks TLS at {names.url}")


def json_object(body: bytes) -> dict[str, Any] | None:
    """Return the body of an answer if it is a JSON object."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def page_title(body: bytes) -> str:
    """Return the title of an HTML page, without markup and control characters; empty if it has none.

    >>> page_title(b"<html><head><title>502 Bad\\nGateway</title></head>")
    '502 Bad Gateway'
    """
    match = _TITLE.search(body[:_HEAD])
    text = _MARKUP.sub(" ", match[2].decode("utf-8", "replace")) if match else ""
    return _BLANK.sub(" ", text).strip()[:_LONGEST_TITLE]
