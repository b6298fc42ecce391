"""The output of a command in a file or a pipe, and on a terminal."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table

from monitor_agent.demo.display import Display


def make_display(terminal: bool) -> tuple[Display, io.StringIO]:
    """Return a display and the text that it writes to."""
    text = io.StringIO()
    return Display(Console(file=text, force_terminal=terminal, width=100)), text


def test_a_bar_in_a_file_is_a_line_a_quarter() -> None:
    """Nothing moves: the start and four quarters, with the rate."""
    display, text = make_display(terminal=False)
    with display.bar("replaying", 1000, "calls") as done:
        for number in range(1, 1001):
            done(number)

    lines = text.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "replaying",
        *(f"replaying: {percent} %" for percent in (25, 50, 75, 100)),
    ]
    assert all(line.endswith(" calls/s") for line in lines[1:])


def test_a_bar_on_a_terminal_shows_rate_and_time_left() -> None:
    """The bar names the count, the rate and, once done, the time that it took."""
    display, text = make_display(terminal=True)
    with display.bar("replaying", 10, "calls") as done:
        done(4)
        done(10)

    assert "10/10" in text.getvalue()
    assert "calls/s" in text.getvalue()
    assert "in 0:00" in text.getvalue()


def test_an_empty_bar_is_no_division_by_zero() -> None:
    """Nothing to do is done at once."""
    display, text = make_display(terminal=False)
    with display.bar("waiting", 0, "events") as done:
        done(0)

    assert "100 %" in text.getvalue()


def test_a_line_is_printed_as_it_is() -> None:
    """Brackets are no markup, and a long line is not broken: it may be a path or a command to copy."""
    display, text = make_display(terminal=False)
    line = "[bold]/a/very/long/path" + "/folder" * 40

    display.print_line(line)

    assert text.getvalue() == line + "\n"


def test_a_wide_table_is_whole_in_a_file() -> None:
    """A table is not cut to the 80 columns of a terminal that is not there."""
    text = io.StringIO()
    table = Table(*(f"column-{number:02}" for number in range(11)), box=None)

    Display(Console(file=text)).print_table(table)

    assert "column-10" in text.getvalue()
