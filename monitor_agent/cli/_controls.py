"""Values of dashboard controls on the command line: `--set CONTROL=VALUE`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from monitor_agent.errors import SettingsError


def add_controls(parser: argparse.ArgumentParser) -> None:
    """Add `--set`."""
    parser.add_argument(
        "--set",
        dest="control_values",
        action="append",
        default=[],
        metavar="CONTROL=VALUE",
        help="choose a value in a control, such as window=1d; may be repeated",
    )


def control_values(texts: Sequence[str]) -> dict[str, list[str]]:
    """Return control -> values of `control=value` texts; `control=` alone selects no value, so it filters nothing.

    Raises
    ------
    SettingsError
        If a text has another form.

    >>> control_values(["window=1d", "version=1", "version=2", "model="])
    {'window': ['1d'], 'version': ['1', '2'], 'model': []}
    """
    values: dict[str, list[str]] = {}
    for text in texts:
        control, sign, value = text.partition("=")
        if not sign:
            raise SettingsError(f"--set {text} is malformed", "write control=value, such as window=1d")
        values.setdefault(control, []).extend([value] if value else [])
    return values
