"""The metrics document of a state: its id, its content, and what a difference to the stored one leads to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from monitor_agent.contracts.performance import (
    ALL_SEGMENT,
    FEW_POSITIVES,
    IMMATURE,
    LOST_LINES,
    LOW_COVERAGE,
    PERFORMANCE,
    STATE_FINAL,
    STATE_OPEN,
    STATE_PROVISIONAL,
    STATE_RESTATED,
)
from monitor_agent.contracts.restatement import RESTATEMENTS
from monitor_agent.metrics import Calibration, MetricFields, WindowState, measure, reconcile
from monitor_agent.metrics.weekly import against_last_week
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.finality import is_final
from monitor_agent.pipeline.windows import Calendar, Window
from monitor_agent.settings import AgentSettings

Document = dict[str, Any]

_AGE = {STATE_OPEN: 0, STATE_PROVISIONAL: 1, STATE_FINAL: 2, STATE_RESTATED: 2}

_REASONS = {
    "predictions": "late_predictions",
    "errors": "late_errors",
    "matched": "late_feedback",
    "duplicate": "late_feedback",
    "too_late": "late_feedback",
    "orphan": "late_feedback",
    "lost_lines": "lost_lines",
}


@dataclass(frozen=True, order=True)
class Key:
    """What a metrics document is about."""

    model: str
    version: str
    segment: str
    window: Window

    @property
    def id(self) -> str:
        """The document's `_id`."""
        start = instants.text(self.window.start)
        parts = (self.model, self.version, self.segment, start, self.window.size)
        return hashed(*parts)

    @property
    def index(self) -> str:
        """The index that the document is in."""
        return PERFORMANCE.index_for(self.window.start)


@dataclass(frozen=True)
class PlannedWrite:
    """One document to be written: with `version` as its external version, or (None) only where there is none.

    `key` is that of a metrics document, None for others.
    """

    index: str
    id: str
    document: Document
    version: int | None
    key: Key | None = None


@dataclass(frozen=True)
class Baseline:
    """What a window is measured against, and its drift.

    Attributes
    ----------
    comparable : whether it is compared with the same window a week before.
    last_week : what that window's document says (`weekly.read_fields`); None where there is none.
    calibration : what the estimates are made with, learnt earlier; None = the scores are taken as probabilities.
    calibrated_by : the name of the reference that it is from.
    drift : what is told of drift; empty where it is not measured.
    """

    comparable: bool = False
    last_week: Mapping[str, Any] | None = None
    calibration: Calibration | None = None
    calibrated_by: str | None = None
    drift: MetricFields = field(default_factory=dict)


NO_BASELINE = Baseline()


def metrics_document(
    key: Key,
    state: WindowState,
    time_state: str,
    settings: AgentSettings,
    lost_lines: int = 0,
    baseline: Baseline = NO_BASELINE,
) -> Document:
    """Return the document of a state, as of revision 1: a pure function of its arguments."""
    start, end = instants.text(key.window.start), instants.text(key.window.end)
    maturity = state.mature / state.impressions if state.impressions else None
    coverage = state.n / state.mature if state.mature else None
    reasons = not_alertable(state.positives, coverage, maturity, settings)
    if lost_too_many(lost_lines, state.predictions, settings):
        reasons.append(LOST_LINES)
    document: Document = {
        "@timestamp": start,
        "window_start": start,
        "window_end": end,
        "window_size": key.window.size,
        "model_name": key.model,
        "model_version": key.version,
        "segment": key.segment,
        "labels": _labels(key.segment),
        "state": time_state,
        "revision": 1,
        "maturity": maturity,
        "coverage": coverage,
        "lost_lines": lost_lines,
        "alertable": not reasons,
        "not_alertable": reasons,
        **measure(state, key.window.seconds, baseline.calibration),
        "calibrated_by": baseline.calibrated_by,
        **baseline.drift,
    }
    if baseline.comparable:
        document |= against_last_week(document, baseline.last_week)
    document["state_blob"] = state.to_blob()
    return document


def not_alertable(positives: int, coverage: float | None, maturity: float | None, settings: AgentSettings) -> list[str]:
    """Return why a window does not say enough for quality alerts; nothing where it does."""
    reached = {
        FEW_POSITIVES: positives >= settings.gate_positives,
        LOW_COVERAGE: (coverage or 0.0) >= settings.gate_coverage,
        IMMATURE: (maturity or 0.0) >= settings.gate_maturity,
    }
    return [reason for reason, reaches in reached.items() if not reaches]


def lost_too_many(lost_lines: int, predictions: int, settings: AgentSettings) -> bool:
    """Return whether so much of a window may be missing that its coverage would not reach the gate."""
    return predictions < settings.gate_coverage * (predictions + lost_lines)


def planned_writes(
    key: Key,
    counted: WindowState,
    stored: Document | None,
    calendar: Calendar,
    now: datetime,
    settings: AgentSettings,
    lost_lines: int = 0,
    baseline: Baseline = NO_BASELINE,
) -> list[PlannedWrite]:
    """Return what is to be written: nothing where the stored document says the same.

    A sum that differs from the stored one by rounding alone is the same. A document never grows younger: one that a
    later clock has made final is left as it is by an earlier one, and so is one of the same events that tells of more
    mature ones. What a final document said goes to the restatements before it is written anew.
    """
    time_state = calendar.state(key.window, now)
    if stored is None:
        document = metrics_document(key, counted, time_state, settings, lost_lines, baseline)
        return [PlannedWrite(key.index, key.id, document, 1, key)]
    if _AGE[time_state] < _AGE[stored["state"]]:
        return []
    before = WindowState.from_blob(stored["state_blob"])
    final = is_final(stored["state"])
    if not final and counted.mature < before.mature and _events(counted) == _events(before):
        return []
    state = reconcile(counted, before)
    document = metrics_document(key, state, time_state, settings, lost_lines, baseline)
    if _said(document) == _said(stored) and (final or stored["state"] == time_state):
        return []
    document["revision"] = stored["revision"] + 1
    write = PlannedWrite(key.index, key.id, document, document["revision"], key)
    if not final:
        return [write]
    document["state"] = STATE_RESTATED
    return [_restatement(key, stored, document), write]


def _restatement(key: Key, stored: Document, document: Document) -> PlannedWrite:
    revision = stored["revision"]
    restatement = {
        "@timestamp": stored["window_start"],
        "metrics_id": key.id,
        "model_name": key.model,
        "model_version": key.version,
        "segment": key.segment,
        "window_size": key.window.size,
        "revision": revision,
        "reason": next((why for name, why in _REASONS.items() if stored[name] != document[name]), "recomputed"),
        "document": stored,
    }
    return PlannedWrite(RESTATEMENTS.index_for(key.window.start), hashed(key.id, str(revision)), restatement, None)


def _events(state: WindowState) -> tuple[int, ...]:
    feedback = (state.matched, state.duplicate, state.too_late, state.orphan)
    return (state.predictions, state.impressions, state.errors, *feedback)


def _said(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in ("revision", "state")}


def _labels(segment: str) -> dict[str, str]:
    if segment == ALL_SEGMENT:
        return {}
    label, _, value = segment.removeprefix("labels.").partition("=")
    return {label: value}


def hashed(*parts: str) -> str:
    """Return the id that stands for these texts, in this order."""
    # Lengths keep ("a", "bc") apart from ("ab", "c").
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
