"""Requests as they are read: timed from their first byte, refused if ambiguous, answered by the application."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import WSGITask
from waitress.utilities import BadRequest, Error, RequestEntityTooLarge

RECEIVED = "http_serving.received"
"""WSGI key: when the request's first byte arrived, by `time.perf_counter_ns`."""
REFUSAL = "http_serving.refusal"
"""WSGI key: status and reason of a refusal: the request is no valid HTTP, too large, or not meant for this server."""
OWN_ADDRESS = "http_serving.own_address"
"""WSGI key: a function that returns the address of this machine to which the client is connected."""
VERSIONS = ("1.0", "1.1")
TLS_HANDSHAKE = b"\x16"
"""The first byte of a TLS connection (RFC 8446, 5.1)."""
MOST_CHUNK_LINE = 1024
MOST_TRAILER = 8192


class TimedParser(HTTPRequestParser):  # type: ignore[misc]
    """A request with the times at which it and its body began; it has a path even if its first line is broken."""

    command, path, query, request_uri, url_scheme, proxy_netloc = "", "", "", "", "http", ""
    further_environ: Mapping[str, Any] = MappingProxyType({})
    """What else the application must know."""

    def __init__(self, adjustments: Any) -> None:
        super().__init__(adjustments)
        self.received_at = time.perf_counter_ns()
        self.began = time.monotonic()
        self.body_began = 0.0

    def received(self, data: bytes) -> int:
        """Read a part of the request; return how many bytes belong to it."""
        if not self.header_bytes_received and data[:1] == TLS_HANDSHAKE:
            return self._refuse("this is the start of a TLS connection; the server speaks plain HTTP here", len(data))
        consumed: int = super().received(data)
        if self.headers_finished:
            self.body_began = self.body_began or time.monotonic()
            if self.chunked and not self.completed:
                if self._has_endless_line():
                    return self._refuse("a line between two chunks is too long", consumed)
                if self.body_rcv.chunk_remainder > self.adj.max_request_body_size:
                    return self._refuse("a chunk is too large", consumed, RequestEntityTooLarge)
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Read the header; refuse what two servers in a row could read in two ways (RFC 9112, 6.1 and 11.2)."""
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # such as http://[::1, which has a bracket too few
            raise ParsingError("the address in the first line is malformed") from error
        if self.version not in VERSIONS:
            raise ParsingError("the version of HTTP must be 1.0 or 1.1")
        if "TRANSFER_ENCODING" in self.headers:
            raise ParsingError("HTTP/1.0 has no Transfer-Encoding")
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise ParsingError("a request has Content-Length or Transfer-Encoding, not both")
        host = self.headers.get("HOST")
        if self.version != "1.0" and host is None:
            raise ParsingError("the header Host is missing")
        if host and ("," in host or " " in host):
            raise ParsingError("the header Host must name one host")

    def _has_endless_line(self) -> bool:
        body = self.body_rcv
        return len(body.control_line) > MOST_CHUNK_LINE or len(body.trailer) > MOST_TRAILER

    def _refuse(self, reason: str, consumed: int, kind: type[Error] = BadRequest) -> int:
        self.error = kind(reason)
        self.completed = True
        return consumed


class TimedTask(WSGITask):  # type: ignore[misc]
    """The call of the application for one request."""

    def get_environment(self) -> dict[str, Any]:
        """Return the WSGI environment."""
        if self.environ is None:
            environ: dict[str, Any] = super().get_environment()
            environ[RECEIVED] = self.request.received_at
            environ[OWN_ADDRESS] = self.channel.own_address
            if self.request.proxy_netloc:  # the host in the request line is the one that counts (RFC 9112, 3.2.2)
                environ["HTTP_HOST"] = self.request.proxy_netloc
            environ.update(self.request.further_environ)
        return self.environ  # type: ignore[no-any-return]

    def build_response_header(self) -> bytes:
        """Return the header of the answer; a browser must not guess the type of a body."""
        if not any(name.lower() == "x-content-type-options" for name, _value in self.response_headers):
            self.response_headers.append(("X-Content-Type-Options", "nosniff"))
        header: bytes = super().build_response_header()
        return header


class RefusedTask(TimedTask):
    """The answer to a request that cannot be read; the connection ends with it."""

    def execute(self) -> None:
        """Call the application with the refusal."""
        error = self.request.error
        self.get_environment()[REFUSAL] = (error.code, error.body)
        self.channel.refused = True
        self.set_close_on_finish()
        super().execute()
