"""`model-server export`: a new version from a SavedModel; a copy, or an optimised one with what that costs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from model_server.cards.markdown import plain_text
from model_server.exporting.comparison import Tolerance
from model_server.releases.folders import find_version
from monitor_agent.errors import ModelError
from monitor_agent.extras import LITERT_ENGINE, MODEL_SERVER, require
from monitor_agent.settings import ServerSettings

OPTIMISE = ("litert-int8", "float16", "sign", "l2")
CONVERTED = ("litert-int8", "float16")


def add_parser(subparsers: Any) -> None:
    """Add ``export`` to the commands."""
    default = Tolerance()
    parser = subparsers.add_parser("export", help="write a new version of a model: a copy, or a smaller or faster one")
    parser.add_argument(
        "--model-dir",
        type=Path,
        metavar="DIR",
        help="a SavedModel, or a folder of versions (default: MODEL_SERVER_MODEL_DIR)",
    )
    parser.add_argument("--model-version", default="", metavar="VERSION", help="the version (default: the newest)")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="the folder of versions that gets the new one"
    )
    parser.add_argument("--new-version", default="", metavar="VERSION", help="its name (default: the next number)")
    parser.add_argument("--optimize", default="", choices=OPTIMISE, help="how it becomes smaller or faster")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="CSV, NDJSON or Parquet: inputs, and a column label (default: invented inputs)",
    )
    parser.add_argument(
        "--tolerance",
        type=Tolerance.parse,
        default=default,
        metavar="NAME=NUMBER,...",
        help="how much worse it may be: "
        f"auc={default.auc:g} less, log_loss={default.log_loss:g} more (as a share), flipped={default.flipped:g} of "
        f"the labels, difference={default.difference:g} standard deviations (regression)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace, settings: ServerSettings) -> int:
    """Export, and print what was written; return 0.

    Raises
    ------
    MonitorError
        If nothing is written: the model or the data cannot be used, or the new version is worse than allowed.
    """
    if (args.data or args.tolerance != Tolerance()) and not args.optimize:
        raise ModelError("--data and --tolerance compare an optimised version", "name one by --optimize")
    if args.optimize:
        engines = [LITERT_ENGINE] if args.optimize in CONVERTED else []
        require("model-server export --optimize", MODEL_SERVER, *engines)
    from model_server.exporting.export import ExportOptions, export

    source = find_version(args.model_dir or Path(settings.model_dir), args.model_version or settings.model_version)
    report = export(ExportOptions(source, args.out, args.new_version, args.optimize, args.data, args.tolerance))
    if args.json:
        content = {"folder": str(report.folder), "optimization": report.optimisation}
        sys.stdout.write(json.dumps(content, indent=2) + "\n")
    else:
        for table in report.optimisation.get("tables", ()):
            sys.stdout.write(_aligned([table["columns"], *table["rows"]]))
        sys.stdout.write(f"written: {report.folder}\n")
    return 0


def _aligned(rows: list[list[Any]]) -> str:
    """Return rows as text with aligned columns.

    >>> print(_aligned([["measure", "source"], ["AUC", 0.5]]), end="")
    measure  source
    AUC      0.5
    """
    texts = [[plain_text(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "".join("  ".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in texts)
