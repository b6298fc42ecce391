"""`monitor-agent totals`: metrics over any range, merged from the stored windows, by version and by a label."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from monitor_agent import metrics
from monitor_agent.agent.totals import Total, TotalKey, totals
from monitor_agent.cli._agent import history_of
from monitor_agent.cli._output import interval, number, print_json, print_line, print_table
from monitor_agent.cli._table_files import CSV, JSON, TABLE, add_format, chosen_format, write_csv, write_parquet
from monitor_agent.cli._times import add_range
from monitor_agent.clock import SystemClock
from monitor_agent.contracts.model_names import version_order
from monitor_agent.errors import DataError, SettingsError
from monitor_agent.es.history import History, Selection
from monitor_agent.metrics.kinds import other_kinds
from monitor_agent.metrics.positive_rate import rate_name
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.documents import coverage_of
from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.model_scopes import SettingsByModel
from monitor_agent.pipeline.ranges import whole_windows
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings, Settings
from monitor_agent.vocabulary.prediction_kinds import BINARY, MULTICLASS, REGRESSION

BY_VERSION = "version"
LABELS = "labels."
_BINARY = ("precision", "recall", "f1", "auc")
_MULTICLASS = ("accuracy", "precision_macro", "recall_macro", "f1_macro", "log_loss", "roc_auc_ovr")
_REGRESSION = ("mae", "rmse", "bias", "r2", "mape")
_OF_ALL = ("response_time_p95", "error_rate")
_TITLES = {
    "ctr": "CTR",
    "positive_rate": "positive rate",
    "f1": "F1",
    "auc": "AUC",
    "f1_macro": "F1 macro",
    "roc_auc_ovr": "AUC one vs rest",
    "mae": "MAE",
    "rmse": "RMSE",
    "r2": "R2",
    "mape": "MAPE",
    "response_time_p95": "p95 [ms]",
}


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("totals", help="compute metrics over any range from the stored windows")
    add_range(parser, required=True)
    parser.add_argument(
        "--by",
        action="append",
        default=[],
        metavar="FIELD",
        help="split by `version` or by a label such as labels.scene; may be repeated",
    )
    parser.add_argument("--model", default="", help="the model (default: all)")
    parser.add_argument("--version", default="", help="the version (default: all versions merged)")
    add_format(parser)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print the totals.

    Raises
    ------
    DataError
        If nothing is stored in the range.
    SettingsError
        If the format needs a file.
    """
    form = chosen_format(args)
    now = SystemClock().now()
    with history_of(settings, "totals", args.model) as (history, rules):
        agent = rules.latest(args.model)
        selection = Selection(
            model=args.model,
            versions=(args.version,) if args.version else (),
            by_version=BY_VERSION in args.by,
            label=label_of(args.by, rules.scopes if not args.model else [agent]),
        )
        interval = whole_windows(Calendar(agent), args.start.at(now), args.end.at(now))
        totals_by_key = totals(history, rules, interval, selection)
        if not totals_by_key:
            raise nothing_stored(history, rules, interval, args.model, (args.version,) if args.version else ())
    start, end = interval.start, interval.end
    seconds = (end - start).total_seconds()
    rows = [
        (key, total, metrics.measure(total.state, seconds, judged_by=total.judged_by))
        for key, total in totals_by_key.items()
    ]
    if form == TABLE:
        _print(rows, start, end)
        return 0
    objects = [_json_object(*row, rules.settings_at(row[0].model, row[1].first)) for row in rows]
    if form == JSON:
        print_json({"from": instants.text(start), "to": instants.text(end), "totals": objects})
    elif form == CSV:
        write_csv(objects, args.out)
    else:
        write_parquet(objects, args.out)
    return 0


def label_of(by: Sequence[str], groups: Iterable[AgentSettings]) -> str:
    """Return the label that `--by` names, "" for none.

    Parameters
    ----------
    groups : the settings of the groups of models that are meant.

    Raises
    ------
    SettingsError
        If several labels are named, or no metrics are split by the label.
    """
    labels = [name for name in by if name != BY_VERSION]
    if len(labels) > 1:
        raise SettingsError("--by names more than one label", "name one: a segment belongs to one label")
    if not labels:
        return ""
    name = labels[0].removeprefix(LABELS)
    segments = sorted({segment for settings in groups for segment in settings.segments})
    if not labels[0].startswith(LABELS) or name not in segments:
        choices = ", ".join([BY_VERSION, *(LABELS + segment for segment in segments)])
        raise SettingsError(f"--by {labels[0]} is unknown", f"use one of {choices} (MONITOR_SEGMENTS)")
    return name


