"""One row of a table becomes the event of a prediction, of a label, or of both (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from monitor_agent.contracts import uuid7
from monitor_agent.contracts.bounds import NUMBER, POSITIVE_PROBABILITY, PROBABILITY, RANK, VALUE
from monitor_agent.contracts.deadletter import BAD_ROW, out_of_bounds
from monitor_agent.contracts.identifiers import canonical
from monitor_agent.contracts.kinds import BINARY, MOST_CLASS_CHARACTERS, MULTICLASS, REGRESSION
from monitor_agent.contracts.model_names import MOST_CHARACTERS
from monitor_agent.importing.plans import PREFIXES, ImportPlan
from monitor_agent.importing.times import UnreadableTimeError, time_reader
from monitor_agent.importing.values import (
    CellError,
    class_of,
    is_absent,
    is_unknown,
    label_reader,
    number_of,
    text_of,
    whole_of,
)
from monitor_agent.pipeline.attribution import FeedbackEvent, fold
from monitor_agent.pipeline.outputs import PredictedOutput
from monitor_agent.pipeline.windows import LAST_MOMENT
from monitor_agent.prediction_log.limits import MAX_EVENT_ID_LENGTH, MAX_FEATURE_LENGTH, MAX_ID_LENGTH, MAX_LABEL_LENGTH
from monitor_agent.prediction_log.recorded_events import (
    RecordedPrediction,
    binary_result,
    class_result,
    number_result,
)
from monitor_agent.prediction_log.records import FeedbackRecord
from monitor_agent.settings import AgentSettings

T = TypeVar("T")
SettingsAt = Callable[[str, datetime], AgentSettings]

DEFAULT_THRESHOLD, DEFAULT_TYPE = 0.5, "click"
FUTURE = "timestamp in the future"
REASONS_OF_FIELDS = {
    "time": "bad timestamp",
    "score": "bad prediction.score",
    "decision": "bad prediction.label",
    "class": "bad prediction.class",
    "position": "bad item.position",
    "propensity": "bad prediction.propensity",
    "rank": "bad ranking.rank",
    "model": "bad model.name",
    "version": "bad model.version",
}
_LONGEST_CELL = 80


class RowError(ValueError):
    """Raised if a row cannot be imported.

    Attributes
    ----------
    reason : a reason of the dead letters.
    explanation : the field, the column and the cell.
    """

    def __init__(self, reason: str, explanation: str) -> None:
        super().__init__(explanation)
        self.reason = reason
        self.explanation = explanation


@dataclass(frozen=True)
class ImportedRow:
    """What a row holds.

    Attributes
    ----------
    prediction : None if the row is only a label.
    feedback : None if the label is unknown, or is no event. With `prediction.joined`, the prediction has it already.
    prediction_id : the prediction that the row is about.
    predicted_at : its time; None = the row does not say it.
    """

    prediction: RecordedPrediction | None
    feedback: FeedbackRecord | None
    model: str
    version: str
    prediction_id: str
    predicted_at: datetime | None

    @property
    def newest(self) -> datetime | None:
        """The latest time of an event of the row."""
        labelled_at = self.feedback.timestamp if self.feedback is not None else None
        if labelled_at is None or self.predicted_at is None:
            return labelled_at or self.predicted_at
        return max(self.predicted_at, labelled_at)


class RowReader:
    """Reads the rows of tables by one plan.

    Parameters
    ----------
    settings_at : returns the settings that decide what a label of a model counts for at a moment.
    latest : the latest time that an event may have.
    """

    def __init__(self, plan: ImportPlan, settings_at: SettingsAt, latest: datetime = LAST_MOMENT) -> None:
        self._plan = plan
        self._settings_at = settings_at
        self._kind = plan.kind
        self._columns = plan.columns
        self._latest = latest
        self._time = time_reader(plan.time_format, plan.time_zone)
        self._label = label_reader(plan.positives)
        self._named = {
            prefix: [(field.removeprefix(prefix), field) for field in plan.columns if field.startswith(prefix)]
            for prefix in PREFIXES
        }

    def read(self, values: Mapping[str, Any], source: str, number: int, *, is_label: bool) -> ImportedRow:
        """Return what a row holds.

        Parameters
        ----------
        source : SHA-256 of the file.
        number : of the row.
        is_label : whether the row is a label of a prediction that is elsewhere.

        Raises
        ------
        RowError
            If a cell cannot be read, or a required one is empty.
        NoOffsetError
            If a time has no offset, and the plan names no time zone.
        """
        cells = _Cells(values, self._columns)
        model = cells.text("model", MOST_CHARACTERS) or self._plan.model
        version = cells.text("version", MOST_CHARACTERS) or self._plan.version
        if not model or not version:
            raise RowError("bad model.name", "the row names no model, or no version")
        moment = self._moment(cells, "time")
        if is_label:
            return self._label_row(cells, model, version, moment)
        if moment is None:
            raise RowError("no timestamp", cells.empty("time"))
        identifier = canonical(cells.text("id", MAX_EVENT_ID_LENGTH)) or _hashed_id(
            moment, model, version, source, str(number)
        )
        result, output = self._result(cells)
        prediction = RecordedPrediction(
            id=identifier,
            moment=moment,
            model=model,
            version=version,
            result=result,
            user=cells.text("user", MAX_ID_LENGTH),
            session=cells.text("session", MAX_ID_LENGTH),
            item=cells.text("item", MAX_ID_LENGTH),
            position=cells.read("position", _rank_of),
            propensity=cells.read("propensity", _propensity_of),
            ranking=cells.text("ranking", MAX_ID_LENGTH),
            rank=cells.read("rank", _rank_of),
            labels=self._texts(cells, "labels.", MAX_LABEL_LENGTH),
            numeric=self._numbers(cells, "features.numeric"),
            categorical=self._texts(cells, "features.categorical.", MAX_FEATURE_LENGTH),
            ages=self._numbers(cells, "features.age_s"),
        )
        feedback = self._feedback(cells, identifier, moment)
        if feedback is not None:
            prediction = self._joined(prediction, feedback, moment, output)
        return ImportedRow(prediction, feedback, model, version, identifier, moment)

    def timed(self, row: ImportedRow, predicted_at: datetime) -> ImportedRow:
        """Return a row that is a label, with the time of its prediction."""
        feedback = row.feedback
        if feedback is not None:
            feedback = replace(
                feedback, prediction_time=predicted_at, timestamp=feedback.timestamp or predicted_at, event_id=None
            )
            feedback = replace(feedback, event_id=_event_id(feedback))
        return replace(row, feedback=feedback, predicted_at=predicted_at)

    def _label_row(self, cells: _Cells, model: str, version: str, moment: datetime | None) -> ImportedRow:
        identifier = canonical(cells.text("id", MAX_EVENT_ID_LENGTH))
        if not identifier:
            raise RowError(BAD_ROW, cells.empty("id"))
        predicted_at = moment or uuid7.time_of(identifier)
        feedback = self._feedback(cells, identifier, predicted_at)
        return ImportedRow(None, feedback, model, version, identifier, predicted_at)

    def _moment(self, cells: _Cells, field: str) -> datetime | None:
        moment = cells.read(field, self._time)
        if moment is not None and moment > self._latest:
            raise RowError(FUTURE, f"{self._columns[field]!r} ({field}) is {moment:%Y-%m-%d %H:%M}")
        return moment

    def _result(self, cells: _Cells) -> tuple[dict[str, Any], PredictedOutput]:
        """Return the result of the model: for the event, and for the join."""
        plan = self._plan
        if self._kind == MULTICLASS.name:
            name = cells.class_name("class")
            if not name:
                raise RowError(REASONS_OF_FIELDS["class"], cells.empty("class"))
            score = cells.read("score", _probability_of)
            scores = {} if score is None else {name: score}
            return class_result(name, score), PredictedOutput(MULTICLASS.name, predicted_class=name, scores=scores)
        if self._kind == REGRESSION.name:
            value = cells.read("value", _number_of, "bad prediction.value")
            if value is None:
                raise RowError("bad prediction.value", cells.empty("value"))
            return number_result(value), PredictedOutput(REGRESSION.name, value=value)
        score = cells.read("score", _probability_of)
        if score is None:
            raise RowError(REASONS_OF_FIELDS["score"], cells.empty("score"))
        decision = cells.read("decision", self._label)
        if decision is None:
            threshold = DEFAULT_THRESHOLD if plan.threshold is None else plan.threshold
            label = int(score >= threshold)
            return binary_result(score, label, threshold), PredictedOutput(label=label)
        return binary_result(score, decision, None), PredictedOutput(label=decision)

    def _feedback(self, cells: _Cells, identifier: str, predicted_at: datetime | None) -> FeedbackRecord | None:
        """Return the feedback that the label of a row is; None if the label is unknown, or no event says it."""
        kind = self._kind
        moment = self._moment(cells, "feedback_time") or predicted_at
        if kind == BINARY.name:
            label = cells.read("label", self._label, "bad feedback.label")
            value = cells.read("value", _value_of, "bad feedback.value")
            truth = self._plan.feedback_type or DEFAULT_TYPE
            if label is None or (label == 0 and truth != "label"):
                return None
            record = FeedbackRecord(
                identifier,
                predicted_at,
                truth,
                timestamp=moment,
                label=label if truth == "label" else None,
                value=value,
            )
        elif kind == MULTICLASS.name:
            name = "" if is_unknown(cells.cell("label")) else cells.class_name("label")
            record = FeedbackRecord(identifier, predicted_at, "label", timestamp=moment, class_name=name or None)
        else:
            number = cells.read("label", _number_of, "bad feedback.truth")
            record = FeedbackRecord(identifier, predicted_at, "label", timestamp=moment, truth=number)
        if record.type == "label" and record.label is None and record.class_name is None and record.truth is None:
            return None
        return record if moment is None else replace(record, event_id=_event_id(record))

    def _joined(
        self, prediction: RecordedPrediction, feedback: FeedbackRecord, moment: datetime, output: PredictedOutput
    ) -> RecordedPrediction:
        """Return a prediction with the fields that the agent's join would write."""
        event = FeedbackEvent(
            feedback.timestamp or moment,
            feedback.event_id or "",
            feedback.type,
            feedback.label,
            feedback.value,
            feedback.class_name,
            feedback.truth,
        )
        folded = fold({event.id: event}, moment, output, self._settings_at(prediction.model, moment))
        return replace(prediction, joined=folded.feedback, outcome=folded.outcome)

    def _texts(self, cells: _Cells, prefix: str, most: int) -> dict[str, str]:
        texts = {name: cells.text(field, most) for name, field in self._named[prefix]}
        return {name: text for name, text in texts.items() if text}

    def _numbers(self, cells: _Cells, owner: str) -> dict[str, float]:
        numbers = {
            name: cells.read(field, _number_of, out_of_bounds(owner)) for name, field in self._named[f"{owner}."]
        }
        return {name: number for name, number in numbers.items() if number is not None}


