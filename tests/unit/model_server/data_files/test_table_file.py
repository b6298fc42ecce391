"""Rows of CSV, NDJSON and Parquet files, and what is said about their columns."""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from model_server.data_files.column_summary import ColumnSummary
from monitor_agent.errors import DataError, MissingPackageError
from monitor_agent.tables.table_file import TableFile

ROWS = [{"text": "red, hat", "price": 1.5, "clicked": True}, {"text": "caf\u00e9", "price": None, "clicked": False}]


def write_parquet(path: Path, columns: dict[str, list[Any]]) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path)
    return path


def values(path: Path) -> list[dict[str, Any]]:
    return [dict(row.values) for row in TableFile(path).rows()]


def test_all_formats_give_the_same_rows(tmp_path: Path) -> None:
    """CSV as text, with a byte order mark; NDJSON and Parquet with their types; also compressed."""
    lines = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    (tmp_path / "a.ndjson").write_bytes(b"\n" + lines)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    csv = '\ufefftext,price,clicked\n"red, hat",1.5,true\ncaf\u00e9,,false\n'.encode()
    (tmp_path / "a.csv").write_bytes(csv)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(csv))
    write_parquet(tmp_path / "a.parquet", {name: [row[name] for row in ROWS] for name in ROWS[0]})

    assert values(tmp_path / "a.ndjson") == values(tmp_path / "a.jsonl.gz") == values(tmp_path / "a.parquet") == ROWS
    texts = [
        {"text": "red, hat", "price": "1.5", "clicked": "true"},
        {"text": "caf\u00e9", "price": "", "clicked": "false"},
    ]
    assert values(tmp_path / "a.csv") == values(tmp_path / "a.csv.gz") == texts
    assert [row.number for row in TableFile(tmp_path / "a.ndjson").rows()] == [2, 3]
    assert [row.number for row in TableFile(tmp_path / "a.parquet").rows()] == [1, 2]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", b"a,b\n1,2,3\n", "a.csv:2 has 3 values for 2 columns: quote values that hold commas"),
        ("a.csv", b"a,b,a\n1,2,3\n", "a.csv has the column a twice"),
        ("a.csv", b'a,b\n1,2\n"3,4\n5,6\n', "a.csv:4 has a quote that opens in line 3 and is never closed"),
        ("a.csv", b'a,b\n"1\n2",3,4\n', "a.csv:3 has 3 values for 2 columns (lines 2 to 3: a quote in line 2 may"),
        ("a.csv", b"a\nb\n\xff\n", "a.csv is not UTF-8 (line 3): convert it"),
        ("a.csv.gz", gzip.compress(b"a\n\xff\n", mtime=0), "a.csv.gz is not UTF-8 (line 2): convert it"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 100, mtime=0)[:20] + b"garbage", "cannot be read"),
        ("a.csv", "a,b\n".encode("utf-16"), "a.csv is UTF-16: save it as UTF-8"),
        ("a.csv.gz", b"a,b\n", "cannot be read"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n" * 100, mtime=0)[:-9], "cannot be read"),
        ("a.ndjson", b'{"a": 1}\n{"a"\n', "a.ndjson:2 is no JSON"),
        ("a.ndjson", b"[1]\n", "a.ndjson:1 is no JSON object"),
        ("a.parquet", b"garbage", "is no Parquet file that can be read"),
    ],
)
def test_a_malformed_file_is_one_line(name: str, content: bytes, reason: str, tmp_path: Path) -> None:
    """The line names the file and the row."""
    (tmp_path / name).write_bytes(content)

    with pytest.raises(DataError) as refused:
        values(tmp_path / name)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        'a;"b, or c, or d"\n1;2\n',
        '\n\na;"b, or c, or d"\n1;2\n',
        'sep=;\na;"b, or c, or d"\n1;2\n',
        ' a ; "b, or c, or d"\r\n1;2\r\n\r\n',
        'a|"b, or c, or d"\r1|2',
    ],
)
def test_the_header_says_the_delimiter(text: str, tmp_path: Path) -> None:
    """Commas within quotes are none; empty lines, Excel's first line and blanks around names do not matter."""
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())

    (row,) = TableFile(path, delimiter="").rows()

    assert list(row.values.values()) == ["1", "2"]
    assert next(iter(row.values)) == "a"
    assert row.number == len(text.splitlines()) - text.endswith("\r\n\r\n")


