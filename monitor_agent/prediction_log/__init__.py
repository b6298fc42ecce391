"""Writes predictions and feedback to event files that the pipeline reads, from any Python program.

It needs neither Flask, TensorFlow nor NumPy. The model server writes all of its events with it.
"""

from __future__ import annotations

from monitor_agent.errors import LineTooLongError, LogWriteError, PredictionLogError, RecordError
from monitor_agent.prediction_log.event_log import EventLog
from monitor_agent.prediction_log.prediction_log import PredictionLog, PredictionLogOptions
from monitor_agent.prediction_log.record_checks import PredictionRecord, RequestFields
from monitor_agent.prediction_log.records import (
    Features,
    FeedbackRecord,
    Origin,
    PredictionAnswer,
    Ranking,
    ReleaseChange,
    RequestFailure,
    ScoredRequest,
    VersionAssignment,
)
from monitor_agent.prediction_log.service_log import ServiceLog

__all__ = [
    "EventLog",
    "Features",
    "FeedbackRecord",
    "LineTooLongError",
    "LogWriteError",
    "Origin",
    "PredictionAnswer",
    "PredictionLog",
    "PredictionLogError",
    "PredictionLogOptions",
    "PredictionRecord",
    "Ranking",
    "RecordError",
    "ReleaseChange",
    "RequestFailure",
    "RequestFields",
    "ScoredRequest",
    "ServiceLog",
    "VersionAssignment",
]
