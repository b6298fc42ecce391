"""Bodies of HTTP requests: read in chunks, expanded within a limit, decoded to text."""

from __future__ import annotations

import codecs
import zlib
from email.message import Message
from io import BufferedIOBase

GZIP, ZLIB, RAW_DEFLATE = 31, 15, -15
"""Forms of compressed data, as `zlib` numbers them."""
LONGEST_CHUNK_HEAD = 1024
_NO_CHARSETS = frozenset(("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"))
"""Python's charsets that no sender of events means."""


class BodyError(Exception):
    """Raised for a body that cannot be accepted; `status` is the answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def read_body(stream: BufferedIOBase, headers: Message, most: int) -> bytes:
    """Return the body of a request, of at most `most` bytes.

    Raises
    ------
    BodyError
        If it is too large, has no length, or ends early.
    """
    if "chunked" in headers.get("Transfer-Encoding", "").lower():
        return _read_chunks(stream, most)
    length = headers.get("Content-Length", "")
    if not (length.isascii() and length.isdigit()):
        raise BodyError(411)
    if int(length) > most:
        raise BodyError(413)
    return _read_exactly(stream, int(length))


def expanded(body: bytes, encoding: str, most: int) -> bytes:
    """Return the body without its `Content-Encoding`; other encodings than gzip and deflate stay.

    Raises
    ------
    BodyError
        If it is malformed, or has more than `most` bytes.
    """
    name = encoding.strip().lower().removeprefix("x-")
    if name == "gzip":
        form = GZIP
    elif name == "deflate":
        form = ZLIB if _is_zlib(body) else RAW_DEFLATE
    else:
        return body
    content = bytearray()
    while body:
        inflater = zlib.decompressobj(form)
        try:
            content += inflater.decompress(body, most + 1 - len(content))
        except zlib.error:
            raise BodyError(400) from None
        if len(content) > most:
            raise BodyError(413)
        if not inflater.eof:
            raise BodyError(400)
        body = inflater.unused_data
    return bytes(content)


def text_of_body(body: bytes, charset: str | None) -> str:
    """Return the text; bytes that are no character become U+FFFD, and an unknown charset counts as UTF-8.

    >>> text_of_body(b"caf\\xe9", "ISO-8859-1"), text_of_body(b"caf\\xe9", None)
    ('café', 'caf\\ufffd')
    """
    try:
        if charset is not None and codecs.lookup(charset).name not in _NO_CHARSETS:
            return body.decode(charset, "replace")
    except (LookupError, ValueError):
        pass
    return body.decode("utf-8", "replace")


def _is_zlib(body: bytes) -> bool:
    return len(body) >= 2 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0


def _read_chunks(stream: BufferedIOBase, most: int) -> bytes:
    body = bytearray()
    while True:
        head = stream.readline(LONGEST_CHUNK_HEAD)
        try:
            size = int(head.split(b";")[0], 16)
        except ValueError:
            raise BodyError(400) from None
        if size < 0:
            raise BodyError(400)
        if len(body) + size > most:
            raise BodyError(413)
        body += _read_exactly(stream, size)
        ending = stream.readline(LONGEST_CHUNK_HEAD).strip()
        if size == 0:
            while ending:  # trailing headers
                ending = stream.readline(LONGEST_CHUNK_HEAD).strip()
            return bytes(body)
        if ending:
            raise BodyError(400)


def _read_exactly(stream: BufferedIOBase, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise BodyError(400)
    return data
