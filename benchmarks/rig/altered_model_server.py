"""`python -m benchmarks.rig.altered_model_server ALTERATION ARGUMENTS`: the model server with one thing altered.

`no-events`: it neither makes nor writes the lines of predictions. `collections`: it collects all reference cycles twice
a second, and writes the longest pause of a collection that began after the server was ready, in ms, into `BENCH_PAUSES`
when it ends.
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
    """Measures collections of reference cycles."""

    def __init__(self) -> None:
        self._began = 0.0
        self._is_measuring = False
        self.longest = 0.0

    def collect_regularly(self, address_file: Path) -> None:
        """Collect everything again and again, once the server is ready."""
        while True:
            time.sleep(COLLECT_SECONDS)
            self._is_measuring = self._is_measuring or address_file.exists()
            if self._is_measuring:
                gc.collect()

    def observe(self, phase: str, _details: dict[str, Any]) -> None:
        """Take the time of a collection; Python calls this."""
        if phase == "start":
            self._began = time.perf_counter()
        elif self._is_measuring:
            self.longest = max(self.longest, time.perf_counter() - self._began)


def _answers_alone(
    _template: object, request: Any, instances: Sequence[Any], _timings: object, outcomes: Any
) -> tuple[list[PredictionAnswer], list[Any]]:
    """Return the answers that a template makes, without lines."""
    ids, _ = prediction_lines._identities(request, instances)
    return list(map(PredictionAnswer, ids, rank(outcomes.order), outcomes.answers)), []


def run(alteration: str, arguments: list[str]) -> int:
    """Return the exit status of the server."""
    if alteration == "no-events":
        event_log.EventLog.append = lambda *_: None
        prediction_lines.PredictionTemplate.lines = _answers_alone
        return main(arguments)
    pauses = _Pauses()
    gc.callbacks.append(pauses.observe)
    threading.Thread(target=pauses.collect_regularly, args=[Path(arguments[-1])], daemon=True).start()
    status = main(arguments)
    Path(os.environ["BENCH_PAUSES"]).write_text(str(pauses.longest * 1e3), encoding="ascii")
    return status


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]))
