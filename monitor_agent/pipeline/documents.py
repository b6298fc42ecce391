"""The metrics document of a window's state: its id, its content, and the writes that a changed content needs (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from monitor_agent.contracts.performance import (
    ALL_SEGMENT,
    FEW_LABELS,
    FEW_POSITIVES,
    IMMATURE,
    LOST_LINES,
    LOW_COVERAGE,
    PARTIAL_LABELS,
    PERFORMANCE,
    SELECTED_LABELS,
    STATE_FINAL,
    STATE_OPEN,
    STATE_PROVISIONAL,
    STATE_RESTATED,
    segment_name,
)
from monitor_agent.contracts.restatement import RESTATEMENTS
from monitor_agent.durations import format_duration
from monitor_agent.metrics import CATALOGUE, Calibration, MetricFields, WindowState, measure, of_own_kind, reconcile
from monitor_agent.metrics.kinds import IMPRESSIONS, MATURE, count_name, other_kinds
from monitor_agent.metrics.label_selection import LARGE_SHIFT
from monitor_agent.metrics.log_histogram import DURATION_EDGES
from monitor_agent.metrics.ranking import not_judged_reasons
from monitor_agent.metrics.weekly import against_last_week
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.finality import is_final
from monitor_agent.pipeline.labels import count_early
from monitor_agent.pipeline.windows import Calendar, Window
from monitor_agent.settings import AgentSettings
from monitor_agent.vocabulary.prediction_kinds import BINARY, MULTICLASS, REGRESSION

Document = dict[str, Any]

_AGE = {STATE_OPEN: 0, STATE_PROVISIONAL: 1, STATE_FINAL: 2, STATE_RESTATED: 2}

_REASONS = {
    "predictions": "late_predictions",
    "errors": "late_errors",
    "matched": "late_feedback",
    "duplicate": "late_feedback",
    "too_late": "late_feedback",
    "orphan": "late_feedback",
    "clicked_requests": "late_feedback",
    "requests_not_judged": "late_feedback",
    "mrr": "late_feedback",
    "ndcg_at_10": "late_feedback",
    "lost_lines": "lost_lines",
}


@dataclass(frozen=True, order=True)
class MetricsKey:
    """What identifies a metrics document."""

    model: str
    version: str
    segment: str
    window: Window

    @property
    def id(self) -> str:
        """The document's `_id`."""
        start = instants.text(self.window.start)
        return hashed_id(self.model, self.version, self.segment, start, self.window.size)

    @property
    def index(self) -> str:
        """The index that holds the document."""
        return PERFORMANCE.index_for(self.window.start)


@dataclass(frozen=True)
class PlannedWrite:
    """One document to write.

    Attributes
    ----------
    index, id, document : where it is written, and its content.
    version : its external version; None = it is created if it does not exist.
    key : the key of a metrics document; None for other documents.
    """

    index: str
    id: str
    document: Document
    version: int | None
    key: MetricsKey | None = None


@dataclass(frozen=True)
class Baseline:
    """What a window is measured against, and its drift.

    Attributes
    ----------
    comparable : whether it is compared with the same window a week before.
    last_week : fields of that window's document (`weekly.read_fields`); None if there is no such document.
    calibration : the calibration that estimates are made with; None = scores are taken as probabilities.
    calibrated_by : the name of the reference that the calibration is from.
    drift : fields of the drift of its features; empty if drift is not measured.
    """

    comparable: bool = False
    last_week: Mapping[str, Any] | None = None
    calibration: Calibration | None = None
    calibrated_by: str | None = None
    drift: MetricFields = field(default_factory=dict)


NO_BASELINE = Baseline()


@dataclass(frozen=True)
class CountedState:
    """The content of a metrics document, as it is counted now.

    Attributes
    ----------
    key : the document's key.
    state : the mergeable state of its events.
    lost_lines : how many lost lines may belong to its window.
    baseline : what its window is measured against.
    settings_revision : the revision of the model's settings that the state is counted by.
    """

    key: MetricsKey
    state: WindowState
    lost_lines: int = 0
    baseline: Baseline = NO_BASELINE
    settings_revision: int = 1


