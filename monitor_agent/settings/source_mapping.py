"""The tables `[receive.NAME]`: which output of a foreign model is the score, and what its inputs mean (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor_agent.errors import SettingsError
from monitor_agent.settings.conversion import read_table
from monitor_agent.vocabulary.prediction_kinds import BINARY, MULTICLASS, PREDICTION_KINDS

TABLE = "receive"
DEFAULT = "default"
"""The table of all sources that have none of their own."""
UNNAMED_VERSION = "unversioned"
NO_ACTIVATION, SIGMOID, SOFTMAX = "none", "sigmoid", "softmax"
QUERIES, IMPRESSIONS, NOTHING = "queries", "impressions", "nothing"
FEEDBACK_TYPES = ("impression", "click", "purchase")
IGNORED = "ignore"
USUAL_ACTIONS = {
    "impression": "impression",
    "click": "click",
    "click_through": "click",
    "purchase": "purchase",
}
"""Actions of UBI and the feedback that they are."""
INPUTS = ("item", "position", "propensity", "user", "session", "query", "value", "score")
INPUT_OBJECTS = ("ranking.", "labels.", "features.numeric.", "features.categorical.", "features.age_s.")
RANKING_INPUTS = ("ranking.id", "ranking.rank", "ranking.size")


@dataclass(frozen=True)
class SourceMapping:
    """What the requests and answers of one source mean.

    Attributes
    ----------
    model, version : the model and the version in the events; "" = what the source says.
    kind : `binary`, `multiclass` or `regression`.
    output : the output with the score; "" = the only one.
    column : the score's place in a list of numbers, from 0; None = the only one, or the second of two.
    positive_class : the score's name in an object of class: probability, or among `classes`.
    classes : the names of the numbers of an output.
    activation : what turns the output into probabilities.
    threshold : a score at or above it is decided as positive.
    columns : the names of the numbers of an instance that is a list.
    component : KServe: the component that counts; events of other ones are skipped.
    ranked_list : KServe: whether the instances of a request are one ranked list.
    response_time : KServe: whether the time between the two events of a request is its response time.
    predictions_from : UBI: what makes predictions.
    rank_scores : UBI: whether 1 / rank is the score of a hit that has none.
    actions : UBI: the feedback that an action is, or `ignore`.
    inputs : field of a prediction -> the input that holds it; for UBI, its path in the document.
    """

    model: str = ""
    version: str = ""
    kind: str = BINARY
    output: str = ""
    column: int | None = None
    positive_class: str = ""
    classes: tuple[str, ...] = ()
    activation: str = NO_ACTIVATION
    threshold: float = 0.5
    columns: tuple[str, ...] = ()
    component: str = "predictor"
    ranked_list: bool = False
    response_time: bool = False
    predictions_from: str = QUERIES
    rank_scores: bool = False
    actions: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    def action(self, name: str) -> str:
        """Return the feedback that an action is; "" = none."""
        meaning = self.actions.get(name) or USUAL_ACTIONS.get(name, "")
        return "" if meaning == IGNORED else meaning


SourceMappings = Mapping[str, SourceMapping]
"""The mappings by the name of their table."""

_CHOICES = {
    "kind": PREDICTION_KINDS,
    "activation": (NO_ACTIVATION, SIGMOID, SOFTMAX),
    "predictions_from": (QUERIES, IMPRESSIONS, NOTHING),
}


def mapping_of(mappings: SourceMappings, *names: str) -> SourceMapping:
    """Return the mapping of a source: of the first name that has a table, else of `default`.

    >>> mapping_of({"click": SourceMapping(column=1)}, "shop/click", "click").column
    1
    """
    tables = (mappings[name] for name in (*names, DEFAULT) if name in mappings)
    return next(tables, SourceMapping())


def mappings_of(tables: Mapping[str, Any], place: str) -> dict[str, SourceMapping]:
    """Return the mappings of the tables below `[receive]`.

    Parameters
    ----------
    place : the file and the table, for an error, such as `monitor.toml: receive.`.

    Raises
    ------
    SettingsError
        If a key or a value is wrong; it names the key.
    """
    return {name: _mapping(table, f"{place}{name}") for name, table in tables.items()}


def _mapping(table: Any, place: str) -> SourceMapping:
    mapping = read_table(SourceMapping, table, place, _CHOICES)
    _check(mapping, f"{place}.")
    return mapping


def _check(mapping: SourceMapping, place: str) -> None:
    """Refuse values that cannot hold together.

    Raises
    ------
    SettingsError
        If there are such values.
    """
    if not 0 <= mapping.threshold <= 1:
        raise SettingsError(f"{place}threshold={mapping.threshold} is no probability", "give a number from 0 to 1")
    if mapping.column is not None and mapping.column < 0:
        raise SettingsError(f"{place}column={mapping.column} is no place", "give 0 for the first number, 1 for ...")
    if mapping.column is not None and mapping.positive_class:
        raise SettingsError(f"{place}column and {place}positive_class both name the score", "set one of them")
    if mapping.kind == MULTICLASS and mapping.activation == SIGMOID:
        raise SettingsError(f"{place}activation=sigmoid makes no probabilities of classes", "set softmax or none")
    for action, meaning in mapping.actions.items():
        if meaning not in (*FEEDBACK_TYPES, IGNORED):
            choices = ", ".join((*FEEDBACK_TYPES, IGNORED))
            raise SettingsError(f"{place}actions.{action}={meaning!r} is unknown", f"use one of {choices}")
    for name in mapping.inputs:
        is_object = name.startswith(INPUT_OBJECTS) and (not name.startswith("ranking.") or name in RANKING_INPUTS)
        if name not in INPUTS and not is_object:
            of_names = [f"{name}NAME" for name in INPUT_OBJECTS if name != "ranking."]
            names = (*INPUTS, *RANKING_INPUTS, *of_names)
            raise SettingsError(f"{place}inputs.{name} is no field", f"use one of {', '.join(names)}")
