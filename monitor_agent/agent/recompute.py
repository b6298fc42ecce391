"""Windows computed anew: Elasticsearch counts the base windows, the larger ones are merged from stored states."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import structlog

from monitor_agent.agent.baselines import BaselineLoader
from monitor_agent.agent.counting_plan import CountingPlan, CountingPlans
from monitor_agent.agent.deleted_days import lacks_events
from monitor_agent.agent.report import Tally
from monitor_agent.agent.window_batches import batches, by_model
from monitor_agent.clock import Clock
from monitor_agent.contracts.model_names import ALL_VERSIONS
from monitor_agent.contracts.performance import ALL_SEGMENT, STATE_RESTATED
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.errors import RefusedDocumentError
from monitor_agent.es.curve_store import CurveStore
from monitor_agent.es.event_store import EventStore, States
from monitor_agent.es.performance_store import PerformanceStore, StoredDocuments
from monitor_agent.metrics import WindowState, merge_all
from monitor_agent.pipeline.curves import has_curves, points
from monitor_agent.pipeline.documents import CountedState, MetricsKey, PlannedWrite, planned_writes
from monitor_agent.pipeline.failure_scopes import FailureScopes
from monitor_agent.pipeline.finality import is_final
from monitor_agent.pipeline.model_scopes import ModelScope
from monitor_agent.pipeline.sequences import LineLoss, lost_lines_in
from monitor_agent.pipeline.stale_windows import ModelWindow
from monitor_agent.pipeline.windows import Calendar, Window
from monitor_agent.settings import AgentSettings

_log = structlog.get_logger()
MAX_PASSES = 30
"""How often documents that another agent writes at the same time are computed again."""


@dataclass(frozen=True)
class RecomputationStores:
    """The stores that windows are computed from and written to."""

    events: EventStore
    performance: PerformanceStore
    curves: CurveStore
    baselines: BaselineLoader
    counting_plans: CountingPlans
    scopes: FailureScopes
    model_scope: ModelScope


@dataclass
class _Pass:
    """One pass over windows: what it depends on, and what it did.

    Attributes
    ----------
    indices : the indices of events that exist.
    losses : lines that never arrived.
    report_windows : called with the number of base windows that were just counted.
    computed, changed, refused : windows that were computed; that were written; that another agent wrote meanwhile.
    """

    now: datetime
    indices: frozenset[str]
    losses: Sequence[LineLoss]
    report_windows: Callable[[int], None]
    tally: Tally
    computed: set[ModelWindow] = field(default_factory=set)
    changed: set[ModelWindow] = field(default_factory=set)
    refused: set[ModelWindow] = field(default_factory=set)


class Recomputation:
    """Computes windows and writes their documents; does it again if another agent has written them meanwhile."""

    def __init__(
        self,
        stores: RecomputationStores,
        calendar: Calendar,
        settings: AgentSettings,
        clock: Clock,
        sleep: Callable[[float], None],
    ) -> None:
        self._events = stores.events
        self._performance = stores.performance
        self._curves = stores.curves
        self._baselines = stores.baselines
        self._counting_plans = stores.counting_plans
        self._scopes = stores.scopes
        self._model_scope = stores.model_scope
        self._calendar = calendar
        self._settings = settings
        self._clock = clock
        self._sleep = sleep

    def run(
        self,
        base: Iterable[ModelWindow],
        larger: Iterable[ModelWindow],
        now: datetime,
        indices: Iterable[str],
        report_windows: Callable[[int], None] = lambda _count: None,
        losses: Sequence[LineLoss] = (),
    ) -> Tally:
        """Count base windows, merge the larger windows that hold them, and merge further larger ones.

        Base windows that own ranked lists with items in these base windows are computed, too.

        Parameters
        ----------
        now : the moment that decides about states and maturity.
        indices : the indices of events that exist: windows of a day that was deleted stay as they are.
        report_windows : called with the number of base windows that were just counted.
        losses : lines that never arrived.

        A document is computed again if another agent has written it since this agent read it, or if the document of the
        week before, with which it is compared, has changed. A window that cannot be computed is recorded in the scopes,
        and so are the larger windows that hold it: their numbers would be incomplete.
        """
        tally, existing = Tally(), frozenset(indices)
        pending, further = set(base), set(larger)
        linked = self._linked(pending, now)
        pending |= linked
        for _ in range(MAX_PASSES):
            current = _Pass(now, existing, losses, report_windows, tally)
            # Linked windows are written first: after a crash, the next cycle still finds what they are linked with.
            self._count(pending & linked, current)
            self._count(pending - linked, current)
            self._merge({row for row in further if row.window.size == self._calendar.base}, current)
            for size in self._calendar.larger:
                enclosing = {ModelWindow(model, self._calendar.window(size, window.start)) for model, window in pending}
                of_size = self._decided(enclosing | {row for row in further if row.window.size == size})
                self._merge(self._complete(of_size), current)
            later = self._baselines.week_later(current.changed, current.computed, now)
            comparisons = self._decided(later) - current.refused
            if not current.refused and not comparisons:
                return tally
            again = current.refused | (comparisons - self._final(comparisons))
            pending = {row for row in again if row.window.size == self._calendar.base}
            further = (current.refused | comparisons) - pending
            if current.refused:
                now = max(now, self._clock.now())
                self._sleep(random.uniform(0.02, 0.2))
        for model, windows in by_model(current.refused):
            with self._scopes.model(model, windows):
                raise RefusedDocumentError(
                    f"others keep writing the document of {windows[0].start:%Y-%m-%d %H:%M} ({windows[0].size})",
                    "run fewer agents",
                )
        return tally

    def _decided(self, model_windows: set[ModelWindow]) -> set[ModelWindow]:
        """Return the windows that the settings decide as a whole: a window over the end of a revision has none."""
        return {row for row in model_windows if self._model_scope.includes(row)}

    def _complete(self, larger: set[ModelWindow]) -> set[ModelWindow]:
        """Return the larger windows that hold no window that could not be computed; record the others."""
        failed: dict[str, list[Window]] = {}
        for model, window in self._scopes.windows:
            failed.setdefault(model, []).append(window)
        incomplete = {
            row
            for row in larger
            if any(
                row.window.start <= window.start and window.end <= row.window.end
                for window in failed.get(row.model, ())
            )
        }
        self._scopes.windows |= incomplete
        return larger - incomplete

    def _linked(self, base: set[ModelWindow], now: datetime) -> set[ModelWindow]:
        """Return the windows that ranked lists link with these base windows and that may still be restated."""
        linked: set[ModelWindow] = set()
        for model, windows in by_model(base):
            with self._scopes.model(model):
                linked |= self._events.linked_windows((ModelWindow(model, window) for window in windows), now)
        linked = self._decided(linked)
        return linked - self._performance.closed(linked, now)

    def _count(self, model_windows: set[ModelWindow], current: _Pass) -> None:
        for model, windows in by_model(model_windows):
            with self._scopes.model(model, windows):
                plan = self._counting_plans.of(model, windows, current.now)
                for batch in batches(windows):
                    self._scopes.compute(model, batch, partial(self._count_batch, model, plan, current))

    def _count_batch(self, model: str, plan: CountingPlan, current: _Pass, batch: Sequence[Window]) -> None:
        # Read before they are counted: if another agent writes a document in between, that is a conflict, and counts
        # that are older than a document never replace it.
        stored = self._performance.read(model, batch)
        existing = [window for window in batch if PREDICTIONS.index_for(window.start) in current.indices]
        empty = [window for window in batch if window not in existing and not _has_predictions(model, window, stored)]
        for moment, group in self._by_moment(sorted([*existing, *empty]), stored, current.now).items():
            states = self._events.count(plan.request(model, moment), group)
            self._write(model, states, stored, moment, current)
        current.tally.windows += len(batch)
        current.report_windows(len(batch))

    def _merge(self, model_windows: set[ModelWindow], current: _Pass) -> None:
        for model, windows in by_model(model_windows):
            for batch in batches(windows):
                self._scopes.compute(model, batch, partial(self._merge_batch, model, current))

    def _merge_batch(self, model: str, current: _Pass, batch: Sequence[Window]) -> None:
        stored = self._performance.read(model, batch)
        unrestated = [window for window in batch if self._keeps_its_numbers(model, window, stored, current.indices)]
        if unrestated:
            current.tally.unrestated += len(unrestated)
            _log.warning(
                "windows keep the numbers of earlier settings: events of them are deleted", **_facts(model, unrestated)
            )
        batch = [window for window in batch if window not in unrestated]
        for moment, group in self._by_moment(batch, stored, current.now).items():
            states = {window: self._merged(model, window) for window in group}
            self._write(model, states, stored, moment, current)
        current.tally.merged += len(batch)

    def _keeps_its_numbers(self, model: str, window: Window, stored: StoredDocuments, indices: frozenset[str]) -> bool:
        """Return whether a window has numbers by other settings, and events of it are deleted.

        The merge would leave them out, or mix numbers of two revisions.
        """
        document = stored.get(MetricsKey(model, ALL_VERSIONS, ALL_SEGMENT, window))
        if document is None or not document.get("predictions"):  # somebody may have damaged it
            return False
        revision = self._model_scope.revision_of(ModelWindow(model, window)) or 1
        is_restated = document.get("settings_revision", 1) != revision
        return is_restated and lacks_events(self._performance, model, window, indices)

    def _by_moment(
        self, windows: Sequence[Window], stored: StoredDocuments, now: datetime
    ) -> dict[datetime, list[Window]]:
        """Return the windows by the moment that decides about their state.

        The moment is `now`. For a window that a later clock has made final, it is at least the moment from which the
        window is final: else no agent would count the clicks that this clock still accepts.
        """
        final = {key.window for key, document in stored.items() if is_final(document["state"])}
        by_moment: dict[datetime, list[Window]] = {}
        for window in windows:
            moment = max(now, self._calendar.final_at(window)) if window in final else now
            by_moment.setdefault(moment, []).append(window)
        return by_moment

    def _final(self, model_windows: set[ModelWindow]) -> set[ModelWindow]:
        """Return the windows whose stored documents are final: a comparison with last week does not count them again.

        Events that came after the restatement limit stay out of them.
        """
        keys = [MetricsKey(model, ALL_VERSIONS, ALL_SEGMENT, window) for model, window in model_windows]
        states = self._performance.time_states(keys)
        return {ModelWindow(key.model, key.window) for key, state in states.items() if is_final(state)}

    def _merged(self, model: str, window: Window) -> States:
        """Return the states of a larger window, merged from smaller ones; of a base window, as they are stored."""
        states: dict[tuple[str, str], list[WindowState]] = {}
        size = window.size if window.size == self._calendar.base else self._calendar.component_size(window)
        for key, state in self._performance.states(model, size, window):
            states.setdefault((key.version, key.segment), []).append(state)
        return {name: merge_all(group) for name, group in states.items()}

    def _write(
        self, model: str, windows: Mapping[Window, States], stored: StoredDocuments, now: datetime, current: _Pass
    ) -> None:
        writes: list[tuple[PlannedWrite, Window]] = []
        baselines = self._baselines.load(model, windows, now)
        for window, states in windows.items():
            lost = lost_lines_in(window, current.losses)
            revision = self._model_scope.revision_of(ModelWindow(model, window)) or 1
            counted = {MetricsKey(model, *name, window): state for name, state in _with_all_versions(states).items()}
            # A stored document that counts nothing any more is written with empty counts.
            keys = counted.keys() | {key for key in stored if key.window == window}
            for key in sorted(keys):
                content = CountedState(key, counted.get(key, WindowState()), lost, baselines.of(key), revision)
                planned = planned_writes(content, stored.get(key), self._calendar, now, self._settings)
                writes += [(write, window) for write in planned]
        # Curves are written before their documents: after a crash between the two, the documents are still written.
        self._curves.write(
            {
                write.key: points(write.key, write.document, baselines.points(write.key))
                for write, _ in writes
                if write.key is not None and has_curves(write.key, write.document, self._settings)
            }
        )
        refused = {write.id for write in self._performance.write([write for write, _ in writes])}
        written = [write for write, _ in writes if write.version is not None and write.id not in refused]
        current.tally.written += len(written)
        current.tally.restated += sum(write.document["state"] == STATE_RESTATED for write in written)
        self._performance.refresh([write for write, _ in writes])
        current.computed |= {ModelWindow(model, window) for window in windows}
        current.changed |= {ModelWindow(model, window) for _, window in writes}
        current.refused |= {ModelWindow(model, window) for write, window in writes if write.id in refused}


def _facts(model: str, windows: Sequence[Window]) -> dict[str, str]:
    return {
        "model": model,
        "windows": ", ".join(f"{window.start:%Y-%m-%d %H:%M} ({window.size})" for window in windows),
    }


def _has_predictions(model: str, window: Window, stored: StoredDocuments) -> bool:
    document = stored.get(MetricsKey(model, ALL_VERSIONS, ALL_SEGMENT, window))
    return document is not None and document["predictions"] > 0


def _with_all_versions(states: States) -> States:
    by_segment: dict[str, list[WindowState]] = {}
    for (_, segment), state in states.items():
        by_segment.setdefault(segment, []).append(state)
    return {**states, **{(ALL_VERSIONS, segment): merge_all(group) for segment, group in by_segment.items()}}
