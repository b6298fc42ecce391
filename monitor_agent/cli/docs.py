"""`monitor-agent docs`: the reference pages of settings and fields, made from the code that defines them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from monitor_agent.cli import _reference_pages
from monitor_agent.cli._output import print_line
from monitor_agent.errors import DataError
from monitor_agent.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("docs", help="write the reference pages, or check that they are up to date")
    parser.add_argument(
        "--out", type=Path, default=Path("docs"), metavar="DIR", help="folder to write to (default: %(default)s)"
    )
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if a page is out of date")


def run(args: argparse.Namespace, _settings: Settings) -> int:
    """Write or check every page."""
    for name, text in _reference_pages.pages().items():
        path = args.out / name
        if args.check:
            current = path.read_text(encoding="utf-8") if path.is_file() else ""
            if current != text:
                raise DataError(f"{path} is out of date", "run monitor-agent docs")
            continue
        args.out.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print_line(str(path))
    return 0
