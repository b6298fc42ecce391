"""The feed of an import: takes the rows of its files in order, and labels predictions that are there already."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from monitor_agent.importing.plans import ImportPlan
from monitor_agent.importing.portions import LabelLine, PortionReader, RowLine, RowPortion
from monitor_agent.importing.progress import ImportProgress, require_few_days
from monitor_agent.importing.sources import SourceFile
from monitor_agent.importing.stored_predictions import StoredPredictions


@dataclass(eq=False)
class _OpenRows:
    """A portion of a file that is not settled yet, or whose labels are not."""

    sha256: str
    last: int
    parts_left: int = 1


@dataclass(frozen=True)
class FeedTools:
    """What a feed works with.

    Attributes
    ----------
    portions : reads the files.
    stored : the predictions in Elasticsearch.
    retain : called with the first moments of new days before their events are written.
    report : called after each settled portion.
    """

    plan: ImportPlan
    portions: PortionReader
    stored: StoredPredictions
    retain: Callable[[Sequence[int]], None]
    report: Callable[[], None] = field(default=lambda: None)


class ImportFeed:
    """Makes portions of the rows that the progress does not name yet: first of predictions, then of labels."""

    def __init__(self, tools: FeedTools, sources: Sequence[SourceFile], progress: ImportProgress) -> None:
        self._tools = tools
        self._progress = progress
        plan = tools.plan
        ordered = sorted(sources, key=lambda source: source.holds_labels(plan))
        self._waiting_sources = deque(ordered)
        self._is_open = False
        self._late: deque[tuple[RowPortion, _OpenRows]] = deque()
        self._open: deque[_OpenRows] = deque()
        self._open_of: dict[int, _OpenRows] = {}
        self._days: set[int] = set(progress.counts.days)
        self._exhausted = False
        self._lock = threading.Lock()

    @property
    def finished(self) -> bool:
        """Whether there will be no further portion."""
        with self._lock:
            return self._exhausted and not self._open and not self._late

    def take(self, limit: int) -> RowPortion | None:
        """Return the next portion.

        Raises
        ------
        DataError
            If the file cannot be read, or its times lack an offset, or lie on too many days.
        """
        with self._lock:
            if self._late:
                portion, place = self._late.popleft()
                self._open_of[id(portion)] = place
                return portion
        while not self._exhausted:
            if not self._is_open and not self._next_source(limit):
                return None
            following = self._tools.portions.take()
            if following is not None:
                self._begin(following)
                return following
            self._is_open = False
        return None

    def _begin(self, portion: RowPortion) -> None:
        """Have the days of a portion retained, and await its delivery."""
        self._note_days(portion)
        place = _OpenRows(portion.sha256, portion.last)
        with self._lock:
            self._open.append(place)
            self._open_of[id(portion)] = place

    def settle(self, portions: Sequence[RowPortion]) -> None:
        """Note that portions are delivered; queue the labels of predictions that were there already without them."""
        late = self._missing_labels(portions)
        with self._lock:
            for portion in portions:
                place = self._open_of.pop(id(portion))
                place.parts_left -= 1
                self._progress.counts.add(portion.counts)
                if rows := late.get(id(portion)):
                    place.parts_left += 1
                    self._late.append((self._label_portion(portion, rows), place))
            while self._open and not self._open[0].parts_left:
                done = self._open.popleft()
                self._progress.positions[done.sha256] = done.last
            self._progress.write()
        self._tools.report()

    def _next_source(self, limit: int) -> bool:
        """Begin the next file; return False if there is none, or it must wait for the predictions before it."""
        if not self._waiting_sources:
            self._exhausted = True
            return False
        source = self._waiting_sources[0]
        if source.holds_labels(self._tools.plan):
            with self._lock:
                if self._open or self._late:
                    return False  # the labels may be of predictions that are on their way
            self._tools.stored.refresh(self._days)
        self._waiting_sources.popleft()
        self._is_open = True
        self._tools.portions.open(source, self._progress.positions.get(source.sha256, 0), limit)
        return True

    def _label_portion(self, portion: RowPortion, labels: Sequence[LabelLine]) -> RowPortion:
        """Return the labels of predictions that were there already without them."""
        lines = [RowLine(portion.last, label.text) for label in labels]
        return RowPortion(portion.path, portion.sha256, portion.last, lines)

    def _missing_labels(self, portions: Sequence[RowPortion]) -> dict[int, list[LabelLine]]:
        """Return, by the identity of a portion, the labels whose predictions were there already without them."""
        keys = {key for portion in portions for key in portion.present if key[1] in portion.labelled}
        if not keys:
            return {}
        joined = self._tools.stored.joined_events(sorted(keys))
        missing: dict[int, list[LabelLine]] = {}
        for portion in portions:
            for _, identifier in set(portion.present):
                for label in portion.labelled.get(identifier, ()):
                    if label.event_id not in joined.get(identifier, ()):
                        missing.setdefault(id(portion), []).append(label)
        return missing

    def _note_days(self, portion: RowPortion) -> None:
        """Have new days retained before their first event is written.

        Raises
        ------
        DataError
            If there are too many days.
        """
        new = sorted(portion.counts.days - self._days)
        if not new:
            return
        self._days |= set(new)
        require_few_days(self._days, portion.path)
        self._tools.retain(new)
