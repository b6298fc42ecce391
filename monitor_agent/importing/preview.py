"""A dry run: what would become of each row; nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from monitor_agent.clock import SystemClock
from monitor_agent.contracts.deadletter import REASONS
from monitor_agent.importing.delivery import ImportPipeline
from monitor_agent.importing.importer import ImportRequest, planned
from monitor_agent.importing.portions import RowLine
from monitor_agent.importing.progress import ImportCounts, RefusedRow, require_few_days
from monitor_agent.importing.row_portions import no_offset, read_row, refused_line, row_events
from monitor_agent.importing.rows import ImportedRow, RowError, SettingsAt
from monitor_agent.importing.sources import source_files
from monitor_agent.importing.times import NoOffsetError
from monitor_agent.logstash.outputs.elasticsearch import ElasticsearchOutput
from monitor_agent.logstash.validation import outcome_of
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.outputs import PredictedOutput, judged_label
from monitor_agent.prediction_log.recorded_events import RecordedEvents
from monitor_agent.prediction_log.records import FeedbackRecord
from monitor_agent.settings import Settings

MOST_ROWS = 10


@dataclass(frozen=True)
class PreviewedRow:
    """A row as it would be counted; what is unknown is None.

    Attributes
    ----------
    file, row : its file, and its number there.
    time : of the prediction; None = of a label whose prediction Elasticsearch must name.
    score, decision : of the prediction; or the predicted class or number, as `score`.
    label : 1, 0, the true class or the true number, as it counts after the attribution window; None = unknown.
    outcome : `tp`, `fn`, `fp` or `tn`, if the label is known and the prediction is in the row.
    """

    file: str
    row: int
    id: str
    time: str | None
    model: str
    version: str
    score: float | str | None
    decision: int | None
    label: int | float | str | None
    outcome: str | None


@dataclass
class Preview:
    """What an import would do.

    Attributes
    ----------
    columns : field -> column.
    rows : the first accepted rows.
    counts : of all rows.
    """

    columns: Mapping[str, str]
    rows: list[PreviewedRow] = field(default_factory=list)
    counts: ImportCounts = field(default_factory=ImportCounts)


def preview(
    request: ImportRequest, settings: Settings, environ: Mapping[str, str], settings_at: SettingsAt | None = None
) -> Preview:
    """Read all rows and send nothing.

    Parameters
    ----------
    settings_at : returns the settings of a model at a moment; None = those of the process decide all models.

    Raises
    ------
    DataError
        If a file cannot be read, or the plan does not fit the files, or their times lie on too many days.
    ConfigurationError
        If the configuration of the pipeline is wrong.
    """
    request.plan.check()
    sources = source_files(request.files)
    now = SystemClock().now()

    settings_at = settings_at or (lambda _model, _moment: settings.agent)
    plan = planned(request.plan, sources, settings_at, now)
    # No output is opened, so none needs a password.
    pipeline = ImportPipeline(settings, {"PIPELINE_PASSWORD": "", **environ})
    reader, events = row_events(plan, settings, settings_at, now)
    result = Preview(plan.columns)
    for source in sources:
        for row in source.rows(plan):
            result.counts.rows += 1
            imported = None
            try:
                imported = read_row(reader, plan, source, row)
                lines = _lines(imported, row.number, events)
            except RowError as error:
                lines = [refused_line(row, error.reason, error.explanation)]
            except NoOffsetError as error:
                raise no_offset(source, row) from error
            refusal = _refusal(pipeline, lines, source.path, row.number)
            if refusal is not None:
                result.counts.add_refusal(refusal)
            elif imported is not None:
                _add(result, imported, source.path, row.number, settings_at)
    return result


def _lines(row: ImportedRow, number: int, events: RecordedEvents) -> list[RowLine]:
    lines = []
    if row.prediction is not None:
        lines.append(RowLine(number, orjson.dumps(events.prediction(row.prediction))))
    if (
        row.feedback is not None
        and row.newest is not None
        and (row.prediction is None or row.prediction.joined is None)
    ):
        lines.append(RowLine(number, orjson.dumps(events.feedback(row.feedback, row.model, row.version))))
    return lines


def _refusal(pipeline: ImportPipeline, lines: list[RowLine], path: str, number: int) -> RefusedRow | None:
    """Return why the pipeline, or the mapping of an index, would refuse a row; None if neither would."""
    batch = [event for line in lines for event in pipeline.events_of(line, path)]
    for output, share in pipeline.program.route(pipeline.program.filter(batch)):
        if isinstance(output, ElasticsearchOutput):
            for item in output.prepare(share):
                outcome = outcome_of(item)
                if outcome.reason:
                    explanation = outcome.explanation or REASONS.get(outcome.reason, "")
                    return RefusedRow(path, number, outcome.reason, explanation)
    return None


def _add(result: Preview, row: ImportedRow, path: str, number: int, settings_at: SettingsAt) -> None:
    counts, prediction, feedback = result.counts, row.prediction, row.feedback
    counts.predictions += prediction is not None
    counts.labels += feedback is not None
    counts.models.add(row.model)
    if row.predicted_at is not None:
        counts.add_day(row.predicted_at)
        require_few_days(counts.days, path)
        counts.add_newest(row.newest or row.predicted_at)
    if len(result.rows) == MOST_ROWS:
        return
    scored = prediction.result if prediction is not None else {}
    label, outcome = _counted(row, settings_at)
    result.rows.append(
        PreviewedRow(
            file=path,
            row=number,
            id=row.prediction_id,
            time=instants.text(row.predicted_at) if row.predicted_at else None,
            model=row.model,
            version=row.version,
            score=scored.get("score", scored.get("class", scored.get("value"))),
            decision=scored.get("label"),
            label=label,
            outcome=outcome,
        )
    )


def _counted(row: ImportedRow, settings_at: SettingsAt) -> tuple[int | float | str | None, str | None]:
    """Return label and outcome of a row as they count when its attribution window is over."""
    prediction, feedback = row.prediction, row.feedback
    if prediction is None:
        return (None, None) if feedback is None else (_label_of(feedback), None)
    joined = prediction.joined or {}
    if "kind" in prediction.result:  # judged by the truth alone
        return None if feedback is None else _label_of(feedback), prediction.outcome
    settings = settings_at(prediction.model, prediction.moment)
    label = joined.get("label")
    is_displayed = settings.impressions != "explicit" or joined.get("shown") is True
    if label is None and settings.absent_feedback == "negative" and is_displayed:
        label = 0
    if label is None or not is_displayed:
        return label, None
    return label, judged_label(PredictedOutput(label=prediction.result["label"]), label).outcome


def _label_of(feedback: FeedbackRecord) -> int | float | str:
    """Return what feedback says; a click or a purchase says 1."""
    label = feedback.class_name or (feedback.truth if feedback.truth is not None else feedback.label)
    return 1 if label is None else label
