"""Makes portions of event lines of the rows of a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from monitor_agent.contracts.deadletter import UNKNOWN_PREDICTION
from monitor_agent.errors import DataError
from monitor_agent.importing.plans import ImportPlan
from monitor_agent.importing.portions import LabelLine, RowLine, RowPortion
from monitor_agent.importing.rows import ImportedRow, RowError, RowReader, SettingsAt
from monitor_agent.importing.sources import SourceFile
from monitor_agent.importing.stored_predictions import StoredPredictions
from monitor_agent.importing.times import NoOffsetError
from monitor_agent.prediction_log.limits import MOST_AHEAD
from monitor_agent.prediction_log.pseudonyms import Pseudonyms, load_key
from monitor_agent.prediction_log.recorded_events import RecordedEvents
from monitor_agent.settings import Settings
from monitor_agent.tables.table_file import TableRow

LONGEST_ROW_TEXT = 8000
"""Characters of a refused row that its dead letter holds."""


class RowPortions:
    """Reads files in this process; a `PortionReader`.

    Parameters
    ----------
    stored : the predictions in Elasticsearch: labels without a time take that of their prediction.
    joins_labels : whether the pipeline takes a prediction with its label in one line.
    """

    def __init__(
        self,
        plan: ImportPlan,
        reader: RowReader,
        events: RecordedEvents,
        stored: StoredPredictions,
        *,
        joins_labels: bool,
    ) -> None:
        self._plan = plan
        self._reader = reader
        self._events = events
        self._stored = stored
        self._joins_labels = joins_labels
        self._source: SourceFile | None = None
        self._rows: Iterator[TableRow] = iter(())
        self._limit = 1

    def open(self, source: SourceFile, done: int, limit: int) -> None:
        """Begin a file after its first `done` rows, in portions of `limit` rows."""
        self._source, self._limit = source, limit
        self._rows = (row for row in source.rows(self._plan) if row.number > done)

    def take(self) -> RowPortion | None:
        """Return the next portion; None at the end of the file.

        Raises
        ------
        DataError
            If the file cannot be read, or its times lack an offset.
        """
        rows = list(islice(self._rows, self._limit))
        return self._portion(self._source, rows) if rows and self._source is not None else None

    def _portion(self, source: SourceFile, rows: Sequence[TableRow]) -> RowPortion:
        portion = RowPortion(source.path, source.sha256, rows[-1].number)
        portion.counts.rows = len(rows)
        imported: list[tuple[TableRow, ImportedRow]] = []
        for row in rows:
            try:
                imported.append((row, read_row(self._reader, self._plan, source, row)))
            except RowError as error:
                portion.lines.append(refused_line(row, error.reason, error.explanation))
            except NoOffsetError as error:
                raise no_offset(source, row) from error
        timeless = [row.prediction_id for _, row in imported if row.predicted_at is None]
        times = self._stored.times(timeless) if timeless else {}
        newest: datetime | None = None
        for row, entry in imported:
            if entry.predicted_at is None:
                moment = times.get((entry.model, entry.prediction_id))
                if moment is None:
                    explanation = f"no prediction of {entry.model} has the id {entry.prediction_id}"
                    portion.lines.append(refused_line(row, UNKNOWN_PREDICTION, explanation))
                    continue
                entry = self._reader.timed(entry, moment)
            self._add(portion, row.number, entry)
            if newest is None or (entry.newest or newest) > newest:
                newest = entry.newest
        if newest is not None:
            portion.counts.add_newest(newest)
        return portion

    def _add(self, portion: RowPortion, number: int, row: ImportedRow) -> None:
        """Add the lines of a row."""
        if row.predicted_at is None or row.newest is None:
            return
        prediction, label = row.prediction, self._label_line(row)
        is_joined = self._joins_labels and prediction is not None and prediction.joined is not None
        if prediction is not None:
            event = self._events.prediction(prediction)
            if not is_joined:
                event.pop("feedback", None)
                event.pop("outcome", None)
            elif label is not None:
                portion.labelled.setdefault(prediction.id, []).append(label)
            portion.lines.append(RowLine(number, orjson.dumps(event)))
        if label is not None and not is_joined:
            portion.lines.append(RowLine(number, label.text))
        portion.counts.models.add(row.model)
        portion.counts.add_day(row.predicted_at)

    def _label_line(self, row: ImportedRow) -> LabelLine | None:
        if row.feedback is None:
            return None
        event = self._events.feedback(row.feedback, row.model, row.version)
        return LabelLine(event["event"]["id"], orjson.dumps(event))


def row_events(
    plan: ImportPlan, settings: Settings, settings_at: SettingsAt, present: datetime
) -> tuple[RowReader, RecordedEvents]:
    """Return what makes events of rows; a time may be as far ahead of the present as in any other event."""
    personal = not {"user", "session"}.isdisjoint(plan.columns)
    key = load_key(settings.server.hmac_key, Path(settings.server.log_dir)) if personal else ""
    return RowReader(plan, settings_at, present + MOST_AHEAD), RecordedEvents(Pseudonyms(key))


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
