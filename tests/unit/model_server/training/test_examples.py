"""Training examples are read from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_server.training import vocabulary
from model_server.training.examples import read
from monitor_agent.errors import DataError


def test_csv_and_ndjson_read_the_same(tmp_path: Path) -> None:
    """Both forms give the same examples, in the file's order."""
    (tmp_path / "a.csv").write_text('text_a,text_b,label\n"red, shoe",shop,1\nhat,shop,0\n', encoding="utf-8")
    (tmp_path / "a.ndjson").write_text(
        '{"text_a": "red, shoe", "text_b": "shop", "label": 1}\n\n{"text_a": "hat", "text_b": "shop", "label": 0}\n',
        encoding="utf-8",
    )

    csv, ndjson = read(tmp_path / "a.csv"), read(tmp_path / "a.ndjson")

    assert csv.text_a == ndjson.text_a == ["red, shoe", "hat"]
    assert csv.text_b == ndjson.text_b == ["shop", "shop"]
    assert csv.labels.tolist() == ndjson.labels.tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", "text_a,text_b\nx,y\n", "a.csv:2: text_a, text_b, label are needed"),
        ("a.csv", "text_a,text_b,label\nx,y,0\nx,y,2\n", "a.csv:3: label is '2'"),
        ("a.csv", "text_a,text_b,label\nx,y,0\n", "has only one class"),
        ("a.ndjson", '{"text_a": "x"\n', "a.ndjson:1"),
        ("a.csv", b"text_a,text_b,label\n\xff\xfe,y,0\n", "not UTF-8"),
    ],
)
def test_a_malformed_file_is_refused(name: str, content: str | bytes, reason: str, tmp_path: Path) -> None:
    """The error names file and line."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(DataError, match=reason):
        read(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A missing file is an error with a hint."""
    with pytest.raises(DataError, match=r"missing\.csv cannot be read"):
        read(tmp_path / "missing.csv")


def test_the_vocabulary_does_not_depend_on_order() -> None:
    """The same texts in another order give the same pieces; the most frequent words come first."""
    texts = ["hat hat shoe", "shoe hat", "café"]

    pieces = vocabulary.build(texts)

    assert pieces == vocabulary.build(reversed(texts))
    assert pieces[:5] == list(vocabulary.SPECIAL)
    assert pieces[-3:] == ["hat", "shoe", "cafe"]
    assert len(set(pieces)) == len(pieces)
