"""What a command shows while it works: lines, a spinner for a wait, a bar for counted work.

Where the output is no terminal, a bar is a line at every quarter, and nothing moves.
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

Done = Callable[[int], None]


class Display:
    """The user's terminal, or a file or pipe in its place."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        if not self._console.is_terminal:
            self._console.width = PLAIN_WIDTH

    @property
    def width(self) -> int:
        """Return how many columns a line may have."""
        return self._console.width

    def say(self, line: str) -> None:
        """Print a line as it is, at once."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def show(self, what: RenderableType) -> None:
        """Print a table, with an empty line before it."""
        self._console.print()
        self._console.print(what)

    @contextlib.contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Show that something is waited for."""
        if not self._console.is_terminal:
            self.say(what)
            yield
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            progress.add_task(what, total=None)
            yield

    @contextlib.contextmanager
    def bar(self, what: str, total: int, unit: str = "") -> Iterator[Done]:
        """Yield a function that is told how much of `total` is done; the rate is shown where the work has a unit."""
        if not self._console.is_terminal:
            yield self._lines(what, total, unit)
            return
        columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False), BarColumn()]
        columns += [MofNCompleteColumn(), _Rate(unit)] if unit else [TextColumn("{task.percentage:.0f} %")]
        with Progress(*columns, _TimeLeft(), console=self._console) as progress:
            task = progress.add_task(what, total=total)
            yield lambda done: progress.update(task, completed=done)

    def _lines(self, what: str, total: int, unit: str) -> Done:
        start, said = time.monotonic(), 0

        def tell(done: int) -> None:
            nonlocal said
            quarter = QUARTERS * done // total if total else QUARTERS
            if quarter > said:
                said = quarter
                rate = f", {done / max(time.monotonic() - start, 1e-9):.0f} {unit}/s" if unit else ""
                self.say(f"{what}: {100 * quarter // QUARTERS} %{rate}")

        self.say(what)
        return tell


class _Rate(ProgressColumn):
    """How much is done a second."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        super().__init__()

    def render(self, task: Task) -> Text:
        """Return the rate; nothing while it is not known."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.0f} {self._unit}/s" if speed else "")


class _TimeLeft(TimeRemainingColumn):
    """The time left, named; the time that it took once it is done."""

    def render(self, task: Task) -> Text:
        """Return `0:12 left` or `in 0:48`."""
        if task.finished:
            return Text(f"in {_clock(task.finished_time)}")
        return Text(f"{_clock(task.time_remaining)} left")


def _clock(seconds: float | None) -> str:
    return "-:--" if seconds is None else f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
