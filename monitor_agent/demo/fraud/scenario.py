"""The scenario `fraud`: tables of card transactions and chargebacks are imported night by night."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from monitor_agent.clock import FixedClock, SystemClock
from monitor_agent.demo.display import Display
from monitor_agent.demo.fraud.transactions import CHANGE_DAY, DAYS, LAST_DAY, THRESHOLD, Tables, nightly_tables
from monitor_agent.demo.replayed_agent import ReplayedAgent
from monitor_agent.demo.stage import Stage, scenario_settings, stage
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.history import History, Selection, StoredMetrics
from monitor_agent.extras import IMPORT
from monitor_agent.metrics import measure
from monitor_agent.pipeline.instants import DAY
from monitor_agent.pipeline.ranges import WindowRun
from monitor_agent.settings import AgentSettings, Settings

if TYPE_CHECKING:
    from monitor_agent.importing.plans import ImportPlan

MODEL, VERSION = "card-fraud", "3"
ATTRIBUTION = timedelta(days=LAST_DAY + 1)
WEEK = 7 * DAY
NIGHT_COUNT = DAYS + ATTRIBUTION // DAY + 1
FIRST = "model-quality"
TRANSACTIONS = {
    "id": "Transaction",
    "time": "Booked at",
    "score": "Score",
    "features.numeric.amount": "Amount EUR",
    "features.categorical.channel": "Channel",
    "features.categorical.country": "Country",
}
CHARGEBACKS = {"id": "Transaction", "label": "Charged back", "feedback_time": "Charged back at", "time": "Booked at"}
METRICS = ("n", "recall", "precision", "auc")
SIMULATED = f"""\
Simulated, by a stated generator: six weeks of card transactions with a model's scores, and the chargebacks of the
frauds, 20 to 80 days later. From day {CHANGE_DAY} on, a second pattern of fraud comes that the model does not know.
Each night brings a Parquet file of transactions and one of chargebacks, and `monitor-agent import` takes them, with
their own column names.
"""


def agent_settings() -> AgentSettings:
    """Return the settings of the scenario's agent: no chargeback within 81 days means no fraud."""
    return AgentSettings(
        attribution_window=ATTRIBUTION,
        feedback_type="label",
        base_window=DAY,
        larger_windows=(WEEK,),
        curve_windows=(WEEK,),
        segments=(),
        retention=False,
        retention_events=ATTRIBUTION + DAY,
    )


def run(settings: Settings, out: Path, display: Display) -> None:
    """Import the tables of all nights, and print the weeks as they are final."""
    for line in (*SIMULATED.splitlines(), ""):
        display.print_line(line)
    with stage(scenario_settings(settings, out, agent_settings()), out, display, "demo", (IMPORT,)) as place:
        today = SystemClock().now().replace(hour=0, minute=0, second=0, microsecond=0)
        start = today - NIGHT_COUNT * DAY
        import_nights(place, start)
        end = start + DAYS * DAY
        display.print_table(weeks_table(place.gateway, place.settings, start, end))
        display.print_line(
            f"from {start + CHANGE_DAY * DAY:%m-%d} on, the model misses the second pattern: its recall falls, and the"
            " chargebacks that show it come 20 to 80 days later"
        )
        place.print_locations(FIRST, start, end, window="7d")


def import_nights(place: Stage, start: datetime) -> None:
    """Write the tables of each night, import them, and let the agent compute once a week."""
    folder = place.folder.path / "tables"
    folder.mkdir(mode=0o700)
    agent = ReplayedAgent(place.gateway, place.settings, start)
    with place.display.bar(f"importing the tables of {NIGHT_COUNT} nights", NIGHT_COUNT) as done:
        for number, tables in enumerate(nightly_tables(start, NIGHT_COUNT), start=1):
            moment = start + number * DAY
            for path, columns in _files(folder, moment, tables):
                _import(path, columns, place, moment)
            if number % 7 == 0 or number == NIGHT_COUNT:
                agent.catch_up(moment)
            done(number)


def _files(folder: Path, moment: datetime, tables: Tables) -> Iterator[tuple[Path, dict[str, str]]]:
    """Write the tables of a night that have rows; yield each file with its mapping of columns."""
    # PyArrow is an extra, and `demo --help` works without it.
    import pyarrow as pa
    import pyarrow.parquet as pq

    named: dict[str, tuple[dict[str, list[Any]], dict[str, str]]] = {
        "transactions": (tables.transactions, TRANSACTIONS),
        "chargebacks": (tables.chargebacks, CHARGEBACKS),
    }
    for name, (columns, mapping) in named.items():
        if any(columns.values()):
            path = folder / f"{name}-{moment - DAY:%Y-%m-%d}.parquet"
            pq.write_table(pa.table(columns), path)
            yield path, mapping


def _import(path: Path, columns: dict[str, str], place: Stage, moment: datetime) -> None:
    from monitor_agent.importing.importer import ImportAccess, ImportRequest, run_import

    access = ImportAccess(place.product.settings, {}, place.gateway, FixedClock(moment))
    run_import(ImportRequest([str(path)], _plan(columns), compute=False), access)


def _plan(columns: dict[str, str]) -> ImportPlan:
    from monitor_agent.importing.plans import ImportPlan

    return ImportPlan(columns, MODEL, VERSION, feedback_type="label", threshold=THRESHOLD)


def weeks_table(gateway: Gateway, settings: AgentSettings, start: datetime, end: datetime) -> Table:
    """Return the table of the weeks: the metrics of each, with their intervals."""
    gateway.refresh(["model_performance"])
    history = History(gateway, settings.page_size)
    # A week begins before its first day with transactions.
    run_of_weeks = WindowRun(start - WEEK, end, "7d")
    weeks = sorted(history.stored_metrics(run_of_weeks, Selection(MODEL)), key=lambda week: week.start)
    table = Table(title="weeks", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in ("week from", *METRICS, "state"):
        table.add_column(name, justify="left" if name == "week from" else "right", no_wrap=True)
    for week in weeks:
        table.add_row(*_cells(week))
    return table


def _cells(week: StoredMetrics) -> Iterator[str]:
    fields = measure(week.state)
    yield f"{week.start:%Y-%m-%d}"
    for name in METRICS:
        value, low, high = (fields.get(f"{name}{end}") for end in ("", "_low", "_high"))
        if not isinstance(value, (int, float)):
            yield "-"
        elif isinstance(low, float) and isinstance(high, float):
            yield f"{value:.3f} ({low:.2f}..{high:.2f})"
        else:
            yield str(value)
    yield week.finality
