"""A chart's numbers for people who cannot see it: as a table, and in words (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from monitor_agent.dashboards import formats
from monitor_agent.dashboards.chart_values import Axes, Point, Series
from monitor_agent.dashboards.panel_views import TableView, TableViewColumn
from monitor_agent.kibana.tables import TableColumn, Value

_SUMMARY_POINTS = 8


def numbers(series: Sequence[Series], axes: Axes) -> TableView:
    """Return a chart's numbers as a table: one row for each value of the x axis, and the columns of each series."""
    points: dict[Value, dict[str, Point]] = {}
    for entry in series:
        for point in entry.points:
            points.setdefault(point.x, {})[entry.name] = point
    sortable = axes.time or axes.numeric
    order = sorted(points, key=lambda x: x if isinstance(x, (int, float)) else 0) if sortable else list(points)
    kind = "date" if axes.time else "number" if axes.numeric else "string"
    columns = [TableViewColumn(f"Time ({formats.ZONE.get()})" if axes.time else axes.title_x or "Group", kind, "left")]
    rows: list[list[Value]] = [[x] for x in order]
    texts = [[formats.text(x, None, kind)] for x in order]
    missing = Point(None, None, formats.NOTHING)
    for entry in series:
        at = [points[x].get(entry.name, missing) for x in order]
        columns.append(TableViewColumn(entry.name, "number", "right", unit=formats.unit(entry.column.format)))
        _add(rows, texts, [(point.value, point.text) for point in at])
        for number, end in enumerate(entry.ends or ()):
            columns.append(TableViewColumn(f"{entry.name}, {end.label}", "number", "right", unit=columns[-1].unit))
            _add(rows, texts, [_end(end, (point.low, point.high)[number]) for point in at])
    return TableView(
        columns=tuple(columns),
        rows=tuple(tuple(row) for row in rows),
        texts=tuple(tuple(row) for row in texts),
        sort=(0, True) if axes.time else None,
    )


def _add(rows: list[list[Value]], texts: list[list[str]], cells: Sequence[tuple[Value, str]]) -> None:
    for row, words, (value, text) in zip(rows, texts, cells, strict=True):
        row.append(value)
        words.append(text)


def _end(column: TableColumn, value: float | None) -> tuple[Value, str]:
    return value, formats.text(value, column.format, column.kind)


def summary(series: Sequence[Series], axes: Axes) -> str:
    """Return a chart's values in words, for people who cannot see it."""
    if not axes.time:
        return "; ".join(
            f"{entry.name}: {', '.join(f'{point.x} {point.text}' for point in entry.points[:_SUMMARY_POINTS])}"
            for entry in series
        )
    latest = []
    for entry in series:
        texts = [point.text for point in entry.points if point.value is not None]
        latest.append(f"{entry.name} {texts[-1] if texts else formats.NOTHING}")
    return "latest: " + ", ".join(latest)
