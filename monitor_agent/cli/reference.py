"""`monitor-agent reference`: say what is usual for a model, for drift and for estimates before labels arrive."""

from __future__ import annotations

import argparse
import csv
from datetime import datetime
from pathlib import Path
from typing import Any

from monitor_agent.agent.stores import Stores
from monitor_agent.cli._agent import gateway_of, moment
from monitor_agent.cli._output import number, say, show
from monitor_agent.clock import SystemClock
from monitor_agent.contracts.drift import CATEGORICAL, LABEL, NUMERIC, SCORE
from monitor_agent.errors import DataError, SettingsError
from monitor_agent.metrics.drift import NumericReference
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.drift_references import DriftReference, FeatureReference, named, of_columns
from monitor_agent.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("reference", help="say what is usual: the reference for drift and estimates")
    parser.add_argument("--model", required=True, help="the model")
    parser.add_argument("--from", dest="start", type=moment, metavar="TIME", help="first moment of a past range")
    parser.add_argument("--to", dest="end", type=moment, metavar="TIME", help="the moment after its last")
    parser.add_argument(
        "--file",
        type=Path,
        metavar="CSV",
        help="training data instead: columns score, label, numeric.NAME and categorical.NAME; others are ignored",
    )
    parser.add_argument(
        "--since", type=moment, metavar="TIME", help="first window it is valid for (default: --to, or now with --file)"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Make and keep a reference, or, without a source, list those that are kept."""
    clock = SystemClock()
    with gateway_of(settings) as gateway:
        references = Stores(gateway, settings.agent, clock).references
        if args.file:
            made = named(args.file.name, args.since or clock.now(), _of_file(args.file))
        elif args.start and args.end:
            if args.start >= args.end:
                raise SettingsError("--from is not before --to", "such as --from 2026-11-16 --to 2026-11-23")
            made = references.learn(args.model, args.start, args.end, args.since or args.end)
        else:
            return _list(args.model, references.of(args.model))
        references.add(args.model, made, clock.now())
    _show(made)
    since = instants.text(made.since)
    say(f"kept: {made.name}, valid for windows from {since} on")
    if made.since < clock.now():
        say(f"windows computed before: monitor-agent backfill --from {since} --to {_hour(clock.now())}")
    return 0


def _list(model: str, known: list[DriftReference]) -> int:
    if not known:
        raise DataError(f"{model} has no reference", "make one: --from TIME --to TIME, or --file training.csv")
    rows = [
        [each.name, instants.text(each.since), str(len(each.features)), ", ".join(each.calibrations) or "none"]
        for each in known
    ]
    show(f"references of {model}", ["reference", "valid from", "features", "calibrated versions"], rows, left=2)
    return 0


def _show(reference: DriftReference) -> None:
    rows = [[name, *_in_words(each)] for name, each in reference.features.items()]
    show(reference.name, ["feature", "values", "smallest", "largest", "categories"], rows)
    for version in reference.calibrations:
        say(f"estimates of version {version} are calibrated by its labelled windows")


def _in_words(feature: FeatureReference) -> list[str]:
    if isinstance(feature, NumericReference):
        return [str(feature.n), number(feature.minimum), number(feature.maximum), ""]
    return [str(feature.n), "", "", str(len(feature.counts))]


def _of_file(path: Path) -> dict[str, FeatureReference]:
    columns: dict[str, list[str]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for name, cell in row.items():
                    if name in (SCORE, LABEL) or str(name).startswith((f"{NUMERIC}.", f"{CATEGORICAL}.")):
                        columns.setdefault(str(name), []).append(cell or "")
        found = of_columns(columns)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error})", "give a CSV with a head line") from error
    if not found:
        raise DataError(
            f"{path} has no column of a feature", "name columns such as score, numeric.price, categorical.shop"
        )
    return found


def _hour(now: datetime) -> str:
    return instants.text(now.replace(minute=0, second=0, microsecond=0))
