"""`monitor-agent check`: find out what is wrong on this machine and with Elasticsearch, and what to do about it."""

from __future__ import annotations

import argparse
import dataclasses
import re
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from monitor_agent import settings
from monitor_agent.cli._output import add_json, print_json
from monitor_agent.diagnosis.check_result import FAILED, STATES, CheckResult
from monitor_agent.diagnosis.diagnose import diagnose
from monitor_agent.diagnosis.setting_checks import unreadable
from monitor_agent.errors import SettingsError

CHECK_WIDTH, STATE_WIDTH, WIDTH = 26, 9, 100
_COMMAND = re.compile(r"`[^`]*`")
STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        "check", help="find out what is wrong on this machine and with Elasticsearch, and what to do about it"
    )
    add_json(parser)
    parser.set_defaults(diagnoses=True)


def run(args: argparse.Namespace) -> int:
    """Print the results of all checks; return 1 if one has failed."""
    try:
        results = diagnose(
            settings.read(args.environ, args.config),
            args.environ,
            settings.stated_for_models(args.environ, args.config),
            settings.read_notify_tables(args.environ, args.config),
            settings.read_mapped_fields(args.config),
        )
    except SettingsError as error:
        results = [unreadable(error)]
    if args.json:
        print_json([dataclasses.asdict(result) for result in results])
    else:
        console = Console(highlight=False)
        for line in table(results):
            console.print(line, soft_wrap=True)
    return 1 if any(result.state == FAILED for result in results) else 0


def table(results: Sequence[CheckResult]) -> list[Text]:
    """Return the results as lines for people, no wider than they must be."""
    lines = [Text(f"{'check':{CHECK_WIDTH}}{'state':{STATE_WIDTH}}finding", style="bold")]
    for result in results:
        first, *more = _wrapped(result.finding, CHECK_WIDTH + STATE_WIDTH)
        line = Text(f"{result.check:{CHECK_WIDTH}}")
        line.append(f"{result.state:{STATE_WIDTH}}", style=STYLES[result.state])
        line.append(first.strip())
        lines += [line, *map(Text, more)]
        if result.remedy:
            lines += [Text(text, style="bold") for text in _wrapped(f"-> {result.remedy}", CHECK_WIDTH)]
    counts = Counter(result.state for result in results)
    summary = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    return [*lines, Text(""), Text(f"{len(results)} checks: {summary}")]


def _wrapped(text: str, indent: int) -> list[str]:
    """Return a text as indented lines; a command stays on one line, so that it can be copied."""
    whole = _COMMAND.sub(lambda match: match[0].replace(" ", "\0"), text)
    margin = " " * indent
    lines = textwrap.wrap(
        whole,
        WIDTH,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\0", " ") for line in lines] or [""]
