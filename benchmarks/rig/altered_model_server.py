"""`python -m benchmarks.rig.altered_model_server ALTERATION ARGUMENTS`: the model server with one thing altered.

`no-events`: it makes the events, and writes none. `collections`: it collects all reference cycles twice a second, and
writes the longest pause of a collection that began after the server was ready, in ms, into `BENCH_PAUSES` when it ends.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from model_server import event_log
from model_server.cli import main

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


def run(alteration: str, arguments: list[str]) -> int:
    """Return the exit status of the server."""
    if alteration == "no-events":
        event_log.EventLog.append = lambda *_: None  # type: ignore[method-assign]
        return main(arguments)
    pauses = _Pauses()
    gc.callbacks.append(pauses.observe)
    threading.Thread(target=pauses.collect_regularly, args=[Path(arguments[-1])], daemon=True).start()
    status = main(arguments)
    Path(os.environ["BENCH_PAUSES"]).write_text(str(pauses.longest * 1e3), encoding="ascii")
    return status


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]))
