"""`monitor-agent reference`: the usual distributions of a model, for drift and for estimates before labels arrive."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from monitor_agent.agent.stores import Stores
from monitor_agent.cli._agent import prepared_gateway_of, rules_of
from monitor_agent.cli._output import add_json, number, print_json, print_line, print_table
from monitor_agent.cli._times import add_range, add_time, range_at
from monitor_agent.clock import SystemClock
from monitor_agent.contracts.drift import LABEL
from monitor_agent.contracts.model_names import problem_of_name, problem_of_version, shortened, version_order
from monitor_agent.errors import DataError, SettingsError
from monitor_agent.metrics.drift import NumericReference
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.drift_references import (
    MIN_POSITIVES,
    DriftReference,
    FeatureReference,
    calibration_of_table,
    named_reference,
    of_table,
    usual_of_table,
)
from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.reference_table import ReferenceTable, read_table
from monitor_agent.settings import Settings

_FORMS = {
    b"PAR1": "a Parquet file",
    b"\x1f\x8b": "compressed (gzip)",
    b"PK\x03\x04": "a ZIP file, such as a workbook",
    b"\xff\xfe": "not UTF-8, but UTF-16",
    b"\xfe\xff": "not UTF-8, but UTF-16",
}


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
        help="table with the columns score, prediction, label (what happened), numeric.NAME and categorical.NAME, "
        "instead of a range",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        help="with --file: scores at or above it have the predicted label 1, if there is no column prediction",
    )
    parser.add_argument(
        "--version", default="", help="with --file: also calibrate this version by the columns score and label"
    )
    add_time(
        parser, "--since", help="start of the first window that uses the reference (default: --to, or now with --file)"
    )
    add_json(parser)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Make and store a reference; without a source, list those that are stored.

    Raises
    ------
    SettingsError
        If the arguments contradict each other.
    DataError
        If the file or the range gives no reference, or none is stored.
    """
    _check(args)
    clock = SystemClock()
    now = clock.now()
    since = args.since.at(now) if args.since else None
    from_file = _of_file(args.file, since or now, args.version, args.threshold) if args.file else None
    with prepared_gateway_of(settings, "reference") as gateway:
        references = Stores(gateway, rules_of(gateway, settings, args.model).latest(args.model), clock).references
        notes: Sequence[str] = ()
        if from_file:
            reference, notes = from_file
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
        _print(reference, notes, now)
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse arguments that contradict each other.

    Raises
    ------
    SettingsError
        If they do.
    """
    if problem := problem_of_name(args.model):
        raise SettingsError(f"--model {shortened(args.model)} {problem}", "give the name of a model")
    if bool(args.start) != bool(args.end):
        raise SettingsError("a range has two ends", "give both --from and --to")
    if args.file and args.start:
        raise SettingsError("a reference is made from a file or from a range", "give --file, or --from and --to")
    if not args.file and (args.version or args.threshold is not None):
        raise SettingsError("--version and --threshold belong to a table", "give --file, or leave them out")
    if args.since and not (args.file or args.start):
        raise SettingsError("--since needs a source", "give --file, or --from and --to")
    if args.version and (problem := problem_of_version(args.version)):
        raise SettingsError(f"--version {shortened(args.version)} {problem}", "give another version")
    if args.threshold is not None and not 0 <= args.threshold <= 1:
        raise SettingsError(f"--threshold {args.threshold:g} is not in 0..1", "give the threshold of the model")


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
            ", ".join(sorted(reference.calibrations, key=version_order)) or "none",
        ]
        for reference in references
    ]
    print_table(f"references of {model}", ["reference", "valid from", "features", "calibrated versions"], rows, left=2)


def _print(reference: DriftReference, notes: Sequence[str], now: datetime) -> None:
    rows = [[name, *_cells(feature)] for name, feature in reference.features.items()]
    print_table(reference.name, ["feature", "values", "smallest", "largest", "categories"], rows)
    for version in sorted(reference.calibrations, key=version_order):
        print_line(f"estimates of version {version} are calibrated by its labels")
    for note in notes:
        print_line(note)
    since = instants.text(reference.since)
    print_line(f"stored: {reference.name}, valid for windows from {since} on")
    if reference.since < now:
        print_line(f"for earlier windows: monitor-agent backfill --from {since} --to {_hour(now)}")


def _cells(feature: FeatureReference) -> list[str]:
    if isinstance(feature, NumericReference):
        return [str(feature.n), number(feature.minimum), number(feature.maximum), ""]
    return [str(feature.n), "", "", str(len(feature.counts))]


def _of_file(path: Path, since: datetime, version: str, threshold: float | None) -> tuple[DriftReference, list[str]]:
    """Return the reference of a table, and what the user should know about it.

    Raises
    ------
    DataError
        If the file cannot be read, or the table has no feature.
    SettingsError
        If `--version` or `--threshold` does not fit the table.
    """
    table = _read(path)
    if threshold is not None and table.predicted_labels is not None:
        raise SettingsError(f"{path} has predicted labels, so --threshold is not needed", "leave --threshold out")
    features = of_table(table, threshold)
    if not features:
        raise DataError(
            f"{path} has no column of a feature with values",
            "name columns such as score, numeric.price, categorical.shop",
        )
    calibration = calibration_of_table(table) if version else None
    if version and calibration is None:
        raise SettingsError(
            f"{path} gives no calibration of version {version}",
            f"a calibration needs the columns score and label with {MIN_POSITIVES} positives; else leave --version out",
        )
    notes = [f"columns that are not used: {', '.join(map(shortened, table.unused))}"] if table.unused else []
    if LABEL not in features:
        notes.append("no reference of the predicted label: it needs a column prediction, or score with --threshold")
    if table.true_labels is not None and not version:
        notes.append("the column label holds the true labels; only a calibration (--version) uses them")
    calibrations = {version: calibration} if calibration else None
    return named_reference(path.name, since, features, calibrations, usual_of_table(table, features)), notes


def _read(path: Path) -> ReferenceTable:
    try:
        with path.open("rb") as binary:
            start = binary.read(4)
        form = next((form for signature, form in _FORMS.items() if start.startswith(signature)), "")
        if form:
            raise DataError(f"{path} is {form}", "give a CSV in UTF-8, such as pandas' to_csv(index=False) writes")
        with path.open(encoding="utf-8-sig", newline="") as file:
            return read_table(file)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", "give a CSV with a head line") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error.reason})", "save it as a CSV in UTF-8") from error
    except DataError as error:
        raise error if str(path) in error.message else DataError(f"{path}: {error.message}", error.hint) from error


def _hour(now: datetime) -> str:
    return instants.text(now.replace(minute=0, second=0, microsecond=0))
