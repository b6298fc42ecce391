"""UUIDs of version 7 (RFC 9562): create one for the time of an event, and read the time of one."""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta, timezone

from monitor_agent.contracts.identifiers import canonical

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
_VARIANTS = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
"""The digit of the variant has two random bits: those of a random digit."""

_TIMED = re.compile("([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_RANDOM = re.compile("(...)(.)(...)(............).")


def make(moment: datetime) -> str:
    """Return a new UUIDv7 whose first 48 bits are `moment` in milliseconds since 1970; 74 bits are random.

    Raises
    ------
    ValueError
        If the moment is before 1970.

    >>> time_of(make(datetime(2026, 11, 23, 10, 0, 0, 123456, tzinfo=timezone.utc))).isoformat()
    '2026-11-23T10:00:00.123000+00:00'
    """
    return make_several(moment, 1)[0]


def make_several(moment: datetime, count: int) -> list[str]:
    """Return new UUIDv7 of one moment, as `make` does.

    Raises
    ------
    ValueError
        If the moment is before 1970.
    """
    milliseconds = (moment - _EPOCH) // _MILLISECOND
    if not 0 <= milliseconds < 1 << 48:
        raise ValueError(f"{moment.isoformat()} is outside the range of a UUIDv7")
    time_digits = f"{milliseconds:012x}"
    start = f"{time_digits[:8]}-{time_digits[8:]}-7"
    # 20 random digits an id, of which 19 are used.
    digits = _RANDOM.findall(os.urandom(10 * count).hex())
    return [f"{start}{first}-{_VARIANTS[variant]}{second}-{last}" for first, variant, second, last in digits]


def of_digest(moment: datetime, digest: bytes) -> str:
    """Return the UUIDv7 of a moment whose other 74 bits are those of a digest: the same input gives the same id.

    Parameters
    ----------
    digest : 10 bytes or more.

    Raises
    ------
    ValueError
        If the moment is before 1970.

    >>> of_digest(datetime(2026, 11, 23, tzinfo=timezone.utc), bytes(10))
    '01a205b3-d000-7000-8000-000000000000'
    """
    milliseconds = (moment - _EPOCH) // _MILLISECOND
    if not 0 <= milliseconds < 1 << 48:
        raise ValueError(f"{moment.isoformat()} is outside the range of a UUIDv7")
    time_digits, digits = f"{milliseconds:012x}", digest[:10].hex()
    start = f"{time_digits[:8]}-{time_digits[8:]}-7{digits[:3]}"
    return f"{start}-{_VARIANTS[digits[3]]}{digits[4:7]}-{digits[7:19]}"


def time_of(identifier: str) -> datetime | None:
    """Return the time (UTC, milliseconds) in a UUIDv7, in any case and in braces; None for any other text.

    >>> time_of("{019AB0A5-9D7B-7C3E-8A51-6F2B9D1C4E70}") == time_of("019ab0a5-9d7b-7c3e-8a51-6f2b9d1c4e70")
    True
    """
    match = _TIMED.fullmatch(canonical(identifier))
    if match is None:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=int(match[1] + match[2], 16))
    except OverflowError:
        return None
