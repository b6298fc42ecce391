"""One measured figure, its bar, and the report of a run's figures."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Measurement:
    """A figure of one benchmark.

    Attributes
    ----------
    subject : the measured quantity, and its conditions.
    value, unit : the figure.
    bar : the required value, as text such as ``<= 1.2``; empty = none.
    met : whether the figure reaches it; None without a bar.
    """

    subject: str
    value: float
    unit: str
    bar: str = ""
    met: bool | None = None


def at_most(subject: str, value: float, unit: str, bar: float) -> Measurement:
    """Return a figure that must not exceed `bar`."""
    return Measurement(subject, value, unit, f"<= {bar:g}", value <= bar)


def at_least(subject: str, value: float, unit: str, bar: float) -> Measurement:
    """Return a figure that must reach `bar`."""
    return Measurement(subject, value, unit, f">= {bar:g}", value >= bar)


def report(name: str, measurements: Sequence[Measurement], folder: Path) -> None:
    """Print the figures and write them into `folder`, with commit, machine and time."""
    table = Table(title=name, title_justify="left", box=None, pad_edge=False)
    for column in ("subject", "value", "bar", "met"):
        table.add_column(column, overflow="fold")
    for row in measurements:
        met = "" if row.met is None else ("yes" if row.met else "NO")
        table.add_row(row.subject, f"{row.value:,.4g} {row.unit}", row.bar, met)
    Console(width=120).print(table)
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "benchmark": name,
        "commit": _commit(),
        "machine": f"{platform.machine()}, {platform.python_implementation()} {platform.python_version()}",
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "measurements": [asdict(row) for row in measurements],
    }
    (folder / f"{name}.json").write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))


def _commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return done.stdout.strip()
