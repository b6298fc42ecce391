"""`--version`: the version of the installed package."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Any, NoReturn

PACKAGE = "model-monitor"


class VersionAction(argparse.Action):
    """Prints the program's name and version, and exits; the package's metadata is read only then."""

    def __init__(self, option_strings: Sequence[str], dest: str, **_options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help="print the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_arguments: object) -> NoReturn:
        """Print the version and exit."""
        sys.stdout.write(f"{parser.prog} {metadata.version(PACKAGE)}\n")
        parser.exit()
