"""The totals of a model over a range, by the values of a label, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table

from monitor_agent.agent.totals import TotalKey, totals
from monitor_agent.contracts.performance import ALL_SEGMENT
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.history import History, Selection
from monitor_agent.metrics import measure
from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.model_scopes import SettingsByModel
from monitor_agent.settings import AgentSettings

NOTHING = "-"
WHOLE = 1000.0
"""From here on, a value has no decimal places."""


def segment_table(
    gateway: Gateway,
    settings: AgentSettings,
    between: tuple[datetime, datetime],
    model: str,
    label: str,
    metrics: Sequence[str],
) -> Table:
    """Return the table: a row for all predictions and one for each value of the label, a column for each metric.

    Parameters
    ----------
    between : start and end of the range.
    label : a label that the settings split by; "" = only the row of all predictions.
    """
    gateway.refresh(["model_performance"])
    rules = SettingsByModel.of_process(settings)
    selection = Selection(model, label=label)
    rows = totals(History(gateway, settings.page_size), rules, Interval(*between), selection)
    table = Table(title="totals", title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("segment")
    for name in metrics:
        table.add_column(name, justify="right", no_wrap=True)
    for key in sorted(rows, key=_order):
        fields = measure(rows[key].state)
        cells = [_cell(fields.get(name), fields.get(f"{name}_low"), fields.get(f"{name}_high")) for name in metrics]
        table.add_row(key.segment, *cells)
    return table


def _order(key: TotalKey) -> tuple[bool, str]:
    return key.segment != ALL_SEGMENT, key.segment


def _cell(value: object, low: object, high: object) -> str:
    """Return a value with its interval (95 %)."""
    if not isinstance(value, (int, float)):
        return NOTHING
    if isinstance(low, (int, float)) and isinstance(high, (int, float)):
        return f"{value:.4g} ({low:.3g}..{high:.3g})"
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < WHOLE else f"{value:,.0f}"
