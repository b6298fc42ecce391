"""Labelled instances: rows of files become what a request would hold, and the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from model_server.evaluation.labelled_instances import LabelledReader
from model_server.signatures.instance_inputs import InputLimits, InputReader
from model_server.signatures.mapping import read_mapping
from model_server.signatures.model_plan import plan
from model_server.signatures.tensor_spec import SignatureSpec, TensorSpec
from monitor_agent.errors import DataError
from monitor_agent.tables.table_file import TableFile

SCORE = (TensorSpec("score", "float32", (None,)),)
IDS = ("input_ids", "attention_mask")


def spec_of(*tensors: tuple[str, str, tuple[int | None, ...]], name: str = "serving_default") -> SignatureSpec:
    return SignatureSpec(name, tuple(TensorSpec(*tensor) for tensor in sorted(tensors)), SCORE)


BERT = (
    spec_of(*((name, "int32", (None, None)) for name in IDS)),
    spec_of(("text_a", "string", (None,)), ("text_b", "string", (None,)), name="text"),
)
COLUMNS = (spec_of(("price", "float32", (None,)), ("brand", "string", (None,))),)
MATRIX = (spec_of(("x", "float32", (None, 2))),)


def read(folder: Path, name: str, text: str, signatures: tuple[SignatureSpec, ...], **entries: Any) -> list[Any]:
    """Return the values and the truth of each row of a file."""
    path = folder / name
    path.write_text(text)
    served = plan(signatures, read_mapping(entries, Path("model.json")))
    reader = LabelledReader(InputReader(served.forms, InputLimits(8)), served.kind, served.classes)
    return [([value.tolist() for value in entry.inputs.values], entry.truth) for entry in reader.read(TableFile(path))]


@pytest.mark.parametrize(
    ("name", "text", "signatures", "entries", "expected"),
    [
        ("a.csv", "text_a,text_b,label,other\n7,hat,1,x\n", BERT, {}, [([b"7", b"hat"], 1)]),
        (
            "a.csv",
            "input_seq,input_mask,label\n2 5,1 1,0\n[3],[1],1.0\n",
            BERT,
            {},
            [([[1, 1], [2, 5]], 0), ([[1], [3]], 1)],
        ),
        ("a.ndjson", '{"input_seq": [2], "input_mask": [1], "label": true}\n', BERT, {}, [([[1], [2]], 1)]),
        ("a.csv", "price,brand,label\n1.5,7,1\n", COLUMNS, {}, [([b"7", 1.5], 1)]),
        ("a.ndjson", '{"inputs": {"price": 1, "brand": "b"}, "label": 0}\n', COLUMNS, {}, [([b"b", 1.0], 0)]),
        ("a.csv", 'x,label\n"[1, 2]",1\n', MATRIX, {}, [([[1.0, 2.0]], 1)]),
        ("a.csv", "age,price,label\n3,4,1\n", MATRIX, {"inputs": {"x": ["price", "age"]}}, [([[4.0, 3.0]], 1)]),
        ("a.csv", 'x,label\n"[1, 2]",-2.5\n', MATRIX, {"kind": "regression"}, [([[1.0, 2.0]], -2.5)]),
    ],
)
def test_a_row_is_what_a_request_would_hold(
    tmp_path: Path, name: str, text: str, signatures: Any, entries: dict[str, Any], expected: list[Any]
) -> None:
    """Fields of an instance, inputs and features by their names; columns that the model does not take are ignored."""
    assert read(tmp_path, name, text, signatures, **entries) == expected


def test_the_truth_of_a_multiclass_model_is_the_name_of_a_class(tmp_path: Path) -> None:
    """The number of the class is counted from 0."""
    spec = SignatureSpec("serving_default", MATRIX[0].inputs, (TensorSpec("p", "float32", (None, 3)),))
    classes = {"classes": ["boots", "hats", "bags"]}

    assert read(tmp_path, "a.csv", 'x,label\n"[1, 2]",bags\n', (spec,), **classes) == [([[1.0, 2.0]], 2)]
    with pytest.raises(DataError, match="coats is no class of the model"):
        read(tmp_path, "a.csv", 'x,label\n"[1, 2]",coats\n', (spec,), **classes)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("text_a,text_b\na,b\n", "has no column label; it has text_a, text_b"),
        ("text_a,text_b,label\na,b,2\n", ":2: label: 2 is neither 0 nor 1"),
        ("text_a,label\na,1\n", ":2: text_b: is missing"),
        ("input_seq,input_mask,label\n2 x,1 1,1\n", ":2: input_seq: "),
    ],
)
def test_a_row_that_does_not_fit_is_one_line(tmp_path: Path, text: str, reason: str) -> None:
    """The line names the file, the row and the column."""
    with pytest.raises(DataError) as caught:
        read(tmp_path, "a.csv", text, BERT)

    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
