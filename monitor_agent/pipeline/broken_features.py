"""The features that are broken, from whichever windows have enough predictions (pure).

Two of the newest three hours decide, or one if half of the predictions or more are concerned. What is too small for
an hour of few predictions is seen in these three hours together, or in the newest day; a day counts unless the newest
hours are sound again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor_agent.contracts.model_names import ALL_VERSIONS
from monitor_agent.metrics.data_quality import CONSTANT, MISSING, NEW_CATEGORY, OUT_OF_RANGE, STALE, WRONG_TYPE
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.drift_verdicts import HOURS, OF, newest_since

GROSS = 0.6
"""One hour is enough if the share is this far above that of the reference."""

STILL = 0.5
"""What broke in the newest day is broken still if this part of it remains in the newest hours."""

MOST_FEATURES = 5
"""So many features are named."""

_WORDS = {
    MISSING: "{share} missing",
    OUT_OF_RANGE: "{share} out of the reference's range",
    NEW_CATEGORY: "{share} with a category that the reference does not have",
    WRONG_TYPE: "{share} refused as no number",
    STALE: "{share} more than twice as old as usual",
    CONSTANT: "constant",
}


@dataclass(frozen=True)
class BrokenWindow:
    """A check of a feature that broke in one window of a version.

    Attributes
    ----------
    share, reference : the share of the predictions that are concerned, and that of the reference.
    """

    version: str
    size: str
    start: datetime
    feature: str
    check: str
    share: float
    reference: float


@dataclass(frozen=True)
class BrokenFeature:
    """A feature that is broken: its worst check, and the start of the first window that broke without a gap."""

    feature: str
    check: str
    share: float
    reference: float
    since: datetime
    version: str = ""

    def content(self) -> dict[str, Any]:
        """Return the entry of a verdict."""
        return {**vars(self), "since": instants.text(self.since)}

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> BrokenFeature:
        """Return the feature that `content` wrote."""
        return cls(**{**content, "since": instants.parse(content["since"])})

    @property
    def name(self) -> str:
        """Its name, without its kind."""
        return self.feature.partition(".")[2] or self.feature

    def sentence(self) -> str:
        """Return what is wrong with it.

        >>> at = datetime.fromisoformat("2026-11-23T10:00:00+00:00")
        >>> BrokenFeature("numeric.price", "missing", 0.34, 0.0, at).sentence()
        'Feature price: 34 % missing since 2026-11-23 10:00 UTC (reference 0 %)'
        """
        version = f" (version {self.version})" if self.version else ""
        words = _WORDS[self.check].format(share=in_percent(self.share))
        usual = "" if self.check in (CONSTANT, WRONG_TYPE) else f" (reference {in_percent(self.reference)})"
        return f"Feature {self.name}{version}: {words} since {self.since:%Y-%m-%d %H:%M} UTC{usual}"


def broken_of(verdict: Mapping[str, Any]) -> list[BrokenFeature]:
    """Return the broken features that a verdict names, the worst first."""
    return [BrokenFeature.from_content(entry) for entry in verdict.get("broken") or ()]


def broken_by_version(
    rows: Iterable[BrokenWindow],
    measured: Mapping[tuple[str, str], Sequence[datetime]],
    sizes: Sequence[str],
    newest: datetime,
    recent: Mapping[tuple[str, str, str], float],
) -> dict[str, list[BrokenFeature]]:
    """Return the broken features of each version whose features are measured, the worst first.

    Parameters
    ----------
    measured : (version, size) -> starts of the windows with measured features, the newest first.
    sizes : the sizes of windows, the smallest first.
    newest : the end of the time that is judged; the smallest windows count if they are among the newest.
    recent : (version, feature, check) -> mean share in the newest of the smallest windows.
    """
    by_group: dict[tuple[str, str], list[BrokenWindow]] = {}
    for row in rows:
        by_group.setdefault((row.version, row.size), []).append(row)
    features: dict[str, list[BrokenFeature]] = {}
    for version in {version for version, _ in measured} - {ALL_VERSIONS}:
        worst: dict[str, BrokenFeature] = {}
        for size in sizes:
            hourly = size == sizes[0]
            starts = list(measured.get((version, size), ()))
            if hourly:
                starts = [start for start in starts if start >= newest_since(size, newest)]
            if not starts:
                continue
            broken = _broken(by_group.get((version, size), []), starts, hourly=hourly)
            if not hourly:
                broken = [row for row in broken if _is_still(row, recent.get((version, row.feature, row.check)))]
            for feature in broken:
                worst.setdefault(feature.feature, feature)
            features[version] = sorted(worst.values(), key=_badness)
    return features


def _is_still(day: BrokenFeature, recent: float | None) -> bool:
    return recent is None or recent - day.reference >= STILL * (day.share - day.reference)


def quality_fields(by_version: Mapping[str, Sequence[BrokenFeature]]) -> dict[str, dict[str, Any]]:
    """Return the fields of the verdict on each version, and on the model as a whole: there each feature has a version.

    >>> quality_fields({"1": []})["all"]["broken_features"]
    0
    """
    fields = {version: _fields(broken) for version, broken in by_version.items()}
    together = [
        BrokenFeature(**{**vars(feature), "version": version})
        for version, broken in by_version.items()
        for feature in broken
    ]
    if by_version:
        fields[ALL_VERSIONS] = _fields(sorted(together, key=_badness))
    return fields


NOTHING_BROKEN: Mapping[str, Any] = {
    "broken_features": 0,
    "broken_names": [],
    "broken_since": None,
    "broken": [],
}
"""The fields of a version whose features are measured, and none is broken."""


def _fields(broken: Sequence[BrokenFeature]) -> dict[str, Any]:
    if not broken:
        return dict(NOTHING_BROKEN)
    return {
        "broken_features": len({feature.feature for feature in broken}),
        "broken_names": [feature.feature for feature in broken[:MOST_FEATURES]],
        "broken_since": instants.text(min(feature.since for feature in broken)),
        "broken": [feature.content() for feature in broken[:MOST_FEATURES]],
    }


def _broken(rows: Sequence[BrokenWindow], starts: Sequence[datetime], *, hourly: bool) -> list[BrokenFeature]:
    """Return the features that are broken now, each with its worst check.

    Parameters
    ----------
    starts : the windows that are measured, the newest first.
    """
    by_check: dict[tuple[str, str], dict[datetime, BrokenWindow]] = {}
    for row in rows:
        by_check.setdefault((row.feature, row.check), {})[row.start] = row
    worst: dict[str, BrokenFeature] = {}
    for (feature, check), windows in by_check.items():
        newest = [windows[start] for start in starts[: OF if hourly else 1] if start in windows]
        if not newest:
            continue
        gross = newest[0].start == starts[0] and check != CONSTANT and newest[0].share - newest[0].reference >= GROSS
        if hourly and len(newest) < HOURS and not gross:
            continue
        broken = BrokenFeature(feature, check, newest[0].share, newest[0].reference, _since(windows, starts))
        if feature not in worst or _badness(broken) < _badness(worst[feature]):
            worst[feature] = broken
    return sorted(worst.values(), key=_badness)


def _since(windows: Mapping[datetime, BrokenWindow], starts: Sequence[datetime]) -> datetime:
    """Return the start of the windows that broke, back to the first measured one that did not."""
    since = max(windows)
    for start in sorted(starts, reverse=True):
        if start in windows:
            since = min(since, start)
        elif start < since:
            break
    return since


def _badness(feature: BrokenFeature) -> tuple[float, str, str]:
    return feature.reference - feature.share, feature.feature, feature.version


def in_percent(share: float) -> str:
    """Return a share in per cent, with two digits below 10 %.

    >>> in_percent(0.34), in_percent(0.0123), in_percent(0)
    ('34 %', '1.2 %', '0 %')
    """
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"
