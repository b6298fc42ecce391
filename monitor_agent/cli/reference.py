"""`monitor-agent reference`: the usual distributions of a model, for drift and for estimates before labels arrive."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from monitor_agent.agent.stores import Stores
from monitor_agent.cli._agent import prepared_gateway_of
from monitor_agent.cli._output import add_json, number, print_json, print_line, print_table
from monitor_agent.cli._times import add_range, add_time, range_at
from monitor_agent.clock import SystemClock
from monitor_agent.contracts.drift import CATEGORICAL, LABEL, NUMERIC, SCORE
from monitor_agent.errors import DataError
from monitor_agent.metrics.drift import NumericReference
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.drift_references import DriftReference, FeatureReference, named_reference, of_columns
from monitor_agent.pipeline.instants import Interval
from monitor_agent.settings import Settings


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        "reference", help="make the reference for drift and estimates, or list a model's references"
    )
    parser.add_argument("--model", required=True, help="the model")
    add_range(parser)
    parser.add_argument(
        "--file",
        type=Path,
        metavar="CSV",
        help="CSV with the columns score, label, numeric.NAME and categorical.NAME, instead of a range",
    )
    add_time(
        parser, "--since", help="start of the first window that uses the reference (default: --to, or now with --file)"
    )
    add_json(parser)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Make and store a reference; without a source, list those that are stored."""
    clock = SystemClock()
    now = clock.now()
    since = args.since.at(now) if args.since else None
    with prepared_gateway_of(settings) as gateway:
        references = Stores(gateway, settings.agent, clock).references
        if args.file:
            reference = named_reference(args.file.name, since or now, _read_features(args.file))
        elif args.start and args.end:
            start, end = range_at(args.start, args.end, now)
            reference = references.learn(args.model, Interval(start, end), since or end)
        else:
            _print_list(args.model, references.of(args.model), as_json=args.json)
            return 0
        references.add(args.model, reference, now)
    if args.json:
        print_json([reference.content()])
    else:
        _print(reference, now)
    return 0


def _print_list(model: str, references: Sequence[DriftReference], *, as_json: bool) -> None:
    if not references:
        raise DataError(f"{model} has no reference", "make one: --from TIME --to TIME, or --file training.csv")
    if as_json:
        print_json([reference.content() for reference in references])
        return
    rows = [
        [
            reference.name,
            instants.text(reference.since),
            str(len(reference.features)),
            ", ".join(reference.calibrations) or "none",
        ]
        for reference in references
    ]
    print_table(f"references of {model}", ["reference", "valid from", "features", "calibrated versions"], rows, left=2)


def _print(reference: DriftReference, now: datetime) -> None:
    rows = [[name, *_cells(feature)] for name, feature in reference.features.items()]
    print_table(reference.name, ["feature", "values", "smallest", "largest", "categories"], rows)
    for version in reference.calibrations:
        print_line(f"estimates of version {version} are calibrated by its labelled windows")
    since = instants.text(reference.since)
    print_line(f"stored: {reference.name}, valid for windows from {since} on")
    if reference.since < now:
        print_line(f"for earlier windows: monitor-agent backfill --from {since} --to {_hour(now)}")


def _cells(feature: FeatureReference) -> list[str]:
    if isinstance(feature, NumericReference):
        return [str(feature.n), number(feature.minimum), number(feature.maximum), ""]
    return [str(feature.n), "", "", str(len(feature.counts))]


def _read_features(path: Path) -> dict[str, FeatureReference]:
    columns: dict[str, list[str]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for name, cell in row.items():
                    if name in (SCORE, LABEL) or str(name).startswith((f"{NUMERIC}.", f"{CATEGORICAL}.")):
                        columns.setdefault(str(name), []).append(cell or "")
        features = of_columns(columns)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error})", "give a CSV with a head line") from error
    if not features:
        raise DataError(
            f"{path} has no column of a feature", "name columns such as score, numeric.price, categorical.shop"
        )
    return features


def _hour(now: datetime) -> str:
    return instants.text(now.replace(minute=0, second=0, microsecond=0))
