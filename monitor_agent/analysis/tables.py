"""Documents as the columns of an Arrow table: an index contract says which columns there are, and of which type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from monitor_agent.contracts.index_contract import Field, IndexContract
from monitor_agent.pipeline import instants

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]
"""A document without nesting: dotted names of fields -> values."""

ROWS_AT_ONCE = 10_000
_LIST = "list"
_NOT_READ = frozenset({"alias", "binary"})
_WHOLE, _REAL = frozenset({"long", "integer"}), frozenset({"double", "float"})


def columns_of(contract: IndexContract) -> dict[str, Field]:
    """Return the fields of a contract that are columns: no second names, and nothing that only the agent can read.

    A field with several texts in the contract's sample has the type `list`.
    """
    lists = {name for name, value in flat(contract.sample) if isinstance(value, list)}
    return {
        name: replace(entry, type=_LIST) if name in lists else entry
        for name, entry in contract.fields.items()
        if entry.type not in _NOT_READ and entry.options.get("enabled", True)
    }


def flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted names of a document's fields with their values.

    >>> dict(flat({"model": {"name": "click"}, "labels": {"scene": "search"}}))
    {'model.name': 'click', 'labels.scene': 'search'}
    """
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def table_of(rows: Iterable[Row], fields: Mapping[str, Field]) -> pa.Table:
    """Return the table of some rows.

    Parameters
    ----------
    fields : the columns. A column with names of clients, such as `labels`, is replaced by one column for each name in
        the rows, such as `labels.scene`. Values of other names are left out.

    Columns have the same type for any rows: times are `timestamp[us, tz=UTC]`, whole numbers `int64`, other numbers
    `double`, texts `string`. A column of texts is `list<string>` if its field, or one of the rows, has several.

    Raises
    ------
    ValueError
        If a value is not what its field says.
    """
    import pyarrow as pa

    batches, batch = list[pa.Table](), list[Row]()
    for row in rows:
        batch.append(row)
        if len(batch) == ROWS_AT_ONCE:
            batches.append(_batch_table(batch, fields))
            batch = []
    if batch or not batches:
        batches.append(_batch_table(batch, fields))
    order = {name: position for position, name in enumerate(fields)}
    table = pa.concat_tables(_with_equal_types(batches), promote_options="default")
    return table.select(sorted(table.column_names, key=lambda name: (order[_field_name(name, fields)], name)))


def parquet_file(rows: Iterable[Row], fields: Mapping[str, Field]) -> bytes:
    """Return the content of a Parquet file with the table of some rows; the parameters are those of `table_of`.

    Raises
    ------
    ValueError
        If a value is not what its field says.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = pa.BufferOutputStream()
    pq.write_table(table_of(rows, fields), buffer)
    content: bytes = buffer.getvalue().to_pybytes()
    return content


def _batch_table(rows: Sequence[Row], fields: Mapping[str, Field]) -> pa.Table:
    import pyarrow as pa

    named = {name: _field_name(name, fields) for row in rows for name in row}
    columns = {name: name for name, entry in fields.items() if not _has_names_of_clients(entry)}
    columns |= {name: field for name, field in named.items() if field}
    return pa.table(
        {name: _column(name, [row.get(name) for row in rows], fields[field]) for name, field in columns.items()}
    )


def _field_name(name: str, fields: Mapping[str, Field]) -> str:
    """Return the field of a column: its own, or the one with names of clients; empty if there is none."""
    if name in fields:
        return name if not _has_names_of_clients(fields[name]) else ""
    parent = name
    while "." in parent:
        parent = parent.rpartition(".")[0]
        if parent in fields and _has_names_of_clients(fields[parent]):
            return parent
    return ""


def _has_names_of_clients(entry: Field) -> bool:
    return "_values" in entry.options or entry.type == "flattened"


def _column(name: str, values: Sequence[Any], entry: Field) -> pa.Array:
    import pyarrow as pa

    type_ = entry.options["_values"]["type"] if "_values" in entry.options else entry.type
    try:
        if type_ == "date":
            moments = [None if value is None else instants.parse(value) for value in values]
            return pa.array(moments, pa.timestamp("us", "UTC"))
        if type_ in _WHOLE:
            return pa.array([None if value is None else int(value) for value in values], pa.int64())
        if type_ in _REAL or (type_ == "flattened" and _are_numbers(values)):
            return pa.array([None if value is None else float(value) for value in values], pa.float64())
        if type_ == "boolean":
            return pa.array(values, pa.bool_())
    except (TypeError, ValueError, OverflowError, pa.ArrowException) as error:
        raise ValueError(f"{name}: {error}") from error
    if type_ == _LIST or any(isinstance(value, list) for value in values):
        return pa.array([_texts(value) for value in values], pa.list_(pa.string()))
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _are_numbers(values: Iterable[Any]) -> bool:
    return all(value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)) for value in values)


def _texts(value: Any) -> list[str] | None:
    if value is None:
        return None
    return [str(entry) for entry in (value if isinstance(value, list) else [value])]


def _with_equal_types(tables: Sequence[pa.Table]) -> list[pa.Table]:
    """Return the tables with one type for each column: a batch may have only numbers, or only single texts."""
    import pyarrow as pa

    types: dict[str, set[pa.DataType]] = {}
    for table in tables:
        for field in table.schema:
            types.setdefault(field.name, set()).add(field.type)
    lists = {name for name, all_types in types.items() if len(all_types) > 1 and any(map(pa.types.is_list, all_types))}
    texts = {name for name, all_types in types.items() if len(all_types) > 1} - lists
    equal = []
    for table in tables:
        for position, name in enumerate(table.column_names):
            if name in lists:
                values = [_texts(value) for value in table.column(name).to_pylist()]
                table = table.set_column(position, name, pa.array(values, pa.list_(pa.string())))
            elif name in texts:
                table = table.set_column(position, name, table.column(name).cast(pa.string()))
        equal.append(table)
    return equal
