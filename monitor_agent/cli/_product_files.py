"""The action `files` of `pipeline` and `kibana`: copy the files that come with the product, to edit them."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from monitor_agent.cli._output import print_line
from monitor_agent.product_files.copies import copy_folder, listed
from monitor_agent.vocabulary.counted_nouns import counted


def add_files(actions: Any, contents: str) -> None:
    """Add the action `files`."""
    files = actions.add_parser("files", help=f"copy {contents} into a folder, to edit them")
    files.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder to write to")
    files.add_argument("--overwrite", action="store_true", help="replace files in it that differ")


def copy_files(args: argparse.Namespace, original: Path, settings: Mapping[str, str]) -> int:
    """Copy the folder and print what was written and how it is used.

    Parameters
    ----------
    original : the folder that comes with the product.
    settings : by the variable that names a copied file or folder: its path below the folder.
    """
    out: Path = args.out
    before = copy_folder(original, out, overwrite=args.overwrite)
    folders = Counter(str(PurePosixPath(name).parent) for name in before.missing)
    for folder, count in sorted(folders.items()):
        print_line(f"written: {out / folder} ({counted(count, 'file')})")
    for name in before.changed:
        print_line(f"replaced: {out / name}")
    if not before.missing and not before.changed:
        print_line(f"{out} has these files already")
    if before.more:
        print(
            f"warning: not from this release, so it stays: {listed(before.more, out)}; remove it if nothing needs it",
            file=sys.stderr,
        )
    print_line("to use them:")
    for variable, name in settings.items():
        print_line(f"  export {variable}={shlex.quote(str((out / name).absolute()))}")
    return 0
