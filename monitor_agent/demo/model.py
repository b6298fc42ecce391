"""The click model of the demo and of `up`: `model-server train` makes it from the Open Bandit log if there is none."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from model_server.model_card import holds_model
from monitor_agent.demo.display import Display
from monitor_agent.demo.open_bandit import OpenBandit
from monitor_agent.demo.result_files import unwritable
from monitor_agent.extras import MODEL_SERVER, TRAINING, OptionalComponent
from monitor_agent.stack.local import ERROR_LINE
from monitor_agent.stack.process import ChildProcess, Command, Supervisor

MODELS = Path("var/demo-models")
TRAINING_SECONDS = 1800.0
_STAGE = re.compile(rb"^(\w+) (\d+) %$", re.MULTILINE)


def has_model(folder: Path) -> bool:
    """Return whether a folder has a model, or a sub-folder has one, one for each version."""
    return holds_model(folder) or any(holds_model(path) for path in folder.glob("[!.]*"))


def components_of(*folders: Path) -> tuple[OptionalComponent, ...]:
    """Return what the model server needs beyond the base installation, with the training if no folder has a model."""
    return (MODEL_SERVER,) if any(has_model(folder) for folder in folders) else (MODEL_SERVER, TRAINING)


def ensure_trained(log: OpenBandit, models: Path, work: Path, supervisor: Supervisor, display: Display) -> Path:
    """Return the folder `<models>/<campaign>` with a model of the log; train it if it is not there yet.

    Parameters
    ----------
    work : as `train` takes it.
    """
    folder = models / log.campaign
    if has_model(folder):
        display.print_line(f"the model exists already: {folder} (delete it to train a new one)")
    else:
        train(log, folder, work, supervisor, display)
    return folder


def train(log: OpenBandit, folder: Path, work: Path, supervisor: Supervisor, display: Display) -> None:
    """Train a model on the log's training part and write it to `<folder>/1`.

    Parameters
    ----------
    work : folder for the training examples and the log `training.log`.

    Raises
    ------
    StackError
        If the training fails; the message names the reason.
    DataError
        If the training examples cannot be written.
    """
    examples, log_path = work / "training.csv", work / "log" / "training.log"
    try:
        log.write_training_csv(examples)
        log_path.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(examples, error) from error
    argv = (sys.executable, "-m", "model_server", "train", "--data", str(examples), "--out", str(folder))
    training = ChildProcess(Command("training", argv, log_path, reason_pattern=ERROR_LINE))
    with display.bar(f"training a BERT click model on {len(log.train):,} impressions", 100) as done:
        supervisor.start(training)

        def finished() -> bool:
            done(percentage(log_path))
            return not training.running and has_model(folder)

        training.wait_ready(finished, TRAINING_SECONDS)
        done(100)
    supervisor.release(training)


def percentage(log_path: Path) -> int:
    """Return the progress of the training that writes this log, in percent."""
    try:
        stages = _STAGE.findall(log_path.read_bytes())
    except OSError:
        return 0
    name, percent = stages[-1] if stages else (b"", b"0")
    return 99 if name == b"exporting" else int(percent) * (name == b"training")
