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
from monitor_agent.http_client.connections import AnswerTooLargeError, AnswerTooSlowError, is_wrong_name, names_of
from monitor_agent.http_client.proxies import stated_proxies

_TITLE = re.compile(rb"<(title|h1)[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_MARKUP = re.compile(r"<[^>]*>")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_OS_ERROR = re.compile(r"\[Errno -?\d+\] ([^\[)'\"]+)")
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})(?: (.*))?")
_LONGEST_TITLE = 100
_LONGEST_REASON = 200
_HEAD = 10_000
"""Bytes of a page that are searched for its title."""
_EXPIRED, _NOT_YET_VALID = 10, 9
_SELF_SIGNED, _SELF_SIGNED_IN_CHAIN = 18, 19
_NO_AUTHORITY = (2, _SELF_SIGNED, _SELF_SIGNED_IN_CHAIN, 20, 21)
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
    seconds : the longest wait for an answer; 0 = not known.
    """

    url: str
    ca_certs: str
    ca_file: str = ""
    seconds: float = 0.0


ELASTICSEARCH = AddressSettings("ELASTICSEARCH_URL", "ELASTICSEARCH_CA_CERTS")
CHECK_ELASTICSEARCH = "check that Elasticsearch runs and that ELASTICSEARCH_URL is right"
CHECK_PROXY_VARIABLES = "check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
CHECK_PROXY = "check ELASTICSEARCH_URL and the proxy between"
CHECK_USER = "check ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD, or ELASTICSEARCH_API_KEY, or the address's user"


def failure_of(error: BaseException, names: AddressSettings = ELASTICSEARCH) -> NoAnswer:
    """Return why a request failed, by the innermost of the errors that wrap each other."""
    inner = innermost(error)
    if isinstance(inner, AnswerTooLargeError):
        return NoAnswer(str(inner), f"check {names.url}: Elasticsearch and Kibana send no such answers", permanent=True)
    if _is_of_proxy(error) and not isinstance(inner, ssl.SSLError):
        return _proxy(inner)
    if isinstance(inner, ssl.SSLCertVerificationError):
        return _certificate(inner, names)
    if isinstance(inner, ssl.SSLError):
        return _handshake(inner, names)
    if isinstance(inner, socket.gaierror):
        return NoAnswer("no answer (the name of the host is unknown)", f"check {names.url} and the name server (DNS)")
    if isinstance(inner, AnswerTooSlowError):
        return NoAnswer(str(inner), f"check {names.url}, the network and the proxy between")
    if isinstance(inner, TimeoutError) or "timed out" in str(inner):
        limit = f"within {names.seconds:g} s" if names.seconds else "in time"
        return NoAnswer(f"no answer {limit}", f"check {names.url}, the firewall and the proxy between")
    if isinstance(inner, (http.client.RemoteDisconnected, http.client.BadStatusLine, http.client.IncompleteRead)):
        return NoAnswer("no answer (the server closed the connection without one)", _maybe_tls(names))
    if isinstance(inner, ConnectionResetError | BrokenPipeError):
        return NoAnswer(f"no answer ({_system_text(inner)})", _maybe_tls(names))
    return NoAnswer(f"no answer ({_system_text(inner)})")


def _maybe_tls(names: AddressSettings) -> str:
    return f"check that the server runs; if it speaks TLS, write https:// in {names.url}"


def _system_text(error: BaseException) -> str:
    system = _OS_ERROR.search(str(error))
    text = getattr(error, "strerror", None) or (system[1] if system else "") or str(error) or type(error).__name__
    return _BLANK.sub(" ", mask_credentials(str(text))).strip()[:_LONGEST_REASON]


def innermost(error: BaseException) -> BaseException:
    """Return the error at the root of others, as far as it says more than they do."""
    return wrapped_errors(error)[-1]


def wrapped_errors(error: BaseException) -> list[BaseException]:
    """Return an error and those that it wraps, the outermost first."""
    errors = [error]
    while (inner := _inner(errors[-1])) is not None and inner not in errors:
        errors.append(inner)
    return errors


def _is_of_proxy(error: BaseException) -> bool:
    """Return whether the way to a proxy, or the proxy itself, has failed: each library has its own such error."""
    return any(type(wrapped).__name__ == "ProxyError" for wrapped in wrapped_errors(error))


def _proxy(inner: BaseException) -> NoAnswer:
    refused = _TUNNEL.search(str(inner))
    named = "".join(f"{proxy} " for proxy in stated_proxies())
    if refused and refused[1] == "407":
        hint = "write http://user:password@host:port in HTTPS_PROXY"
        return NoAnswer("the proxy wants a login (407)", hint)
    if refused:
        status = f"{refused[1]} {page_title(f'<title>{refused[2]}</title>'.encode())}".strip()
        return NoAnswer(f"the proxy {named}does not connect to the server ({status})", CHECK_PROXY_VARIABLES)
    reason = "its name is unknown" if isinstance(inner, socket.gaierror) else _system_text(inner)
    return NoAnswer(f"the proxy {named}does not answer ({reason})", CHECK_PROXY_VARIABLES)


def _inner(error: BaseException) -> BaseException | None:
    """Return the error that an error wraps: Python's own chain, or what urllib and urllib3 use."""
    if isinstance(error, AnswerTooSlowError):
        return None
    stated = (getattr(error, "reason", None), *error.args)
    wrapped = next((argument for argument in stated if isinstance(argument, BaseException)), None)
    return error.__cause__ or error.__context__ or wrapped


def _for(names: str) -> str:
    return f": it is for {names}" if names else ""


def _certificate(error: ssl.SSLCertVerificationError, names: AddressSettings) -> NoAnswer:
    code = error.verify_code
    if code == _EXPIRED:
        return NoAnswer("the certificate of the server has expired", "renew the certificate", permanent=True)
    if code == _NOT_YET_VALID:
        hint = "correct the clock of this machine, or renew the certificate"
        return NoAnswer("the certificate of the server is not valid yet", hint, permanent=True)
    if is_wrong_name(error):
        return NoAnswer(
            f"the certificate of the server is for another name{_for(names_of(error))} ({error.verify_message})",
            f"write a name that the certificate has in {names.url}",
            permanent=True,
        )
    if code not in _NO_AUTHORITY:  # such as one for clients, or with a key that is too short
        reason = f"the certificate of the server cannot be used ({error.verify_message or error.reason})"
        return NoAnswer(reason, "let the server have another certificate", permanent=True)
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
        return NoAnswer(
            f"server and client have no version or cipher of TLS in common ({name})", "let the server offer TLS 1.2"
        )
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