def metrics_document(counted: CountedState, time_state: str, settings: AgentSettings) -> Document:
    """Return the document of a state, with revision 1: a pure function of its arguments.

    Parameters
    ----------
    time_state : `open`, `provisional`, `final` or `restated`.
    """
    key, state, baseline = counted.key, counted.state, counted.baseline
    start, end = instants.text(key.window.start), instants.text(key.window.end)
    maturity = state.mature / state.impressions if state.impressions else None
    coverage = coverage_of(state, settings)
    reasons = not_alertable(state, coverage, maturity, settings)
    if may_miss_labels(counted.lost_lines, state.predictions, settings):
        reasons.append(LOST_LINES)
    measured = measure(state, key.window.seconds, baseline.calibration, judged_by(state, settings))
    document: Document = {
        "@timestamp": start,
        "window_start": start,
        "window_end": end,
        "window_size": key.window.size,
        "is_base_window": key.window.size == format_duration(settings.base_window),
        "model_name": key.model,
        "model_version": key.version,
        "segment": key.segment,
        "labels": _labels(key.segment),
        "prediction_kind": state.kind,
        "without_metrics_of": other_kinds(state.kind),
        "judged_by": judged_by(state, settings),
        "state": time_state,
        "revision": 1,
        "settings_revision": counted.settings_revision,
        "maturity": maturity,
        "coverage": coverage,
        "judged_early": judged_early(state, settings),
        "lost_lines": counted.lost_lines,
        "alertable": not reasons,
        "not_alertable": reasons,
        **of_own_kind(CATALOGUE, measured, state.kind),
        "selection_warning": selection_warning(state, measured, coverage, settings),
        "requests_not_judged_reasons": not_judged_reasons(state),
        "calibrated_by": baseline.calibrated_by,
        **baseline.drift,
    }
    if settings.slo_latency is not None and state.duration.counts:
        document["slow_requests"] = state.duration.count_above(
            settings.slo_latency // instants.MICROSECOND * 1000, DURATION_EDGES
        )
    if baseline.comparable:
        document |= against_last_week(document, baseline.last_week)
    document["state_blob"] = state.to_blob()
    return document


def coverage_of(state: WindowState, settings: AgentSettings) -> float | None:
    """Return the share of the predictions whose labels count already that have a known label; None without them."""
    judged = state.mature + judged_early(state, settings)
    return state.n / judged if judged else None


def judged_by(state: WindowState, settings: AgentSettings) -> str:
    """Return the type of feedback that decides about the labels of a state; only `label` names classes and numbers."""
    return settings.feedback_type if state.kind in (None, BINARY) else "label"


def selection_warning(
    state: WindowState, measured: MetricFields, coverage: float | None, settings: AgentSettings
) -> str | None:
    """Return why the metrics may not describe all predictions; None if they do.

    If absent feedback is unknown, the labelled predictions are a part, and somebody may have chosen this part.
    """
    is_partial = state.kind not in (None, BINARY) or settings.absent_feedback == "unknown"
    if not is_partial or coverage is None or not state.n or coverage >= settings.gate_coverage:
        return None
    shift = measured.get("labelled_score_shift")
    return SELECTED_LABELS if isinstance(shift, float) and abs(shift) >= LARGE_SHIFT else PARTIAL_LABELS


def judged_early(state: WindowState, settings: AgentSettings) -> int:
    """Return how many predictions are younger than the attribution window although their labels count already."""
    if count_early(settings):
        return state.impressions - state.mature
    return sum(
        state.counts.get(count_name(kind, IMPRESSIONS), 0) - state.counts.get(count_name(kind, MATURE), 0)
        for kind in (MULTICLASS, REGRESSION)
    )


