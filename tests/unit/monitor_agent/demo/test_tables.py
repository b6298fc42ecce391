"""The tables of the demo show the values of the documents, and a dash for an undefined value."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from monitor_agent.demo.summary import totals_by_version
from monitor_agent.demo.tables import WIDE, totals_table, windows_tables
from monitor_agent.metrics import WindowState, measure


def window(hour: int, state: WindowState, **more: Any) -> dict[str, Any]:
    """Return the metrics document of an hour."""
    return {
        "window_start": f"2019-11-24T{hour:02}:00:00Z",
        "window_size": "1h",
        "model_version": "all",
        "segment": "all",
        "state": "final",
        "maturity": 1.0,
        "coverage": 1.0,
        "state_blob": state.to_blob(),
        **measure(state),
        **more,
    }


def text_of(*tables: Table, width: int = WIDE) -> str:
    """Return tables as text."""
    console = Console(width=width)
    with console.capture() as captured:
        for table in tables:
            console.print(table)
    return captured.get()


def hours(windows: list[dict[str, Any]], *, most: int = 5) -> str:
    """Return the table of windows of an hour as text."""
    return text_of(*windows_tables(windows, "1h", most=most, width=WIDE))


def test_a_window_shows_its_values_with_their_intervals() -> None:
    """Precision 1 of 2 with its Wilson interval; the AUC is undefined without scores and is a dash."""
    table = hours([window(3, WindowState(predictions=4, impressions=4, tp=1, fp=1, tn=2))])

    assert "11-24 03:00" in table
    assert "0.500" in table
    assert "0.09-0.91" in table
    assert "25.00%" in table
    assert " - " in table


def test_nothing_is_cut_off_on_a_narrow_terminal() -> None:
    """At 80 columns the same values come in two tables instead of one."""
    rows = [window(3, WindowState(predictions=30_000, impressions=30_000, tp=10_000, fp=10_000, tn=5_000, fn=5_000))]

    wide = text_of(*windows_tables(rows, "1h", most=5, width=WIDE)).split()
    narrow = text_of(*windows_tables(rows, "1h", most=5, width=80), width=80).split()

    assert set(narrow) == set(wide)
    assert not any("…" in word for word in narrow)


def test_segments_and_versions_have_no_rows() -> None:
    """Only the documents over all versions and segments are rows."""
    state = WindowState(predictions=4, impressions=4, tn=4)
    rows = [window(3, state), window(4, state, segment="labels.slot=left"), window(5, state, model_version="1")]

    table = hours(rows)

    assert "windows of 1h: 1" in table
    assert "04:00" not in table
    assert "05:00" not in table


def test_of_many_windows_those_with_positives_are_rows() -> None:
    """The title gives the number of all windows and of the rows."""
    quiet, clicked = WindowState(tn=4), WindowState(tn=3, fn=1)
    rows = [window(hour, clicked if hour in (2, 7, 9) else quiet) for hour in range(12)]

    table = hours(rows, most=2)

    assert "windows of 1h: 12 (the last 2 with a positive" in table
    assert [hour for hour in range(12) if f" {hour:02}:00" in table] == [7, 9]


def test_totals_are_merged_from_the_windows_of_a_version() -> None:
    """Counts add up per version; a version's documents of segments and other sizes are not counted again."""
    rows = [
        window(1, WindowState(tp=1, tn=1), model_version="1"),
        window(2, WindowState(fp=1, tn=1), model_version="1"),
        window(2, WindowState(fn=1), model_version="2"),
        window(2, WindowState(fn=5), model_version="2", segment="labels.slot=left"),
        window(2, WindowState(fn=6)),
        window(2, WindowState(fn=7), model_version="2", window_size="1d"),
    ]

    totals = totals_by_version(rows, "1h")

    assert {version: total["n"] for version, total in totals.items()} == {"1": 4, "2": 1}
    assert totals["1"]["precision"] == 0.5
    assert "1/1/2/0" in text_of(totals_table(totals))
