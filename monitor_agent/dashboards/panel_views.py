"""The view of a panel: a chart, tiles, a table, or one line that says why there is nothing to see (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from monitor_agent.kibana.lens import LensPanel
from monitor_agent.kibana.panel_query import PanelData
from monitor_agent.kibana.sample_sizes import SMALL, Sample
from monitor_agent.kibana.tables import Value

Spec = dict[str, Any]
"""A Vega-Lite specification, or a part of one."""

NO_DATA = "No data in this time range"
NOT_MEASURED = "not measured"
DEFAULT_PAGE_ROWS = 10


@dataclass(frozen=True)
class LegendEntry:
    """A series' name, colour and kind of line; `strip` is one for a kind of disturbed time instead of a series."""

    name: str
    color: str
    dashed: bool
    strip: bool = False


@dataclass(frozen=True)
class TableViewColumn:
    """A column: `kind` is `date`, `number`, `string` or `boolean`; `field` is the field whose values it groups by.

    Attributes
    ----------
    unit : the unit of its numbers as they are stored, for files; empty if they have none.
    aged : whether the age of its moments stands beside them.
    """

    label: str
    kind: str
    align: str
    field: str = ""
    unit: str = ""
    aged: bool = False


@dataclass(frozen=True)
class TableView:
    """A table for people: `rows` hold the values, `texts` the same values as text.

    Attributes
    ----------
    sort : the column that it is sorted by, and whether the greatest value comes first; None = the order of the rows.
    page : rows on a page.
    weak : numbers of the rows that few events are behind, or that alerts may not use.
    total : number of all documents or groups, if there are more than rows; the viewer has the others.
    more : whether there are still more than `total`.
    paged : whether the rows are the largest groups only, and the viewer has pages of all groups.
    note : what it leaves out, or what it is sorted by.
    """

    columns: tuple[TableViewColumn, ...]
    rows: tuple[tuple[Value, ...], ...]
    texts: tuple[tuple[str, ...], ...]
    sort: tuple[int, bool] | None = None
    page: int = DEFAULT_PAGE_ROWS
    weak: tuple[int, ...] = ()
    total: int = 0
    more: bool = False
    paged: bool = False
    note: str = ""
    kind: str = "table"


@dataclass(frozen=True)
class Chart:
    """A Vega-Lite chart without size and theme.

    Attributes
    ----------
    table : its numbers.
    summary : its latest values in words.
    time : whether its x axis is time.
    note : what it leaves out.
    """

    spec: Spec
    legend: tuple[LegendEntry, ...]
    legend_place: str
    table: TableView
    summary: str
    time: bool = False
    note: str = ""
    kind: str = "chart"


@dataclass(frozen=True)
class Tile:
    """One number: its name, text and colour, a second line below it, and the direction of its change (-1, 0 or 1).

    Attributes
    ----------
    sample : the number of events behind it, in words; empty if it counts them itself.
    weak : whether few events are behind it.
    at : the moment that it shows, in milliseconds, so that its age can stand beside it; None if it shows none.
    """

    label: str
    text: str
    detail: str
    color: str
    trend: int = 0
    sample: str = ""
    weak: bool = False
    at: float | None = None


@dataclass(frozen=True)
class Tiles:
    """One or several numbers."""

    tiles: tuple[Tile, ...]
    table: TableView
    note: str = ""
    kind: str = "tiles"


@dataclass(frozen=True)
class Notice:
    """One line instead of a picture: `tone` is `empty`, `good`, `incomplete`, `unsupported` or `error`."""

    text: str
    tone: str
    kind: str = "notice"


PanelBody = Chart | Tiles | TableView | Notice


@dataclass(frozen=True)
class PanelView:
    """A panel's title, description and body."""

    title: str
    description: str
    body: PanelBody


def sample_text(sample: Sample) -> str:
    """Return the number of events behind a value, and what is wrong with them; empty if they are not counted.

    >>> sample_text(Sample(12)), sample_text(Sample(500, 1, alertable=False))
    ('n = 12 (few)', 'n = 500 (not alertable)')
    """
    if not sample.of_events:
        return ""
    reason = " (few)" if sample.n < SMALL else " (not alertable)" if sample.weak else ""
    return f"n = {sample.n:,}{reason}"


def left_out_note(left_out: Iterable[int]) -> str:
    """Return the sentence about the groups that a panel has no place for; empty if there are none."""
    most = max(left_out, default=0)
    return (
        f"{most} smaller {'groups are' if most > 1 else 'group is'} left out: choose a model or version" if most else ""
    )


Renderer = Callable[[LensPanel, PanelData, Mapping[str, str]], PanelBody]
"""Makes the body of a Lens panel that has data; the last argument is series name -> colour."""
