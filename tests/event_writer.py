"""`python -m tests.event_writer FOLDER RATE [ROTATE_BYTES]` writes predictions with the model server's event log.

It writes RATE events a second, in requests of one to eight, until it is killed.
"""

from __future__ import annotations

import random
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from monitor_agent.prediction_log.event_log import EventLog, line_of
from tests.factories import make_prediction

ROTATE_BYTES = 64 * 1024


def main(folder: str, rate: str, rotate_bytes: str = str(ROTATE_BYTES)) -> None:
    """Write events until the process is killed."""

    def now() -> datetime:
        return datetime.now(timezone.utc)

    dice = random.Random()
    log = EventLog(Path(folder), rotate_bytes=int(rotate_bytes), sync_seconds=1.0, clock=now)
    due = time.monotonic()
    while True:
        size = dice.randint(1, 8)
        log.append([line_of(make_prediction(now(), dice.random())) for _ in range(size)])
        due += size / float(rate)
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main(*sys.argv[1:])
