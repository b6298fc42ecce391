"""The output of a command while it works: lines, a spinner during a wait, a bar for counted work.

If the output is no terminal, a bar is a line at every quarter, and nothing moves.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

PLAIN_WIDTH = 140
QUARTERS = 4

ReportProgress = Callable[[int], None]


class Display:
    """The user's terminal, or a file or pipe in its place."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        if not self._console.is_terminal:
            self._console.width = PLAIN_WIDTH

    @property
    def width(self) -> int:
        """Return the number of columns of a line."""
        return self._console.width

    def print_line(self, line: str) -> None:
        """Print a line as it is, at once."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def print_table(self, table: RenderableType) -> None:
        """Print a table, with an empty line before it."""
        self._console.print()
        self._console.print(table)

    @contextlib.contextmanager
    def spinner(self, title: str) -> Iterator[None]:
        """Show that the program waits for something, as long as the block runs."""
        if not self._console.is_terminal:
            self.print_line(title)
            yield
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            progress.add_task(title, total=None)
            yield

    @contextlib.contextmanager
    def bar(self, title: str, total: int, unit: str = "") -> Iterator[ReportProgress]:
        """Yield a function to call with the amount of work that is done.

        Parameters
        ----------
        title : the name of the work.
        total : the amount of all work.
        unit : unit of the work, for its rate; empty = the share of the work is shown, no rate.
        """
        if not self._console.is_terminal:
            yield self._lines(title, total, unit)
            return
        columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False), BarColumn()]
        columns += [MofNCompleteColumn(), _Rate(unit)] if unit else [TextColumn("{task.percentage:.0f} %")]
        with Progress(*columns, _TimeLeft(), console=self._console) as progress:
            task = progress.add_task(title, total=total)
            yield lambda done: progress.update(task, completed=done)

    def _lines(self, title: str, total: int, unit: str) -> ReportProgress:
        start, printed = time.monotonic(), 0

        def report(done: int) -> None:
            nonlocal printed
            quarter = QUARTERS * done // total if total else QUARTERS
            if quarter > printed:
                printed = quarter
                rate = f", {done / max(time.monotonic() - start, 1e-9):.0f} {unit}/s" if unit else ""
                self.print_line(f"{title}: {100 * quarter // QUARTERS} %{rate}")

        self.print_line(title)
        return report


class _Rate(ProgressColumn):
    """The amount of work done in a second."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        super().__init__()

    def render(self, task: Task) -> Text:
        """Return the rate; nothing as long as there is none."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.0f} {self._unit}/s" if speed else "")


class _TimeLeft(TimeRemainingColumn):
    """The time left while the work runs, the time taken once it is done."""

    def render(self, task: Task) -> Text:
        """Return `0:12 left` or `in 0:48`."""
        if task.finished:
            return Text(f"in {_clock(task.finished_time)}")
        return Text(f"{_clock(task.time_remaining)} left")


def _clock(seconds: float | None) -> str:
    return "-:--" if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
