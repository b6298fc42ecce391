"""Compressed answers: gzip where the client takes it and the answer is worth it."""

from __future__ import annotations

import gzip
from functools import lru_cache

from flask import Flask, Response, request

SMALLEST = 1024
LEVEL = 5
TYPES = ("text/", "application/json", "application/javascript", "image/svg+xml")


STREAMED = "text/csv"
"""Files of all rows of a table are sent while they are read: they may be large."""


def register(app: Flask) -> None:
    """Compress the answers of an application."""
    app.after_request(compress)


def compress(response: Response) -> Response:
    """Return an answer, compressed if the client takes gzip and it is a text that is not short."""
    if not (response.mimetype or "").startswith(TYPES) or "Content-Encoding" in response.headers:
        return response
    if response.mimetype == STREAMED:
        return response
    response.vary.add("Accept-Encoding")
    length = response.content_length
    if response.status_code != 200 or request.method == "HEAD" or (length is not None and length < SMALLEST):
        return response
    if not request.accept_encodings.quality("gzip"):
        return response
    response.direct_passthrough = False
    content = response.get_data()
    tag, _weak = response.get_etag()
    response.set_data(_stored(tag, content) if tag else gzip.compress(content, LEVEL, mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    if tag:  # the same content in another form
        response.set_etag(tag, weak=True)
    return response


@lru_cache(maxsize=32)
def _stored(tag: str, content: bytes) -> bytes:
    """Return a compressed file; files are compressed once."""
    del tag
    return gzip.compress(content, LEVEL, mtime=0)
