"""The bytes of a stored state: integers of any size and mappings to integers, as base64 text.

Variable-length integers (LEB128 after a zigzag for the sign), sorted keys as differences. Not compressed: a
compressor's output depends on its version, and equal states must give equal text on every machine; bins are mostly
two bytes each, so little would be gained.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping


class Writer:
    """Appends values and gives them as text."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def integer(self, value: int) -> None:
        """Append an integer of any size and sign."""
        rest = value << 1 if value >= 0 else (-value << 1) - 1
        while rest > 0x7F:
            self._bytes.append(rest & 0x7F | 0x80)
            rest >>= 7
        self._bytes.append(rest)

    def histogram(self, counts: Mapping[int, int]) -> None:
        """Append a mapping of integers, without its zero counts."""
        kept = sorted(key for key, count in counts.items() if count)
        self.integer(len(kept))
        previous = 0
        for key in kept:
            self.integer(key - previous)
            self.integer(counts[key])
            previous = key

    def named(self, values: Mapping[str, int]) -> None:
        """Append a mapping of names to integers, without its zeros."""
        kept = sorted(name for name, value in values.items() if value)
        self.integer(len(kept))
        for name in kept:
            raw = name.encode()
            self.integer(len(raw))
            self._bytes += raw
            self.integer(values[name])

    def text(self) -> str:
        """All that was appended, as base64."""
        return base64.b64encode(bytes(self._bytes)).decode("ascii")


class Reader:
    """Reads what `Writer` wrote, in the same order; ValueError when the text is not such."""

    def __init__(self, text: str) -> None:
        try:
            self._bytes = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError("a state must be base64 text") from error
        self._at = 0

    @property
    def finished(self) -> bool:
        """Whether everything has been read."""
        return self._at == len(self._bytes)

    def integer(self) -> int:
        """The next integer."""
        value = shift = 0
        while True:
            byte = self._take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return -((value + 1) >> 1) if value & 1 else value >> 1

    def histogram(self) -> dict[int, int]:
        """The next mapping of integers."""
        counts: dict[int, int] = {}
        key = 0
        for _ in range(self.integer()):
            key += self.integer()
            counts[key] = self.integer()
        return counts

    def named(self) -> dict[str, int]:
        """The next mapping of names."""
        values: dict[str, int] = {}
        for _ in range(self.integer()):
            name = self._take(self.integer()).decode()
            values[name] = self.integer()
        return values

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if size < 0 or end > len(self._bytes):
            raise ValueError("the state is cut short")
        taken = self._bytes[self._at : end]
        self._at = end
        return taken
