"""Serves predictions and feedback, without HTTP: chooses a version, computes scores, logs events, makes the answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog
from prometheus_client import Metric

from model_server import feedback_request, service_figures
from model_server.batch_tickets import InstanceScore
from model_server.errors import NoSuchModelError, ValidationError
from model_server.left_out_features import LeftOutFeatures
from model_server.loaded_model import LoadedModel
from model_server.predict_request import PredictInstance, PredictRequest, labels_of, people_of
from model_server.prepared_request import PreparedRequest, Scored, log_scored, writing_lines
from model_server.releases.served_version import ServedModel, Serving
from model_server.shadow_scoring import ShadowJob, ShadowScorer
from model_server.signatures import serving_answers, serving_rows
from model_server.signatures.serving_rows import ServingRequest
from monitor_agent.contracts.bounds import RANK
from monitor_agent.prediction_log import (
    PredictionAnswer,
    PredictionLogError,
    RequestFailure,
    ScoredRequest,
    ServiceLog,
    VersionAssignment,
)
from monitor_agent.prediction_log.records import Call, RequestContext
from monitor_agent.settings import ServerSettings
from monitor_agent.settings.server_settings import ANSWER

MODEL = "model"
_log = structlog.get_logger()

Choose = Callable[[ServedModel[LoadedModel]], tuple[str, VersionAssignment | None]]


@dataclass(frozen=True)
class ServiceDependencies:
    """The objects that a service needs; the code that creates them starts and stops them.

    Attributes
    ----------
    log : takes the events that belong to no version.
    serving : returns what is served at this moment.
    refresh : looks for new versions now, and returns what is served then.
    """

    settings: ServerSettings
    log: ServiceLog
    serving: Callable[[], Serving[LoadedModel]]
    refresh: Callable[[], Serving[LoadedModel]]


@dataclass(frozen=True)
class ModelTarget:
    """What a request of TensorFlow Serving's API names; None = it names none."""

    name: str
    version: str | None = None
    label: str | None = None


