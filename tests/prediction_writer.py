"""`python -m tests.prediction_writer FOLDER` logs predictions with four threads until it is killed, or cannot write.

It prints the ids of each call, in one line, after the call has returned.
"""

from __future__ import annotations

import os
import random
import sys
import threading

from monitor_agent.errors import LogWriteError
from monitor_agent.prediction_log import PredictionLog

ROTATE_BYTES = 64 * 1024
THREADS = 4
CANNOT_WRITE = 3


def main(folder: str) -> None:
    """Log predictions and print their ids."""
    log = PredictionLog(folder, model="click", version="1", rotate_bytes=ROTATE_BYTES, sync_seconds=0.01)

    def work() -> None:
        dice = random.Random()
        while True:
            records = [
                {"score": dice.random(), "item_id": "ü" * dice.randint(1, 99)} for _ in range(dice.randint(1, 8))
            ]
            try:
                answers = log.predictions(records, user_id="u1", labels={"scene": "search"})
            except LogWriteError as error:
                os.write(2, f"{error}\n".encode())
                os._exit(CANNOT_WRITE)
            os.write(1, (" ".join(answer.id for answer in answers) + "\n").encode())

    for _ in range(THREADS):
        threading.Thread(target=work).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
