"""Windows computed anew: the smallest ones counted by Elasticsearch, the larger ones merged from stored states."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from monitor_agent.agent.baselines import BaselineLoader, batches, by_model
from monitor_agent.clock import Clock
from monitor_agent.contracts.performance import ALL_SEGMENT, ALL_VERSIONS, STATE_RESTATED
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.curve_store import CurveStore
from monitor_agent.es.event_store import EventStore, States
from monitor_agent.es.performance_store import PerformanceStore, Stored
from monitor_agent.es.state_store import StateStore
from monitor_agent.metrics import WindowState, merge_all
from monitor_agent.pipeline.curves import has_curves, points
from monitor_agent.pipeline.documents import Key, PlannedWrite, planned_writes
from monitor_agent.pipeline.finality import is_final
from monitor_agent.pipeline.score_resolution import NO_REFINED_BINS, RefinedBins, refined_bins
from monitor_agent.pipeline.segments import segments, selected_values
from monitor_agent.pipeline.sequences import Loss, lost_in
from monitor_agent.pipeline.stale_windows import DAY, ModelWindow
from monitor_agent.pipeline.windows import Calendar, Window
from monitor_agent.settings import AgentSettings

SEGMENTS, SCORES = "segments", "scores"
ROUNDS = 30
"""How often documents that another agent writes at the same time are computed again."""


@dataclass
class Tally:
    """What was done."""

    windows: int = 0
    merged: int = 0
    written: int = 0
    restated: int = 0


@dataclass
class _Pass:
    """One pass over windows: what it is told, and what it did.

    Attributes
    ----------
    computed, changed, refused : windows that were computed, that were written, that another agent was faster with.
    """

    now: datetime
    seen: frozenset[str]
    losses: Sequence[Loss]
    progress: Callable[[int], None]
    tally: Tally
    computed: set[ModelWindow] = field(default_factory=set)
    changed: set[ModelWindow] = field(default_factory=set)
    refused: set[ModelWindow] = field(default_factory=set)


class Recomputation:
    """Computes windows and writes their documents, until nobody else has written them in between."""

    def __init__(
        self,
        events: EventStore,
        performance: PerformanceStore,
        curves: CurveStore,
        baselines: BaselineLoader,
        memory: StateStore,
        calendar: Calendar,
        settings: AgentSettings,
        clock: Clock,
        sleep: Callable[[float], None],
    ) -> None:
        self._events = events
        self._performance = performance
        self._curves = curves
        self._baselines = baselines
        self._memory = memory
        self._calendar = calendar
        self._settings = settings
        self._clock = clock
        self._sleep = sleep

    def run(
        self,
        base: Iterable[ModelWindow],
        larger: Iterable[ModelWindow],
        now: datetime,
        seen: Iterable[str],
        progress: Callable[[int], None] = lambda _windows: None,
        losses: Sequence[Loss] = (),
    ) -> Tally:
        """Compute base windows, the larger windows that hold them, and further larger ones.

        Parameters
        ----------
        now : the moment that states and maturity are told for.
        seen : the indices that exist: windows of a day that has been deleted are left as they are.
        progress : told how many base windows were done.
        losses : lines that never arrived.

        A document that another agent has written since it was read here is computed again, from what both see then;
        so is one that is compared with a document of the week before that has changed.
        """
        tally, indices = Tally(), frozenset(seen)
        pending, further = set(base), set(larger)
        for _ in range(ROUNDS):
            done = _Pass(now, indices, losses, progress, tally)
            self._count(pending, done)
            for size in self._calendar.larger:
                cells = {ModelWindow(model, self._calendar.window(size, window.start)) for model, window in pending}
                self._merge(cells | {cell for cell in further if cell.window.size == size}, done)
            again = done.refused | self._baselines.week_later(done.changed, done.computed, now)
            if not again:
                return tally
            pending = {cell for cell in again if cell.window.size == self._calendar.base}
            further = again - pending
            if done.refused:
                now = max(now, self._clock.now())
                self._sleep(random.uniform(0.02, 0.2))
        raise ElasticsearchError("another agent keeps writing the same documents", "run fewer agents")

    def _count(self, cells: set[ModelWindow], done: _Pass) -> None:
        for model, windows in by_model(cells):
            parts = segments(self._kept_values(model, windows, done.now))
            refined = self._refined_bins(model, windows, done.now)
            for some in batches(windows):
                # Read before they are counted: what another agent writes in between is then a conflict, and counts
                # that are older than a document never replace it.
                stored = self._performance.read(model, some)
                kept = [window for window in some if PREDICTIONS.index_for(window.start) in done.seen]
                gone = [window for window in some if window not in kept and not _has_predictions(model, window, stored)]
                for then, told in self._by_moment([*kept, *gone], stored, done.now).items():
                    found = self._events.count(model, told, parts, then, refined)
                    self._write(model, found, stored, then, done)
                done.tally.windows += len(some)
                done.progress(len(some))

    def _merge(self, cells: set[ModelWindow], done: _Pass) -> None:
        for model, windows in by_model(cells):
            for some in batches(windows):
                stored = self._performance.read(model, some)
                for then, told in self._by_moment(some, stored, done.now).items():
                    found = {window: self._merged(model, window) for window in told}
                    self._write(model, found, stored, then, done)
                done.tally.merged += len(some)

    def _by_moment(self, windows: Sequence[Window], stored: Stored, now: datetime) -> dict[datetime, list[Window]]:
        """Return the windows by the moment that they are told for: `now`, but for those that a later clock made final.

        A click that this clock counts must be seen there too, or nobody would count it.
        """
        final = {key.window for key, document in stored.items() if is_final(document["state"])}
        found: dict[datetime, list[Window]] = {}
        for window in windows:
            then = max(now, self._calendar.final_at(window)) if window in final else now
            found.setdefault(then, []).append(window)
        return found

    def _merged(self, model: str, window: Window) -> States:
        parts: dict[tuple[str, str], list[WindowState]] = {}
        size = self._calendar.part_size(window)
        for key, state in self._performance.states(model, size, window.start, window.end):
            parts.setdefault((key.version, key.segment), []).append(state)
        return {name: merge_all(states) for name, states in parts.items()}

    def _write(self, model: str, found: Mapping[Window, States], stored: Stored, now: datetime, done: _Pass) -> None:
        writes: list[tuple[PlannedWrite, Window]] = []
        baselines = self._baselines.of(model, found, now)
        for window, states in found.items():
            lost = lost_in(window.start, window.end, done.losses)
            wanted = {Key(model, *name, window): state for name, state in _with_all_versions(states).items()}
            # What is stored and counts nothing any more is told so.
            known = {key for key in stored if key.window == window}
            for key in sorted(wanted.keys() | known):
                state, baseline = wanted.get(key, WindowState()), baselines.baseline(key)
                changed = planned_writes(
                    key, state, stored.get(key), self._calendar, now, self._settings, lost, baseline
                )
                writes += [(each, window) for each in changed]
        # Before their documents: after a crash between the two, the documents are still to be written.
        self._curves.write(
            {
                each.key: points(each.key, each.document, baselines.points(each.key))
                for each, _ in writes
                if each.key is not None and has_curves(each.key, each.document, self._settings)
            }
        )
        refused = {each.id for each in self._performance.write([each for each, _ in writes])}
        written = [each for each, _ in writes if each.version is not None and each.id not in refused]
        done.tally.written += len(written)
        done.tally.restated += sum(each.document["state"] == STATE_RESTATED for each in written)
        self._performance.refresh([each for each, _ in writes])
        done.computed |= {ModelWindow(model, window) for window in found}
        done.changed |= {ModelWindow(model, window) for _, window in writes}
        done.refused |= {ModelWindow(model, window) for each, window in writes if each.id in refused}

    def _refined_bins(self, model: str, windows: Sequence[Window], now: datetime) -> RefinedBins:
        """Return where the model's scores crowd, deciding it as soon as enough are there."""
        while True:
            (known,) = self._memory.read(SCORES)
            if model in known.content:
                return RefinedBins.restored(known.content[model])
            start, end = windows[0].start, windows[-1].end
            decided = refined_bins(self._events.scores(model, start - DAY, end), start)
            if decided is None:
                return NO_REFINED_BINS
            if self._memory.write(known, {**known.content, model: decided.content()}, now):
                return decided

    def _kept_values(self, model: str, windows: Sequence[Window], now: datetime) -> dict[str, list[str]]:
        """Return the values of each label that have a segment of their own, remembering those not seen before."""
        names, cap = self._settings.segments, self._settings.segment_values
        while True:
            (known,) = self._memory.read(SEGMENTS)
            before: dict[str, list[str]] = known.content.get(model, {})
            seen: dict[str, list[str]] = {}
            if any(len(before.get(name, ())) < cap for name in names):
                seen = self._events.label_values(model, windows[0].start, windows[-1].end, 2 * cap + 1)
            kept = {name: selected_values(before.get(name, ()), seen.get(name, ()), cap) for name in names}
            if all(kept[name] == before.get(name, []) for name in names):
                return kept
            if self._memory.write(known, {**known.content, model: {**before, **kept}}, now):
                return kept


def _has_predictions(model: str, window: Window, stored: Stored) -> bool:
    document = stored.get(Key(model, ALL_VERSIONS, ALL_SEGMENT, window))
    return document is not None and document["predictions"] > 0


def _with_all_versions(states: States) -> States:
    by_segment: dict[str, list[WindowState]] = {}
    for (_, segment), state in states.items():
        by_segment.setdefault(segment, []).append(state)
    return {**states, **{(ALL_VERSIONS, segment): merge_all(parts) for segment, parts in by_segment.items()}}
