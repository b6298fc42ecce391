"""`model-server train`: its options; it writes progress to stderr and the result to stdout."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from model_server.engines.tensorflow_loading import loading_tensorflow
from model_server.training.options import CleaningRules, ColumnNames, EarlyStopping, TrainOptions
from monitor_agent.contracts.model_names import problem_of_name, problem_of_version
from monitor_agent.errors import DataError
from monitor_agent.extras import TRAINING, require

PLAIN_STEPS = 20
MOST_EPOCHS = 20
"""Of a fit with early stopping."""


def add_parser(subparsers: Any) -> None:
    """Add ``train`` to the commands."""
    parser = subparsers.add_parser("train", help="train a click model and export it as a SavedModel")
    parser.add_argument(
        "--data", type=Path, required=True, help="CSV, NDJSON or Parquet with two texts and a label in each row"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to write to; each model version becomes a folder in it"
    )
    _add_data_options(parser.add_argument_group("data"))
    _add_model_options(parser.add_argument_group("model"))
    parser.set_defaults(run=run)


def _add_data_options(group: Any) -> None:
    for name in ("text_a", "text_b", "label"):
        default = getattr(ColumnNames, name)
        group.add_argument(
            f"--{name.replace('_', '-')}",
            default=default,
            metavar="COLUMN",
            help="name of the column (default: %(default)s)",
        )
    group.add_argument(
        "--group-column",
        default="",
        metavar="COLUMN",
        help="rows with the same value are never in two parts of the data",
    )
    group.add_argument(
        "--time-column",
        default="",
        metavar="COLUMN",
        help="the latest rows are the validation rows of --early-stopping",
    )
    group.add_argument("--drop-duplicates", action="store_true", help="drop rows that repeat an earlier row")
    group.add_argument(
        "--drop-invalid-labels", action="store_true", help="drop rows whose label is neither 0 nor 1, instead of ending"
    )


def _add_model_options(group: Any) -> None:
    group.add_argument(
        "--encoder",
        metavar="HANDLE",
        help="BERT module: a local folder or a hub address (default: a small built-in one)",
    )
    group.add_argument(
        "--epochs",
        type=_positive,
        help=f"passes over the data (default: {TrainOptions.epochs}; {MOST_EPOCHS} at most with --early-stopping)",
    )
    group.add_argument(
        "--early-stopping",
        type=_positive,
        metavar="PATIENCE",
        help="end after so many epochs without a lower loss on the validation rows; the best epoch's weights remain",
    )
    group.add_argument(
        "--validation-share",
        type=_share,
        metavar="SHARE",
        help=f"share of the rows that are validation rows (default: {EarlyStopping.share})",
    )
    group.add_argument(
        "--batch-size", type=_positive, default=TrainOptions.batch_size, help="rows per step (default: %(default)s)"
    )
    group.add_argument(
        "--learning-rate", type=float, help="peak learning rate (default: 5e-4 for the built-in encoder, else 2e-5)"
    )
    group.add_argument(
        "--seed",
        type=int,
        default=TrainOptions.seed,
        help="seed of the random numbers; the same seed gives the same model (default: %(default)s)",
    )
    for name, check in (("name", problem_of_name), ("version", problem_of_version)):
        default = getattr(TrainOptions, f"model_{name}")
        group.add_argument(
            f"--model-{name}", type=_checked(check), default=default, help=f"{name} of the model (default: %(default)s)"
        )
    group.add_argument(
        "--max-seq-length",
        type=_length,
        default=TrainOptions.max_seq_length,
        help="word pieces per text pair (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Train with the options of the command line and return the exit status.

    Raises
    ------
    DataError
        If options contradict each other, or the data cannot be used.
    """
    options = options_of(args)
    require("model-server train", TRAINING)
    with loading_tensorflow(TRAINING):
        from model_server.training.train import train
    console = Console(stderr=True)
    if console.is_terminal:
        with Progress(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console) as bars:
            report = train(options, _bar(bars), bars.console.print)
    else:
        report = train(options, _lines(sys.stderr.write), lambda line: sys.stderr.write(f"{line}\n"))
    result = {"folder": str(report.folder), **report.entries, "metrics": report.metrics}
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return 0


def options_of(args: argparse.Namespace) -> TrainOptions:
    """Return the options of the command line.

    Raises
    ------
    DataError
        If they contradict each other.
    """
    early_stopping = None
    if args.early_stopping is not None:
        early_stopping = EarlyStopping(args.early_stopping, args.validation_share or EarlyStopping.share)
    elif lost := next((name for name in ("validation_share", "time_column") if getattr(args, name)), None):
        option = f"--{lost.replace('_', '-')}"
        raise DataError(f"{option} chooses the validation rows of --early-stopping", "give both, or neither")
    plain = {field.name: getattr(args, field.name) for field in fields(TrainOptions) if hasattr(args, field.name)}
    return TrainOptions(
        **{
            **plain,
            "epochs": args.epochs or (TrainOptions.epochs if early_stopping is None else MOST_EPOCHS),
            "early_stopping": early_stopping,
            "columns": ColumnNames(args.text_a, args.text_b, args.label, args.group_column, args.time_column),
            "cleaning": CleaningRules(args.drop_duplicates, args.drop_invalid_labels),
        }
    )


def _bar(bars: Progress) -> Callable[[str, int, int], None]:
    task = bars.add_task("reading", total=None)
    return lambda stage, done, total: bars.update(task, description=stage, completed=done, total=total)


def _lines(write: Callable[[str], Any]) -> Callable[[str, int, int], None]:
    written: set[str] = set()

    def report(stage: str, done: int, total: int) -> None:
        line = f"{stage} {100 * (done * PLAIN_STEPS // total) // PLAIN_STEPS} %\n"
        if line not in written:
            written.add(line)
            write(line)

    return report


def _checked(problem_of: Callable[[str], str]) -> Callable[[str], str]:
    def name(text: str) -> str:
        if problem := problem_of(text):
            raise argparse.ArgumentTypeError(problem)
        return text

    return name


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _length(text: str) -> int:
    number = int(text)
    if not 8 <= number <= 512:
        raise argparse.ArgumentTypeError("must be from 8 to 512")
    return number


def _share(text: str) -> float:
    number = float(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError("must be between 0 and 1")
    return number
