"""When certificates end, read from their files: the standard library shows only those of other servers (pure)."""

from __future__ import annotations

import re
import ssl
from datetime import datetime, timedelta, timezone

from monitor_agent.http_serving.server_warning import ServerWarning
from monitor_agent.vocabulary.counted_nouns import counted

SOON = timedelta(days=14)
RENEW = "renew it; no restart is needed"
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_VERSION, _SHORT_TIME = 0xA0, 0x17
_LONG_LENGTH = 0x80


def end_of(pem: bytes) -> datetime | None:
    """Return when the first certificate of a file ends to be valid (UTC); None if the file has none that can be read.

    Parameters
    ----------
    pem : the file: the server's certificate, and those between it and its authority.
    """
    ends = []
    for block in _BLOCK.findall(pem.decode("ascii", "replace")):
        try:
            ends.append(_not_after(ssl.PEM_cert_to_DER_cert(block)))
        except (ValueError, IndexError):
            continue
    return min(ends, default=None)


def expiry_warning(end: datetime | None, setting: str, now: datetime) -> ServerWarning | None:
    """Return what to say about the end of a certificate; None if it is far away, or unknown.

    Parameters
    ----------
    setting : the setting and the file, such as `DASHBOARDS_TLS_CERT=/etc/tls.crt`.

    >>> day = datetime(2026, 12, 1, tzinfo=timezone.utc)
    >>> print(expiry_warning(day + timedelta(days=3, hours=5), "DASHBOARDS_TLS_CERT=/etc/tls.crt", day))
    DASHBOARDS_TLS_CERT=/etc/tls.crt expires in 3 days, on 2026-12-04: renew it; no restart is needed
    >>> print(expiry_warning(day, "DASHBOARDS_TLS_CERT=/etc/tls.crt", day))
    DASHBOARDS_TLS_CERT=/etc/tls.crt has expired on 2026-12-01, and clients refuse it: renew it; no restart is needed
    """
    if end is None or end - now >= SOON:
        return None
    left = end - now
    if left <= timedelta():
        return ServerWarning(f"{setting} has expired on {end:%Y-%m-%d}, and clients refuse it", RENEW)
    time = counted(left.days, "day") if left.days > 1 else counted(max(1, round(left.total_seconds() / 3600)), "hour")
    return ServerWarning(f"{setting} expires in {time}, on {end:%Y-%m-%d}", RENEW)


def _not_after(der: bytes) -> datetime:
    """Return the end of `validity` (RFC 5280, 4.1) of a certificate in DER."""
    _, certificate, _ = _element(der, 0)
    _, at, _ = _element(der, certificate)  # tbsCertificate
    tag, _, after_version = _element(der, at)
    if tag == _VERSION:
        at = after_version
    for _ in ("serialNumber", "signature", "issuer"):
        _, _, at = _element(der, at)
    _, validity, _ = _element(der, at)
    _, _, at = _element(der, validity)
    tag, start, end = _element(der, at)
    text = der[start:end].decode("ascii")
    if tag == _SHORT_TIME:  # two digits of the year: 50 is 1950, 49 is 2049
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """Return tag, start and end of the content of the element at a place."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length & _LONG_LENGTH:
        size = length & ~_LONG_LENGTH
        length, start = int.from_bytes(der[start : start + size], "big"), start + size
    return tag, start, start + length