def test_a_value_that_is_too_long_is_one_bad_row(tmp_path: Path) -> None:
    """The rows after it are read."""
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "x" * 200_000 + ",1\n2,3\n")

    bad, good = TableFile(path).all_rows()

    assert "field larger than field limit" in bad.problem
    assert bad.text.startswith("xxx")
    assert good.values == {"a": "2", "b": "3"}


def test_times_of_parquet_that_python_cannot_hold_are_texts(tmp_path: Path) -> None:
    """The other rows of the file are read, and a column that is there twice is refused."""
    pyarrow = pytest.importorskip("pyarrow")
    far = pyarrow.array([2**60, 0]).cast(pyarrow.timestamp("us", "UTC"))
    path = write_parquet(tmp_path / "a.parquet", {"at": far, "day": pyarrow.array([2**30, 0], pyarrow.date32())})

    first, second = values(path)

    assert first == {"at": f"{2**60} as timestamp[us, tz=UTC]", "day": f"{2**30} as date32[day]"}
    assert (second["at"].isoformat(), second["day"].isoformat()) == ("1970-01-01T00:00:00+00:00", "1970-01-01")
    twice = pyarrow.Table.from_arrays([far, far], names=["at", "at"])
    pyarrow.parquet.write_table(twice, path)
    with pytest.raises(DataError, match="has the column at twice"):
        values(path)


def test_a_missing_file_and_a_missing_package_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says what to do."""
    with pytest.raises(DataError, match=r"none\.csv cannot be read \(No such file or directory\): give a CSV"):
        values(tmp_path / "none.csv")
    (tmp_path / "a.parquet").touch()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        MissingPackageError, match=r"a Parquet file needs pyarrow, which is not installed: .*\[parquet\]"
    ):
        values(tmp_path / "a.parquet")


def test_rows_are_read_in_constant_memory(tmp_path: Path) -> None:
    """A file of twenty times as many rows takes no more memory."""
    peaks = []
    for count in (1_000, 20_000):
        path = tmp_path / f"{count}.csv"
        path.write_text("a,b\n" + "some text,1\n" * count)
        tracemalloc.start()
        assert sum(1 for _ in TableFile(path).rows()) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < peaks[0] + 100_000


def test_facts_identify_the_file(tmp_path: Path) -> None:
    """Name, size, rows and SHA-256; no path, which can hold the name of a person."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"a\n1\n")

    assert TableFile(path).facts(1) == {
        "name": "a.csv",
        "bytes": 4,
        "rows": 1,
        "sha256": hashlib.sha256(b"a\n1\n").hexdigest(),
    }


@pytest.mark.parametrize(
    ("cells", "facts"),
    [
        (["1", "", "2.5"], {"type": "numeric", "missing": 1, "minimum": 1.0, "maximum": 2.5, "mean": 1.75}),
        ([1, float("nan"), 3], {"type": "numeric", "missing": 1, "minimum": 1, "maximum": 3, "mean": 2}),
        (["1", "x", "x"], {"type": "categorical", "missing": 0, "top_values": [["x", 2], ["1", 1]]}),
        ([True, False, True], {"type": "boolean", "missing": 0, "top_values": [["True", 2], ["False", 1]]}),
        (["1e999", "nan"], {"type": "categorical", "missing": 0, "top_values": [["1e999", 1], ["nan", 1]]}),
        ([None, ""], {"type": "empty", "missing": 2}),
    ],
)
def test_a_column_is_described(cells: list[Any], facts: dict[str, Any]) -> None:
    """By its type, missing values, range or frequent values."""
    column = ColumnSummary("x")
    for cell in cells:
        column.add(cell)

    entry = column.facts("described")

    distinct = len({str(cell) for cell in cells if cell not in (None, "") and cell == cell})
    assert entry == {"name": "x", "use": "described", "distinct": distinct, **facts}


def test_values_that_may_identify_people_are_not_listed() -> None:
    """Neither texts nor a column with many different values."""
    ids, texts = ColumnSummary("user"), ColumnSummary("query", is_free_text=True)
    for number in range(20_000):
        ids.add(f"user{number}")
        texts.add("red hat" if number else "hat")

    assert ids.facts("described") == {
        "name": "user",
        "use": "described",
        "type": "categorical",
        "missing": 0,
        "distinct": "more than 10000",
    }
    facts = texts.facts("input")
    assert (facts["type"], facts["minimum_characters"], facts["maximum_characters"]) == ("text", 3, 7)
    assert "top_values" not in facts
