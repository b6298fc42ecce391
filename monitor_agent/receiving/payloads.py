"""Reads the bodies of inference requests and answers: version 1 and version 2 of KServe's protocol (pure).

Source: KServe, "V1 Inference Protocol"; Open Inference Protocol 2, "Inference Request JSON Object".
A body is a table: one row for each instance, and a value of a row by its name. A value knows its path in the body.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn, Protocol

from monitor_agent.errors import RecordError
from monitor_agent.prediction_log.limits import MAX_ID_LENGTH
from monitor_agent.prediction_log.record_fields import kind_of

BINARY_DATA = "binary_data_size"
"""The parameter of a tensor whose data stand behind the JSON text."""
MOST_DIMENSIONS = 32


class Cell(NamedTuple):
    """A value, and its path in the body."""

    value: Any
    path: str


class PayloadRows(Protocol):
    """The rows of a body."""

    @property
    def size(self) -> int:
        """The number of rows."""

    def cell(self, row: int, name: str) -> Cell | None:
        """Return a value of a row by its name; None if the row has none."""

    def output(self, row: int, name: str) -> Cell:
        """Return what a row says of an output: a number, a list or an object; `name` "" = the only output.

        Raises
        ------
        RecordError
            If there is no such output, or it is not clear which one is meant.
        """


@dataclass(frozen=True)
class InstanceRows:
    """The rows of version 1: a list with one value for each instance.

    Attributes
    ----------
    columns : names of the values of an instance that is a list or a single value.
    """

    entries: Sequence[Any]
    path: str
    columns: Sequence[str] = ()

    @property
    def size(self) -> int:
        """The number of rows."""
        return len(self.entries)

    def cell(self, row: int, name: str) -> Cell | None:
        """Return a value of a row by its name, or by names with dots between them; None if the row has none."""
        entry, path = self.entries[row], f"{self.path}[{row}]"
        if isinstance(entry, dict):
            value = value_at(entry, name)
            return None if value is None else Cell(value, f"{path}.{name}")
        if name not in self.columns:
            return None
        place = list(self.columns).index(name)
        if not isinstance(entry, list):
            return Cell(entry, path) if place == 0 and entry is not None else None
        return Cell(entry[place], f"{path}[{place}]") if place < len(entry) and entry[place] is not None else None

    def output(self, row: int, name: str) -> Cell:
        """Return the value of a row, or the member of it that is called `name`."""
        entry, path = self.entries[row], f"{self.path}[{row}]"
        if not name or not isinstance(entry, dict):
            only = isinstance(entry, dict) and len(entry) == 1
            return Cell(next(iter(entry.values())), f"{path}.*") if only else Cell(entry, path)
        if name not in entry:
            raise RecordError(path, f"it has no output {name}")
        return Cell(entry[name], f"{path}.{name}")


@dataclass(frozen=True)
class Tensor:
    """A tensor of version 2.

    Attributes
    ----------
    data : its values, row by row.
    width : the number of values of a row.
    """

    name: str
    path: str
    data: Sequence[Any]
    rows: int
    width: int

    def row(self, row: int) -> Cell:
        """Return the value of a row, or the list of its values."""
        first = row * self.width
        path = f"{self.path}.data[{first}]"
        return Cell(self.data[first], path) if self.width == 1 else Cell(self.data[first : first + self.width], path)


@dataclass(frozen=True)
class TensorRows:
    """The rows of version 2: the tensors of a body, whose first dimension is the instance.

    Attributes
    ----------
    columns : names of the values of a row, if a tensor has several.
    """

    tensors: Mapping[str, Tensor]
    path: str
    columns: Sequence[str] = ()

    @property
    def size(self) -> int:
        """The number of rows."""
        return next(iter(self.tensors.values())).rows

    def cell(self, row: int, name: str) -> Cell | None:
        """Return a value of a row: of the tensor of this name, else of the column of a tensor with all columns."""
        tensor = self.tensors.get(name)
        if tensor is not None:
            cell = tensor.row(row)
            return None if cell.value is None else cell
        if name not in self.columns:
            return None
        place = list(self.columns).index(name)
        for wide in self.tensors.values():
            if wide.width == len(self.columns):
                value = wide.data[row * wide.width + place]
                return None if value is None else Cell(value, f"{wide.path}.data[{row * wide.width + place}]")
        return None

    def output(self, row: int, name: str) -> Cell:
        """Return what the tensor of this name has in a row."""
        if name and name not in self.tensors:
            raise RecordError(self.path, f"there is no output {name}")
        if not name and len(self.tensors) > 1:
            raise RecordError(
                self.path, f"there are {len(self.tensors)} outputs: the key `output` of [receive.NAME] must name one"
            )
        return self.tensors[name or next(iter(self.tensors))].row(row)


def request_rows(data: Any, place: str, columns: Sequence[str], most: int) -> PayloadRows:
    """Return the instances of the body of a request.

    Parameters
    ----------
    place : path of the body, "" for the body of the HTTP request itself.
    columns : names of the values of an instance that is a list.
    most : the highest number of instances.

    Raises
    ------
    RecordError
        If it is no body of version 1 or 2.
    """
    return _rows(data, place, ("instances", "inputs"), columns, most)


def response_rows(data: Any, place: str, most: int) -> PayloadRows:
    """Return the predictions of the body of an answer; the parameters and errors are those of `request_rows`."""
    return _rows(data, place, ("predictions", "outputs"), (), most)


def value_at(document: Any, path: str) -> Any:
    """Return the member of an object that a path with dots names; None if there is none.

    >>> value_at({"a": {"b": 1}, "a.c": 2}, "a.b"), value_at({"a": {"b": 1}, "a.c": 2}, "a.c")
    (1, 2)
    """
    if not isinstance(document, dict):
        return None
    if path in document:
        return document[path]
    head, _, rest = path.partition(".")
    return value_at(document.get(head), rest) if rest else None


def _rows(data: Any, place: str, names: tuple[str, str], columns: Sequence[str], most: int) -> PayloadRows:
    first, second = names
    where = f"{place}." if place else ""
    if not isinstance(data, dict):
        raise RecordError(place or "the body", f"an object is expected, {kind_of(data)} given")
    if first in data:
        entries, path = data[first], where + first
        if not isinstance(entries, list) or not entries:
            raise RecordError(path, "a list that is not empty is expected")
        _require_size(len(entries), path, most)
        return InstanceRows(entries, path, columns)
    if second not in data:
        raise RecordError(place or "the body", f"{first} (version 1) or {second} (version 2) is expected")
    return _tensor_rows(data[second], where + second, columns, most)


def _tensor_rows(entries: Any, path: str, columns: Sequence[str], most: int) -> TensorRows:
    if not isinstance(entries, list) or not entries:
        raise RecordError(path, "a list of tensors that is not empty is expected")
    tensors: dict[str, Tensor] = {}
    for index, entry in enumerate(entries):
        tensor = _tensor(entry, f"{path}[{index}]", most)
        if tensor.name in tensors:
            raise RecordError(f"{tensor.path}.name", "it is the name of an earlier tensor")
        tensors[tensor.name] = tensor
        rows = next(iter(tensors.values())).rows
        if tensor.rows != rows:
            raise RecordError(f"{tensor.path}.shape", f"{rows} instances are expected, as in the first tensor")
    return TensorRows(tensors, path, columns)


def _tensor(entry: Any, path: str, most: int) -> Tensor:
    if not isinstance(entry, dict):
        raise RecordError(path, f"an object is expected, {kind_of(entry)} given")
    name, shape, data = entry.get("name"), entry.get("shape"), entry.get("data")
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_ID_LENGTH:
        raise RecordError(f"{path}.name", f"a text of 1 to {MAX_ID_LENGTH} characters is expected")
    parameters = entry.get("parameters")
    if isinstance(parameters, dict) and BINARY_DATA in parameters:
        _refuse_binary(f"{path}.parameters.{BINARY_DATA}")
    if not isinstance(shape, list) or not 1 <= len(shape) <= MOST_DIMENSIONS or not all(map(_is_size, shape)):
        raise RecordError(f"{path}.shape", "a list of whole numbers is expected: the number of instances comes first")
    _require_size(shape[0], f"{path}.shape[0]", most)
    if not isinstance(data, list):
        raise RecordError(f"{path}.data", f"a list is expected, {kind_of(data)} given")
    flat = list(_flat(data, len(shape)))
    if len(flat) != math.prod(shape) or not flat:
        raise RecordError(f"{path}.data", f"{math.prod(shape)} values are expected by the shape, {len(flat)} given")
    return Tensor(name, path, flat, shape[0], len(flat) // shape[0])


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _flat(values: Sequence[Any], dimensions: int) -> Iterator[Any]:
    """Yield the values of lists in lists, of as many levels as there are dimensions."""
    for value in values:
        if isinstance(value, list) and dimensions > 1:
            yield from _flat(value, dimensions - 1)
        else:
            yield value


def _require_size(size: int, path: str, most: int) -> None:
    if not 1 <= size <= most:
        raise RecordError(path, f"1 to {most} instances are expected, {size} given")


def _refuse_binary(path: str) -> NoReturn:
    raise RecordError(path, "binary tensor data are not read; let the server answer JSON (`binary_data: false`)")
