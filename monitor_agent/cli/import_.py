"""`monitor-agent import`: tables of predictions and labels, in any columns, through the configured pipeline."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from monitor_agent import log
from monitor_agent.agent.backfill import BackfillProgress
from monitor_agent.agent.report import Tally
from monitor_agent.cli._agent import gateway_of, in_words, prepared_gateway_of, report_failures, require_stored_settings
from monitor_agent.cli._output import NOTHING, add_json, number, print_json, print_line, print_table
from monitor_agent.cli._times import add_time
from monitor_agent.clock import SystemClock
from monitor_agent.dashboards.addresses import dashboard_address
from monitor_agent.errors import ElasticsearchError, StoppedError
from monitor_agent.es.install import install
from monitor_agent.es.model_settings_store import ModelSettingsStore
from monitor_agent.es.retry import Backoff
from monitor_agent.extras import IMPORT, require
from monitor_agent.importing.plans import FEEDBACK_TYPES, ImportPlan, add_column, columns_of
from monitor_agent.importing.progress import ImportCounts, ImportDisplay
from monitor_agent.settings import Settings, read_import_tables
from monitor_agent.settings.import_tables import ImportTable, import_table
from monitor_agent.stack.embedded.elasticsearch import components_of_start
from monitor_agent.vocabulary.counted_nouns import counted

if TYPE_CHECKING:
    from monitor_agent.importing.importer import ImportReport, ImportRequest
    from monitor_agent.importing.preview import Preview

ROWS_REFUSED = 1
DASHBOARD = "model-quality"

AFTER_INTERRUPTION = "the same command goes on from there"


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        "import",
        help="import tables of predictions and labels; the exit status is 1 if rows were refused",
    )
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a table: .csv, .parquet or .ndjson; .csv.gz and .ndjson.gz, too"
    )
    parser.add_argument("--model", default="", metavar="NAME", help="the model of all rows")
    parser.add_argument("--version", default="", metavar="VERSION", help="its version")
    parser.add_argument(
        "--map",
        dest="maps",
        action="append",
        default=[],
        metavar="FIELD=COLUMN,...",
        help="the columns of fields; may be repeated (default: the columns that have the names of fields)",
    )
    parser.add_argument(
        "--table",
        default="",
        metavar="NAME",
        help="take these options from the table [imports.NAME] of the settings file (--config); options come first",
    )
    _add_reading(parser)
    parser.add_argument("--no-compute", action="store_true", help="do not compute the days of the predictions")
    add_time(parser, "--now", help="time that counts as now for the computation (default: when no label can come)")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="data folder of an embedded stack; the command starts the stack if it does not run, and makes the folder",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="show the first ten rows as they would be counted, and what would be refused; send nothing",
    )
    add_json(parser)


def _add_reading(parser: argparse.ArgumentParser) -> None:
    """Add how values are read."""
    parser.add_argument(
        "--positive",
        action="append",
        default=[],
        metavar="VALUE",
        help="a label that means 1, every other one means 0; may be repeated (default: 1, true, yes; 0, false, no)",
    )
    parser.add_argument("--time-zone", default="", metavar="NAME", help="of times without an offset")
    parser.add_argument(
        "--time-format",
        default="",
        metavar="FORMAT",
        help="as strptime reads it, or epoch, epoch_ms, epoch_us, epoch_ns (default: ISO 8601)",
    )
    parser.add_argument(
        "--feedback-type", choices=FEEDBACK_TYPES, help="what a label is (default: the type that judges the model)"
    )
    parser.add_argument(
        "--threshold", type=float, metavar="SCORE", help="scores from it on decide 1 (default: the model's, or 0.5)"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Import the files; return 1 if rows were refused, or a model failed."""
    require("import", IMPORT, *(components_of_start(settings.stack) if args.data else ()))
    from monitor_agent.importing.importer import ImportAccess, ImportRequest, run_import
    from monitor_agent.stack.read_access import full_access

    log.configure("monitor-agent", level="warning")  # the report says it all
    now = args.now.at(SystemClock().now()) if args.now else None
    request = ImportRequest(args.files, _plan(args), compute=not args.no_compute, now=now)
    if args.dry_run:
        return _dry_run(args, settings, request)
    with full_access(settings, args.data, _print_note) as (access, setup):
        if setup is not None:
            with gateway_of(setup) as gateway:
                install(gateway, access.agent, server=access.server, mapped=request.plan.columns)
        with prepared_gateway_of(access, "import") as gateway, _display() as display:
            require_stored_settings(args, gateway, access)
            try:
                report = run_import(request, ImportAccess(access, args.environ, gateway, SystemClock()), display)
            except StoppedError as error:
                raise KeyboardInterrupt(AFTER_INTERRUPTION) from error
    address = _dashboard(report, access)
    if args.json:
        return _print_json(report, address)
    status = _print_report(report)
    if address:
        data = f" --data {args.data}" if args.data else ""
        print_line(f"look at {address}\n  after `monitor-agent dashboards{data}`")
    return status


def _dry_run(args: argparse.Namespace, settings: Settings, request: ImportRequest) -> int:
    """Show what an import would do, by the settings of models in the cluster if it can be reached."""
    from monitor_agent.importing.model_rules import MetModelSettings
    from monitor_agent.importing.preview import preview
    from monitor_agent.stack.embedded import users
    from monitor_agent.stack.read_access import full_access

    if args.data and not (args.data / users.PASSWORDS_FILE).is_file():  # a new cluster gets the settings of the process
        return _print_preview(preview(request, settings, args.environ), as_json=args.json)
    with full_access(settings, args.data, _print_note) as (access, _), gateway_of(access, Backoff(tries=1)) as gateway:
        settings_at, warning = None, ""
        try:
            if ModelSettingsStore(gateway).read().version is not None:
                require_stored_settings(args, gateway, access)
                settings_at = MetModelSettings(gateway, access.agent).settings_at
        except ElasticsearchError as error:
            warning = f"warning: by the settings of this process, because those of models cannot be read: {error}"
        rows = preview(request, settings, args.environ, settings_at)
        if warning:
            _print_note(warning)
        return _print_preview(rows, as_json=args.json)


