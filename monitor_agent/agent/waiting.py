"""Waiting feedback is searched again when predictions of some hours have come: as little as can be joined then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.feedback_documents import Feedback
from monitor_agent.es.feedback_store import FeedbackStore
from monitor_agent.es.prediction_store import PredictionStore
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import Interval, merged, within
from monitor_agent.pipeline.prediction_times import in_time_for
from monitor_agent.pipeline.stale_windows import HourCounts
from monitor_agent.settings import AgentSettings

IDS_FOR_ONE = 10
"""Ids of predictions that are read in the time in which one feedback document is read and its prediction searched."""


class WaitingFeedback:
    """The feedback that waits for its predictions."""

    def __init__(self, feedback: FeedbackStore, predictions: PredictionStore, settings: AgentSettings) -> None:
        self._feedback = feedback
        self._predictions = predictions
        self._settings = settings

    def pages(self, count: int, changed: Sequence[Interval], hours: HourCounts) -> Iterator[list[Feedback]]:
        """Yield pages of the waiting feedback whose predictions may have come.

        Parameters
        ----------
        count : number of all waiting feedback documents.
        changed : the intervals in which events have come.
        hours : the numbers of events of the changed days by hour.

        The ids of the predictions in the intervals are searched in the waiting feedback. If there are far more
        predictions than feedback, all of the feedback is read, if a page holds it. Else only the feedback is read that
        is in time for predictions of the intervals; the remaining is searched before it becomes an orphan.
        """
        if not count or not changed:
            return
        if _predictions_in(changed, hours) <= IDS_FOR_ONE * count:
            for ids in self._predictions.ids_in(changed):
                yield from self._feedback.waiting_for(ids)
        elif count <= self._feedback.page_size:
            yield from self._feedback.waiting()
        else:
            in_time = merged(in_time_for(interval, self._settings) for interval in changed)
            yield from self._feedback.waiting({"bool": {"should": [within(interval) for interval in in_time]}})


def _predictions_in(intervals: Sequence[Interval], hours: Mapping[str, Mapping[str, int]]) -> int:
    """Return how many predictions lie in hours that begin in the intervals."""
    by_hour = (
        (instants.parse(hour), count)
        for index, counts in hours.items()
        if index.startswith(PREDICTIONS.name)
        for hour, count in counts.items()
    )
    return sum(count for moment, count in by_hour if any(interval.holds(moment) for interval in intervals))
