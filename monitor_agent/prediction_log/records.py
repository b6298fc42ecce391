"""What is logged of a request: its origin, its context, its instances; plain values that are checked already."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from monitor_agent.contracts.kinds import BINARY
from monitor_agent.prediction_log.trace_context import Trace


@dataclass(frozen=True)
class Origin:
    """The origin of events.

    Attributes
    ----------
    node : the writer's name, from the event log.
    model_name, model_version : the model; "" = no model is known, as in the feedback to a server of several models.
    threshold : the model's threshold; a score at or above it gets the label 1.
    kind, classes : kind of the predictions, and the names of the classes of a multiclass model.
    engine : what computes the scores, such as `tensorflow` or `litert`; "" = the events do not say it.
    """

    service_name: str
    service_version: str
    environment: str
    node: str
    model_name: str = ""
    model_version: str = ""
    threshold: float = 0.5
    kind: str = BINARY.name
    classes: tuple[str, ...] = ()
    engine: str = ""

    @cached_property
    def float32_threshold(self) -> float:
        """The threshold as a float32: models and NumPy compare a score with it."""
        return as_float32(self.threshold)


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes
    ----------
    request_id : the client's `X-Request-Id`, else one of the server.
    received : when its first byte arrived, UTC.
    trace : the caller's trace, from the header `traceparent`.
    labels : the labels in its body, for the event of an error.
    list_id : the id of the ranked list that its instances are: no client can give two lists one id by chance.
    """

    request_id: str
    path: str
    received: datetime
    trace: Trace | None
    labels: dict[str, str] = field(default_factory=dict)
    list_id: str = ""


@dataclass(frozen=True)
class Ranking:
    """The place of an instance in a ranked list, for a client that scores each item of the list by its own request.

    Attributes
    ----------
    id : the list's id, the same for all its items.
    rank : the item's place in the list, 1 = first.
    size : number of items in the list, 2 or more.
    """

    id: str
    rank: int
    size: int


@dataclass(frozen=True)
class Features:
    """The features of an instance that are logged, by their type in the index.

    Attributes
    ----------
    left_out : names of the features that are not logged, because they are on no allow-list.
    ages : ages of features at scoring, in seconds.
    """

    numeric: dict[str, float] = field(default_factory=dict)
    categorical: dict[str, str] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    ages: dict[str, float] = field(default_factory=dict)


NO_FEATURES = Features()
"""Those of an instance without the field; nobody adds to them."""


@dataclass(frozen=True)
class RequestContext:
    """Session, user, query and labels of a request; the log makes pseudonyms of the first three."""

    session_id: str | None = None
    user_id: str | None = None
    query: str | None = None
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class VersionAssignment:
    """Why a request went to this version, in a split of the traffic.

    Attributes
    ----------
    name : the label or the version that was drawn.
    unit : what keeps its version: `user`, `session` or `request`.
    propensity : share of the units that get this version; greater than 0, at most 1.
    """

    name: str
    unit: str
    propensity: float


@dataclass(frozen=True)
class ScoredRequest:
    """What the events of one request of predictions share.

    Attributes
    ----------
    duration : time of the whole request so far, ns; the same in all events; None = unknown.
    assignment : the version's share in a split of the traffic; None = there is no split.
    primary_ids : for a shadow version, the id of the primary version's prediction of each instance; else empty.
    is_list : whether the instances are one ranked list.
    ids : the id of each prediction, of letters, digits and hyphens, if another system decides it; empty = new ids.
    contexts : the context of each instance, in the place of `context`; empty = they share it.
    """

    call: Call
    context: RequestContext = field(default_factory=RequestContext)
    duration: int | None = None
    assignment: VersionAssignment | None = None
    primary_ids: Sequence[str] = ()
    is_list: bool = True
    ids: Sequence[str] = ()
    contexts: Sequence[RequestContext] = ()


class InstanceDetails(Protocol):
    """What is logged of an instance besides its score; None = unknown."""

    @property
    def item_id(self) -> str | None:
        """The scored item."""

    @property
    def position(self) -> int | None:
        """Its position on the page, 1 = first."""

    @property
    def propensity(self) -> float | None:
        """Probability of choosing the item that was shown."""

    @property
    def ranking(self) -> Ranking | None:
        """Its place in a list of the client."""

    @property
    def features(self) -> Features:
        """Its features."""

    @property
    def shadow(self) -> bool:
        """Whether the item was scored, but never shown."""

    @property
    def timestamp(self) -> datetime | None:
        """The time of the event, UTC; None = when the request arrived."""


class ScoreTiming(Protocol):
    """How the score of an instance was computed; None = unknown."""

    @property
    def queue_time(self) -> int | None:
        """Time of waiting for the batch, ns."""

    @property
    def compute_time(self) -> int | None:
        """Time in the model, ns."""

    @property
    def batch_size(self) -> int | None:
        """Instances that the model computed together."""

    @property
    def engine(self) -> str:
        """What computed the score, if that differs among the signatures of a version; "" = `Origin.engine`."""


class ComputedScore(ScoreTiming, Protocol):
    """The result of a model for one instance, and how it was computed."""

    @property
    def score(self) -> float:
        """Probability of a positive, a float32; the number of a regression; the predicted class's probability."""

    @property
    def classes(self) -> tuple[float, ...]:
        """Probability of each class of a multiclass model, in the order of `Origin.classes`."""


@dataclass(frozen=True)
class FeedbackRecord:
    """What a user did with a prediction; UUIDs are in lower case and without braces.

    Attributes
    ----------
    prediction_time : the time in the prediction's UUIDv7, UTC; None if the id is no UUIDv7.
    event_id : an id of the client, so that a second sending changes nothing; None = the log makes an id.
    timestamp : the time of the event that the client supplies, UTC; None = when the request arrived.
    class_name, truth : the true class of a `multiclass` prediction; the true number of a `regression`.
    """

    prediction_id: str
    prediction_time: datetime | None
    type: str
    label: int | None = None
    value: float | None = None
    event_id: str | None = None
    timestamp: datetime | None = None
    class_name: str | None = None
    truth: float | None = None


@dataclass(frozen=True)
class RequestFailure:
    """A request that was refused (status 4xx) or failed (5xx).

    Attributes
    ----------
    duration : from the request's first byte to the answer, ns.
    kind : class of the error.
    message : the reason, without personal data.
    """

    duration: int
    status: int
    kind: str
    message: str


@dataclass(frozen=True)
class ReleaseChange:
    """What a server did with a version of a model.

    Attributes
    ----------
    action : `version-loaded`, `version-refused`, `version-unloaded` or `label-moved`.
    succeeded : whether it worked; a refused version has not.
    reason : why; "" = nothing to say.
    duration : time of loading and warming up, ns; None = none.
    labels : labels of the version afterwards, such as `stable` or `canary`.
    """

    action: str
    model_name: str
    model_version: str
    succeeded: bool = True
    reason: str = ""
    duration: int | None = None
    labels: tuple[str, ...] = ()


class PredictionAnswer(NamedTuple):
    """The answer for one instance; its event has the same content.

    Attributes
    ----------
    id : the prediction's id; clients send it with feedback.
    rank : 1 = best score of the request.
    outcome : the result of the model: `score` and `label`; or `class` and `scores`; or `value`.
    """

    id: str
    rank: int
    outcome: dict[str, Any]


def as_float32(number: float) -> float:
    """Return the float32 that is nearest to a number, as a float.

    >>> as_float32(0.7)
    0.699999988079071
    """
    return struct.unpack("f", struct.pack("f", number))[0]  # type: ignore[no-any-return]
