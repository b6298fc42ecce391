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
from model_server.training.options import TrainOptions
from monitor_agent.contracts.model_names import problem_of_name, problem_of_version
from monitor_agent.extras import TRAINING, require

PLAIN_STEPS = 20


def add_parser(subparsers: Any) -> None:
    """Add ``train`` to the commands."""
    parser = subparsers.add_parser("train", help="train a click model and export it as a SavedModel")
    parser.add_argument("--data", type=Path, required=True, help="CSV or NDJSON with text_a, text_b, label")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to write to; each model version becomes a folder in it"
    )
    parser.add_argument(
        "--encoder",
        metavar="HANDLE",
        help="BERT module: a local folder or a hub address (default: a small built-in one)",
    )
    parser.add_argument(
        "--epochs", type=_positive, default=TrainOptions.epochs, help="passes over the data (default: %(default)s)"
    )
    parser.add_argument(
        "--batch-size", type=_positive, default=TrainOptions.batch_size, help="rows per step (default: %(default)s)"
    )
    parser.add_argument(
        "--learning-rate", type=float, help="peak learning rate (default: 5e-4 for the built-in encoder, else 2e-5)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=TrainOptions.seed,
        help="seed of the random numbers; the same seed gives the same model (default: %(default)s)",
    )
    parser.add_argument(
        "--model-name",
        type=_checked(problem_of_name),
        default=TrainOptions.model_name,
        help="name of the model (default: %(default)s)",
    )
    parser.add_argument(
        "--model-version",
        type=_checked(problem_of_version),
        default=TrainOptions.model_version,
        help="version of the model (default: %(default)s)",
    )
    parser.add_argument(
        "--max-seq-length",
        type=_length,
        default=TrainOptions.max_seq_length,
        help="word pieces per text pair (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train with the options of the command line and return the exit status."""
    options = {field.name: getattr(args, field.name) for field in fields(TrainOptions) if hasattr(args, field.name)}
    require("model-server train", TRAINING)
    with loading_tensorflow(TRAINING):
        from model_server.training.train import train
    console = Console(stderr=True)
    if console.is_terminal:
        with Progress(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console) as bars:
            report = train(TrainOptions(**options), _bar(bars))
    else:
        report = train(TrainOptions(**options), _lines(sys.stderr.write))
    sys.stdout.write(json.dumps({"folder": str(report.folder), **report.card}, indent=2) + "\n")
    return 0


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
