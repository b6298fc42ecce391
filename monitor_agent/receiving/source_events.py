"""What a source has said, in the terms of this product: predictions with their ids, and feedback (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from monitor_agent.prediction_log.trace_context import Trace
from monitor_agent.receiving.payloads import Cell
from monitor_agent.settings.source_mapping import SourceMapping

InputReader = Callable[[str], "Cell | None"]
"""Returns the value of an input by its name; None if there is none."""

_CONTEXT = {"user": "user_id", "session": "session_id", "query": "query"}
_DETAILS = {"item": "item_id", "position": "position", "propensity": "propensity"}
_LABELS, _FEATURES, _RANKING = "labels.", "features.", "ranking."
_CATEGORICAL = "features.categorical."


@dataclass(frozen=True)
class SourceInstance:
    """A prediction of a source.

    Attributes
    ----------
    id : the prediction's id.
    record, context : fields of `PredictionRecord` and of `RequestFields`, not checked yet.
    paths : path in the source of each field of both, such as `features.numeric.price`.
    """

    id: str
    record: Mapping[str, Any]
    context: Mapping[str, Any]
    paths: Mapping[str, str]


@dataclass(frozen=True)
class SourcePredictions:
    """The predictions of one request to a model.

    Attributes
    ----------
    service : `service.name` of the events.
    kind, threshold : of the model.
    moment : the time of the predictions, UTC.
    request_id : the request's id.
    duration : time of the request, ns; None = unknown.
    is_list : whether the instances are one ranked list.
    has_request : whether the features are those of the request.
    """

    service: str
    model: str
    version: str
    kind: str
    threshold: float
    moment: datetime
    request_id: str
    instances: Sequence[SourceInstance]
    duration: int | None = None
    is_list: bool = False
    trace: Trace | None = None
    has_request: bool = False


@dataclass(frozen=True)
class SourceFeedback:
    """What a user did with a prediction of a source.

    Attributes
    ----------
    record : fields of `FeedbackRecord`, not checked yet.
    path : path of the event in the source.
    """

    service: str
    record: Mapping[str, Any]
    path: str


@dataclass
class SourceEvents:
    """All that a request has said.

    Attributes
    ----------
    skipped : events that make no line, by the reason.
    """

    predictions: list[SourcePredictions] = field(default_factory=list)
    feedback: list[SourceFeedback] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)

    def skip(self, reason: str) -> None:
        """Count an event that makes no line."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


def identity(*steps: str | int) -> str:
    """Return the id that follows from the ids of a source: the SHA-256 of its texts with a blank between them.

    >>> identity("shop/click", "7b1c", 0)[:16]  # printf 'shop/click 7b1c 0' | sha256sum
    'd991411aeebf2a47'
    """
    text = " ".join(map(str, steps))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def instance_of(
    identifier: str, outcome: Mapping[str, Cell], mapping: SourceMapping, read: InputReader
) -> SourceInstance:
    """Return a prediction with the inputs that the mapping names; an input that is not there is left out.

    Parameters
    ----------
    outcome : the fields that the model's output says.
    """
    record: dict[str, Any] = {name: cell.value for name, cell in outcome.items()}
    paths = {name: cell.path for name, cell in outcome.items()}
    context: dict[str, Any] = {}
    for name, source in mapping.inputs.items():
        cell = read(source)
        if cell is None:
            continue
        field_name = _DETAILS.get(name) or _CONTEXT.get(name) or name
        paths[field_name] = cell.path
        if name in _CONTEXT:
            context[field_name] = as_text(cell.value)
        elif name.startswith(_LABELS):
            context.setdefault("labels", {})[name.removeprefix(_LABELS)] = as_text(cell.value)
        elif name.startswith(_FEATURES):
            kind, _, feature = name.removeprefix(_FEATURES).partition(".")
            value = as_text(cell.value) if name.startswith(_CATEGORICAL) else as_number(cell.value)
            record.setdefault("features", {}).setdefault(kind, {})[feature] = value
        elif name.startswith(_RANKING):
            step = name.removeprefix(_RANKING)
            record.setdefault("ranking", {})[step] = as_text(cell.value) if step == "id" else cell.value
        elif name in _DETAILS:
            record[field_name] = as_text(cell.value) if name == "item" else cell.value
    if record.get("ranking", {}).get("size") == 1:
        del record["ranking"]
    return SourceInstance(identifier, record, context, paths)


def as_text(value: Any) -> Any:
    """Return a number as text, for a field that holds names; other values as they are.

    >>> as_text(14), as_text(2.0), as_text(True), as_text("a"), as_text([1])
    ('14', '2.0', 'true', 'a', [1])
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value


def as_number(value: Any) -> Any:
    """Return true and false as 1 and 0, for a field that holds numbers; other values as they are."""
    return int(value) if isinstance(value, bool) else value
