"""Tables of references: which cells are read, and the one line about a cell that is not."""

from __future__ import annotations

import csv
import io

import hypothesis
import pytest
from hypothesis import strategies as st

from monitor_agent.errors import DataError
from monitor_agent.pipeline.reference_table import ReferenceTable, read_table


def table_of(text: str) -> ReferenceTable:
    """Return the table of a text."""
    return read_table(io.StringIO(text, newline=""))


@pytest.mark.parametrize(
    "text",
    [
        "score,label,numeric.price\n0.25,1,1.5\n0.5,0,\n",
        "score,label,numeric.price\r\n0.25,1.0,1.5\r\n0.5,0.0,NaN\r\n",
        '"score","label","numeric.price"\n"0.25","1","1.5"\n"0.5","0",""\n',
        "score;label;numeric.price\n0,25;1,0;1,5\n0,5;0,0;\n",
        "score\tlabel\tnumeric.price\n.25\tTrue\t15e-1\n5e-1\tFalse\tnull\n",
        "\n score , label , numeric.price \n 0.25 , 1 , +1.50 \n\n 0.5 , 0 , <NA> \n",
    ],
)
def test_common_forms_of_a_table_are_read_alike(text: str) -> None:
    """Commas, semicolons and tabs; decimal commas; quotes; blank lines; a feature without a value."""
    table = table_of(text)

    assert table.rows == 2
    assert {name: values.tolist() for name, values in table.numbers.items()} == {
        "score": [0.25, 0.5],
        "numeric.price": [1.5],
    }
    assert list(table.labels["label"]) == [1, 0]


def test_other_columns_are_listed() -> None:
    """A misspelt name is not silently left out; such columns may be empty, or have one name."""
    table = table_of("score,clicks,numeric_price,clicks,\n0.25,1,2,3,\n")

    assert (table.unused, list(table.numbers)) == (("clicks", "numeric_price", "clicks", ""), ["score"])


def test_categories_are_texts() -> None:
    """Their spaces count; an empty one is missing, and so is one that is too long to be indexed."""
    table = table_of(f'categorical.shop\n a\n1.0\nNA\n""\n{"x" * 257}\n1.0\n')

    assert table.categories["categorical.shop"] == {" a": 1, "1.0": 2, "NA": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the table is empty"),
        ("\n\n", "the table is empty"),
        ("score,label\n", "the table has no rows"),
        ("price,shop\n1,a\n", "the table has no column of a feature"),
        ("score,label,score\n0.1,1,0.1\n", "the table has several columns score"),
        ("score,predicted,prediction\n0.1,1,1\n", "the table has the columns predicted and prediction"),
        ("score,label\n0.1,1\n0.1\n", "line 3 has 1 cells, and the head line has 2"),
        ("score,label\n0.1,1,2\n", "line 2 has 3 cells, and the head line has 2"),
        ('score,categorical.a\n0.1,"b\n0.2,c\n', "line 3 is no CSV"),
        (f"score,categorical.a\n0.1,{'x' * 200_000}\n", "line 2 is no CSV"),
        ("score,label\n0.1,1\n0.1,yes\n", "line 3: label is 'yes'"),
        ("score,label\n0.1,2\n", "line 2: label is '2'"),
        ("score,label\n0.1,0.5\n", "line 2: label is '0.5'"),
        ("score,label\n0.1,\n", "line 2: label is empty"),
        ("score,prediction\n0.1,NaN\n", "line 2: prediction is 'NaN'"),
        ("score,label\n1.01,1\n", "line 2: score is '1.01'"),
        ("score,label\n-1e-9,1\n", "line 2: score is '-1e-9'"),
        ("score,label\nnan,1\n", "line 2: score is 'nan'"),
        ("score,label\n ,1\n", "line 2: score is empty"),
        ("score,label\n0x1,1\n", "line 2: score is '0x1'"),
        ("score,label\n\u0661,1\n", "line 2: score is '\u0661'"),
        ("score,label\n0_1,1\n", "line 2: score is '0_1'"),
        ("score,numeric.a\n0.1,inf\n", "line 2: numeric.a is 'inf'"),
        ("score,numeric.a\n0.1,1e16\n", "line 2: numeric.a is '1e16'"),
        ("score,numeric.a\n0.1,cheap\n", "line 2: numeric.a is 'cheap'"),
        ("score;numeric.a\n0,1;1,5\n0,1;1.5\n", "line 3: numeric.a is '1.5'"),
        ("score;numeric.a\n0,1;1.234,5\n", "line 2: numeric.a is '1.234,5'"),
        (f"score,numeric.a\n0.1,{'9' * 60}x\n", f"line 2: numeric.a is '{'9' * 40}...'"),
        ('score,categorical.a\n0.1,"two\nlines"\n7,b\n', "line 4: score is '7'"),
    ],
)
def test_a_cell_that_cannot_be_read_is_refused_with_its_place(text: str, message: str) -> None:
    """The message names line and column, and is one short line."""
    with pytest.raises(DataError) as refusal:
        table_of(text)

    assert refusal.value.message.startswith(message)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 250


@hypothesis.settings(max_examples=40)
@hypothesis.given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1), st.floats(-1e15, 1e15) | st.none()), min_size=1, max_size=9),
    st.sampled_from([",", ";", "\t"]),
)
def test_what_a_program_writes_is_read_back(rows: list[tuple[float, int, float | None]], delimiter: str) -> None:
    """Every number keeps its value."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=delimiter)
    writer.writerows([("score", "label", "numeric.price"), *rows])

    table = table_of(stream.getvalue())

    assert table.numbers["score"].tolist() == [score for score, _, _ in rows]
    assert list(table.labels["label"]) == [label for _, label, _ in rows]
    assert table.numbers["numeric.price"].tolist() == [price for _, _, price in rows if price is not None]
