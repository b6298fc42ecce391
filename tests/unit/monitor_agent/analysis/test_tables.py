"""Documents as Arrow tables."""

from __future__ import annotations

import pyarrow as pa
import pytest

from monitor_agent.analysis.tables import ROWS_AT_ONCE, columns_of, flat, table_of
from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.prediction import PREDICTIONS


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_every_sample_is_a_row(contract: IndexContract) -> None:
    """The sample of each contract has a table whose values are those of the sample."""
    row = dict(flat(contract.sample))
    (read,) = table_of([row], columns_of(contract)).to_pylist()

    for name, value in row.items():
        if isinstance(value, (int, float)) and name in read:
            assert read[name] == value, name


def test_a_column_has_one_type_in_all_batches() -> None:
    """Numbers in the first rows and a text in a later one make a column of texts; one text and several make lists."""
    fields = columns_of(PREDICTIONS)
    rows = [{"features.other.size": 1, "feedback.types": "click"}] * ROWS_AT_ONCE
    table = table_of([*rows, {"features.other.size": "XL", "feedback.types": ["click", "purchase"]}], fields)

    assert table.num_rows == ROWS_AT_ONCE + 1
    assert table.column("features.other.size").to_pylist()[-1] == "XL"
    assert table.schema.field("feedback.types").type == pa.list_(pa.string())


def test_a_value_of_another_type_is_named() -> None:
    """The error names the field."""
    with pytest.raises(ValueError, match=r"prediction\.score"):
        table_of([{"prediction.score": "high"}], columns_of(PREDICTIONS))
