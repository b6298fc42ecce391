"""What windows are measured against: the same windows a week before, and the reference of their model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor_agent.agent.window_batches import batches, by_model
from monitor_agent.contracts.performance import ALL_SEGMENT, STATE_OPEN
from monitor_agent.es.drift_store import DriftResult, DriftStore
from monitor_agent.es.event_store import States
from monitor_agent.es.performance_store import PerformanceStore
from monitor_agent.es.reference_store import ReferenceStore
from monitor_agent.pipeline.curves import CurvePoint
from monitor_agent.pipeline.documents import Baseline, Document, MetricsKey
from monitor_agent.pipeline.drift_references import DriftReference, valid_at
from monitor_agent.pipeline.failure_scopes import FailureScopes
from monitor_agent.pipeline.model_scopes import ModelScope
from monitor_agent.pipeline.stale_windows import ModelWindow
from monitor_agent.pipeline.window_drift import drift_fields
from monitor_agent.pipeline.windows import Calendar, Window

MIN_COMPARED_LENGTH = timedelta(hours=1)
"""Windows at least this long are compared with the same windows a week before."""


@dataclass(frozen=True)
class Baselines:
    """The baselines of some windows of a model.

    Attributes
    ----------
    last_week : documents of the same windows a week before, by the keys of this week's documents.
    references : the references of the model.
    drift : the drift against the references, by the keys of the documents.
    sizes : the sizes of windows that are compared with a reference.
    """

    last_week: Mapping[MetricsKey, Document]
    references: Sequence[DriftReference]
    drift: Mapping[MetricsKey, DriftResult]
    sizes: Sequence[str]

    def of(self, key: MetricsKey) -> Baseline:
        """Return the baseline of one document."""
        reference = valid_at(self.references, key.window.start)
        calibration = reference.calibrations.get(key.version) if reference else None
        drift = self.drift[key].fields if key in self.drift else {}
        if reference is None and key.window.size in self.sizes and key.segment == ALL_SEGMENT:
            drift = drift_fields((), None)
        return Baseline(
            comparable=is_comparable(key.window),
            last_week=self.last_week.get(key),
            calibration=calibration,
            calibrated_by=reference.name if reference and calibration else None,
            drift=drift,
        )

    def points(self, key: MetricsKey) -> Sequence[CurvePoint]:
        """Return the points of the curves of a document's features."""
        return self.drift[key].points if key in self.drift else ()


class BaselineLoader:
    """Loads the baselines of windows, and measures their drift."""

    def __init__(
        self,
        performance: PerformanceStore,
        references: ReferenceStore,
        drift: DriftStore,
        calendar: Calendar,
        scopes: FailureScopes,
        model_scope: ModelScope,
    ) -> None:
        self._scopes = scopes
        self._model_scope = model_scope
        self._performance = performance
        self._references = references
        self._drift = drift
        self._calendar = calendar

    def load(self, model: str, windows: Mapping[Window, States], now: datetime) -> Baselines:
        """Return the baselines of windows of one size; the drift of windows that have ended is measured.

        Parameters
        ----------
        windows : the windows with their states.
        """
        references = self._references.of(model)
        drift = self._measured_drift(model, windows, references, now)
        return Baselines(self._last_week(model, windows), references, drift, self._calendar.of_drift)

    def week_later(self, changed: Iterable[ModelWindow], computed: Set[ModelWindow], now: datetime) -> set[ModelWindow]:
        """Return the stored windows a week after the changed ones, except those that are computed already.

        Parameters
        ----------
        changed : windows whose documents have changed.
        computed : windows that were computed after these changes.
        """
        later = {
            ModelWindow(model, later)
            for model, window in changed
            if is_comparable(window)
            for later in self._calendar.weeks_after(window)
        }
        stored: set[ModelWindow] = set()
        candidates = {model_window for model_window in later - computed if model_window.window.start <= now}
        for model, windows in by_model(candidates):
            for batch in self._batches_of_one_size(windows):
                with self._scopes.model(model):
                    stored |= {ModelWindow(model, key.window) for key in self._performance.last_week(model, batch)}
        return stored

    @staticmethod
    def _batches_of_one_size(windows: Sequence[Window]) -> Iterator[list[Window]]:
        for size in {window.size for window in windows}:
            yield from batches([window for window in windows if window.size == size])

    def _last_week(self, model: str, windows: Iterable[Window]) -> dict[MetricsKey, Document]:
        """Return the documents of the same windows a week before, by the keys of this week's documents.

        A window is no measure if settings decide it that give its numbers another meaning.
        """
        earlier_of = {window: self._calendar.week_before(window) for window in windows if is_comparable(window)}
        earlier_of = {
            window: earlier
            for window, earlier in earlier_of.items()
            if self._model_scope.is_comparable(ModelWindow(model, earlier))
        }
        if not earlier_of:
            return {}
        documents: dict[Window, list[tuple[MetricsKey, Document]]] = {}
        for key, document in self._performance.last_week(model, sorted(set(earlier_of.values()))).items():
            documents.setdefault(key.window, []).append((key, document))
        # Where the clocks are put back, two windows have the same one before.
        return {
            MetricsKey(model, key.version, key.segment, window): document
            for window, earlier in earlier_of.items()
            for key, document in documents.get(earlier, ())
        }

    def _measured_drift(
        self, model: str, windows: Mapping[Window, States], references: Sequence[DriftReference], now: datetime
    ) -> dict[MetricsKey, DriftResult]:
        reference_of: dict[Window, DriftReference] = {}
        for window in windows:
            reference = valid_at(references, window.start)
            ended = window.size in self._calendar.of_drift and self._calendar.state(window, now) != STATE_OPEN
            if reference is not None and ended:
                reference_of[window] = reference
        predictions = {
            window: {
                version: state.predictions
                for (version, segment), state in windows[window].items()
                if segment == ALL_SEGMENT and state.predictions
            }
            for window in reference_of
        }
        return self._drift.of(model, predictions, reference_of) if reference_of else {}


def is_comparable(window: Window) -> bool:
    """Return whether a window is long enough to be compared with last week's."""
    return window.end - window.start >= MIN_COMPARED_LENGTH
