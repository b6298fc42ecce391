"""The verdict on drift, from whichever windows have enough values (pure).

A large model has enough values every hour, a small one every day. One hour may be odd: two of the newest three decide.
If the base windows of a model are longer than an hour, they take the place of the hours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor_agent.durations import parse_duration

HOURS, OF = 2, 3


def newest_since(size: str, newest: datetime) -> datetime:
    """Return the earliest start of the newest windows of the smallest size; one of them may be missing.

    >>> newest_since("6h", datetime(2026, 11, 24)).isoformat()
    '2026-11-23T00:00:00'
    """
    return newest - (OF + 1) * parse_duration(size)


@dataclass(frozen=True)
class DriftRow:
    """The drift of one window of a version: the share of scores, labels and features that have drifted."""

    version: str
    size: str
    start: datetime
    share: float


def drift_by_version(rows: Iterable[DriftRow], sizes: Sequence[str], newest: datetime) -> dict[str, dict[str, Any]]:
    """Return the fields of the verdict of each version that has drift measured.

    Parameters
    ----------
    sizes : the sizes of windows, the smallest first: the first one that is measured decides.
    newest : the end of the time that is judged; the smallest windows count if they are among the newest.

    >>> from datetime import timedelta
    >>> at = datetime(2026, 11, 23)
    >>> hours = [DriftRow("1", "1h", at + timedelta(hours=hour), share) for hour, share in enumerate((0.6, 0.2, 0.5))]
    >>> drift_by_version(hours, ["1h", "1d"], at + timedelta(hours=3))
    {'1': {'drift_share': 0.5, 'drift_window': '1h'}}
    """
    by_group: dict[tuple[str, str], list[DriftRow]] = {}
    for row in rows:
        if row.size != sizes[0] or row.start >= newest_since(sizes[0], newest):
            by_group.setdefault((row.version, row.size), []).append(row)
    verdicts: dict[str, dict[str, Any]] = {}
    for version in {version for version, _ in by_group}:
        for size in sizes:
            newest_rows = sorted(by_group.get((version, size), ()), key=lambda row: row.start)[-OF:]
            if size == sizes[0] and len(newest_rows) >= HOURS:
                share = sorted(row.share for row in newest_rows)[-HOURS]
            elif size != sizes[0] and newest_rows:
                share = newest_rows[-1].share
            else:
                continue
            verdicts[version] = {"drift_share": share, "drift_window": size}
            break
    return verdicts
