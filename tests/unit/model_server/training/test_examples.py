"""Training examples are read from files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from model_server.training import command, vocabulary
from model_server.training.examples import Examples, read
from model_server.training.options import CleaningRules, ColumnNames, EarlyStopping, TrainOptions
from model_server.training.splits import VALIDATION, make_split
from monitor_agent.errors import DataError


def test_all_formats_read_the_same(tmp_path: Path) -> None:
    """All forms give the same examples, in the file's order."""
    (tmp_path / "a.csv").write_text('text_a,text_b,label\n"red, shoe",shop,1\nhat,shop,0\n', encoding="utf-8")
    (tmp_path / "a.ndjson").write_text(
        '{"text_a": "red, shoe", "text_b": "shop", "label": 1}\n\n{"text_a": "hat", "text_b": "shop", "label": 0}\n',
        encoding="utf-8",
    )

    columns = {"text_a": ["red, shoe", "hat"], "text_b": [b"shop", b"shop"], "label": [True, False]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")

    for name in ("a.csv", "a.ndjson", "a.parquet"):
        examples = read(tmp_path / name)
        assert examples.text_a == ["red, shoe", "hat"]
        assert examples.text_b == ["shop", "shop"]
        assert examples.labels.tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (
            "a.csv",
            "query,text_b\nx,y\n",
            "a.csv:2 has no columns text_a, label; it has query, text_b: name the columns with --text-a",
        ),
        ("a.csv", "text_a,text_b,label\nx,y,0\nx,y,2\n", "a.csv:3: label is '2', not 0 or 1: correct the row, or drop"),
        ("a.ndjson", '{"text_a": ["x"], "text_b": "y", "label": 1}\n', "a.ndjson:1: text_a is list, no text"),
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


DIRTY = """query,title,clicked,user,at,price
red hat,hat,1,u1,2026-11-29T10:00:00Z,1.5
red hat,hat,1,u1,2026-11-29T11:00:00Z,1.5
,  ,0,u2,2026-11-29T12:00:00Z,2
blue\x07hat,,0,u2,2026-11-29T13:00:00+01:00,
shoe,hat,maybe,u3,2026-11-29T14:00:00,4
shoe,hat,0,u3,2026-11-29T15:00:00,5
"""
COLUMNS = ColumnNames("query", "title", "clicked", "user", "at")


def test_rows_are_cleaned_and_counted(tmp_path: Path) -> None:
    """The card says how many rows each rule has dropped, changed or kept, and describes every column."""
    (tmp_path / "a.csv").write_text(DIRTY)

    cleaned = read(tmp_path / "a.csv", COLUMNS, CleaningRules(drop_invalid_labels=True))
    unique = read(tmp_path / "a.csv", COLUMNS, CleaningRules(drop_duplicates=True, drop_invalid_labels=True))

    assert cleaned.text_a == ["red hat", "red hat", "blue hat", "shoe"]
    assert cleaned.labels.tolist() == [1, 1, 0, 0]
    assert cleaned.groups == ["u1", "u1", "u2", "u3"]
    assert np.diff(cleaned.times).tolist() == [3600, 3600, 3 * 3600]
    steps = {step["rule"]: (step["rows"], step["action"]) for step in cleaned.data["cleaning"]}
    assert steps == {
        "the label is neither 0 nor 1": (1, "dropped"),
        "both texts are empty": (1, "dropped"),
        "one text is empty": (1, "kept"),
        "control characters in a text become spaces": (1, "changed"),
        "texts and label repeat an earlier row": (1, "kept"),
    }
    assert unique.text_a == ["red hat", "blue hat", "shoe"]
    assert unique.data["cleaning"][-1]["action"] == "dropped"
    assert (cleaned.data["rows"], cleaned.data["positives"], cleaned.data["files"][0]["rows"]) == (4, 2, 6)
    (label,) = (feature for feature in cleaned.data["features"] if feature["use"] == "label")
    assert label["top_values"] == [["0", 3], ["1", 2], ["maybe", 1]]
    uses = {feature["name"]: (feature["use"], feature["type"]) for feature in cleaned.data["features"]}
    assert uses == {
        "query": ("input", "text"),
        "title": ("input", "text"),
        "clicked": ("label", "categorical"),
        "user": ("group", "categorical"),
        "at": ("time", "categorical"),
        "price": ("described, not used", "numeric"),
    }


def test_a_wrong_time_names_its_row(tmp_path: Path) -> None:
    """The line says what a time looks like."""
    (tmp_path / "a.csv").write_text(DIRTY.replace("2026-11-29T11:00:00Z", "at noon"))

    with pytest.raises(DataError, match=r"a\.csv:3: at is 'at noon', no time: give a number, or a time such as 20"):
        read(tmp_path / "a.csv", COLUMNS)


def make_examples(rows: int = 2000, **fields: Any) -> Examples:
    """Return examples of 50 pairs of texts, one of ten of which are positive."""
    numbers = np.arange(rows)
    texts = [f"text{number % 50}" for number in numbers]
    return Examples(texts, texts, (numbers % 10 == 0).astype(np.float32), **fields)


def test_equal_pairs_are_on_one_side_of_the_split() -> None:
    """By a hash that depends on the seed alone; every fold has both classes."""
    examples, stopping = make_examples(), EarlyStopping(2, 0.3)

    folds = make_split(examples, 3, 1, stopping)

    assert folds.tolist() == make_split(examples, 3, 1, stopping).tolist()
    assert folds.tolist() != make_split(examples, 3, 2, stopping).tolist()
    assert all(len({fold == VALIDATION for fold in folds[text::50]}) == 1 for text in range(50))
    assert 0.1 < (folds == VALIDATION).mean() < 0.5
    assert {(fold, label) for fold, label in zip(folds, examples.labels, strict=True)} == {
        (fold, label) for fold in (VALIDATION, 0, 1, 2) for label in (0.0, 1.0)
    }


def test_a_group_is_in_one_part_and_the_latest_rows_are_for_validation() -> None:
    """With both columns: times choose the validation rows, and no group is in two folds."""
    numbers = np.arange(2000)
    groups = [f"user{number}" for number in numbers // 20]

    by_group = make_split(make_examples(groups=groups), 3, 1, EarlyStopping(2))
    by_time = make_split(make_examples(times=numbers % 100), 3, 1, EarlyStopping(2, 0.1))

    assert all(len(set(by_group[start : start + 20])) == 1 for start in range(0, 2000, 20))
    assert set(by_group) == {VALIDATION, 0, 1, 2}
    assert ((numbers % 100 >= 90) == (by_time == VALIDATION)).all()


def test_a_split_without_positives_is_refused() -> None:
    """The line says what to change."""
    examples = make_examples(times=np.arange(2000) % 2)

    with pytest.raises(DataError, match="the validation rows hold no example with label 1: choose a larger --valid"):
        make_split(examples, 3, 1, EarlyStopping(2, 0.5))


def test_the_vocabulary_does_not_depend_on_order() -> None:
    """The same texts in another order give the same pieces; the most frequent words come first."""
    texts = ["hat hat shoe", "shoe hat", "café"]

    pieces = vocabulary.build(texts)

    assert pieces == vocabulary.build(reversed(texts))
    assert pieces[:5] == list(vocabulary.SPECIAL)
    assert pieces[-3:] == ["hat", "shoe", "cafe"]
    assert len(set(pieces)) == len(pieces)


def options_of_line(*words: str) -> TrainOptions:
    """Return the options of a command line."""
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    return command.options_of(parser.parse_args(["train", "--data", "a.csv", "--out", "models", *words]))


def test_the_command_line_chooses_columns_and_early_stopping() -> None:
    """Early stopping has more epochs by default; without it, options of its validation rows are refused."""
    plain = options_of_line("--text-a", "query", "--drop-duplicates")
    stopping = options_of_line("--early-stopping", "3", "--validation-share", "0.2", "--time-column", "at")

    assert (plain.columns.text_a, plain.columns.label, plain.epochs) == ("query", "label", 1)
    assert plain.cleaning == CleaningRules(drop_duplicates=True)
    assert (stopping.epochs, stopping.early_stopping) == (20, EarlyStopping(3, 0.2))
    assert options_of_line("--early-stopping", "3", "--epochs", "5").epochs == 5
    with pytest.raises(DataError, match="--time-column chooses the validation rows of --early-stopping: give both"):
        options_of_line("--time-column", "at")
