"""What windows are compared with: the same ones a week before, and their model's reference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor_agent.contracts.performance import ALL_SEGMENT, STATE_OPEN
from monitor_agent.es.drift_store import DriftResult, DriftStore
from monitor_agent.es.event_store import States
from monitor_agent.es.performance_store import PerformanceStore
from monitor_agent.es.reference_store import ReferenceStore
from monitor_agent.pipeline.curves import Point
from monitor_agent.pipeline.documents import Baseline, Document, Key
from monitor_agent.pipeline.drift_references import DriftReference, valid_at
from monitor_agent.pipeline.stale_windows import ModelWindow
from monitor_agent.pipeline.window_drift import summary
from monitor_agent.pipeline.windows import WEEK, Calendar, Window

COMPARED_FROM = timedelta(hours=1)
"""Windows at least this long are compared with the same ones a week before."""

WINDOWS_AT_ONCE = 64


@dataclass(frozen=True)
class Baselines:
    """What some windows of a model are compared with."""

    last_week: Mapping[Key, Document]
    references: Sequence[DriftReference]
    drift: Mapping[Key, DriftResult]
    base: str

    def baseline(self, key: Key) -> Baseline:
        """Return what a document says of it."""
        reference = valid_at(self.references, key.window.start)
        calibration = reference.calibrations.get(key.version) if reference else None
        drifted = self.drift[key].fields if key in self.drift else {}
        if reference is None and key.window.size != self.base and key.segment == ALL_SEGMENT:
            drifted = summary((), None)
        return Baseline(
            compared=is_compared(key.window),
            last_week=self.last_week.get(key),
            calibration=calibration,
            calibrated_by=reference.name if reference and calibration else None,
            drift=drifted,
        )

    def points(self, key: Key) -> Sequence[Point]:
        """Return the points of its features' curves."""
        return self.drift[key].points if key in self.drift else ()


class BaselineLoader:
    """Finds what windows are compared with."""

    def __init__(
        self, performance: PerformanceStore, references: ReferenceStore, drift: DriftStore, calendar: Calendar
    ) -> None:
        self._performance = performance
        self._references = references
        self._drift = drift
        self._calendar = calendar

    def of(self, model: str, found: Mapping[Window, States], now: datetime) -> Baselines:
        """Return what windows of one size are compared with; the drift of those that have ended is measured."""
        references = self._references.of(model)
        drift = self._drifted(model, found, references, now)
        return Baselines(self._last_week(model, found), references, drift, self._calendar.base)

    def week_later(self, changed: Iterable[ModelWindow], computed: Set[ModelWindow], now: datetime) -> set[ModelWindow]:
        """Return the stored windows that are compared with changed ones, but those that were computed after these."""
        later = {
            ModelWindow(model, self._calendar.week_later(window)) for model, window in changed if is_compared(window)
        }
        found: set[ModelWindow] = set()
        for model, windows in by_model({cell for cell in later - computed if cell.window.start <= now}):
            for size in {window.size for window in windows}:
                for batch in batches([window for window in windows if window.size == size]):
                    found |= {ModelWindow(model, key.window) for key in self._performance.last_week(model, batch)}
        return found

    def _last_week(self, model: str, windows: Iterable[Window]) -> dict[Key, Document]:
        """Return, by the keys of this week's documents, what those of the same windows a week before say."""
        before = {self._calendar.week_later(window, -1): window for window in windows if is_compared(window)}
        if not before:
            return {}
        found = self._performance.last_week(model, sorted(before))
        return {
            Key(model, key.version, key.segment, before[key.window]): document
            for key, document in found.items()
            if key.window in before
        }

    def _drifted(
        self, model: str, found: Mapping[Window, States], references: Sequence[DriftReference], now: datetime
    ) -> dict[Key, DriftResult]:
        known: dict[Window, DriftReference] = {}
        for window in found:
            reference = valid_at(references, window.start)
            ended = window.size != self._calendar.base and self._calendar.state(window, now) != STATE_OPEN
            if reference is not None and ended:
                known[window] = reference
        predictions = {
            window: {
                version: state.predictions
                for (version, segment), state in found[window].items()
                if segment == ALL_SEGMENT and state.predictions
            }
            for window in known
        }
        return self._drift.of(model, predictions, known) if known else {}


def is_compared(window: Window) -> bool:
    """Return whether a window is long enough to be compared with last week's."""
    return window.end - window.start >= COMPARED_FROM


def by_model(cells: Iterable[ModelWindow]) -> Iterator[tuple[str, list[Window]]]:
    """Yield each model with its windows, in order."""
    known = list(cells)
    for model in sorted({model for model, _ in known}):
        yield model, sorted(window for name, window in known if name == model)


def batches(windows: Sequence[Window], size: int = WINDOWS_AT_ONCE) -> Iterator[list[Window]]:
    """Yield windows, in order, some at a time: within less than a week, so that last week's are written before."""
    batch: list[Window] = []
    for window in windows:
        if batch and (len(batch) == size or window.end - batch[0].start > WEEK):
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch
