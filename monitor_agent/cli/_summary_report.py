"""The report that is attached to summaries: one page with the state of all models and the alerts."""

from __future__ import annotations

from pathlib import Path

from monitor_agent.clock import SystemClock
from monitor_agent.es.gateway import Gateway
from monitor_agent.extras import REPORTS, missing_modules
from monitor_agent.notifying.summary_writer import ReportMaker
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import Interval


def report_maker(gateway: Gateway) -> ReportMaker | None:
    """Return what writes the report on a time; None if the packages for reports are not installed."""
    if missing_modules(REPORTS):
        return None

    def make_report(interval: Interval, folder: Path) -> Path:
        from monitor_agent.dashboards.reports import write_summary

        file = folder / f"summary-{interval.end:%Y-%m-%d}.pdf"
        start, end = instants.text(interval.start), instants.text(interval.end)
        write_summary(gateway, file, SystemClock().now(), start, end)
        return file

    return make_report
