"""Scores answered requests again with shadow versions, in a thread of its own: no client waits for it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from model_server.errors import RequestError
from model_server.loaded_model import LoadedModel
from model_server.predict_request import PredictRequest
from monitor_agent.prediction_log.records import Call

MOST_WAITING = 256
_log = structlog.get_logger()


@dataclass(frozen=True)
class ShadowJob:
    """An answered request.

    Attributes
    ----------
    version : the shadow version of the model.
    read : reads the request again: another version may take other inputs.
    primary_ids : the ids of the predictions that were answered.
    """

    model: str
    version: str
    read: Callable[[LoadedModel], PredictRequest]
    call: Call
    primary_ids: Sequence[str]


class ShadowScorer:
    """A queue of answered requests, and the thread that scores them; safe for threads.

    Parameters
    ----------
    score : scores a request and logs its predictions.

    Attributes
    ----------
    scored, failed, dropped : requests so far; those that find the queue full are dropped.
    """

    def __init__(self, score: Callable[[ShadowJob], None]) -> None:
        self.scored = self.failed = self.dropped = 0
        self._score = score
        self._queue: queue.Queue[ShadowJob | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._work, name="shadow-versions", daemon=True)

    def start(self) -> None:
        """Begin to score."""
        self._thread.start()

    def offer(self, job: ShadowJob) -> None:
        """Score a request soon, or never if too many wait."""
        try:
            self._queue.put_nowait(job)
        except queue.Full:
            self.dropped += 1

    def stop(self) -> None:
        """Score the requests that wait, then end the thread."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            try:
                self._score(job)
            except Exception as error:  # noqa: BLE001  the primary version has answered: only the log may say it
                if not self.failed:
                    reason = str(error) if isinstance(error, RequestError) else type(error).__name__
                    fields = {"model.name": job.model, "model.version": job.version}
                    _log.warning(
                        "a shadow version has failed; further failures are only counted", reason=reason, **fields
                    )
                self.failed += 1
            else:
                self.scored += 1
