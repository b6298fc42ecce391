"""Serves predictions and feedback, without HTTP: checks a body, computes scores, logs events, makes the answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from model_server import feedback_request
from model_server.batching import Batcher, InstanceScore
from model_server.errors import EventLogError, ValidationError
from model_server.left_out_features import LeftOutFeatures
from model_server.model_card import ModelCard
from model_server.predict_request import PredictInstance, PredictParser, PredictRequest
from model_server.signatures import serving_answers, serving_rows
from model_server.signatures.instance_inputs import InputReader
from model_server.signatures.serving_rows import ServingRequest
from model_server.signatures.tensor_spec import SignatureSpec
from monitor_agent.contracts.bounds import RANK
from monitor_agent.errors import LineTooLongError, LogWriteError
from monitor_agent.prediction_log.prediction_log import PredictionLog
from monitor_agent.prediction_log.records import (
    Call,
    PredictionAnswer,
    RequestContext,
    RequestFailure,
    ScoredRequest,
)
from monitor_agent.settings import ServerSettings
from monitor_agent.settings.server_settings import ANSWER

_log = structlog.get_logger()


@dataclass(frozen=True)
class ServiceDependencies:
    """The objects that a service needs; the code that creates them starts and stops them."""

    settings: ServerSettings
    card: ModelCard
    inputs: InputReader
    batcher: Batcher
    prediction_log: PredictionLog
    signatures: tuple[SignatureSpec, ...] = ()


class ModelService:
    """Answers predictions and feedback, after it has written their events."""

    def __init__(self, dependencies: ServiceDependencies) -> None:
        self.dependencies = dependencies
        self._parser = PredictParser(dependencies.settings, dependencies.inputs)
        self._left_out = LeftOutFeatures()
        self.model = {"name": dependencies.card.name, "version": dependencies.card.version}

    def labels(self, body: Any) -> dict[str, str]:
        """Return the labels that a decoded body of `POST /predict` has, whether or not the rest of it is right."""
        return self._parser.labels(body)

    def predict(self, body: Any, call: Call, began: int) -> dict[str, Any]:
        """Return the answer to a decoded body of `POST /predict`.

        Parameters
        ----------
        began : when the request's first byte arrived, by `time.perf_counter_ns`.

        Raises
        ------
        RequestError
            If the request is refused or fails; then no prediction is logged.
        """
        request = self._parser.parse(body, call.received)
        _, predictions = self._score(request, call, began)
        for instance in request.instances:
            self._left_out.add(instance.features.left_out)
        if request.single:
            return {**_single(predictions[0]), "model": self.model}
        return {"predictions": [_answer(prediction) for prediction in predictions], "model": self.model}

    def predict_tensors(self, body: Any, call: Call, began: int) -> dict[str, Any]:
        """Return the answer to a body of TensorFlow Serving's `:predict`: all outputs of the signature.

        Raises
        ------
        RequestError
            If the request is refused or fails; then no prediction is logged.
        """
        request = serving_rows.predict_request(body, self.dependencies.inputs, self._most_instances)
        scores, predictions = self._score(_of_inputs(request), call, began)
        answer = serving_answers.predictions(scores, is_columnar=request.is_columnar)
        return {**answer, "prediction_ids": [prediction.id for prediction in predictions]}

    def classify(self, body: Any, call: Call, began: int) -> dict[str, Any]:
        """Return the answer to a body of TensorFlow Serving's `:classify`: classes with their probabilities.

        Raises
        ------
        RequestError
            If the request is refused or fails; then no prediction is logged.
        """
        names = self.dependencies.prediction_log.origin.classes
        return self._of_examples(body, call, began, lambda score: serving_answers.classes(score, names))

    def regress(self, body: Any, call: Call, began: int) -> dict[str, Any]:
        """Return the answer to a body of TensorFlow Serving's `:regress`: a number for each example.

        Raises
        ------
        RequestError
            If the request is refused or fails; then no prediction is logged.
        """
        return self._of_examples(body, call, began, lambda score: score.score)

    def _of_examples(self, body: Any, call: Call, began: int, result: Callable[[InstanceScore], Any]) -> dict[str, Any]:
        """Return the answer to a body with examples; `result` is made of the score of each."""
        request = serving_rows.example_request(body, self.dependencies.inputs, self._most_instances)
        scores, predictions = self._score(_of_inputs(request), call, began)
        return {
            "result": [result(score) for score in scores],
            "prediction_ids": [prediction.id for prediction in predictions],
        }

    @property
    def _most_instances(self) -> int:
        return min(self.dependencies.settings.max_instances, int(RANK.high))

    def _score(
        self, request: PredictRequest, call: Call, began: int
    ) -> tuple[list[InstanceScore], list[PredictionAnswer]]:
        """Compute the scores of a request, and log its predictions."""
        scores = self.dependencies.batcher.score([instance.inputs for instance in request.instances])
        scored = ScoredRequest(call, request.context, time.perf_counter_ns() - began)
        with _writing("" if request.single else "instances"):
            return scores, self.dependencies.prediction_log.write_scored(scored, request.instances, scores)

    def feedback(self, body: Any, call: Call) -> dict[str, Any]:
        """Return the answer to a decoded body of `POST /feedback`.

        Raises
        ------
        RequestError
            If the request is refused or fails; then no feedback is logged.
        """
        feedback = feedback_request.parse(body, self.dependencies.settings, call.received)
        with _writing("the body" if isinstance(body, list) else ""):
            return {"event_ids": self.dependencies.prediction_log.write_feedback(feedback, call)}

    def log_error(self, call: Call, began: int, status: int, kind: str, message: str) -> None:
        """Log a request that was refused or failed as an event; if that fails too, warn in the service log."""
        failure = RequestFailure(time.perf_counter_ns() - began, status, kind, message)
        try:
            self.dependencies.prediction_log.write_error(call, failure)
        except LogWriteError:
            _log.warning("request error not logged", **{"error.type": kind, "http.response.status_code": status})

    def problem(self) -> str:
        """Return why the server cannot accept requests now; "" when it can."""
        if not self.dependencies.batcher.running:
            return "the model's thread has ended"
        problem = self.dependencies.prediction_log.log.problem()
        if problem and self.dependencies.settings.on_failure != ANSWER:
            return f"events cannot be written ({problem})"
        return ""

    def figures(self) -> list[Metric]:
        """Return the figures of queue, batches and log for `/metrics`."""
        batcher, log = self.dependencies.batcher, self.dependencies.prediction_log.log
        return [
            GaugeMetricFamily("model_server_queue_instances", "instances that wait for the model", batcher.depth),
            CounterMetricFamily("model_server_batches", "batches computed", batcher.batches),
            CounterMetricFamily("model_server_instances", "instances computed", batcher.computed),
            CounterMetricFamily("model_server_events", "event lines written", log.written),
            CounterMetricFamily(
                "model_server_features_left_out", "features outside the allow-lists, not logged", self._left_out.count
            ),
            CounterMetricFamily(
                "model_server_events_lost", "events of answered requests that could not be written", log.lost
            ),
            CounterMetricFamily("model_server_event_log_failures", "failed attempts to write events", log.failures),
            GaugeMetricFamily(
                "model_server_ready", "1 if the server can take requests, else 0", float(not self.problem())
            ),
        ]


@contextmanager
def _writing(path: str) -> Iterator[None]:
    """Answer a client if its events cannot be written.

    Parameters
    ----------
    path : path of the list that has an event for each entry; "" = the body is the only entry.

    Raises
    ------
    RequestError
        If an event is too long, or the events cannot be written.
    """
    try:
        yield
    except LineTooLongError as error:
        raise ValidationError(str(error), f"{path}[{error.index}]" if path else "") from error
    except LogWriteError as error:
        raise EventLogError(f"{error.message}; {error.hint}" if error.hint else error.message) from error


def _of_inputs(request: ServingRequest) -> PredictRequest:
    instances = [PredictInstance(inputs) for inputs in request.instances]
    return PredictRequest(instances, RequestContext(), single=False)


def _single(only: PredictionAnswer) -> dict[str, Any]:
    """Return the answer to a request of one instance: `prediction` is the score, the class or the number."""
    outcome = dict(only.outcome)
    name = next(name for name in ("score", "class", "value") if name in outcome)
    return {"prediction": outcome.pop(name), "prediction_id": only.id, **outcome}


def _answer(prediction: PredictionAnswer) -> dict[str, Any]:
    return {"prediction_id": prediction.id, **prediction.outcome, "rank": prediction.rank}
