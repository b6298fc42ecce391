"""Verdicts on the versions of a model: what has fallen, since when, and how sure that is (pure).

A version is compared with the older version that has most of the traffic beside it, in the same stretches of time;
without one, with the typical hours of the model's past weeks. So a new version has a verdict from its first hour on.
A verdict is a function of the metrics documents of a limited time: no agent remembers anything, and all agents come to
the same verdict.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from monitor_agent.contracts.model_names import ALL_VERSIONS
from monitor_agent.contracts.performance import ALL_SEGMENT
from monitor_agent.contracts.verdict import (
    ANSWERED,
    AUC,
    F1,
    HOLIDAY,
    LAST_WEEKS,
    MEASURES,
    NO_REFERENCE,
    NO_SAMPLES,
    NOT_SERVED,
    NOTHING_LOWER,
    OLDER_VERSION,
    RATE,
    VERDICTS,
)
from monitor_agent.metrics.sequential.fall import FallEvidence, fall, limit_for
from monitor_agent.metrics.sequential.series import ComparedSeries, Level
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.broken_features import NOTHING_BROKEN
from monitor_agent.pipeline.documents import PlannedWrite, hashed_id
from monitor_agent.pipeline.instants import DAY
from monitor_agent.pipeline.stretches import (
    PastWeeks,
    Stretches,
    rates_against_weeks,
    rates_beside,
    values_against_weeks,
    values_beside,
)

YEAR = timedelta(days=365)

FALSE_ALARMS_A_YEAR: Mapping[str, float] = {RATE: 0.5, AUC: 0.06, F1: 0.06, ANSWERED: 0.06}
"""How often chance alone may make each measure of a version fall, over all segments together."""

FALSE_ALARMS_OF_SEGMENTS: Mapping[str, float] = {RATE: 0.1, AUC: 0.05, F1: 0.05, ANSWERED: 0.02}
"""The same for all segments of a version."""

RATES, VALUES = (RATE, ANSWERED), (AUC, F1)
SERVED_WITHIN = timedelta(hours=2)
"""A version without anything for longer is not served any more."""

TIMES_OF_VERSION = 2.0
"""A fall is one of a segment if it is so many times that of the version in the same time, or more."""

SMALLEST_SHARE_BESIDE = 0.1
"""An older version is a reference if it has this share of the version's traffic of the last day, or more."""

Groups = Mapping[tuple[str, str], Stretches]
"""(version, segment) -> its stretches of time."""


@dataclass(frozen=True)
class Judgement:
    """What is judged, and when.

    Attributes
    ----------
    due : when the verdict is due.
    until : end of the stretches.
    length : length of the shortest stretches of all segments together.
    counted : which positives count: `early` or `final`.
    first_seen : version -> start of its first window.
    of_segments : whether the segments are judged; all segments together are then only what they are compared with.
    """

    model: str
    due: datetime
    until: datetime
    length: timedelta
    counted: str
    first_seen: Mapping[str, datetime]
    of_segments: bool = False


@dataclass(frozen=True)
class _Reference:
    """What a version is compared with: another version, or the past weeks."""

    past: PastWeeks
    version: str = ""
    other: Stretches | None = None


def verdicts(
    judgement: Judgement,
    groups: Groups,
    past_of: Mapping[str, PastWeeks],
    further: Mapping[str, Mapping[str, Any]],
) -> list[PlannedWrite]:
    """Return the documents of all versions and segments.

    Parameters
    ----------
    past_of : segment -> the model's past weeks.
    further : version -> its fields about all segments together: drift, broken features, service level objectives.
    """
    segments = max(1, len({segment for _, segment in groups} - {ALL_SEGMENT}))
    writes = []
    for (version, segment), stretches in sorted(groups.items()):
        past = past_of.get(segment)
        if past is None or not stretches or judgement.of_segments == (segment == ALL_SEGMENT):
            continue
        reference = _reference(judgement, version, segment, groups, past)
        document = _head(judgement, version, segment, reference)
        document |= further.get(version, {}) if segment == ALL_SEGMENT else {}
        is_served = max(stretches) >= judgement.until - SERVED_WITHIN
        if not is_served and document.get("broken_features"):
            document |= NOTHING_BROKEN
        for measure in (*RATES, *VALUES):
            if not is_served:
                document |= _without_level(measure, 0.0, NOT_SERVED)
                continue
            limit = _limit(measure, segment, segments, judgement.length)
            document |= _fields(measure, stretches, reference, limit, judgement.length)
            if measure == RATE and document["rate_undefined"] not in (NO_REFERENCE, NO_SAMPLES, HOLIDAY):
                document["against"] = OLDER_VERSION if reference.other is not None else LAST_WEEKS
        if judgement.of_segments:
            document["falls_with_version"] = _falls_with_version(judgement, document, groups, past_of)
        identifier = hashed_id(judgement.model, version, segment, instants.text(judgement.due))
        writes.append(PlannedWrite(VERDICTS.index_for(judgement.due), identifier, document, None))
    return writes


