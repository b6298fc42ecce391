"""Connections of HTTP clients: answers are bounded in size and time, and a certificate for other names tells them."""

from __future__ import annotations

import contextlib
import http.client
import io
import re
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

LONGEST_ANSWER = 200_000_000
"""Bytes of an answer, header included, that are read at most."""
RATE = 100_000
"""An answer may take one second more for so many bytes that come."""
LONGEST_SECONDS = 300.0
_DEFAULT_SECONDS = 60.0
_LOOK_SECONDS = 5.0
_WRONG_NAME = (62, 64)
_SUBJECT_ALTERNATIVE_NAMES = bytes.fromhex("0603551d11")
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87
_MOST_NAMES = 5


class AnswerTooLargeError(OSError):
    """Raised if an answer has more bytes than a client reads."""


class AnswerTooSlowError(TimeoutError):
    """Raised if an answer has begun, but does not end in time."""


class ProxyError(OSError):
    """Raised if a proxy cannot be reached, or does not connect to the server."""


class _BoundedStream(io.RawIOBase):
    """What a server sends, up to a number of bytes and seconds."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._file = connection.makefile("rb", buffering=0)
        self._patience = connection.gettimeout()
        self._began = time.monotonic()
        self._count = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what is there; wait for the first bytes.

        Raises
        ------
        AnswerTooLargeError
            If there are too many bytes.
        AnswerTooSlowError
            If they have come too slowly.
        """
        patience = _DEFAULT_SECONDS if self._patience is None else self._patience
        allowed = min(patience + self._count / RATE, max(patience, LONGEST_SECONDS))
        left = self._began + allowed - time.monotonic()
        late = AnswerTooSlowError(f"the answer did not end within {allowed:.0f} s")
        if left <= 0:
            raise late
        self._connection.settimeout(min(patience, left))
        try:
            count = self._file.readinto(buffer)
        except TimeoutError as error:
            if self._count and left < patience:
                raise late from error
            raise
        finally:
            self._connection.settimeout(self._patience)
        self._count += count or 0
        if self._count > LONGEST_ANSWER:
            raise AnswerTooLargeError(f"the answer has more than {LONGEST_ANSWER // 1_000_000} MB")
        return int(count) if count is not None else None

    def close(self) -> None:
        """Give the connection back."""
        self._file.close()
        super().close()


class BoundedResponse(http.client.HTTPResponse):
    """An answer of bounded size and time, its header included."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_BoundedStream(sock))


class HttpConnection(http.client.HTTPConnection):
    """A connection of urllib with bounded answers."""

    response_class = BoundedResponse


class HttpsConnection(http.client.HTTPSConnection):
    """A TLS connection of urllib with bounded answers."""

    response_class = BoundedResponse

    def connect(self) -> None:
        """Connect; an error about the name in the certificate tells the names that it has."""
        with noting_names(self.host, self.port, proxied=bool(getattr(self, "_tunnel_host", None))):
            super().connect()


@contextlib.contextmanager
def noting_names(host: str, port: int | None, *, proxied: bool) -> Iterator[None]:
    """Let an error about the name in a certificate tell the names that the certificate has (`names_of` reads them)."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        if is_wrong_name(error) and not proxied:
            with contextlib.suppress(OSError, ValueError, IndexError):
                error.certificate_names = _presented_names(host.strip("[]"), port or 443)  # type: ignore[attr-defined]
        raise


def is_wrong_name(error: BaseException) -> bool:
    """Return whether an error is about the name in a certificate."""
    return isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _WRONG_NAME


def names_of(error: ssl.SSLCertVerificationError) -> str:
    """Return the names in the certificate that an error is about, for a message; empty if they are not known."""
    names: list[str] = getattr(error, "certificate_names", [])
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _presented_names(host: str, port: int) -> list[str]:
    """Return the names in the certificate of a server, which are for messages only: nothing is verified or sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((host, port), _LOOK_SECONDS) as connection,
        context.wrap_socket(connection, server_hostname=host) as secured,
    ):
        return alternative_names(secured.getpeercert(binary_form=True) or b"")


def alternative_names(certificate: bytes) -> list[str]:
    """Return the DNS names and IP addresses of a certificate.

    Parameters
    ----------
    certificate : in the form DER. Source of the structure: RFC 5280, 4.2.1.6.
    """
    start = certificate.find(_SUBJECT_ALTERNATIVE_NAMES)
    if start < 0:
        return []
    position = start + len(_SUBJECT_ALTERNATIVE_NAMES)
    if certificate[position] == 0x01:  # whether the extension is critical
        position += 3
    names = []
    for tag, value in _elements(_value(_value(certificate, position), 0)):
        if tag == _DNS_NAME:
            names.append(re.sub(r"[^A-Za-z0-9.*_-]", "?", value.decode("latin-1")))
        elif tag == _IP_ADDRESS and len(value) in (4, 16):
            names.append(socket.inet_ntop(socket.AF_INET if len(value) == 4 else socket.AF_INET6, value))
    return names


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and value of each element of a sequence."""
    position = 0
    while position < len(content):
        begin, end = _bounds(content, position)
        yield content[position], content[begin:end]
        position = end


def _value(content: bytes, position: int) -> bytes:
    begin, end = _bounds(content, position)
    return content[begin:end]


def _bounds(content: bytes, position: int) -> tuple[int, int]:
    """Return begin and end of the value of the element at a place."""
    length = content[position + 1]
    begin = position + 2
    if length & 0x80:
        size = length & 0x7F
        length, begin = int.from_bytes(content[begin : begin + size], "big"), begin + size
    return begin, begin + length