def nothing_stored(
    history: History, rules: SettingsByModel, interval: Interval, model: str, versions: Sequence[str]
) -> DataError:
    """Return the error for a range without documents: the model or the version is unknown, or nothing is stored."""
    between = f"between {instants.text(interval.start)} and {instants.text(interval.end)}"
    sizes = rules.base_sizes
    stored = {entry.model: entry.served for entry in history.versions(sizes, interval.start, interval.end)}
    if not stored:
        return DataError(
            f"no metrics documents of windows of {' or '.join(sizes)} {between}",
            "give another range, or run monitor-agent backfill",
        )
    if model and model not in stored:
        return DataError(f"model {model} is unknown {between}", f"the stored models are {', '.join(sorted(stored))}")
    served_versions = sorted(
        {version for name, served in stored.items() if model in ("", name) for version in served}, key=version_order
    )
    unknown = [version for version in versions if version not in served_versions]
    return DataError(
        f"version {', '.join(unknown) or '?'} is unknown {between}",
        f"the stored versions are {', '.join(served_versions)}",
    )


def _json_object(key: TotalKey, total: Total, measured: Mapping[str, Any], settings: AgentSettings) -> dict[str, Any]:
    """Return a total as a JSON object; its keys are those of a metrics document."""
    state = total.state
    return {
        "model_name": key.model,
        "model_version": key.version,
        "segment": key.segment,
        "first_window": instants.text(total.first),
        "last_window_end": instants.text(total.last),
        "windows": dict(total.windows),
        "maturity": state.mature / state.impressions if state.impressions else None,
        "coverage": coverage_of(state, settings),
        "prediction_kind": state.kind,
        "without_metrics_of": other_kinds(state.kind),
        **metrics.of_own_kind(metrics.CATALOGUE, measured, state.kind),
    }


def _print(rows: Sequence[tuple[TotalKey, Total, Mapping[str, Any]]], start: datetime, end: datetime) -> None:
    models = sorted({key.model for key, _, _ in rows})
    names, table = shown_metrics(rows), []
    for key, _, measured in rows:
        cells = [number(measured["predictions"]), number(measured["n"])]
        for name in names:
            ends = interval(measured.get(f"{name}_low"), measured.get(f"{name}_high"))
            cells.append(number(measured[name]) + (f"\n{ends}" if ends else ""))
        table.append([*([key.model] if len(models) > 1 else []), key.version, key.segment, *cells])
    key_columns = ["version", "segment"] if len(models) == 1 else ["model", "version", "segment"]
    title = f"{', '.join(models)}: {instants.text(start)} to {instants.text(end)}"
    print_table(title, [*key_columns, "predictions", "labelled", *map(_title, names)], table, left=len(key_columns))
    merged = max(sum(total.windows.values()) for _, total, _ in rows)
    not_final = max(total.not_final for _, total, _ in rows)
    print_line(
        f"each row is merged from at most {merged} stored windows; the second line of a cell is the 95 % interval"
    )
    print_not_final(not_final)


def shown_metrics(rows: Sequence[tuple[TotalKey, Total, Mapping[str, Any]]]) -> list[str]:
    """Return the metrics of the kinds of predictions in the rows; the share of positives by the name that fits."""
    kinds = {total.state.kind or BINARY for _, total, _ in rows}
    names: list[str] = []
    if kinds - {MULTICLASS, REGRESSION}:
        rates = {rate_name(total.judged_by) for _, total, _ in rows if total.state.kind not in (MULTICLASS, REGRESSION)}
        names += [*sorted(rates), *_BINARY]
    if MULTICLASS in kinds:
        names += _MULTICLASS
    if REGRESSION in kinds:
        names += _REGRESSION
    return [*names, *_OF_ALL]


def _title(name: str) -> str:
    return _TITLES.get(name, name.replace("_", " "))


def print_not_final(windows: int) -> None:
    """Say how many windows are not final, if there are any."""
    if windows:
        print_line(f"{windows} of these windows are not final: labels may still come")
