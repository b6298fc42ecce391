"""Threads that run the loop of a server one after the other: if work holds one of them, the next one takes over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

STUCK_SECONDS = 0.25
"""After this time in one piece of work, another thread goes on with the loop."""
LOOK_SECONDS = 0.05


class Relay:
    """Runs a loop in one thread at a time.

    Parameters
    ----------
    loop : runs until the server has ended, or until `guarded` says that another thread has taken over.
    """

    def __init__(self, loop: Callable[[], None]) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._has_begun = False
        self._runner = 0
        self._busy_since = 0.0
        self._error: BaseException | None = None

    def run(self) -> None:
        """Run the loop to its end. The thread that calls this only watches, so it receives signals at any time.

        After an exception of a signal handler, this may be called again.
        """
        if not self._has_begun:
            self._has_begun = True
            self._start()
        while not self._ended.wait(LOOK_SECONDS):
            with self._lock:
                is_stuck = self._busy_since and time.monotonic() - self._busy_since > STUCK_SECONDS
                if is_stuck:
                    self._runner += 1
                    self._busy_since = 0.0
            if is_stuck:
                self._start()
        if self._error is not None:
            raise self._error

    def guarded(self, work: Callable[[], None]) -> bool:
        """Do work that may take long; return whether the thread still runs the loop: if not, it must leave it."""
        with self._lock:
            runner = self._runner
            self._busy_since = time.monotonic()
        work()
        with self._lock:
            if runner != self._runner:
                return False
            self._busy_since = 0.0
            return True

    def _start(self) -> None:
        threading.Thread(target=self._run, args=(self._runner,), name=f"http-loop-{self._runner}", daemon=True).start()

    def _run(self, runner: int) -> None:
        try:
            self._loop()
        except BaseException as error:  # noqa: BLE001  the thread that waits for the end raises it
            self._error = error
            self._ended.set()
            return
        if runner == self._runner:
            self._ended.set()