class _Cells:
    """The cells of a row by the names of fields."""

    def __init__(self, values: Mapping[str, Any], columns: Mapping[str, str]) -> None:
        self._values = values
        self._columns = columns

    def cell(self, field: str) -> Any:
        """Return a cell; None if the field has no column, or the row has no such cell.

        A column `a.b` that is no name of a column is the field `b` of the object `a`.
        """
        column = self._columns.get(field)
        return None if column is None else self._value(column)

    def _value(self, column: str) -> Any:
        values = self._values
        if column in values:
            return values[column]
        value: Any = values
        for step in column.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        return value

    def class_name(self, field: str) -> str:
        """Return the name of a class; empty if there is none."""
        return self.text(field, MOST_CLASS_CHARACTERS, class_of)

    def text(self, field: str, most: int, read: Callable[[Any, int], str] = text_of) -> str:
        """Return the text of a cell; empty if there is none."""
        column = self._columns.get(field)
        if column is None or is_absent(cell := self._value(column)):
            return ""
        try:
            return read(cell, most)
        except CellError as error:
            raise self._error(field, cell, error, REASONS_OF_FIELDS.get(field, BAD_ROW)) from error

    def read(self, field: str, read: Callable[[Any], T], reason: str = "") -> T | None:
        """Return the value of a cell; None if there is none."""
        column = self._columns.get(field)
        if column is None or is_unknown(cell := self._value(column)):
            return None
        try:
            return read(cell)
        except (CellError, UnreadableTimeError) as error:
            raise self._error(field, cell, error, reason or REASONS_OF_FIELDS.get(field, BAD_ROW)) from error

    def empty(self, field: str) -> str:
        """Return the explanation that a required cell is empty."""
        column = self._columns.get(field)
        return f"no column is the {field}" if column is None else f"{column!r} ({field}) is empty"

    def _error(self, field: str, cell: Any, error: ValueError, reason: str) -> RowError:
        text = repr(cell)
        shortened = text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}..."
        return RowError(reason, f"{self._columns[field]!r} ({field}) holds {shortened}, which {error}")


