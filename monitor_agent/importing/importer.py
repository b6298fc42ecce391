"""The import of tables: deliver the rows, wait for Elasticsearch, then compute the days of their predictions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import orjson

from monitor_agent.agent.cycle import Agent
from monitor_agent.agent.report import CycleReport
from monitor_agent.clock import Clock, FixedClock
from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.kinds import BINARY
from monitor_agent.errors import DataError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.imported_days import ImportedDays
from monitor_agent.importing.delivery import ImportPipeline
from monitor_agent.importing.feed import FeedTools, ImportFeed
from monitor_agent.importing.model_rules import MetModelSettings
from monitor_agent.importing.plans import FEEDBACK_TYPES, ImportPlan
from monitor_agent.importing.portions import RowLine
from monitor_agent.importing.progress import ImportCounts, ImportDisplay, ImportProgress, spans
from monitor_agent.importing.reading_process import ReadingTask, local_portions, reading_process
from monitor_agent.importing.rows import SettingsAt
from monitor_agent.importing.sources import SourceFile, complete_plan, source_files
from monitor_agent.importing.stored_predictions import StoredPredictions
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.prediction_log.recorded_events import RecordedEvents, RecordedPrediction, binary_result
from monitor_agent.settings import Settings


@dataclass(frozen=True)
class ImportRequest:
    """What is to be imported.

    Attributes
    ----------
    files : the paths of the files.
    compute : whether the days of the predictions are computed afterwards.
    now : the time that counts as now for the computation; None = the newest event, the attribution window and the
        ingest grace later, but not later than the present.
    """

    files: Sequence[str]
    plan: ImportPlan
    compute: bool = True
    now: datetime | None = None


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Attributes
    ----------
    counts : what has become of the rows, those of an interrupted run included.
    resumed : whether an earlier run of the import had been interrupted.
    computed : what was computed, one entry for each range of adjacent days.
    seconds : how long this run took.
    window : the largest window that the days hold, to look at first; empty if nothing was computed.
    """

    counts: ImportCounts
    resumed: bool
    computed: Sequence[CycleReport]
    seconds: float
    window: str = ""


@dataclass(frozen=True)
class ImportAccess:
    """What an import works with.

    Attributes
    ----------
    environ : the environment variables for the pipeline's configuration.
    gateway : with the rights of the agent.
    """

    settings: Settings
    environ: Mapping[str, str]
    gateway: Gateway
    clock: Clock


def run_import(request: ImportRequest, access: ImportAccess, display: ImportDisplay | None = None) -> ImportReport:
    """Import the files; return when Elasticsearch has acknowledged every row and the days are computed.

    A row that cannot be imported becomes a dead letter. The same files, imported again, change nothing. If the process
    is killed, the same request goes on from there.

    Raises
    ------
    DataError
        If a file cannot be read, or the plan does not fit the files.
    MonitorError
        If the pipeline or Elasticsearch is in trouble; the same request goes on from there.
    """
    started, display = time.monotonic(), display or ImportDisplay()
    request.plan.check()
    sources = source_files(request.files)
    total = sum(source.about_rows for source in sources)
    rules = MetModelSettings(access.gateway, access.settings.agent)
    with reading_process(total) as process:
        plan = planned(request.plan, sources, rules.settings_at, access.clock.now())
        pipeline = ImportPipeline(access.settings, access.environ)
        progress = ImportProgress(pipeline.folder, [[source.sha256 for source in sources], plan.document()])
        if not _is_of_this_cluster(progress, access.gateway):
            progress.begin_anew()
        resumed = progress.resumes
        task = ReadingTask(plan, access.settings, access.clock.now(), pipeline.takes_joined_labels(_sample()))
        stored = StoredPredictions(access.gateway)
        if process is not None:
            process.begin(task, pipeline.stopping.is_set)
        tools = FeedTools(
            plan=plan,
            portions=process or local_portions(task, rules, stored),
            stored=stored,
            retain=lambda days: _retain(access, days),
            report=lambda: display.rows(progress.counts.rows, total),
        )
        pipeline.deliver(ImportFeed(tools, sources, progress))
    computed = _compute(request, access, rules, progress.counts, display) if request.compute else []
    if not any(report.failures for report in computed):
        progress.delete()
    window = _first_window(progress.counts, rules) if computed else ""
    return ImportReport(progress.counts, resumed, computed, time.monotonic() - started, window)


