"""The tables that the demo prints: the windows, and the totals of each model version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

Document = Mapping[str, Any]
Column = tuple[str, Callable[[Document], str | Text]]

METRICS = {"accuracy": "accuracy", "precision": "precision", "recall": "recall", "F1": "f1", "AUC": "auc"}
UNDEFINED = "-"
WIDE = 118
"""Columns that the whole table of windows needs; a narrower terminal gets it as two tables."""


def windows_tables(windows: Sequence[Document], size: str, *, most: int, width: int) -> list[Table]:
    """Return the windows of one size, all versions and segments together, in one table or in two narrow ones.

    Parameters
    ----------
    most : if there are more windows, the table has only the last `most` windows with a positive.
    width : columns of the terminal.
    """
    rows = [row for row in windows if row["window_size"] == size and row["segment"] == row["model_version"] == "all"]
    chosen = rows if len(rows) <= most else [row for row in rows if row["tp"] + row["fn"]][-most:]
    note = "" if len(chosen) == len(rows) else f" (the last {len(chosen)} with a positive; all are in summary.json)"
    title = f"windows of {size}: {len(rows)}{note}"
    if width >= WIDE:
        return [_table(title, [_START, _COUNT, *_metrics(digits=2), *_SERVICE], chosen)]
    return [_table(title, [_START, _COUNT, *_metrics(digits=2)], chosen), _table("", [_START, *_SERVICE], chosen)]


def totals_table(totals: Mapping[str, Document]) -> Table:
    """Return the totals of each model version: one column a version, one row a metric, with its interval."""
    table = _empty("totals by model version", ["version", *totals])
    for name, cell in (_COUNT, _CONFUSION, *_metrics(digits=3), _AUC_BOUND, _LOG_LOSS, _TIMES):
        table.add_row(name, *(_on_one_line(cell(total)) for total in totals.values()))
    return table


def _table(title: str, columns: Sequence[Column], rows: Sequence[Document]) -> Table:
    table = _empty(title, [name for name, _ in columns])
    for row in rows:
        table.add_row(*(cell(row) for _, cell in columns))
    return table


def _empty(title: str, names: Sequence[str]) -> Table:
    table = Table(
        title=title or None, title_justify="left", title_style="bold", pad_edge=False, box=None, collapse_padding=True
    )
    for number, name in enumerate(names):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    return table


def _on_one_line(cell: str | Text) -> str | Text:
    return Text("  ").join(cell.split("\n")) if isinstance(cell, Text) else cell


def _metrics(digits: int) -> list[Column]:
    """Return the columns of the metrics, their intervals with `digits` digits."""
    return [
        *(_metric(title, name, digits) for title, name in METRICS.items()),
        _metric("CTR", "ctr", digits - 1, scale=100.0, unit="%"),
    ]


def _metric(title: str, name: str, digits: int, *, scale: float = 1.0, unit: str = "") -> Column:
    """Return the column of a metric: the value, and below it the interval (95 %) if it has one."""

    def cell(row: Document) -> Text:
        value, low, high = (row.get(field) for field in (name, f"{name}_low", f"{name}_high"))
        if value is None:
            return Text(UNDEFINED, style="dim")
        text = Text(_number(value * scale, digits + 1) + unit)
        if low is not None and high is not None:
            text.append(f"\n{_number(low * scale, digits)}-{_number(high * scale, digits)}", style="dim")
        return text

    return title, cell


def _share(title: str, name: str) -> Column:
    return title, lambda row: _number(row[name], 2)


def _number(value: float | None, digits: int) -> str:
    return UNDEFINED if value is None else f"{value:.{digits}f}"


_START: Column = ("start (UTC)", lambda row: row["window_start"][5:16].replace("T", " "))
_COUNT: Column = ("n", lambda row: str(row["n"]))
_CONFUSION: Column = ("tp/fp/tn/fn", lambda row: "/".join(str(row[name]) for name in ("tp", "fp", "tn", "fn")))
_TIMES: Column = (
    "p50/p95/p99 ms",
    lambda row: "/".join(_number(row[f"response_time_{quantile}"], 1) for quantile in ("p50", "p95", "p99")),
)
_AUC_BOUND: Column = ("AUC error bound", lambda row: _number(row["auc_error_bound"], 3))
_LOG_LOSS: Column = ("log loss", lambda row: _number(row["log_loss"], 4))
_SERVICE: tuple[Column, ...] = (
    _TIMES,
    _share("coverage", "coverage"),
    _share("maturity", "maturity"),
    ("state", lambda row: row["state"]),
)