def _hashed_id(moment: datetime, *texts: str) -> str:
    """Return an id that follows from texts alone; it tells the day of its prediction.

    Raises
    ------
    RowError
        If the time is before 1970.
    """
    digest = hashlib.sha256("\0".join(texts).encode()).digest()
    try:
        return uuid7.of_digest(moment, digest)
    except ValueError as error:
        raise RowError("bad timestamp", f"{moment.isoformat()} is before 1970") from error


def _event_id(record: FeedbackRecord) -> str:
    """Return the id of feedback: the same feedback has the same id, in whichever file it is."""
    moment = record.timestamp or record.prediction_time
    if moment is None:
        raise RowError(BAD_ROW, "the label has no time")
    values = (record.prediction_id, record.type, record.label, record.class_name, record.truth, record.value)
    return _hashed_id(moment, moment.isoformat(), *(repr(value) for value in values))


def _rank_of(cell: Any) -> int:
    return whole_of(cell, RANK)


def _propensity_of(cell: Any) -> float:
    return number_of(cell, POSITIVE_PROBABILITY)


def _probability_of(cell: Any) -> float:
    return number_of(cell, PROBABILITY)


def _number_of(cell: Any) -> float:
    return number_of(cell, NUMBER)


def _value_of(cell: Any) -> float:
    return number_of(cell, VALUE)
