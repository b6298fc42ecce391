"""The log of one version of a model: any Python program writes its predictions and feedback with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypedDict

from monitor_agent.contracts.bounds import PROBABILITY
from monitor_agent.contracts.kinds import BINARY, KINDS, MULTICLASS, REGRESSION
from monitor_agent.contracts.model_names import problem_of_name, problem_of_version
from monitor_agent.errors import LineTooLongError, RecordError, SettingsError, suggestion
from monitor_agent.prediction_log import outcomes
from monitor_agent.prediction_log.event_log import EventLog
from monitor_agent.prediction_log.outcomes import Outcomes
from monitor_agent.prediction_log.prediction_lines import PredictionTemplate
from monitor_agent.prediction_log.pseudonyms import Pseudonyms, load_key
from monitor_agent.prediction_log.record_checks import (
    PredictionRecord,
    RecordReader,
    RequestFields,
    feedback_of,
    trace_of,
)
from monitor_agent.prediction_log.records import (
    Call,
    ComputedScore,
    InstanceDetails,
    Origin,
    PredictionAnswer,
    ScoredRequest,
    ScoreTiming,
    as_float32,
)
from monitor_agent.prediction_log.reports import Report
from monitor_agent.prediction_log.service_log import ServiceLog
from monitor_agent.prediction_log.trace_context import Trace

if TYPE_CHECKING:
    from typing_extensions import Unpack


class FileOptions(TypedDict, total=False):
    """Options of a log that has a file of its own.

    Attributes
    ----------
    rotate_bytes : size at which the file is renamed and a new one begins; default 256 MiB.
    sync_seconds : how often lines are forced to disk; default 0.2; 0 = never.
    clock : returns the time, UTC.
    group_read : whether the group of the folder and the files may read them, for a pipeline with another account.
    report : takes what happens to the files; default: Python's logging.
    """

    rotate_bytes: int
    sync_seconds: float
    clock: Callable[[], datetime]
    group_read: bool
    report: Report


class PredictionLogOptions(FileOptions, total=False):
    """Options of a PredictionLog; all have defaults.

    Attributes
    ----------
    kind : `binary` (the default), `multiclass` or `regression`.
    threshold : of a binary model: a score at or above it gets the label 1; default 0.5.
    classes : names of the classes of a multiclass model; empty = any.
    engine : what computes the scores, such as `onnxruntime`.
    service_name : `service.name` of the events; default: the model's name.
    service_version, environment : `service.*` of the events; default: none, and `production`.
    labels : names that the labels of a request may have; None = any.
    hmac_key : key of the pseudonyms of users, sessions and queries; empty = a random key in the folder.
    log_query_text : whether the search query itself is logged, not only its pseudonym.
    answer_on_failure : return predictions that cannot be written, count them, and leave a gap in `event.sequence`.
    """

    kind: str
    threshold: float
    classes: Sequence[str]
    engine: str
    service_name: str
    service_version: str
    environment: str
    labels: Sequence[str] | None
    hmac_key: str
    log_query_text: bool
    answer_on_failure: bool


class PredictionLog(ServiceLog):
    """Writes the predictions of one version of a model, and feedback, to event files that the pipeline reads.

    Safe for threads. Several processes may write into one folder at once. Each has a file of its own,
    so a process opens its log after a fork.

    Parameters
    ----------
    folder : folder of the event files; or the event log of another PredictionLog, to share its file and its numbers.
    model, version : name and version of the model.
    options : see `PredictionLogOptions`.

    Raises
    ------
    SettingsError
        If an option is wrong, or the folder cannot be written.
    """

    def __init__(
        self, folder: Path | str | EventLog, *, model: str, version: str, **options: Unpack[PredictionLogOptions]
    ) -> None:
        _check_options(model, version, options)
        self._owns_log = not isinstance(folder, EventLog)
        log = _open_log(folder, options)
        try:
            key = load_key(options.get("hmac_key", ""), log.path.parent)
        except SettingsError:
            if self._owns_log:
                log.close()
            raise
        super().__init__(log, _origin_of(model, version, log.node, options))
        self._template = PredictionTemplate(
            self.origin, Pseudonyms(key), query_text=options.get("log_query_text", False)
        )
        self._answer_on_failure = options.get("answer_on_failure", False)
        self._reader = RecordReader(self.origin.kind, self.origin.classes, options.get("labels"))

    def predictions(self, records: Sequence[Any], **request: Unpack[RequestFields]) -> list[PredictionAnswer]:
        """Write the predictions of one request; return id, rank and outcome of each, in the order of the records.

        All lines go to the file with one write, and they are there when this returns. The best score has rank 1.

        Parameters
        ----------
        records : one mapping, or dataclass, for each scored instance; see `PredictionRecord` for the fields.
        request : what holds for all of them; see `RequestFields`.

        Raises
        ------
        RecordError
            If a field is wrong; it names the field, and nothing is written.
        LogWriteError
            If the lines cannot be written, unless `answer_on_failure` is on; a later call may succeed.
        """
        now = self.log.clock()
        fields = self._reader.request(request, now)
        rows = self._reader.predictions(records, now)
        primary_ids = tuple(row.primary_id or "" for row in rows)
        scored = replace(fields, primary_ids=primary_ids)
        try:
            return self._write(scored, rows, rows, outcomes_of_records(rows, self.origin))
        except LineTooLongError as error:
            raise RecordError(f"predictions[{error.index}]", error.message) from error

    def feedback(self, records: Any, *, trace: str | Trace | None = None) -> list[str]:
        """Write feedback on predictions; return the ids of its events.

        Parameters
        ----------
        records : one mapping or dataclass, or a list of them. Its fields are `prediction_id`; `type`: `impression`,
            `click`, `purchase` or `label`; `label` (1 or 0), `class` (the true class) or `truth` (the true number);
            `value`, such as a revenue; `event_id`, so that a second sending changes nothing; `timestamp`;
            `prediction_time`, if the prediction's id is no UUIDv7. `FeedbackRecord` has these fields.
        trace : the header `traceparent` of the request.

        Raises
        ------
        RecordError
            If a field is wrong; it names the field, and nothing is written.
        LogWriteError
            If the lines cannot be written; a later call may succeed.
        """
        now = self.log.clock()
        call = Call("", "", now, trace_of(trace, "trace"))
        checked = feedback_of(records, now)
        try:
            return self.write_feedback(checked, call)
        except LineTooLongError as error:
            raise RecordError(f"feedback[{error.index}]", error.message) from error

    def write_scored(
        self, request: ScoredRequest, instances: Sequence[InstanceDetails], computed: Sequence[ComputedScore]
    ) -> list[PredictionAnswer]:
        """Write the predictions of a request that the caller has checked; return the answer for each instance.

        Raises
        ------
        LineTooLongError
            If an event is longer than a line may be.
        LogWriteError
            If the lines cannot be written, unless `answer_on_failure` is on.
        """
        return self._write(request, instances, computed, outcomes_of(computed, self.origin))

    def close(self) -> None:
        """Force the lines to disk and close the file, unless it is the file of another PredictionLog."""
        if self._owns_log:
            self.log.close()

    def __enter__(self) -> PredictionLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(
        self,
        request: ScoredRequest,
        instances: Sequence[InstanceDetails],
        timings: Sequence[ScoreTiming],
        results: Outcomes,
    ) -> list[PredictionAnswer]:
        answers, lines = self._template.lines(request, instances, timings, results)
        self.log.append(lines, may_lose=self._answer_on_failure)
        return answers


def outcomes_of(computed: Sequence[ComputedScore], origin: Origin) -> Outcomes:
    """Return the outcomes of a model's float32 scores."""
    if origin.kind == MULTICLASS.name:
        by_class = [dict(zip(origin.classes, score.classes, strict=True)) for score in computed]
        return outcomes.multiclass([(max(scores, key=scores.__getitem__), scores) for scores in by_class])
    scores = [score.score for score in computed]
    if origin.kind == REGRESSION.name:
        return outcomes.regression(scores)
    threshold = origin.float32_threshold
    return outcomes.binary(scores, [1 if score >= threshold else 0 for score in scores], origin.threshold)


