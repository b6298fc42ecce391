"""What the server does with a request, apart from HTTP: check it, compute, log, answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from model_server import events, feedback_request
from model_server.batching import Batcher
from model_server.errors import EventLogError, ValidationError
from model_server.event_log import EventLog, LineTooLongError
from model_server.events import Call, Event, Origin, PredictionAnswer
from model_server.json_object import decode
from model_server.model_card import ModelCard
from model_server.predict_request import PredictParser
from monitor_agent.settings import ServerSettings

_log = structlog.get_logger()


@dataclass(frozen=True)
class ServiceDependencies:
    """What a service is made of; whoever made them starts and stops them."""

    settings: ServerSettings
    card: ModelCard
    batcher: Batcher
    log: EventLog
    origin: Origin
    pseudonym: Callable[[str], str]


class ModelService:
    """Answers predictions and feedback; an answer is given only when its events are written."""

    def __init__(self, dependencies: ServiceDependencies) -> None:
        self.dependencies = dependencies
        self._parser = PredictParser(dependencies.settings, dependencies.card)
        self.model = {"name": dependencies.card.name, "version": dependencies.card.version}

    def predict(self, body: bytes, call: Call, began: int) -> dict[str, Any]:
        """Return the answer to a body of `POST /predict`.

        Parameters
        ----------
        began : when the request's first byte arrived, by `time.perf_counter_ns`.

        Raises
        ------
        RequestError : of the kind that says what went wrong; then nothing is logged as a prediction.
        """
        dependencies = self.dependencies
        request = self._parser.parse(decode(body))
        scored = dependencies.batcher.score([instance.inputs for instance in request.instances])
        made = events.predictions(
            request,
            scored,
            call,
            dependencies.origin,
            time.perf_counter_ns() - began,
            dependencies.pseudonym,
            query_text=dependencies.settings.log_query_text,
        )
        self._write([each.event for each in made], "" if request.single else "instances")
        if request.single:
            only = made[0]
            return {
                "prediction": only.score,
                "prediction_id": only.id,
                "label": only.label,
                "model": self.model,
            }
        return {"predictions": [_answer(each) for each in made], "model": self.model}

    def feedback(self, body: bytes, call: Call) -> dict[str, Any]:
        """Return the answer to a body of `POST /feedback`; raises RequestError as `predict` does."""
        decoded = decode(body)
        said = feedback_request.parse(decoded, self.dependencies.settings, call.received)
        lines = [events.feedback(each, call, self.dependencies.origin) for each in said]
        self._write(lines, "the body" if isinstance(decoded, list) else "")
        return {"event_ids": [line["event"]["id"] for line in lines]}

    def refused(self, call: Call, began: int, status: int, kind: str, message: str) -> None:
        """Log a request that was refused or failed; the service log says where even that cannot be written."""
        event = events.request_error(
            call, self.dependencies.origin, time.perf_counter_ns() - began, status, kind, message
        )
        try:
            self.dependencies.log.append([event])
        except EventLogError:
            _log.warning("request error not logged", **{"error.type": kind, "http.response.status_code": status})

    def problem(self) -> str:
        """Return why the server cannot take requests now; "" when it can."""
        if not self.dependencies.batcher.running:
            return "the model's thread has ended"
        if problem := self.dependencies.log.problem():
            return f"events cannot be written ({problem})"
        return ""

    def figures(self) -> list[Metric]:
        """Return the figures of queue, batches and log for `/metrics`."""
        batcher, log = self.dependencies.batcher, self.dependencies.log
        return [
            GaugeMetricFamily("model_server_queue_instances", "instances that wait for the model", batcher.depth),
            CounterMetricFamily("model_server_batches", "batches computed", batcher.batches),
            CounterMetricFamily("model_server_instances", "instances computed", batcher.computed),
            CounterMetricFamily("model_server_events", "event lines written", log.written),
            CounterMetricFamily("model_server_event_log_failures", "failed attempts to write events", log.failures),
            GaugeMetricFamily("model_server_ready", "1 where requests can be taken", float(not self.problem())),
        ]

    def _write(self, lines: Sequence[Event], path: str) -> None:
        try:
            self.dependencies.log.append(lines)
        except LineTooLongError as error:
            raise ValidationError(str(error), f"{path}[{error.index}]" if path else "") from error


def _answer(made: PredictionAnswer) -> dict[str, Any]:
    return {"prediction_id": made.id, "score": made.score, "label": made.label, "rank": made.rank}
