"""What integration tests share: one click model, trained when the first test asks for it.

`saved_model` (session)
    a folder for MODEL_SERVER_MODEL_DIR, with version `1` of the model `click` of the Open Bandit log.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from monitor_agent.demo import open_bandit

EVERY = 20
"""Of the impressions without a click one in so many is trained on; of the others all."""


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the run's one click model, trained by the command that users train with."""
    room = tmp_path_factory.mktemp("model")
    log = open_bandit.load("all", room)
    few = tuple(row for index, row in enumerate(log.train) if row.click or index % EVERY == 0)
    dataclasses.replace(log, train=few).write_training_csv(room / "training.csv")
    command = [sys.executable, "-m", "model_server", "train", "--data", str(room / "training.csv")]
    done = subprocess.run(
        [*command, "--out", str(room / "models")], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return room / "models"