def _falls_with_version(
    judgement: Judgement, document: Mapping[str, Any], groups: Groups, past_of: Mapping[str, PastWeeks]
) -> list[str]:
    """Return the measures by which a segment has fallen, but hardly further than its version in the same time."""
    version = document["model_version"]
    stretches, past = groups.get((version, ALL_SEGMENT)), past_of.get(ALL_SEGMENT)
    fallen = [measure for measure in MEASURES if document.get(f"{measure}_fall")]
    if not fallen or not stretches or past is None:
        return []
    reference = _reference(judgement, version, ALL_SEGMENT, groups, past)
    alike = []
    for measure in fallen:
        starts, series = _series(measure, stretches, reference, judgement.length)
        first = bisect_left(starts, instants.parse(document[f"{measure}_since"]))
        # A ratio above 0: the version is lower, too.
        if first < len(starts) and series.log_likelihood_ratio(np.array([first]), np.array([len(starts)]))[0] > 0:
            alike += [measure] if document[f"{measure}_fall"] < TIMES_OF_VERSION * _share(series.level(first)) else []
    return alike


def _head(judgement: Judgement, version: str, segment: str, reference: _Reference) -> dict[str, Any]:
    return {
        "@timestamp": instants.text(judgement.due),
        "judged_until": instants.text(judgement.until),
        "model_name": judgement.model,
        "model_version": version,
        "segment": segment,
        "against": None,
        "against_version": reference.version or None,
        "counted": judgement.counted,
    }


def _reference(judgement: Judgement, version: str, segment: str, groups: Groups, past: PastWeeks) -> _Reference:
    """Return the older version beside this one with the most traffic in the same stretches, or else the past weeks."""
    if version == ALL_VERSIONS:
        return _Reference(past)
    stretches_of_day = [start for start in groups[version, segment] if start >= judgement.until - DAY]
    traffic_of_version = _traffic(groups[version, segment], stretches_of_day)
    first_seen = judgement.first_seen
    older = [
        (_traffic(stretches, stretches_of_day), name)
        for (name, of_segment), stretches in groups.items()
        if of_segment == segment
        and name not in (ALL_VERSIONS, version)
        and name in first_seen
        and first_seen[name] < first_seen.get(version, judgement.until)
    ]
    traffic, name = max(older, default=(0.0, ""))
    if not traffic or traffic < SMALLEST_SHARE_BESIDE * traffic_of_version:
        return _Reference(past)
    return _Reference(past, name, groups[name, segment])


def _traffic(stretches: Stretches, starts: Iterable[datetime]) -> float:
    return sum(trials for start in starts if start in stretches for _, trials in stretches[start].pairs.values())


def _limit(measure: str, segment: str, segments: int, length: timedelta) -> float:
    if segment == ALL_SEGMENT:
        looks_a_year = YEAR / (length if measure in RATES else instants.HOUR)
        return limit_for(FALSE_ALARMS_A_YEAR[measure], looks_a_year)
    return limit_for(FALSE_ALARMS_OF_SEGMENTS[measure] / segments, YEAR / instants.HOUR)


def _fields(
    measure: str, stretches: Stretches, reference: _Reference, limit: float, length: timedelta
) -> dict[str, Any]:
    starts, series = _series(measure, stretches, reference, length)
    counted = any(measure in (row.pairs if measure in RATES else row.values) for row in stretches.values())
    if reference.other is None and counted and reference.past.lacks_holiday(max(stretches)):
        return _without_level(measure, None, HOLIDAY)
    if not starts:
        reason = NO_REFERENCE if counted else NO_SAMPLES
        return _without_level(measure, None, reason)
    return _measured(measure, starts, fall(series, limit))


def _series(
    measure: str, stretches: Stretches, reference: _Reference, length: timedelta
) -> tuple[Sequence[datetime], ComparedSeries]:
    """Return the stretches in which a measure can be compared, and the series of both."""
    if measure in RATES:
        if reference.other is None:
            return rates_against_weeks(measure, stretches, reference.past, length)
        return rates_beside(measure, stretches, reference.other)
    if reference.other is None:
        return values_against_weeks(measure, stretches, reference.past)
    return values_beside(measure, stretches, reference.other)


def _share(level: Level) -> float:
    """Return how far a level is below its reference, as a share of that."""
    return level.drop / level.reference if level.reference else 0.0


def _without_level(measure: str, fallen: float | None, reason: str) -> dict[str, Any]:
    return {f"{measure}_fall": fallen, f"{measure}_evidence": fallen, f"{measure}_undefined": reason}


def _measured(measure: str, starts: Sequence[datetime], evidence: FallEvidence | None) -> dict[str, Any]:
    if evidence is None:
        return _without_level(measure, 0.0, NOTHING_LOWER)
    level = evidence.level
    return {
        f"{measure}_fall": _share(level) if evidence.is_sure else 0.0,
        f"{measure}_evidence": evidence.evidence,
        f"{measure}_since": instants.text(starts[evidence.since]),
        measure: level.value,
        f"{measure}_reference": level.reference,
        f"{measure}_drop": level.drop,
        f"{measure}_drop_low": level.low,
        f"{measure}_drop_high": level.high,
        f"{measure}_samples": level.samples,
        f"{measure}_undefined": None,
    }
