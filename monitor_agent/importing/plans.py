"""Which column of a table holds which field of a prediction or of its label, and how the values are read (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from monitor_agent.contracts.bounds import PROBABILITY
from monitor_agent.contracts.feedback import TYPES
from monitor_agent.contracts.kinds import BINARY, MULTICLASS, REGRESSION
from monitor_agent.contracts.model_names import problem_of_name, problem_of_version
from monitor_agent.errors import DataError, suggestion
from monitor_agent.importing.times import EPOCH_FORMATS, is_time_format, zone_of

FIELDS: dict[str, str] = {
    "id": "id of the prediction; without it, the id is a hash of model, version, file and row",
    "time": "time of the prediction",
    "score": "probability of a positive, 0..1; with `class`, the probability of that class",
    "label": "the truth: whether it was a positive; the true class, or the true number",
    "decision": "the decision of the model, written as the label is; without it, the threshold decides",
    "value": "value of the feedback, such as a revenue; without `score` and `class`, the predicted number",
    "feedback_time": "time of the label; without it, the time of the prediction",
    "user": "the user; only a pseudonym is stored",
    "session": "the session; only a pseudonym is stored",
    "item": "the scored item",
    "position": "position of the item on the page, 1 = first",
    "propensity": "probability with which the item was shown at its position, for off-policy estimates",
    "ranking": "id of the ranked list of the item",
    "rank": "rank of the item in that list, 1 = first",
    "model": "the model, in place of `--model`",
    "version": "its version, in place of `--version`",
    "class": "the class that a multiclass model predicts",
}
"""The fields of a map with their meaning."""
PREFIXES: dict[str, str] = {
    "labels.": "a label such as `labels.scene`, by which metrics may be split",
    "features.numeric.": "a numeric feature",
    "features.categorical.": "a feature that is a text",
    "features.age_s.": "the age of a feature at scoring, in seconds",
}
"""The beginnings of further fields; a name of the user's follows."""
FEEDBACK_TYPES = tuple(kind for kind in TYPES if kind != "impression")
_NAME_OF_FIELD = "|".join([*map(re.escape, FIELDS), *(re.escape(prefix) + "[^=,]+" for prefix in PREFIXES)])
_BEFORE_FIELD = re.compile(rf",(?=\s*(?:{_NAME_OF_FIELD})\s*=)")
_EXAMPLE = "write FIELD=COLUMN, such as --map 'score=probability,time=created at'"


@dataclass(frozen=True)
class ImportPlan:
    """How the rows of tables become predictions and labels.

    Attributes
    ----------
    columns : field -> column; empty = each column that has the name of a field is that field.
    model, version : of all rows, unless `columns` names them.
    positives : the labels that mean 1, in lower case, if every other label means 0; empty = the usual words.
    time_zone : of times without an offset; empty = such times are refused.
    time_format : of all times, as `strptime` reads it, or one of `EPOCH_FORMATS`; empty = ISO 8601.
    feedback_type : what a label is: `click`, `purchase` or `label`; empty = the type that judges the model.
    threshold : a score at or above it is a positive decision; None = that of the model, or 0.5.
    model_kind : the kind of the model by its settings; empty = the columns say it.
    """

    columns: Mapping[str, str]
    model: str = ""
    version: str = ""
    positives: tuple[str, ...] = ()
    time_zone: str = ""
    time_format: str = ""
    feedback_type: str = ""
    threshold: float | None = None
    model_kind: str = ""

    @property
    def kind(self) -> str:
        """The kind of the predictions."""
        if "class" in self.columns:
            return MULTICLASS.name
        if "score" in self.columns:
            return BINARY.name
        # A click and a purchase have a value, too; a regression has neither of them.
        may_be_number = self.feedback_type in ("", "label") and self.model_kind in ("", REGRESSION.name)
        if "value" in self.columns and may_be_number:
            return REGRESSION.name
        return self.model_kind or BINARY.name

    @property
    def outcome_field(self) -> str:
        """The field without which a row is no prediction."""
        return {MULTICLASS.name: "class", REGRESSION.name: "value"}.get(self.kind, "score")

    def document(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return asdict(self)

    def check(self) -> None:
        """Refuse what cannot hold.

        Raises
        ------
        DataError
            If an option is missing or wrong; it names the option.
        """
        for name, value, problem in (
            ("model", self.model, problem_of_name(self.model)),
            ("version", self.version, problem_of_version(self.version)),
        ):
            if not value and name not in self.columns:
                raise DataError(f"the {name} is not named", f"give --{name} NAME, or map a column: --map {name}=COLUMN")
            if value and problem:
                raise DataError(f"--{name} {problem}", "choose another one")
        if self.time_zone:
            zone_of(self.time_zone)
        if self.time_format and self.time_format not in EPOCH_FORMATS and not is_time_format(self.time_format):
            raise DataError(
                f"--time-format {self.time_format} is unknown",
                f"write it as strptime does, such as '%d.%m.%Y %H:%M', or one of {', '.join(EPOCH_FORMATS)}",
            )
        if self.feedback_type and self.feedback_type not in FEEDBACK_TYPES:
            raise DataError(
                f"--feedback-type {self.feedback_type} is unknown", f"use one of {', '.join(FEEDBACK_TYPES)}"
            )
        if self.threshold is not None and not PROBABILITY.hold(self.threshold):
            raise DataError(f"--threshold {self.threshold} is no probability", "give a number from 0 to 1")


def columns_of(texts: Iterable[str]) -> dict[str, str]:
    """Return field -> column of the texts of `--map`; a column may hold blanks, brackets and commas.

    Raises
    ------
    DataError
        If a text has another form, or names an unknown field or one field twice.

    >>> columns_of(["id=case id,score=p[1], labels.site=site, old", "time=at"])
    {'id': 'case id', 'score': 'p[1]', 'labels.site': 'site, old', 'time': 'at'}
    """
    columns: dict[str, str] = {}
    for text in texts:
        for entry in _BEFORE_FIELD.split(text):
            field, sign, column = (piece.strip() for piece in entry.partition("="))
            if not sign or not column:
                raise DataError(f"--map {entry.strip()} is malformed", _EXAMPLE)
            add_column(columns, field, column)
    return columns


def is_named_field(field: str) -> bool:
    """Return whether a field has a name of the user's.

    >>> is_named_field("labels.scene"), is_named_field("labels."), is_named_field("score")
    (True, False, False)
    """
    return any(field.startswith(prefix) and field != prefix for prefix in PREFIXES)


def add_column(columns: dict[str, str], field: str, column: str) -> None:
    """Add the column of a field.

    Raises
    ------
    DataError
        If the field is unknown, or has a column already.
    """
    if field not in FIELDS and not is_named_field(field):
        names = [*FIELDS, *(f"{prefix}NAME" for prefix in PREFIXES)]
        raise DataError(f"there is no field {field}", suggestion(field, names))
    if field in columns:
        raise DataError(f"the field {field} has two columns", "name one of them")
    columns[field] = column
