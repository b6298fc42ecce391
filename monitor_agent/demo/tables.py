"""The tables that the demo prints: the windows, and the totals of each model version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

Document = Mapping[str, Any]

METRICS = {
    "accuracy": "accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "auc": "AUC",
    "ctr": "CTR",
}
TIMES = ("response_time_p50", "response_time_p95", "response_time_p99")
UNDEFINED = "-"


def windows_table(windows: Sequence[Document], size: str, *, most: int) -> Table:
    """Return the windows of one size, all versions and segments together.

    Of more than `most` windows those with a positive are shown, the latest first to stay.
    """
    rows = [row for row in windows if row["window_size"] == size and row["segment"] == row["model_version"] == "all"]
    shown = rows if len(rows) <= most else [row for row in rows if row["tp"] + row["fn"]][-most:]
    kept = "" if len(shown) == len(rows) else f" (the last {len(shown)} with a positive; all are in summary.json)"
    table = _table(f"{len(rows)} windows of {size}{kept}", "start (UTC)", "n", *METRICS.values())
    for name in ("p50/p95/p99 ms", "coverage", "maturity", "state"):
        table.add_column(name, justify="right")
    for row in shown:
        table.add_row(
            row["window_start"][5:16].replace("T", " "),
            str(row["n"]),
            *(_measured(row, metric) for metric in METRICS),
            "/".join(_number(row[time], 1) for time in TIMES),
            _number(row["coverage"], 2),
            _number(row["maturity"], 2),
            row["state"],
        )
    return table


def totals_table(totals: Mapping[str, Document]) -> Table:
    """Return the totals of each model version."""
    table = _table("totals by model version", "version", "n", "tp/fp/tn/fn", *METRICS.values())
    table.add_column("log loss", justify="right")
    table.add_column("AUC bound", justify="right")
    for version, total in totals.items():
        table.add_row(
            version,
            str(total["n"]),
            "/".join(str(total[count]) for count in ("tp", "fp", "tn", "fn")),
            *(_measured(total, metric) for metric in METRICS),
            _number(total["log_loss"], 4),
            _number(total["auc_error_bound"], 4),
        )
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", pad_edge=False, box=None)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _measured(row: Document, metric: str) -> Text:
    """Return the value, and below it the interval (95 %) where the metric has one."""
    value, low, high = (row.get(name) for name in (metric, f"{metric}_low", f"{metric}_high"))
    if value is None:
        return Text(UNDEFINED, style="dim")
    scale, digits = (100.0, 2) if metric == "ctr" else (1.0, 3)
    text = Text(_number(value * scale, digits) + ("%" if scale > 1 else ""))
    if low is not None and high is not None:
        text.append(f"\n{_number(low * scale, digits)}-{_number(high * scale, digits)}", style="dim")
    return text


def _number(value: float | None, digits: int) -> str:
    return UNDEFINED if value is None else f"{value:.{digits}f}"
