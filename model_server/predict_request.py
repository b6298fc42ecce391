"""The body of `POST /predict`, checked and turned into plain values (pure).

It has two forms: the body itself is one instance, or it has a list of `instances`. `context` and `timestamp` hold for
all instances.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import repeat
from typing import Any

from model_server.json_object import JsonObject, elements, is_number
from model_server.signatures import id_rows
from model_server.signatures.input_form import IDS
from model_server.signatures.instance_inputs import InputReader, InstanceInputs
from monitor_agent.contracts.bounds import NUMBER, PROBABILITY, RANK
from monitor_agent.prediction_log.limits import (
    MAX_FEATURE_LENGTH,
    MAX_FEATURE_NAME_LENGTH,
    MAX_ID_LENGTH,
    MAX_LABEL_LENGTH,
    MAX_QUERY_LENGTH,
)
from monitor_agent.prediction_log.records import NO_FEATURES, Features, Ranking, RequestContext
from monitor_agent.settings import ServerSettings

DETAILS = ("item_id", "position", "propensity", "ranking", "features", "shadow", "timestamp")
RANKING = ("id", "rank", "size")
CONTEXT = ("session_id", "user_id", "query", "labels")


@dataclass(frozen=True)
class PredictInstance:
    """One instance to be scored, with the details that are logged of it.

    Attributes
    ----------
    timestamp : the event time that the client supplies, UTC; None = when the request arrived.
    """

    inputs: InstanceInputs
    item_id: str | None = None
    position: int | None = None
    propensity: float | None = None
    ranking: Ranking | None = None
    features: Features = field(default_factory=Features)
    shadow: bool = False
    timestamp: datetime | None = None


@dataclass(frozen=True)
class PredictRequest:
    """A checked request; `single` is true if the body itself is the only instance."""

    instances: list[PredictInstance]
    context: RequestContext
    single: bool


def labels_of(body: Any, settings: ServerSettings) -> dict[str, str]:
    """Return the labels that a decoded body has, right or wrong: an error of the request is logged with them."""
    labels = _context_of(body).get("labels")
    if not isinstance(labels, dict):
        return {}
    texts = {name: labels[name] for name in settings.labels if isinstance(labels.get(name), str)}
    return {name: text for name, text in texts.items() if 1 <= len(text) <= MAX_LABEL_LENGTH}


def people_of(body: Any) -> tuple[str, str]:
    """Return user and session of a decoded body, right or wrong; "" = it names none."""
    context = _context_of(body)
    user, session = context.get("user_id"), context.get("session_id")
    return user if isinstance(user, str) else "", session if isinstance(session, str) else ""


def _context_of(body: Any) -> dict[str, Any]:
    context = body.get("context") if isinstance(body, dict) else None
    return context if isinstance(context, dict) else {}


class PredictParser:
    """Turns a decoded body into a PredictRequest, within the limits of the settings and of the model."""

    def __init__(self, settings: ServerSettings, inputs: InputReader) -> None:
        self._settings = settings
        self._inputs = inputs
        self._fields = (*inputs.fields, *DETAILS)

    def parse(self, body: Any, now: datetime) -> PredictRequest:
        """Return the request.

        Parameters
        ----------
        now : the time of the request, UTC: no time that the client supplies is more than a day later.

        Raises
        ------
        ValidationError
            If the body is malformed; it names the field.
        """
        if isinstance(body, dict) and body.get("instances") is not None:
            root = JsonObject(body, "", ("instances", "context", "timestamp", "model"))
            timestamp = self.timestamp(root, now)
            rows = elements(body["instances"], "instances", min(self._settings.max_instances, int(RANK.high)))
            inputs = id_rows.read_rows(body["instances"], self._inputs.forms, self._inputs.limits) or repeat(None)
            instances = [
                self._instance(JsonObject(value, path, self._fields), timestamp, now, read)
                for (path, value), read in zip(rows, inputs, strict=False)
            ]
            return PredictRequest(instances, self._context(root), single=False)
        root = JsonObject(body, "", (*self._fields, "context", "instances", "model"))
        return PredictRequest([self._instance(root, None, now)], self._context(root), single=True)

    def timestamp(self, node: JsonObject, now: datetime) -> datetime | None:
        """Return the event time that the client supplies; None = the server sets the time."""
        if "timestamp" in node and not self._settings.allow_client_timestamps:
            node.refuse("timestamp", "the server sets the time (MODEL_SERVER_ALLOW_CLIENT_TIMESTAMPS is off)")
        return node.moment("timestamp", now)

    def _instance(
        self, node: JsonObject, timestamp: datetime | None, now: datetime, inputs: InstanceInputs | None = None
    ) -> PredictInstance:
        """Return an instance; `inputs` are its inputs if they were read already."""
        if inputs is not None and not node.has_others(IDS):
            return PredictInstance(inputs, timestamp=timestamp)
        propensity = node.number("propensity", NUMBER)
        if propensity is not None and not 0 < propensity <= PROBABILITY.high:
            node.refuse("propensity", "a number above 0, up to 1, is expected")
        return PredictInstance(
            inputs=inputs or self._inputs.read(node),
            item_id=node.text("item_id", MAX_ID_LENGTH),
            position=node.whole("position", RANK),
            propensity=propensity,
            ranking=self._ranking(node),
            features=self._features(node),
            shadow=bool(node.boolean("shadow")),
            timestamp=self.timestamp(node, now) or timestamp,
        )

    def _ranking(self, node: JsonObject) -> Ranking | None:
        if "ranking" not in node:
            return None
        ranking = JsonObject(node.get("ranking"), node.place("ranking"), RANKING)
        identifier = ranking.required("id", lambda name: ranking.text(name, MAX_ID_LENGTH))
        size = ranking.required("size", lambda name: ranking.integer(name, 2, int(RANK.high)))
        return Ranking(identifier, ranking.required("rank", lambda name: ranking.integer(name, 1, size)), size)

    def _features(self, node: JsonObject) -> Features:
        if "features" not in node:
            return NO_FEATURES
        features, left_out = Features(), set()
        for name, value in node.entries("features"):
            place = f"features.{name}"
            is_text = isinstance(value, str) and len(value) <= MAX_FEATURE_LENGTH
            if not 1 <= len(name) <= MAX_FEATURE_NAME_LENGTH or not name.isprintable():
                node.refuse("features", f"a name has 1 to {MAX_FEATURE_NAME_LENGTH} printable characters")
            if name in self._settings.numeric_features:
                features.numeric[name] = node.number_of(place, value, NUMBER)
            elif name in self._settings.categorical_features:
                if not is_text:
                    node.refuse(place, f"text of at most {MAX_FEATURE_LENGTH} characters is expected")
                features.categorical[name] = value
            elif not is_number(value) and not is_text:
                node.refuse(place, f"a number, or text of at most {MAX_FEATURE_LENGTH} characters, is expected")
            elif self._settings.log_other_features:
                features.other[name] = value
            else:
                left_out.add(name)
        return replace(features, left_out=frozenset(left_out))

    def _context(self, root: JsonObject) -> RequestContext:
        if "context" not in root:
            return RequestContext()
        node = JsonObject(root.get("context"), "context", CONTEXT)
        labels = JsonObject(node.get("labels") if "labels" in node else {}, "context.labels", self._settings.labels)
        named = {name: labels.text(name, MAX_LABEL_LENGTH) for name in self._settings.labels}
        return RequestContext(
            session_id=node.text("session_id", MAX_ID_LENGTH),
            user_id=node.text("user_id", MAX_ID_LENGTH),
            query=node.text("query", MAX_QUERY_LENGTH),
            labels={name: value for name, value in named.items() if value is not None},
        )
