"""Writes the pages and clicks of a world as a service would: through `monitor_agent.prediction_log`, line by line."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import count
from typing import NamedTuple

from monitor_agent.demo.bad_release.troubles import HOUR, troubles_at
from monitor_agent.demo.bad_release.world import RankedPage, World
from monitor_agent.demo.delivery import Line
from monitor_agent.demo.event_lines import ReplayClock, ServiceFile
from monitor_agent.prediction_log import (
    Features,
    FeedbackRecord,
    Origin,
    PredictionLog,
    PredictionRecord,
    ReleaseChange,
    ScoredRequest,
    ServiceLog,
)
from monitor_agent.prediction_log.records import Call, RequestContext

THRESHOLD = 0.25
ENVIRONMENT = "demo"
HMAC_KEY = "the visitors of a demo are no people"


class _Score(NamedTuple):
    """The score of a simulated model, which has no batches."""

    score: float
    classes: tuple[float, ...] = ()
    queue_time: int | None = None
    compute_time: int | None = None
    batch_size: int | None = None
    engine: str = ""


class TrafficWriter:
    """Writes a world's hours into the event files of its services.

    Attributes
    ----------
    predictions, clicks, lost : lines written; lines that never arrive.
    """

    def __init__(self, world: World, files: Mapping[str, ServiceFile], clock: ReplayClock) -> None:
        self.predictions = self.clicks = self.lost = 0
        self._world = world
        self._files = files
        self._clock = clock
        self._logs: dict[tuple[str, str], PredictionLog] = {}
        self._waiting: list[tuple[datetime, int, str, FeedbackRecord]] = []
        self._order = count()
        self._pages = (page for hour in range(world.hours + 1) for page in world.pages(hour))
        self._next = next(self._pages, None)

    def lines(self, until: datetime) -> Iterator[Line]:
        """Write what happens before a moment, and yield the lines that arrive of it.

        In an hour with lost lines, those of its first call are concerned.
        """
        while self._next is not None and self._next.moment < until:
            self._write_clicks(self._next.moment)
            self._write_page(self._next)
            self._next = next(self._pages, None)
        self._write_clicks(until)
        hour = (until - self._world.start) // HOUR
        for model, file in self._files.items():
            lines = file.new_lines()
            for trouble in troubles_at(self._world.troubles, "lost-lines", hour, model):
                if until > trouble.start(self._world.start) and not self.lost:
                    lines, self.lost = _without_piece(lines, int(trouble.size))
            for line in lines:
                yield line, file.path

    def _write_page(self, page: RankedPage) -> None:
        self._clock.moment = page.moment
        places = range(1, len(page.items) + 1)
        records = [
            PredictionRecord(item_id=item, position=place, features=Features(numeric=features))
            for item, place, features in zip(page.items, places, page.features, strict=True)
        ]
        identifier = f"{page.moment.timestamp():.6f}-{page.visitor}"
        call = Call(identifier, "", page.moment, None, list_id=identifier)
        context = RequestContext(user_id=page.visitor, labels={"scene": page.scene})
        # The values come from the world, which makes no wrong ones: `predictions` would check each of them.
        answers = self._log(page.model, page.version).write_scored(
            ScoredRequest(call, context, page.duration), records, [_Score(score) for score in page.scores]
        )
        self.predictions += len(answers)
        for rank, delay in page.clicks:
            click = FeedbackRecord(answers[rank].id, page.moment, "click")
            heapq.heappush(self._waiting, (page.moment + delay, next(self._order), page.model, click))

    def _write_clicks(self, until: datetime) -> None:
        while self._waiting and self._waiting[0][0] < until:
            moment, _, model, click = heapq.heappop(self._waiting)
            self._clock.moment = moment
            self._any_log(model).write_feedback([click], Call("", "", moment, None))
            self.clicks += 1

    def _log(self, model: str, version: str) -> PredictionLog:
        key = model, version
        if key not in self._logs:
            self._logs[key] = PredictionLog(
                self._files[model].log,
                model=model,
                version=version,
                threshold=THRESHOLD,
                environment=ENVIRONMENT,
                hmac_key=HMAC_KEY,
            )
            self._write_release(model, version)
        return self._logs[key]

    def _write_release(self, model: str, version: str) -> None:
        """Write that the service has loaded a version: it does so before its first answer."""
        log = self._files[model].log
        origin = Origin(model, "", ENVIRONMENT, log.node, model, version)
        ServiceLog(log, origin).write_release(ReleaseChange("version-loaded", model, version))

    def _any_log(self, model: str) -> PredictionLog:
        """Return the log of a version; all versions of a model write into one file, and feedback names the model."""
        return next(log for (name, _), log in self._logs.items() if name == model)


def _without_piece(lines: list[bytes], size: int) -> tuple[list[bytes], int]:
    """Return lines without `size` lines in their middle, and how many were left out.

    >>> _without_piece([b"1", b"2", b"3", b"4", b"5"], 2)
    ([b'1', b'4', b'5'], 2)
    """
    first = max(0, (len(lines) - size) // 2)
    remaining = lines[:first] + lines[first + size :]
    return remaining, len(lines) - len(remaining)
