"""The feed of an import: reads files, makes lines of their rows, and labels predictions that are there already."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

import orjson

from monitor_agent.contracts.deadletter import UNKNOWN_PREDICTION
from monitor_agent.errors import DataError
from monitor_agent.importing.plans import ImportPlan
from monitor_agent.importing.portions import RowLine, RowPortion
from monitor_agent.importing.progress import ImportProgress, require_few_days
from monitor_agent.importing.rows import ImportedRow, RowError, RowReader
from monitor_agent.importing.sources import SourceFile
from monitor_agent.importing.stored_predictions import StoredPredictions
from monitor_agent.importing.times import NoOffsetError
from monitor_agent.prediction_log.recorded_events import RecordedEvents
from monitor_agent.tables.table_file import TableRow

LONGEST_ROW_TEXT = 8000
"""Characters of a refused row that its dead letter holds."""


@dataclass(eq=False)
class _OpenRows:
    """A portion of a file that is not settled yet, or whose labels are not."""

    sha256: str
    last: int
    parts_left: int = 1


@dataclass(frozen=True)
class FeedTools:
    """What a feed works with.

    Attributes
    ----------
    stored : the predictions in Elasticsearch.
    joins_labels : whether the pipeline takes a prediction with its label in one line.
    retain : called with the first moments of new days before their events are written.
    report : called after each settled portion.
    """

    plan: ImportPlan
    reader: RowReader
    events: RecordedEvents
    stored: StoredPredictions
    joins_labels: bool
    retain: Callable[[Sequence[int]], None]
    report: Callable[[], None] = field(default=lambda: None)


class ImportFeed:
    """Makes portions of the rows that the progress does not name yet: first of predictions, then of labels."""

    def __init__(self, tools: FeedTools, sources: Sequence[SourceFile], progress: ImportProgress) -> None:
        self._tools = tools
        self._progress = progress
        plan = tools.plan
        ordered = sorted(sources, key=lambda source: source.holds_labels(plan))
        self._waiting_sources = deque(ordered)
        self._source: SourceFile | None = None
        self._rows: Iterator[TableRow] = iter(())
        self._late: deque[tuple[RowPortion, _OpenRows]] = deque()
        self._open: deque[_OpenRows] = deque()
        self._open_of: dict[int, _OpenRows] = {}
        self._days: set[int] = set(progress.counts.days)
        self._exhausted = False
        self._refreshed = False
        self._lock = threading.Lock()

    @property
    def finished(self) -> bool:
        """Whether there will be no further portion."""
        with self._lock:
            return self._exhausted and not self._open and not self._late

    def take(self, limit: int) -> RowPortion | None:
        """Return the next portion.

        Raises
        ------
        DataError
            If the file cannot be read, or its times lack an offset, or lie on too many days.
        """
        with self._lock:
            if self._late:
                portion, place = self._late.popleft()
                self._open_of[id(portion)] = place
                return portion
        while not self._exhausted:
            if self._source is None and not self._next_source():
                return None
            rows = list(islice(self._rows, limit))
            if rows:
                return self._portion(rows)
            self._source = None
        return None

    def settle(self, portions: Sequence[RowPortion]) -> None:
        """Note that portions are delivered; queue the labels of predictions that were there already without them."""
        late = self._missing_labels(portions)
        with self._lock:
            for portion in portions:
                place = self._open_of.pop(id(portion))
                place.parts_left -= 1
                self._progress.counts.add(portion.counts)
                if rows := late.get(id(portion)):
                    place.parts_left += 1
                    self._late.append((self._label_portion(portion, rows), place))
            while self._open and not self._open[0].parts_left:
                done = self._open.popleft()
                self._progress.positions[done.sha256] = done.last
            self._progress.write()
        self._tools.report()

    def _next_source(self) -> bool:
        """Begin the next file; return False if there is none, or it must wait for the predictions before it."""
        if not self._waiting_sources:
            self._exhausted = True
            return False
        source = self._waiting_sources[0]
        if source.holds_labels(self._tools.plan):
            with self._lock:
                if self._open or self._late:
                    return False  # the labels may be of predictions that are on their way
            self._tools.stored.refresh(self._days)
        self._waiting_sources.popleft()
        self._source = source
        done = self._progress.positions.get(source.sha256, 0)
        self._rows = (row for row in source.rows(self._tools.plan) if row.number > done)
        return True

    def _portion(self, rows: Sequence[TableRow]) -> RowPortion:
        source, plan = self._source, self._tools.plan
        if source is None:
            raise DataError("no file is open")
        portion = RowPortion(source.path, source.sha256, rows[-1].number)
        portion.counts.rows = len(rows)
        imported: list[tuple[TableRow, ImportedRow]] = []
        for row in rows:
            try:
                imported.append((row, read_row(self._tools.reader, plan, source, row)))
            except RowError as error:
                portion.lines.append(refused_line(row, error.reason, error.explanation))
            except NoOffsetError as error:
                raise no_offset(source, row) from error
        timeless = [row.prediction_id for _, row in imported if row.predicted_at is None]
        times = self._tools.stored.times(timeless) if timeless else {}
        newest: datetime | None = None
        for row, entry in imported:
            if entry.predicted_at is None:
                moment = times.get((entry.model, entry.prediction_id))
                if moment is None:
                    explanation = f"no prediction of {entry.model} has the id {entry.prediction_id}"
                    portion.lines.append(refused_line(row, UNKNOWN_PREDICTION, explanation))
                    continue
                entry = self._tools.reader.timed(entry, moment)
            self._add(portion, row.number, entry)
            if newest is None or (entry.newest or newest) > newest:
                newest = entry.newest
        if newest is not None:
            portion.counts.add_newest(newest)
        self._note_days(portion)
        place = _OpenRows(source.sha256, portion.last)
        with self._lock:
            self._open.append(place)
            self._open_of[id(portion)] = place
        return portion

    def _add(self, portion: RowPortion, number: int, row: ImportedRow) -> None:
        """Add the lines of a row."""
        if row.predicted_at is None or row.newest is None:
            return
        prediction, events = row.prediction, self._tools.events
        if prediction is not None:
            event = events.prediction(prediction)
            if prediction.joined is not None:
                if self._tools.joins_labels:
                    portion.labelled.setdefault(prediction.id, []).append(row)
                else:
                    event.pop("feedback", None)
                    event.pop("outcome", None)
            portion.lines.append(RowLine(number, orjson.dumps(event)))
        is_joined = prediction is not None and prediction.joined is not None and self._tools.joins_labels
        if row.feedback is not None and not is_joined:
            portion.lines.append(RowLine(number, self._label_text(row)))
        portion.counts.models.add(row.model)
        portion.counts.add_day(row.predicted_at)

    def _label_text(self, row: ImportedRow) -> bytes:
        if row.feedback is None:
            return b""
        return orjson.dumps(self._tools.events.feedback(row.feedback, row.model, row.version))

    def _label_portion(self, portion: RowPortion, rows: Sequence[ImportedRow]) -> RowPortion:
        """Return the labels of predictions that were there already without them."""
        labels = RowPortion(portion.path, portion.sha256, portion.last)
        labels.lines = [RowLine(portion.last, self._label_text(row)) for row in rows]
        return labels

    def _missing_labels(self, portions: Sequence[RowPortion]) -> dict[int, list[ImportedRow]]:
        """Return, by the identity of a portion, the rows whose predictions were there already without their label."""
        keys = {key for portion in portions for key in portion.present if key[1] in portion.labelled}
        if not keys:
            return {}
        joined = self._tools.stored.joined_events(sorted(keys))
        missing: dict[int, list[ImportedRow]] = {}
        for portion in portions:
            for _, identifier in set(portion.present):
                for row in portion.labelled.get(identifier, ()):
                    if row.feedback is not None and row.feedback.event_id not in joined.get(identifier, ()):
                        missing.setdefault(id(portion), []).append(row)
        return missing

    def _note_days(self, portion: RowPortion) -> None:
        """Have new days retained before their first event is written.

        Raises
        ------
        DataError
            If there are too many days.
        """
        new = sorted(portion.counts.days - self._days)
        if not new:
            return
        self._days |= set(new)
        require_few_days(self._days, portion.path)
        self._tools.retain(new)


def read_row(reader: RowReader, plan: ImportPlan, source: SourceFile, row: TableRow) -> ImportedRow:
    """Return what a row of a file holds.

    Raises
    ------
    RowError
        If it cannot be imported.
    NoOffsetError
        If a time has no offset, and the plan names no time zone.
    """
    if row.problem:
        raise RowError("malformed", row.problem)
    if source.table.is_text and None in row.values.values():
        present = sum(value is not None for value in row.values.values())
        raise RowError("malformed", f"has {present} values for {len(row.values)} columns{row.extent}")
    is_label = source.holds_labels(plan, row.values if source.columns is None else None)
    return reader.read(row.values, source.sha256, row.number, is_label=is_label)


def no_offset(source: SourceFile, row: TableRow) -> DataError:
    """Return the error that a time has no offset."""
    return DataError(
        f"{source.table.path}:{row.number} has a time without an offset, which may be any moment of a day",
        "name the time zone: --time-zone Europe/Berlin, or UTC",
    )


def refused_line(row: TableRow, reason: str, explanation: str) -> RowLine:
    """Return the line of a refused row: its text is the row itself, as JSON if it has values."""
    text = row.text or json.dumps(_plain(row.values), ensure_ascii=False, default=str)
    shortened = text[:LONGEST_ROW_TEXT].encode(errors="replace")
    return RowLine(row.number, shortened, reason, explanation.encode(errors="replace").decode())


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in values.items()}
