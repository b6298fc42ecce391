"""Reads instances with the truth from the rows of a file: what a request would hold, and a column with what was right.

A row has the fields of an instance of `POST /predict`, such as `text_a` or `input_seq`. The other columns are inputs or
features by their names; those that the model does not take are left alone. In a CSV file, lists of ids are `[1, 2, 3]`
or `1 2 3`.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_server.errors import ValidationError
from model_server.json_object import JsonObject
from model_server.signatures.input_form import EXAMPLE, FEATURES, IDS, INPUTS, TEXTS
from model_server.signatures.instance_inputs import InputReader, InstanceInputs
from model_server.signatures.json_values import B64
from monitor_agent.contracts.kinds import BINARY, MULTICLASS
from monitor_agent.errors import DataError
from monitor_agent.tables.table_file import TableFile, TableRow, is_missing, label_of

LABEL = "label"
NO_FIELDS: Mapping[str, str] = {}
HINT = "give the inputs of the model by their names, and the column label (docs/model-server.md#export)"


@dataclass(frozen=True)
class LabelledInstance:
    """An instance, and what was right.

    Attributes
    ----------
    truth : 0 or 1; the number of the class, from 0; or the number that a regression should give.
    row : its number in the file.
    """

    inputs: InstanceInputs
    truth: float
    row: int = 0


class LabelledReader:
    """Reads the labelled instances of a model.

    Parameters
    ----------
    reader : of the model's inputs.
    kind, classes : of its predictions.
    label : the column with the truth.
    fields : column of the file -> field of an instance, for columns with other names.

    Attributes
    ----------
    rows, unlabelled : rows that were read; those without a label, which are left out: nobody guesses it.
    """

    def __init__(
        self,
        reader: InputReader,
        kind: str,
        classes: Sequence[str] = (),
        label: str = LABEL,
        fields: Mapping[str, str] = NO_FIELDS,
    ) -> None:
        self.rows = self.unlabelled = 0
        self._renamed = fields
        self._reader = reader
        self._kind = kind
        self._classes = {name: number for number, name in enumerate(classes)}
        self._label = label
        self._fields = (*reader.fields, "features")
        columns = [column for form in reader.forms for column in form.columns]
        self._takes_examples = any(column.place == EXAMPLE for column in columns)
        self._inputs = {column.key for column in columns if column.place.startswith(INPUTS) and not column.features}
        self._features = {column.key for column in columns if column.place.startswith(FEATURES)}
        self._features |= {name for column in columns for name in column.features}
        self._texts = frozenset({column.key for column in columns if column.tensor.is_text} | set(TEXTS))

    def read(self, file: TableFile) -> Iterator[LabelledInstance]:
        """Yield the instances of a file.

        Raises
        ------
        DataError
            If the file cannot be read, or a row does not fit the model; the error names it.
        """
        for row in file.rows():
            missing = [name for name in (self._label, *self._renamed) if name not in row.values]
            if missing:
                raise file.lacks(missing, row, HINT)
            self.rows += 1
            if is_missing(row.values[self._label]):
                self.unlabelled += 1
                continue
            try:
                instance = self._instance(row, is_text=file.is_text)
                node = JsonObject(instance, "", self._fields)
                yield LabelledInstance(self._reader.read(node), self._truth(row.values[self._label]), row.number)
            except ValidationError as error:
                raise DataError(f"{file.path}:{row.number}: {error}", HINT) from error

    def _instance(self, row: TableRow, *, is_text: bool) -> dict[str, Any]:
        named = {self._renamed.get(name, name): value for name, value in row.values.items() if name != self._label}
        values = {
            name: _parsed(name, value, self._texts) if is_text else _json_value(value)
            for name, value in named.items()
            if name in TEXTS or not is_missing(value)
        }
        instance = {name: value for name, value in values.items() if name in self._fields}
        rest = {name: value for name, value in values.items() if name not in instance}
        inputs = {name: value for name, value in rest.items() if name in self._inputs or self._takes_examples}
        features = {name: value for name, value in rest.items() if name in self._features}
        return {**({"inputs": inputs} if inputs else {}), **({"features": features} if features else {}), **instance}

    def _truth(self, value: Any) -> float:
        if self._kind == MULTICLASS.name:
            name = str(_json_value(value))
            if name not in self._classes:
                raise ValidationError(f"{name[:100]} is no class of the model", self._label)
            return self._classes[name]
        if self._kind == BINARY.name:
            label = label_of(value)
            if label is None:
                raise ValidationError(f"{str(value)[:100]} is neither 0 nor 1", self._label)
            return label
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise ValidationError(f"{str(value)[:100]} is no number", self._label)
        return number


def _json_value(value: Any) -> Any:
    """Return a value of a Parquet file as JSON has it: bytes as base64, whole numbers without a fraction.

    >>> _json_value(b"hat"), _json_value(3.0), _json_value([1, 2.5])
    ({'b64': 'aGF0'}, 3, [1, 2.5])
    """
    if isinstance(value, bytes):
        return {B64: base64.b64encode(value).decode("ascii")}
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return [_json_value(entry) for entry in value] if isinstance(value, list) else value


def _parsed(name: str, text: str, texts: frozenset[str]) -> Any:
    """Return the value of a text of a CSV file.

    >>> _parsed("price", "1.5", frozenset()), _parsed("input_seq", "2 5 3", frozenset())
    (1.5, [2, 5, 3])
    >>> _parsed("brand", "7", frozenset({"brand"})), _parsed("price", "cheap", frozenset())
    ('7', 'cheap')
    """
    if name in texts:
        return text
    try:
        if name in IDS and not text.lstrip().startswith("["):
            return [int(number) for number in text.split()]
        return json.loads(text)
    except ValueError:
        return text
