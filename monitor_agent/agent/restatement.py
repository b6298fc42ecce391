"""Windows whose documents name another revision of the settings than the one that decides them: computed again.

A change with `--recompute` makes such windows, and so does an event from the future, which was counted before its
settings changed. They are found by their documents, so a crash loses none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor_agent.agent.deleted_days import days_of, lacks_events
from monitor_agent.agent.groups import ModelGroups
from monitor_agent.agent.join import JoinScope
from monitor_agent.agent.report import CycleReport
from monitor_agent.contracts.curve import CURVES
from monitor_agent.contracts.drift import DRIFT
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.event_store import WorkSummary
from monitor_agent.es.operations import DocumentVersion
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.lease_table import Assignment
from monitor_agent.pipeline.prediction_times import in_time_for
from monitor_agent.pipeline.sequences import LineLoss
from monitor_agent.pipeline.stale_windows import ModelWindow

PAGE = 5_000
_FIELDS = ["model_name", "window_size", "window_start", "window_end"]


@dataclass(frozen=True)
class _Superseded:
    """A metrics document that names another revision than the one that decides its window."""

    model: str
    size: str
    window: Interval
    version: DocumentVersion


class Restatement:
    """Computes windows again by the settings that decide them, and removes windows that these settings do not have."""

    def __init__(self, groups: ModelGroups, report_windows: Callable[[int], None] = lambda _count: None) -> None:
        self._groups = groups
        self._report_windows = report_windows

    def run(
        self, work: WorkSummary, losses: list[LineLoss], assignment: Assignment, now: datetime, report: CycleReport
    ) -> None:
        """Do this for all windows of the assigned models whose events still exist, one day after the other."""
        by_day: dict[Interval, set[str]] = {}
        performance = self._groups.common.performance
        for row in self._superseded(assignment):
            existing = [day for day in days_of(row.window) if PREDICTIONS.index_for(day.start) in work.documents]
            if existing and lacks_events(performance, row.model, row.window, work.documents):
                continue  # it keeps its numbers; the windows in it that can be computed have documents of their own
            for day in existing:
                by_day.setdefault(day, set()).add(row.model)
        for day, models in sorted(by_day.items()):
            with self._groups.scopes.step(f"the restatement of {day.start:%Y-%m-%d}"):
                self._compute(day, models, work, losses, now, report)
        if by_day:
            self._remove(assignment, by_day, work.documents)

    def _superseded(self, assignment: Assignment) -> Iterator[_Superseded]:
        filters = [*self._groups.superseded(), *assignment.filters("model_name")]
        body = {"query": {"bool": {"filter": filters}}, "_source": _FIELDS, "seq_no_primary_term": True}
        for hit in self._groups.common.gateway.scan(PERFORMANCE.alias, body, PAGE):
            source = hit["_source"]
            window = Interval(instants.parse(source["window_start"]), instants.parse(source["window_end"]))
            yield _Superseded(source["model_name"], source["window_size"], window, DocumentVersion.from_hit(hit))

    def _compute(
        self,
        day: Interval,
        models: set[str],
        work: WorkSummary,
        losses: list[LineLoss],
        now: datetime,
        report: CycleReport,
    ) -> None:
        """Join and count everything about the predictions of models on a day again."""
        groups, stores = self._groups, self._groups.common
        base = {
            ModelWindow(model, window)
            for model in models
            for group, piece in groups.pieces(model, day)
            for window in group.calendar.between(group.calendar.base, piece)
        }
        join = groups.join(JoinScope(now, work.documents, interval=day))
        for page in stores.predictions.with_feedback(day, sorted(models)):
            join.fold_again(page)
        for events in stores.feedback.not_counted(day, in_time_for(day, stores.settings)):
            join.join_page([event for event in events if event.model in models or not event.model])
        base |= join.result.windows
        stores.gateway.refresh(join.result.indices)
        stores.feedback.set_status(join.result.recovered_orphans())
        stores.feedback.refresh()
        for group, windows in groups.by_group(base):
            if windows:
                report.tally.add(
                    group.recomputation.run(windows, (), now, work.documents, self._report_windows, losses)
                )
        stores.write_feedback_statuses(join.result, report)

    def _remove(self, assignment: Assignment, days: Mapping[Interval, Iterable[str]], indices: Collection[str]) -> None:
        """Remove the documents of windows that the settings do not have, such as those of another size.

        No agent would write them again, so one that is open would be open for ever. A document whose events are deleted
        stays: its numbers are the only ones.
        """
        gateway = self._groups.common.gateway
        removed = [
            row
            for row in self._superseded(assignment)
            if not self._groups.has_window(row.model, row.size, row.window) and self._is_replaced(row, days, indices)
        ]
        gateway.bulk(row.version.operation("delete", None) for row in removed)
        gateway.refresh({row.version.index for row in removed})
        for model, size, starts in _by_size(removed):
            filters: list[dict[str, Any]] = [
                {"term": {"model_name": model}},
                {"term": {"window_size": size}},
                {"terms": {"window_start": starts}},
            ]
            body = {"query": {"bool": {"filter": filters}}, "_source": False, "seq_no_primary_term": True}
            for contract in (CURVES, DRIFT):
                hits = gateway.scan(contract.alias, body, PAGE)
                gateway.bulk(DocumentVersion.from_hit(hit).operation("delete", None) for hit in hits)

    def _is_replaced(self, row: _Superseded, days: Mapping[Interval, Iterable[str]], indices: Collection[str]) -> bool:
        """Return whether all events of a window are computed again; a day without an index may yet come."""
        existing = [day for day in days_of(row.window) if PREDICTIONS.index_for(day.start) in indices]
        if not existing or any(row.model not in days.get(day, ()) for day in existing):
            return False
        return not lacks_events(self._groups.common.performance, row.model, row.window, indices)


def _by_size(rows: Iterable[_Superseded]) -> Iterator[tuple[str, str, list[int]]]:
    """Yield models and sizes with the starts of their windows, in milliseconds, at most `PAGE` at a time."""
    by_size: dict[tuple[str, str], set[int]] = {}
    for row in rows:
        by_size.setdefault((row.model, row.size), set()).add(instants.milliseconds(row.window.start))
    for (model, size), starts in by_size.items():
        in_order = sorted(starts)
        for first in range(0, len(in_order), PAGE):
            yield model, size, in_order[first : first + PAGE]