def planned(plan: ImportPlan, sources: Sequence[SourceFile], settings_at: SettingsAt, present: datetime) -> ImportPlan:
    """Return the plan with what the files and the settings of its model decide, where the plan leaves it open.

    Raises
    ------
    DataError
        If it does not fit the files, or the kind of the model.
    """
    settings = settings_at(plan.model, present)
    plan = complete_plan(replace(plan, model_kind=settings.kind if plan.model else ""), sources)
    if plan.model_kind not in ("", plan.kind):
        raise DataError(
            f"the columns are those of a {plan.kind} model, and {plan.model} is {plan.model_kind} by its settings",
            "map other columns, or change `kind` of the model: monitor-agent models apply FILE",
        )
    judging = settings.feedback_type if settings.feedback_type in FEEDBACK_TYPES and plan.kind == BINARY.name else ""
    plan = replace(
        plan,
        feedback_type=plan.feedback_type or judging,
        threshold=settings.threshold if plan.threshold is None else plan.threshold,
    )
    plan.check()
    return plan


def _retain(access: ImportAccess, days: Sequence[int]) -> None:
    """Note that days are imported, by their numbers since 1970: they are kept from now on."""
    moments = (instants.EPOCH + number * instants.DAY for number in days)
    ImportedDays(access.gateway).note(moments, access.clock.now())


def _is_of_this_cluster(progress: ImportProgress, gateway: Gateway) -> bool:
    """Return whether the rows that are delivered went to this cluster, and not to one that is deleted.

    The days of rows are noted in the cluster before the rows are sent.
    """
    return not progress.resumes or ImportedDays(gateway).read().keys() >= set(progress.counts.first_moments)


def _sample() -> RowLine:
    """Return a prediction with its label, to see what the pipeline makes of it."""
    prediction = RecordedPrediction(
        "sample", instants.EPOCH, "model", "1", binary_result(0.5, 1, 0.5), joined={"label": 1, "count": 1}
    )
    return RowLine(1, orjson.dumps(RecordedEvents(str).prediction(prediction)))


def _compute(
    request: ImportRequest, access: ImportAccess, rules: MetModelSettings, counts: ImportCounts, display: ImportDisplay
) -> list[CycleReport]:
    """Join and compute the days of the predictions, as a backfill does: no alert, no limit of restatements."""
    agent_settings = access.settings.agent
    now = request.now or _computed_as_of(counts, rules, access.clock.now())
    agent = Agent(access.gateway, agent_settings, FixedClock(now))
    # Without it, a search may miss the events of the last second.
    StoredPredictions(access.gateway).refresh(counts.days)
    access.gateway.refresh([FEEDBACK.alias])
    return [
        agent.backfill(start, end, display.days, restart=True, models=sorted(counts.models))
        for start, end in spans(counts.first_moments)
    ]


def _computed_as_of(counts: ImportCounts, rules: MetModelSettings, present: datetime) -> datetime:
    """Return the time that counts as now: nothing of the table can change after it."""
    newest = counts.newest_moment or present
    settings = [rules.settings_at(model, newest) for model in counts.models]
    waits = (entry.attribution_window + entry.ingest_grace for entry in settings)
    return min(present, newest + max(waits, default=timedelta()))


def _first_window(counts: ImportCounts, rules: MetModelSettings) -> str:
    """Return the name of the largest window that is not longer than the time from the first day to the last one."""
    moments, models = counts.first_moments, sorted(counts.models)
    if not moments or not models:
        return ""
    calendar = Calendar(rules.settings_at(models[0], moments[-1]))
    length = moments[-1] + instants.DAY - moments[0]
    fitting = [name for size, name in zip(calendar.sizes, calendar.names, strict=True) if size <= length]
    return (fitting or [calendar.base])[-1]
