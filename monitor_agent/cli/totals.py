"""`monitor-agent totals`: metrics over any range, merged from what is stored, by version and by a label."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from monitor_agent import metrics
from monitor_agent.agent.totals import Total, TotalKey, totals
from monitor_agent.cli._agent import history_of, moment
from monitor_agent.cli._output import add_json, interval, number, print_json, say, show
from monitor_agent.errors import DataError, SettingsError
from monitor_agent.es.history import History, Selection
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.ranges import cover, widened
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings, Settings

BY_VERSION = "version"
LABELS = "labels."
_METRICS = ("ctr", "precision", "recall", "f1", "auc", "response_time_p95", "error_rate")
_TITLES = ("predictions", "labelled", "CTR", "precision", "recall", "F1", "AUC", "p95 [ms]", "error rate")


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("totals", help="metrics over any range, merged from the stored windows")
    parser.add_argument("--from", dest="start", type=moment, required=True, metavar="TIME", help="first moment")
    parser.add_argument(
        "--to", dest="end", type=moment, required=True, metavar="TIME", help="the moment after the last"
    )
    parser.add_argument(
        "--by", action="append", default=[], metavar="FIELD", help="version, or a label such as labels.scene; both too"
    )
    parser.add_argument("--model", default="", help="one model (default: all)")
    parser.add_argument("--version", default="", help="one version (default: all together)")
    add_json(parser)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print the totals; an error where nothing is stored."""
    selection = Selection(
        model=args.model,
        versions=(args.version,) if args.version else (),
        by_version=BY_VERSION in args.by,
        label=label_of(args.by, settings.agent),
    )
    calendar = Calendar(settings.agent)
    start, end = widened(calendar, args.start, args.end)
    with history_of(settings) as history:
        found = totals(history, cover(calendar, start, end), selection)
        if not found:
            raise nothing_stored(history, calendar, start, end, args.model, (args.version,) if args.version else ())
    seconds = (end - start).total_seconds()
    rows = [(group, total, metrics.measure(total.state, seconds)) for group, total in found.items()]
    if args.json:
        print_json({"from": instants.text(start), "to": instants.text(end), "totals": [as_json(*row) for row in rows]})
        return 0
    _print(rows, start, end)
    return 0


def label_of(by: Sequence[str], settings: AgentSettings) -> str:
    """Return the label that `--by` names, "" for none; SettingsError where no metrics are split by it."""
    labels = [each for each in by if each != BY_VERSION]
    if len(labels) > 1:
        raise SettingsError("--by names more than one label", "segments are of one label each: ask for one at a time")
    if not labels:
        return ""
    name = labels[0].removeprefix(LABELS)
    if not labels[0].startswith(LABELS) or name not in settings.segments:
        known = ", ".join([BY_VERSION, *(LABELS + each for each in settings.segments)])
        raise SettingsError(f"--by {labels[0]} is unknown", f"use one of {known} (MONITOR_SEGMENTS)")
    return name


def nothing_stored(
    history: History, calendar: Calendar, start: datetime, end: datetime, model: str, versions: Sequence[str]
) -> DataError:
    """Return the error that says why a range has no documents: an unknown model or version, or nothing at all."""
    between = f"between {instants.text(start)} and {instants.text(end)}"
    stored = {each.model: each.served for each in history.versions(calendar.base, start, end)}
    if not stored:
        return DataError(
            f"no metrics documents of windows of {calendar.base} {between}",
            "give another range, check MONITOR_BASE_WINDOW and MONITOR_LARGER_WINDOWS, or run monitor-agent backfill",
        )
    if model and model not in stored:
        return DataError(f"model {model} is unknown {between}", f"known are {', '.join(sorted(stored))}")
    known = sorted({version for name, served in stored.items() if model in ("", name) for version in served})
    unknown = [each for each in versions if each not in known]
    return DataError(f"version {', '.join(unknown) or '?'} is unknown {between}", f"known are {', '.join(known)}")


def as_json(group: TotalKey, total: Total, measured: Mapping[str, Any]) -> dict[str, Any]:
    """Return a total as JSON says it."""
    state = total.state
    return {
        "model_name": group.model,
        "model_version": group.version,
        "segment": group.segment,
        "first_window": instants.text(total.first),
        "last_window_end": instants.text(total.last),
        "windows": dict(total.windows),
        "maturity": state.mature / state.impressions if state.impressions else None,
        "coverage": state.n / state.mature if state.mature else None,
        **measured,
    }


def _print(rows: Sequence[tuple[TotalKey, Total, Mapping[str, Any]]], start: datetime, end: datetime) -> None:
    models = sorted({group.model for group, _, _ in rows})
    table = []
    for group, _, measured in rows:
        cells = [number(measured["predictions"]), number(measured["n"])]
        for name in _METRICS:
            ends = interval(measured.get(f"{name}_low"), measured.get(f"{name}_high"))
            cells.append(number(measured[name]) + (f"\n{ends}" if ends else ""))
        table.append([*([group.model] if len(models) > 1 else []), group.version, group.segment, *cells])
    named = ["version", "segment"] if len(models) == 1 else ["model", "version", "segment"]
    title = f"{', '.join(models)}: {instants.text(start)} to {instants.text(end)}"
    show(title, [*named, *_TITLES], table, left=len(named))
    merged = max(sum(total.windows.values()) for _, total, _ in rows)
    not_final = max(total.not_final for _, total, _ in rows)
    say(f"merged from at most {merged} stored windows a row; below a value its 95 % interval")
    if not_final:
        say(f"{not_final} of them are not final: labels may still come")