def not_alertable(
    state: WindowState, coverage: float | None, maturity: float | None, settings: AgentSettings
) -> list[str]:
    """Return why a window holds too little for alerts on values; empty if it holds enough.

    Binary predictions need enough positives, all others enough labels.
    """
    few = FEW_POSITIVES if state.kind in (None, BINARY) else FEW_LABELS
    reached = {
        few: gated_labels(state) >= settings.gate_positives,
        LOW_COVERAGE: (coverage or 0.0) >= settings.gate_coverage,
        IMMATURE: (maturity or 0.0) >= settings.gate_maturity,
    }
    return [reason for reason, reaches in reached.items() if not reaches]


def gated_labels(state: WindowState) -> int:
    """Return the labels that the gate for alerts counts: positives of binary predictions, else all."""
    return state.positives if state.kind in (None, BINARY) else state.n


def may_miss_labels(lost_lines: int, predictions: int, settings: AgentSettings) -> bool:
    """Return whether a window may lack so many lines that its coverage would not reach the gate."""
    return predictions < settings.gate_coverage * (predictions + lost_lines)


def planned_writes(
    counted: CountedState, stored: Document | None, calendar: Calendar, now: datetime, settings: AgentSettings
) -> list[PlannedWrite]:
    """Return the documents to write; none if the stored document has the same content.

    - A sum that differs from the stored sum only by rounding is the same.
    - A document never becomes younger. If a later clock has made it final, an earlier clock leaves it as it is. The
      same holds if a later clock has counted more mature predictions among the same events.
    - None of this holds for a document that another revision of the settings has decided.
    - The content of a final document is written to the restatements before the document is written again.

    Parameters
    ----------
    stored : the document that is stored under the key; None if there is none.
    """
    key = counted.key
    time_state = calendar.state(key.window, now)
    if stored is None:
        return [PlannedWrite(key.index, key.id, metrics_document(counted, time_state, settings), 1, key)]
    decided_anew = stored.get("settings_revision", 1) != counted.settings_revision
    if _AGE[time_state] < _AGE[stored["state"]] and not decided_anew:
        return []
    before = WindowState.from_blob(stored["state_blob"])
    final = is_final(stored["state"])
    less_mature = counted.state.mature < before.mature and _event_counts(counted.state) == _event_counts(before)
    if not final and less_mature and not decided_anew:
        return []
    reconciled = replace(counted, state=reconcile(counted.state, before))
    document = metrics_document(reconciled, time_state, settings)
    if _content(document) == _content(stored) and (final or stored["state"] == time_state):
        return []
    document["revision"] = stored["revision"] + 1
    write = PlannedWrite(key.index, key.id, document, document["revision"], key)
    if not final:
        return [write]
    if time_state == STATE_FINAL:
        document["state"] = STATE_RESTATED
    return [_restatement(key, stored, document), write]


def _restatement(key: MetricsKey, stored: Document, document: Document) -> PlannedWrite:
    revision = stored["revision"]
    # Documents of earlier releases lack some of the fields, and those of other kinds lack metrics.
    differing = (
        why for name, why in _REASONS.items() if name in document and stored.get(name, document[name]) != document[name]
    )
    restatement = {
        "@timestamp": stored["window_start"],
        "metrics_id": key.id,
        "model_name": key.model,
        "model_version": key.version,
        "segment": key.segment,
        "window_size": key.window.size,
        "revision": revision,
        "reason": next(differing, "recomputed"),
        "document": stored,
    }
    return PlannedWrite(RESTATEMENTS.index_for(key.window.start), hashed_id(key.id, str(revision)), restatement, None)


def _event_counts(state: WindowState) -> tuple[int, ...]:
    feedback = (state.matched, state.duplicate, state.too_late, state.orphan)
    return (state.predictions, state.impressions, state.errors, *feedback)


def _content(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in ("revision", "state")}


def _labels(segment: str) -> dict[str, str]:
    if segment == ALL_SEGMENT:
        return {}
    label, _, value = segment_name(segment).partition("=")
    return {label: value}


def hashed_id(*texts: str) -> str:
    """Return a document id that stands for these texts, in this order."""
    # Lengths keep ("a", "bc") apart from ("ab", "c").
    prefixed = "".join(f"{len(text)}:{text}" for text in texts)
    return hashlib.sha256(prefixed.encode()).hexdigest()[:32]