def _dashboard(report: ImportReport, settings: Settings) -> str:
    """Return the address of the dashboard with the time of the predictions; empty if nothing was computed."""
    moments, models = report.counts.first_moments, sorted(report.counts.models)
    if not report.window or not moments:
        return ""
    chosen = {"window": report.window, **({"model": models[0]} if len(models) == 1 else {})}
    return dashboard_address(settings, DASHBOARD, moments[0], moments[-1] + timedelta(days=1), **chosen)


def _plan(args: argparse.Namespace) -> ImportPlan:
    """Return the plan that the options, then the table of the settings file, name.

    Raises
    ------
    MonitorError
        If the table does not exist, or a column is malformed.
    """
    table = import_table(read_import_tables(args.config), args.table) if args.table else ImportTable()
    columns: dict[str, str] = {}
    for field, column in {**table.map, **columns_of(args.maps)}.items():
        add_column(columns, field, column)
    return ImportPlan(
        columns=columns,
        model=args.model or table.model,
        version=args.version or table.version,
        positives=tuple(value.strip().lower() for value in args.positive or table.positive),
        time_zone=args.time_zone or table.time_zone,
        time_format=args.time_format or table.time_format,
        feedback_type=args.feedback_type or table.feedback_type,
        threshold=table.threshold if args.threshold is None else args.threshold,
    )


def _print_note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _display() -> Iterator[ImportDisplay]:
    """Yield what shows the progress: bars on a terminal, else nothing until the report."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[done]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        yield _Bars(bars)


class _Bars(ImportDisplay):
    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._rows = bars.add_task("rows", total=None, done="")
        self._days: TaskID | None = None

    def rows(self, done: int, total: int) -> None:
        """Show how many rows are delivered."""
        self._bars.update(self._rows, total=max(done, total), completed=done, done=counted(done, "row"))

    def days(self, at: BackfillProgress) -> None:
        """Show how much is computed."""
        if self._days is None:
            self._days = self._bars.add_task("computing", total=None, done="")
        done = f"{at.day:%Y-%m-%d}, {at.done} of {counted(at.days, 'day')}"
        self._bars.update(self._days, total=at.days, completed=at.share, done=done)


def _print_json(report: ImportReport, address: str) -> int:
    tally = Tally()
    for computed in report.computed:
        tally.add(computed.tally)
    print_json(
        {
            **_counts_document(report.counts),
            "resumed": report.resumed,
            "seconds": round(report.seconds, 3),
            "computed_seconds": round(sum(computed.seconds for computed in report.computed), 3),
            "computed": asdict(tally) if report.computed else None,
            "dashboard": address or None,
        }
    )
    return _status(report)


def _print_report(report: ImportReport) -> int:
    _print_counts(report.counts)
    for computed in report.computed:
        print_line(in_words(computed))
    if report.counts.refused:
        print_line("`monitor-agent deadletters list` shows all refused rows")
    return _status(report)


def _status(report: ImportReport) -> int:
    failed = [report_failures(computed) for computed in report.computed]
    return ROWS_REFUSED if report.counts.refused or any(failed) else 0


def _print_preview(result: Preview, *, as_json: bool) -> int:
    counts = result.counts
    if as_json:
        rows = [asdict(row) for row in result.rows]
        print_json({**_counts_document(counts), "columns": dict(result.columns), "first_rows": rows})
    else:
        print_line("columns: " + ", ".join(f"{field} = {column!r}" for field, column in result.columns.items()))
        columns = ("row", "id", "time (UTC)", "model", "version", "score", "decision", "label", "outcome")
        table = [
            [
                str(row.row),
                row.id,
                row.time or "of its prediction",
                row.model,
                row.version,
                *(NOTHING if value is None else _cell(value) for value in (row.score, row.decision, row.label)),
                row.outcome or NOTHING,
            ]
            for row in result.rows
        ]
        print_table("the first rows, as they would be counted", columns, table, left=5)
        _print_counts(counts)
        print_line("nothing was sent")
    return ROWS_REFUSED if counts.refused else 0


def _cell(value: float | str) -> str:
    return value if isinstance(value, str) else number(value)


def _print_counts(counts: ImportCounts) -> None:
    moments = counts.first_moments
    days = f"; {counted(len(moments), 'day')} from {moments[0]:%Y-%m-%d} to {moments[-1]:%Y-%m-%d}" if moments else ""
    present = f"; already there: {counted(counts.present, 'prediction')}" if counts.present else ""
    print_line(
        f"{counted(counts.rows, 'row')}: {counted(counts.predictions, 'prediction')}, "
        f"{counted(counts.labels, 'label')}, {counts.refused:,} refused{present}{days}"
    )
    for refusal in counts.refusals:
        explanation = f": {refusal.explanation}" if refusal.explanation else ""
        print_line(f"  {Path(refusal.file).name}:{refusal.row}: {refusal.reason}{explanation}")
    further = counts.refused - len(counts.refusals)
    if further > 0:
        print_line(f"  and {further:,} more: " + ", ".join(f"{n:,} {name}" for name, n in counts.reasons.items()))


def _counts_document(counts: ImportCounts) -> dict[str, Any]:
    days = [f"{moment:%Y-%m-%d}" for moment in counts.first_moments]
    return asdict(counts) | {"days": days, "models": sorted(counts.models)}
