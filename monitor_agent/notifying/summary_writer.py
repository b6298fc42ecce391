"""Reads what a summary is about, and makes its text and its report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import structlog

from monitor_agent.alerting.alert_store import stored_firings
from monitor_agent.alerting.firings import Firing
from monitor_agent.errors import in_one_line
from monitor_agent.es.gateway import Gateway
from monitor_agent.notifying.message_templates import summary_template
from monitor_agent.notifying.messages import Message
from monitor_agent.notifying.outbox import SUMMARY, Batch
from monitor_agent.notifying.routes import ChannelRules, summarised_models
from monitor_agent.notifying.summaries import DueSummary, due_summaries, summary_content
from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.model_overview import Overview, overview, searches
from monitor_agent.settings import NotifySettings

PAGE = 1000
ReportMaker = Callable[[Interval, Path], Path]
"""Writes a report on a time into a folder and returns its file."""


class SummaryWriter:
    """Writes summaries.

    Parameters
    ----------
    make_report : None = no report is attached.
    """

    def __init__(self, gateway: Gateway, settings: NotifySettings, make_report: ReportMaker | None = None) -> None:
        self._gateway = gateway
        self._settings = settings
        self._template = summary_template(settings) if settings.summary_daily or settings.summary_weekly else None
        self._make_report = make_report
        self._log = structlog.get_logger()

    def due(self, now: datetime) -> list[DueSummary]:
        """Return the summaries that are due."""
        return due_summaries(self._settings, now)

    def message(self, batch: Batch, rules: ChannelRules) -> Message:
        """Return the message of a summary to a channel.

        Raises
        ------
        ElasticsearchError
            If Elasticsearch cannot be searched.
        """
        summary = DueSummary.of(batch)
        interval = summary.interval(self._settings)
        now, firings = self._read(interval)
        models = summarised_models(rules, [row.name for row in now.models])
        content = summary_content(summary.name, now, firings, interval, models)
        text = "" if self._template is None else self._template.render(**content, key=batch.key)
        title, _, body = text.strip().partition("\n")
        return Message(SUMMARY, batch.key, title.strip(), body.strip())

    def report(self, batch: Batch, folder: Path) -> list[Path]:
        """Return the files to attach; none if there is no report, whatever the reason is."""
        if self._make_report is None:
            return []
        try:
            return [self._make_report(DueSummary.of(batch).interval(self._settings), folder)]
        except Exception as error:  # noqa: BLE001 - the text is sent all the same
            self._log.warning("a summary goes without its report", reason=in_one_line(error))
            return []

    def _read(self, interval: Interval) -> tuple[Overview, Sequence[Firing]]:
        answers = self._gateway.msearch(searches(interval.end, interval.end - interval.start))
        return overview(answers, interval.end), stored_firings(self._gateway, interval.start, PAGE)
