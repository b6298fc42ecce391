"""A replay of a year of alerts: hourly windows and their verdicts of three models with two versions each."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any

import orjson

from benchmarks.measurement import Measurement, at_most
from benchmarks.rig.node import running_node
from benchmarks.rig.process import measured
from benchmarks.rig.traffic import Action
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.contracts.verdict import VERDICTS
from monitor_agent.pipeline import instants
from monitor_agent.product_files import ALERTS
from monitor_agent.settings import AgentSettings, environment_of

START = datetime(2025, 1, 1, tzinfo=timezone.utc)
HOUR, FIVE_MINUTES = timedelta(hours=1), timedelta(minutes=5)
HOURS = 365 * 24
MODELS, VERSIONS = ("ads", "click", "search"), ("1", "2", "all")
BAR = 60.0
"""The year may take so many seconds."""


def run() -> Iterator[Measurement]:
    """Yield the seconds of a replay with the installed limits, and with limits that fire all year long."""
    with running_node() as node, tempfile.TemporaryDirectory() as folder:
        count = sum(1 for _ in _actions())
        node.load(_actions())
        node.admin.indices.refresh(index="model-*")
        node.use(AgentSettings())
        end = instants.text(START + HOURS * HOUR)
        words = [sys.executable, "-m", "monitor_agent", "alerts", "replay", "--from", instants.text(START), "--to", end]
        environ = environment_of(node.settings)
        strict = Path(folder) / "strict.toml"
        strict.write_text(ALERTS.read_text("utf-8").replace("f1_high < 0.2", "f1_high < 0.5"))
        for name, further in (
            ("the installed limits", []),
            ("a limit that is beyond all year", ["--alerts", str(strict)]),
        ):
            done = measured([*words, *further], environ)
            yield at_most(f"a year of {count:,} documents, {name}", done.seconds, "s", BAR)


def _actions() -> Iterator[Action]:
    """Yield the hourly windows, and the verdicts of each five minutes: one day in twenty, a version has fallen."""
    random = Random(1)
    for number in range(HOURS):
        start = START + number * HOUR
        for model in MODELS:
            for version in VERSIONS:
                fallen = version == "2" and number // 24 % 20 == 7
                keys: dict[str, Any] = {"model_name": model, "model_version": version, "segment": "all"}
                window = {"window_start": instants.text(start), "window_end": instants.text(start + HOUR)}
                values = {"window_size": "1h", "alertable": True, "f1": 0.25, "f1_high": 0.3 + random.random() / 10}
                yield _action(PERFORMANCE, start, keys | window | values)
                for twelfth in range(12):
                    fall = 0.1 + random.random() / 10 if fallen else 0.0
                    yield _action(VERDICTS, start + twelfth * FIVE_MINUTES, keys | {"rate_fall": fall})


def _action(contract: IndexContract, moment: datetime, fields: dict[str, Any]) -> Action:
    text = instants.text(moment)
    identifier = f"{fields['model_name']}-{fields['model_version']}-{text}"
    return Action(contract.index_for(moment), identifier, orjson.dumps({"@timestamp": text, **fields}))
