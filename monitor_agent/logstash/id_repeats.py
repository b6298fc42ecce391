"""How many ids were there before, in bounded memory: many ids go to temporary files."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from typing import BinaryIO

BUCKETS = 64
DIGEST_BYTES = 12
MOST_BYTES_IN_MEMORY = 8 * 1024 * 1024


class IdRepeats:
    """Counts the ids that repeat an earlier id of the same index.

    >>> with IdRepeats() as repeats:
    ...     for identifier in ("a", "b", "a"):
    ...         repeats.add("index", identifier)
    ...     repeats.count()
    1
    """

    def __init__(self) -> None:
        self._buckets = [bytearray() for _ in range(BUCKETS)]
        self._bytes = 0
        self._resources = contextlib.ExitStack()
        self._files: list[BinaryIO] = []

    def __enter__(self) -> IdRepeats:
        """Return the counter."""
        return self

    def __exit__(self, *_: object) -> None:
        """Delete the temporary files."""
        self._resources.close()

    def add(self, index: str, identifier: str) -> None:
        """Note an id."""
        text = f"{index}\0{identifier}".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest()
        self._buckets[digest[0] % BUCKETS] += digest
        self._bytes += DIGEST_BYTES
        if self._bytes >= MOST_BYTES_IN_MEMORY:
            self._write()

    def count(self) -> int:
        """Return the number of repeats."""
        repeats = 0
        for number, bucket in enumerate(self._buckets):
            content = bytes(bucket)
            if self._files:
                self._files[number].seek(0)
                content = self._files[number].read() + content
            digests = {content[start : start + DIGEST_BYTES] for start in range(0, len(content), DIGEST_BYTES)}
            repeats += len(content) // DIGEST_BYTES - len(digests)
        return repeats

    def _write(self) -> None:
        if not self._files:
            files = (tempfile.TemporaryFile(prefix="model-monitor-") for _ in range(BUCKETS))  # noqa: SIM115
            self._files = [self._resources.enter_context(file) for file in files]
        for file, bucket in zip(self._files, self._buckets, strict=True):
            file.write(bucket)
            bucket.clear()
        self._bytes = 0
