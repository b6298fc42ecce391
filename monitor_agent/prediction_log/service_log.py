"""Writes the events of a service that belong to no single prediction: feedback, refused requests, releases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monitor_agent.errors import LineTooLongError
from monitor_agent.prediction_log import events
from monitor_agent.prediction_log.event_log import EventLog, line_of
from monitor_agent.prediction_log.records import Call, FeedbackRecord, Origin, ReleaseChange, RequestFailure


class ServiceLog:
    """Writes events of one origin; several may share one event log, which numbers their lines together.

    Records are written as they are: the caller has checked them.

    Attributes
    ----------
    log : the event log.
    origin : stands in each event. Without a model, the events of feedback and of errors name none.
    """

    def __init__(self, log: EventLog, origin: Origin) -> None:
        self.log = log
        self.origin = origin

    def write_feedback(self, records: Sequence[FeedbackRecord], call: Call) -> list[str]:
        """Write one event for each record, all or none of them; return their ids.

        Raises
        ------
        PredictionLogError
            If the events cannot be written, or one is too long.
        """
        entries = [events.feedback(record, call, self.origin, place) for place, record in enumerate(records)]
        self.log.append([line_of(event) for event in entries])
        return [event["event"]["id"] for event in entries]

    def write_error(self, call: Call, failure: RequestFailure) -> None:
        """Write the event of a request that was refused or failed.

        Raises
        ------
        LogWriteError
            If the event cannot be written.
        """
        try:
            self.log.append([line_of(events.request_error(call, self.origin, failure))])
        except LineTooLongError:
            # Labels of control characters take six bytes for each.
            self.log.append([line_of(events.request_error(replace(call, labels={}), self.origin, failure))])

    def write_release(self, change: ReleaseChange) -> None:
        """Write the event of what the service did with a version of a model.

        Raises
        ------
        PredictionLogError
            If the event cannot be written, or is too long.
        """
        self.log.append([line_of(events.release(change, self.log.clock(), self.origin))])
