"""The bytes of a stored state: integers of any size and mappings to integers, as base64 text.

docs/state-blob.md describes the format byte by byte. The bytes are not compressed, because the output of a compressor
depends on its version, and equal states must give equal text on all machines. Most bins need only two bytes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from monitor_agent.metrics.score_histogram import Histogram

_KEY_BITS = 63

_WIDEST = 9
"""Largest number of bytes of an integer that always fits into 64 bits."""


class BlobWriter:
    """Collects values and returns them as text."""

    def __init__(self) -> None:
        self._values: list[int] = []
        self._done: list[bytes] = []

    def integer(self, value: int) -> None:
        """Append an integer of any size and sign."""
        self._values.append(value)

    def bins(self, counts: Histogram) -> None:
        """Append a histogram of arrays; the bytes are those of `histogram`."""
        self._values.append(len(counts))
        self._flush()
        pairs = np.empty(2 * len(counts), dtype=np.uint64)
        pairs[::2] = np.diff(counts.bins, prepend=0)
        pairs[1::2] = counts.counts
        self._done.append(_packed(pairs << np.uint64(1)))

    def scores(self, counts: Histogram) -> None:
        """Append a histogram of single scores: the common zero bits of the keys as a number, then the shifted keys."""
        shift = _zero_bits(counts.bins)
        self._values.append(shift)
        self.bins(Histogram(counts.bins >> shift, counts.counts))

    def histogram(self, counts: Mapping[int, int]) -> None:
        """Append a mapping of integers, without its zero counts."""
        keys = sorted(key for key, count in counts.items() if count)
        self._values.append(len(keys))
        previous = 0
        for key in keys:
            self._values += (key - previous, counts[key])
            previous = key

    def named(self, values: Mapping[str, int]) -> None:
        """Append a mapping of names to integers, without its zeros."""
        names = sorted(name for name, value in values.items() if value)
        self._values.append(len(names))
        for name in names:
            # Without the leading 1, an empty name and zero bytes at its start would be lost.
            self._values += (int.from_bytes(b"\1" + name.encode(), "big"), values[name])

    def text(self) -> str:
        """Return the appended values as base64."""
        self._flush()
        return base64.b64encode(b"".join(self._done)).decode("ascii")

    def _flush(self) -> None:
        self._done += [_SHORT[value] if 0 <= value < len(_SHORT) else _bytes(value) for value in self._values]
        self._values.clear()


class BlobReader:
    """Reads what `BlobWriter` wrote, in the same order.

    Parameters
    ----------
    integers, values : the same integers; an integer that does not fit into 64 bits is right only in `values`.

    Raises
    ------
    ValueError
        By its methods, if the state ends too early or a name is damaged.
    """

    def __init__(self, integers: npt.NDArray[np.int64], values: list[int]) -> None:
        self._integers = integers
        self._values = values
        self._at = 0

    @property
    def finished(self) -> bool:
        """Whether everything has been read."""
        return self._at == len(self._values)

    def integer(self) -> int:
        """Return the next integer."""
        if self.finished:
            raise ValueError("the state is cut short")
        self._at += 1
        return self._values[self._at - 1]

    def histogram(self) -> dict[int, int]:
        """Return the next mapping of integers."""
        pairs = self._take(2 * self.integer())
        return dict(zip(accumulate(pairs[::2]), pairs[1::2], strict=True))

    def bins(self) -> Histogram:
        """Return the next mapping of integers, as arrays."""
        size = 2 * self.integer()
        start = self._at
        self._take(size)
        pairs = self._integers[start : start + size]
        return Histogram(np.cumsum(pairs[::2]), pairs[1::2])

    def scores(self) -> Histogram:
        """Return the next histogram of single scores."""
        shift = self.integer()
        if not 0 <= shift < _KEY_BITS:
            raise ValueError(f"the keys of single scores cannot be shifted by {shift} bits")
        histogram = self.bins()
        return Histogram(histogram.bins << shift, histogram.counts)

    def named(self) -> dict[str, int]:
        """Return the next mapping of names."""
        pairs = self._take(2 * self.integer())
        return dict(zip(map(_name, pairs[::2]), pairs[1::2], strict=True))

    def _take(self, size: int) -> list[int]:
        end = self._at + size
        if size < 0 or end > len(self._values):
            raise ValueError("the state is cut short")
        values = self._values[self._at : end]
        self._at = end
        return values


def _zero_bits(keys: npt.NDArray[np.int64]) -> int:
    """Return the number of the lowest bits that are 0 in all keys."""
    together = int(np.bitwise_or.reduce(keys))
    return (together & -together).bit_length() - 1 if together else 0


def readers(texts: Sequence[str]) -> list[BlobReader]:
    """Return the readers of texts; decoding them together costs far less than one by one."""
    raws = [_raw(text) for text in texts]
    if not raws:
        return []
    integers, values, ends = _integers(b"".join(raws))
    bounds = np.searchsorted(ends, np.cumsum([len(raw) for raw in raws])).tolist()
    return [BlobReader(integers[start:end], values[start:end]) for start, end in pairwise([0, *bounds])]


def _raw(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("a state must be base64 text") from error
    if not raw or raw[-1] > 0x7F:
        raise ValueError("the state is cut short")
    return raw


def _bytes(value: int) -> bytes:
    rest = value << 1 if value >= 0 else (-value << 1) - 1
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


_SHORT = tuple(_bytes(value) for value in range(4096))


def _packed(values: npt.NDArray[np.uint64]) -> bytes:
    """Return the bytes of integers below 2**63."""
    sizes = np.ones(len(values), dtype=np.int64)
    for bits in range(7, 64, 7):
        sizes += values >= np.uint64(1 << bits)
    ends = np.cumsum(sizes)
    places = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - sizes, sizes)
    groups = (np.repeat(values, sizes) >> (np.uint64(7) * places.astype(np.uint64))).astype(np.uint8) & np.uint8(0x7F)
    groups |= np.uint8(0x80)
    groups[ends - 1] &= np.uint8(0x7F)
    raw: bytes = groups.tobytes()
    return raw


def _integers(raw: bytes) -> tuple[npt.NDArray[np.int64], list[int], npt.NDArray[np.int64]]:
    """Return the integers, twice (see `BlobReader`), and the place of the last byte of each."""
    data = np.frombuffer(raw, np.uint8)
    ends = np.flatnonzero(data < 0x80)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    places: npt.NDArray[np.uint64] = (np.arange(data.size) - np.repeat(starts, lengths)).astype(np.uint64)
    groups = (data & 0x7F).astype(np.uint64) << (np.uint64(7) * np.minimum(places, np.uint64(_WIDEST - 1)))
    # Odd numbers are negative: 0, -1, 1, -2, ...
    folded = np.add.reduceat(groups, starts)
    halves = (folded >> np.uint64(1)).astype(np.int64)
    integers = np.where(folded & np.uint64(1), -halves - 1, halves)
    values: list[int] = integers.tolist()
    wide = np.flatnonzero(lengths > _WIDEST)
    if wide.size:
        low = np.add.reduceat(np.where(places < _WIDEST, groups, np.uint64(0)), starts)[wide].tolist()
        nine = np.uint64(_WIDEST)
        # Sums of a window fit into two words; a wider integer, such as a long name, is read byte by byte.
        above = np.where(places < _WIDEST, np.uint64(0), data & 0x7F).astype(np.uint64)
        high = np.add.reduceat(above << (np.uint64(7) * (np.maximum(places, nine) - nine)), starts)[wide]
        for index, first, second in zip(wide.tolist(), low, high.tolist(), strict=True):
            whole = raw[int(starts[index]) : int(ends[index]) + 1]
            values[index] = _unfolded(first | second << (7 * _WIDEST)) if len(whole) <= 2 * _WIDEST else _integer(whole)
    return integers, values, ends


def _integer(raw: bytes) -> int:
    return _unfolded(sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(raw)))


def _unfolded(value: int) -> int:
    return -((value + 1) >> 1) if value & 1 else value >> 1


def _name(value: int) -> str:
    raw = value.to_bytes((max(value, 0).bit_length() + 7) // 8, "big") if value > 0 else b""
    if raw[:1] != b"\1":
        raise ValueError("the state holds an integer that is no name")
    return raw[1:].decode()
