"""Where the log reports what happens to its files: to Python's logging, unless the program has a log of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

Report = Callable[[int, str, Mapping[str, str]], object]
"""Takes a level of `logging`, a message, and fields by their names in the Elastic Common Schema."""

_log = logging.getLogger("monitor_agent.prediction_log")


def to_python_logging(level: int, message: str, fields: Mapping[str, str]) -> None:
    """Report to the logger `monitor_agent.prediction_log`, with the fields in the text."""
    _log.log(level, "%s (%s)", message, ", ".join(f"{name}={text}" for name, text in fields.items()))