def outcomes_of_records(records: Sequence[PredictionRecord], origin: Origin) -> Outcomes:
    """Return the outcomes of records; a score that is no float32 is compared with the threshold itself."""
    if origin.kind == MULTICLASS.name:
        return outcomes.multiclass([(record.class_name or "", record.scores or {}) for record in records])
    if origin.kind == REGRESSION.name:
        return outcomes.regression([record.value or 0.0 for record in records])
    scores = [record.score or 0.0 for record in records]
    threshold, float32_threshold = origin.threshold, origin.float32_threshold
    labels = [1 if score >= (float32_threshold if as_float32(score) == score else threshold) else 0 for score in scores]
    return outcomes.binary(scores, labels, threshold)


def _check_options(model: str, version: str, options: PredictionLogOptions) -> None:
    """Check the options.

    Raises
    ------
    SettingsError
        If one is unknown or wrong; it names the option.
    """
    names = PredictionLogOptions.__annotations__.keys() | FileOptions.__annotations__.keys()
    for name in options:
        if name not in names:
            raise SettingsError(f"PredictionLog has no option {name}", suggestion(name, names))
    for name, problem in (("model", problem_of_name(model)), ("version", problem_of_version(version))):
        if problem:
            raise SettingsError(f"the {name} of a PredictionLog {problem}", "choose another one")
    kinds = [kind.name for kind in KINDS]
    if options.get("kind", BINARY.name) not in kinds:
        raise SettingsError(f"kind={options['kind']!r} is no kind of predictions", f"choose {', '.join(kinds)}")
    if not PROBABILITY.hold(options.get("threshold", 0.5)):
        raise SettingsError(f"threshold={options['threshold']!r} is no probability", "give a number from 0 to 1")


def _open_log(folder: Path | str | EventLog, options: PredictionLogOptions) -> EventLog:
    """Return the log to write to.

    Raises
    ------
    SettingsError
        If the folder cannot be written, or if options of a file are given for a log that has one.
    """
    file_options = {name: options[name] for name in FileOptions.__annotations__ if name in options}  # type: ignore[literal-required]
    if not isinstance(folder, EventLog):
        return EventLog(Path(folder), **file_options)
    if file_options:
        raise SettingsError(
            f"{', '.join(sorted(file_options))}: the event log that is shared has its own", "leave the options out"
        )
    return folder


def _origin_of(model: str, version: str, node: str, options: PredictionLogOptions) -> Origin:
    return Origin(
        service_name=options.get("service_name", model),
        service_version=options.get("service_version", ""),
        environment=options.get("environment", "production"),
        node=node,
        model_name=model,
        model_version=version,
        threshold=float(options.get("threshold", 0.5)),
        kind=options.get("kind", BINARY.name),
        classes=tuple(options.get("classes", ())),
        engine=options.get("engine", ""),
    )
