"""`python -m benchmarks.rig.altered_model_server ALTERATION ARGUMENTS`: the model server with one thing altered.

`no-events`: it neither makes nor writes the lines of predictions. `pauses`: it writes the longest pause of a collection
of reference cycles while the server was ready, in ms, into `BENCH_PAUSES` when it ends. `full-collections`: the same,
and it collects everything twice a second.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model_server.cli import main
from monitor_agent.prediction_log import event_log, prediction_lines
from monitor_agent.prediction_log.outcomes import rank
from monitor_agent.prediction_log.records import PredictionAnswer

COLLECT_SECONDS = 0.5


class _Pauses:
    """Measures collections of reference cycles while the server is ready: then the file of its address exists."""

    def __init__(self, address_file: Path) -> None:
        self._address_file = address_file
        self._began = 0.0
        self.longest = 0.0

    def collect_regularly(self) -> None:
        """Collect everything again and again while the server is ready."""
        while True:
            time.sleep(COLLECT_SECONDS)
            if self._address_file.exists():
                gc.collect()

    def observe(self, phase: str, _details: dict[str, Any]) -> None:
        """Take the time of a collection; Python calls this."""
        if phase == "start":
            self._began = time.perf_counter()
            return
        pause = time.perf_counter() - self._began
        if self._address_file.exists():
            self.longest = max(self.longest, pause)


def _answers_alone(
    _template: object, request: Any, instances: Sequence[Any], _timings: object, outcomes: Any
) -> tuple[list[PredictionAnswer], list[Any]]:
    """Return the answers that a template makes, without lines."""
    ids, _ = prediction_lines._identities(request, instances)
    return list(map(PredictionAnswer, ids, rank(outcomes.order), outcomes.answers)), []


def run(alteration: str, arguments: list[str]) -> int:
    """Return the exit status of the server."""
    if alteration == "no-events":
        event_log.EventLog.append = lambda *_, **__: None
        prediction_lines.PredictionTemplate.lines = _answers_alone
        return main(arguments)
    pauses = _Pauses(Path(arguments[-1]))
    gc.callbacks.append(pauses.observe)
    if alteration == "full-collections":
        threading.Thread(target=pauses.collect_regularly, daemon=True).start()
    status = main(arguments)
    Path(os.environ["BENCH_PAUSES"]).write_text(str(pauses.longest * 1e3), encoding="ascii")
    return status


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]))