class ModelService:
    """Answers predictions and feedback, after it has written their events."""

    def __init__(self, dependencies: ServiceDependencies) -> None:
        self.dependencies = dependencies
        self.shadows = ShadowScorer(self._score_shadow)
        self._left_out = LeftOutFeatures()

    @property
    def serving(self) -> Serving[LoadedModel]:
        """What is served at this moment."""
        return self.dependencies.serving()

    def labels(self, body: Any) -> dict[str, str]:
        """Return the labels that a decoded body of `POST /predict` has, whether or not the rest of it is right."""
        return labels_of(body, self.dependencies.settings)

    def name_in(self, body: Any) -> str | None:
        """Return the name of the model in a body of `POST /predict`; None if it names none.

        Raises
        ------
        RequestError
            If the body names no model that is served, or none although there are several.
        """
        serving = self.serving
        name = body.get(MODEL) if isinstance(body, dict) else None
        if name is None and serving.only is None:
            raise ValidationError(f"is missing; this server serves {', '.join(serving.models)}", MODEL)
        if name is not None and not isinstance(name, str):
            raise ValidationError("text is expected", MODEL)
        if name is not None and name not in serving.models:
            raise NoSuchModelError(f"there is no such model; this server serves {', '.join(serving.models)}", MODEL)
        return name

    def predict(self, name: str | None, body: Any, call: Call, began: int) -> dict[str, Any]:
        """Return the answer to a decoded body of `POST /predict`.

        Parameters
        ----------
        name : what `name_in` returns for the body.
        began : when the request's first byte arrived, by `time.perf_counter_ns`.

        Raises
        ------
        RequestError
            If the request is refused or fails; then no prediction is logged.
        """
        prepared = self.prepare(name, body, call)
        return self.complete(prepared, prepared.scores(), call, began)

    def prepare(self, name: str | None, body: Any, call: Call) -> PreparedRequest:
        """Return a checked body of `POST /predict`, and the version that is to score it.

        The version is held until `complete`, or `release` of the result, is called.

        Raises
        ------
        RequestError
            If the request is refused.
        """
        user, session = people_of(body)

        def read(loaded: LoadedModel) -> PredictRequest:
            return loaded.parser.parse(body, call.received)

        return self._prepared(name, lambda model: model.choose(user, session, call.list_id), read)

    def complete(
        self, prepared: PreparedRequest, scores: list[InstanceScore], call: Call, began: int
    ) -> dict[str, Any]:
        """Return the answer to a prepared body of `POST /predict`, after its predictions are logged.

        Raises
        ------
        RequestError
            If they cannot be logged.
        """
        scored = self._completed(prepared, scores, call, began)
        predictions, model = scored.predictions, scored.loaded.name
        if not prepared.request.single:
            return {"predictions": [_answer(prediction) for prediction in predictions], MODEL: model}
        return {**_single(predictions[0]), MODEL: model}

    def predict_tensors(self, target: ModelTarget, body: Any, call: Call, began: int) -> dict[str, Any]:
        """Return the answer to a body of TensorFlow Serving's `:predict`: all outputs of the signature.

        Raises
        ------
        RequestError
            If the request is refused or fails; then no prediction is logged.
        """
        is_columnar = False

        def read(loaded: LoadedModel) -> PredictRequest:
            nonlocal is_columnar
            request = serving_rows.predict_request(body, loaded.inputs, self._most_instances)
            is_columnar = request.is_columnar
            return _of_inputs(request)

        scored = self._answer_target(target, read, call, began)
        answer = serving_answers.predictions(scored.scores, is_columnar=is_columnar)
        return {**answer, "prediction_ids": [prediction.id for prediction in scored.predictions]}

    def classify(self, target: ModelTarget, body: Any, call: Call, began: int) -> dict[str, Any]:
        """Return the answer to a body of TensorFlow Serving's `:classify`: classes with their probabilities.

        Raises
        ------
        RequestError
            If the request is refused or fails; then no prediction is logged.
        """
        return self._of_examples(target, body, call, began, serving_answers.classes)

    def regress(self, target: ModelTarget, body: Any, call: Call, began: int) -> dict[str, Any]:
        """Return the answer to a body of TensorFlow Serving's `:regress`: a number for each example.

        Raises
        ------
        RequestError
            If the request is refused or fails; then no prediction is logged.
        """
        return self._of_examples(target, body, call, began, lambda score, _: score.score)

    def feedback(self, body: Any, call: Call) -> dict[str, Any]:
        """Return the answer to a decoded body of `POST /feedback`.

        Raises
        ------
        RequestError
            If the request is refused or fails; then no feedback is logged.
        """
        records = feedback_request.parse(body, self.dependencies.settings, call.received)
        with writing_lines("the body" if isinstance(body, list) else ""):
            return {"event_ids": self._log_of(None).write_feedback(records, call)}

    def log_error(
        self, call: Call, began: int, status: int, kind: str, message: str, *, model: str | None = None
    ) -> None:
        """Log a request that was refused or failed as an event; if that fails too, warn in the service log.

        Parameters
        ----------
        model : the name in the request, if it has one.
        """
        failure = RequestFailure(time.perf_counter_ns() - began, status, kind, message)
        try:
            self._log_of(model).write_error(call, failure)
        except PredictionLogError:
            _log.warning("request error not logged", **{"error.type": kind, "http.response.status_code": status})

    def problem(self) -> str:
        """Return why the server cannot accept requests now; "" when it can."""
        for model in self.serving.models.values():
            for version in model.versions.values():
                if not version.content.batcher.running:
                    return "the model's thread has ended"
        problem = self.dependencies.log.log.problem()
        if problem and self.dependencies.settings.on_failure != ANSWER:
            return f"events cannot be written ({problem})"
        return ""

    def state(self) -> dict[str, Any]:
        """Return what is served, and what is not, for people."""
        serving = self.serving
        state: dict[str, Any] = {}
        if serving.only:
            state[MODEL] = serving.only.versions[serving.only.default].content.name
        state["models"] = [
            {
                "name": model.name,
                "versions": {
                    name: {"state": service_figures.state_of(model, version), "engine": version.content.engine.engine}
                    for name, version in model.versions.items()
                },
                "labels": dict(model.labels),
            }
            for model in serving.models.values()
        ]
        if serving.refused:
            state["refused"] = [vars(refused) for refused in serving.refused]
        if serving.problem:
            state["problem"] = serving.problem
        return state

    def figures(self) -> list[Metric]:
        """Return the figures of queues, batches, versions and log for `/metrics`."""
        serving = self.serving
        return [
            *service_figures.figures_of_versions(serving),
            *service_figures.figures_of_server(
                self.dependencies.log.log,
                self.shadows,
                self._left_out.count,
                is_ready=not self.problem(),
                has_problem=bool(serving.problem),
            ),
        ]

    def _answer_target(
        self, target: ModelTarget, read: Callable[[LoadedModel], PredictRequest], call: Call, began: int
    ) -> Scored:
        if target.version is None and target.label is None:
            return self._answer(target.name, lambda model: model.choose("", "", call.list_id), read, call, began)
        return self._answer(
            target.name, lambda model: (model.named(target.version, target.label), None), read, call, began, ()
        )

    def _of_examples(
        self, target: ModelTarget, body: Any, call: Call, began: int, result: Callable[..., Any]
    ) -> dict[str, Any]:
        """Return the answer to a body with examples; `result` is made of the score of each and the names of classes."""

        def read(loaded: LoadedModel) -> PredictRequest:
            return _of_inputs(serving_rows.example_request(body, loaded.inputs, self._most_instances))

        scored = self._answer_target(target, read, call, began)
        classes = scored.loaded.engine.classes
        return {
            "result": [result(score, classes) for score in scored.scores],
            "prediction_ids": [prediction.id for prediction in scored.predictions],
        }

    @property
    def _most_instances(self) -> int:
        return min(self.dependencies.settings.max_instances, int(RANK.high))

    def _answer(
        self,
        name: str | None,
        choose: Choose,
        read: Callable[[LoadedModel], PredictRequest],
        call: Call,
        began: int,
        shadows: Sequence[str] | None = None,
    ) -> Scored:
        """Score a request with the version that is chosen, log its predictions, and hand it to the shadow versions."""
        prepared = self._prepared(name, choose, read)
        return self._completed(prepared, prepared.scores(), call, began, shadows)

    def _prepared(
        self, name: str | None, choose: Choose, read: Callable[[LoadedModel], PredictRequest]
    ) -> PreparedRequest:
        """Hold the version that is chosen, and let it read a request: a swap frees it only after its release."""
        while True:
            model = self.serving.model(name)
            version, assignment = choose(model)
            served = model.versions[version]
            if served.acquire():  # else it has been replaced since: what is served now has another one
                break
        try:
            return PreparedRequest(model, served, read(served.content), read, assignment)
        except BaseException:
            served.release()
            raise

    def _completed(
        self,
        prepared: PreparedRequest,
        scores: list[InstanceScore],
        call: Call,
        began: int,
        shadows: Sequence[str] | None = None,
    ) -> Scored:
        """Log the predictions of a scored request, and hand it to the shadow versions."""
        model = prepared.model
        try:
            scored = log_scored(prepared, scores, ScoredRequest(call, assignment=prepared.assignment), began)
        finally:
            prepared.release()
        for instance in prepared.request.instances:
            self._left_out.add(instance.features.left_out)
        for version in model.shadows if shadows is None else shadows:
            ids = [prediction.id for prediction in scored.predictions]
            self.shadows.offer(ShadowJob(model.name, version, prepared.read, call, ids))
        return scored

    def _score_shadow(self, job: ShadowJob) -> None:
        began = time.perf_counter_ns()  # nobody waited while the job was in its queue
        prepared = self._prepared(job.model, lambda model: (model.named(job.version, None), None), job.read)
        request = prepared.request
        request = replace(request, instances=[replace(entry, shadow=True) for entry in request.instances])
        prepared = replace(prepared, request=request)
        scores = prepared.scores()
        try:
            log_scored(prepared, scores, ScoredRequest(job.call, primary_ids=job.primary_ids), began)
        finally:
            prepared.release()

    def _log_of(self, name: str | None) -> ServiceLog:
        """Return the log of a model that a request names, else of the only model, else that of the server."""
        serving = self.serving
        model = serving.models.get(name) if name is not None else serving.only
        return model.versions[model.default].content.log if model else self.dependencies.log


def _of_inputs(request: ServingRequest) -> PredictRequest:
    """Return a request of TensorFlow Serving's API as one of `/predict`: it has neither details nor a context."""
    return PredictRequest([PredictInstance(inputs) for inputs in request.instances], RequestContext(), single=False)


def _single(only: PredictionAnswer) -> dict[str, Any]:
    """Return the answer to a request of one instance: `prediction` is the score, the class or the number."""
    outcome = dict(only.outcome)
    name = next(name for name in ("score", "class", "value") if name in outcome)
    return {"prediction": outcome.pop(name), "prediction_id": only.id, **outcome}


def _answer(prediction: PredictionAnswer) -> dict[str, Any]:
    return {"prediction_id": prediction.id, **prediction.outcome, "rank": prediction.rank}
