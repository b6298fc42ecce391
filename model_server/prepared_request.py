"""A request of one version between its check and its answer: the version is held, so that no swap frees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from model_server.batch_tickets import InstanceScore
from model_server.errors import EventLogError, ValidationError
from model_server.loaded_model import LoadedModel
from model_server.predict_request import PredictRequest
from model_server.releases.served_version import ServedModel, ServedVersion
from model_server.signatures.instance_inputs import InstanceInputs
from monitor_agent.prediction_log import (
    LineTooLongError,
    LogWriteError,
    PredictionAnswer,
    ScoredRequest,
    VersionAssignment,
)


@dataclass(frozen=True)
class Scored:
    """The scores of a request, its logged predictions, and the version that computed them."""

    scores: list[InstanceScore]
    predictions: list[PredictionAnswer]
    loaded: LoadedModel


@dataclass(frozen=True)
class PreparedRequest:
    """A checked request, and the version that is held for it.

    Attributes
    ----------
    read : reads the request for another version.
    """

    model: ServedModel[LoadedModel]
    served: ServedVersion[LoadedModel]
    request: PredictRequest
    read: Callable[[LoadedModel], PredictRequest]
    assignment: VersionAssignment | None

    @property
    def loaded(self) -> LoadedModel:
        """The version."""
        return self.served.content

    @property
    def inputs(self) -> list[InstanceInputs]:
        """The inputs of its instances."""
        return [instance.inputs for instance in self.request.instances]

    def scores(self) -> list[InstanceScore]:
        """Return the scores of its instances; the version is released if that fails.

        Raises
        ------
        RequestError
            If they cannot be computed.
        """
        try:
            return self.loaded.batcher.score(self.inputs)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let the version go; call this once."""
        self.served.release()


def log_scored(prepared: PreparedRequest, scores: list[InstanceScore], fields: ScoredRequest, began: int) -> Scored:
    """Log the predictions of a request.

    Parameters
    ----------
    fields : what the caller knows of the request: the rest is in `prepared`.
    began : when the request's first byte arrived, by `time.perf_counter_ns`.

    Raises
    ------
    RequestError
        If they cannot be logged.
    """
    request, loaded = prepared.request, prepared.loaded
    fields = replace(fields, context=request.context, duration=time.perf_counter_ns() - began)
    with writing_lines("" if request.single else "instances"):
        return Scored(scores, loaded.log.write_scored(fields, request.instances, scores), loaded)


@contextmanager
def writing_lines(path: str) -> Iterator[None]:
    """Turn errors of the log into those of a request; `path` is that of the lines in the body.

    Raises
    ------
    RequestError
        If the log refuses the lines.
    """
    try:
        yield
    except LineTooLongError as error:
        place = f"{path}[{error.index}]" if path == "instances" else path
        raise ValidationError(error.message, place) from error
    except LogWriteError as error:
        raise EventLogError(str(error)) from error
