"""What breaks in the newest hours together, and is too small for each of them (pure).

A version with few requests an hour shows a fault of a tenth of its values in two or three hours, not in one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor_agent.metrics.data_quality import CONSTANT
from monitor_agent.pipeline import window_drift, window_quality
from monitor_agent.pipeline.drift_references import DriftReference, valid_at
from monitor_agent.pipeline.drift_verdicts import HOURS, OF
from monitor_agent.pipeline.window_quality import FeatureValues


@dataclass(frozen=True)
class HourOfFeature:
    """The values of a version's feature in an hour, in the bins of the reference with this name."""

    version: str
    feature: str
    start: datetime
    reference: str
    values: FeatureValues


@dataclass(frozen=True)
class BrokenCheck:
    """A check of a version's feature that breaks; `reference` is the share of the reference."""

    version: str
    feature: str
    check: str
    reference: float


def broken_together(hours: Iterable[HourOfFeature], references: Sequence[DriftReference]) -> list[BrokenCheck]:
    """Return the checks that break if the newest hours of a version's feature count as one window.

    Hours that were compared with an earlier reference do not count.
    """
    by_feature: dict[tuple[str, str], list[HourOfFeature]] = {}
    for hour in hours:
        by_feature.setdefault((hour.version, hour.feature), []).append(hour)
    return [check for of_feature in by_feature.values() for check in _broken_checks(of_feature, references)]


def _broken_checks(hours: Sequence[HourOfFeature], references: Sequence[DriftReference]) -> Iterator[BrokenCheck]:
    newest = sorted(hours, key=lambda hour: hour.start)[-OF:]
    version, feature = newest[-1].version, newest[-1].feature
    reference = valid_at(references, newest[-1].start)
    if reference is None or feature not in reference.features:
        return
    values = [hour.values for hour in newest if hour.reference == reference.name]
    if len(values) >= HOURS:
        for check in window_quality.checks(feature, reference, window_drift.merged_values(values)):
            if check.is_broken and check.name != CONSTANT:
                yield BrokenCheck(version, feature, check.name, check.reference or 0.0)
