"""docs/state-blob.md describes the stored bytes: test vectors, and a second reader that follows the page."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

from monitor_agent.metrics import LogHistogram, WindowState, score_tails
from monitor_agent.metrics.log_histogram import DELAY_EDGES, DURATION_EDGES, bucket_of
from monitor_agent.metrics.score_histogram import EDGES
from monitor_agent.metrics.window_state import RETIRED_TAGS, TAGS

from . import blob_reader
from .states import states

PAGE = (Path(__file__).parents[4] / "docs" / "state-blob.md").read_text(encoding="utf-8")
VECTORS = json.loads((Path(__file__).parent / "state_blobs.json").read_text(encoding="utf-8"))
TABLE = {int(tag): (name, kind) for tag, name, kind in re.findall(r"^\| (\d+) \| `(\w+)` \| ([a-z ]+) \|", PAGE, re.M)}


def state_of(fields: dict[str, Any]) -> WindowState:
    """Return the state whose fields a vector holds as JSON."""
    values: dict[str, Any] = {}
    for name, value in fields.items():
        kind = TABLE[TAGS[name]][1]
        if kind == "times":
            values[name] = LogHistogram(**{**value, "counts": with_number_keys(value["counts"])})
        else:
            values[name] = with_number_keys(value) if kind in ("histogram", "scores") else value
    return WindowState(**values)


def with_number_keys(counts: dict[str, int]) -> dict[int, int]:
    return {int(key): count for key, count in counts.items()}


def plain(state: WindowState) -> dict[str, Any]:
    """Return the fields of a state that are not zero, in the form of the second reader."""
    zero = WindowState()
    fields = {name: getattr(state, name) for name in TAGS if getattr(state, name) != getattr(zero, name)}
    return {name: asdict(value) if isinstance(value, LogHistogram) else value for name, value in fields.items()}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_vector_is_written_and_read_exactly(vector: dict[str, Any]) -> None:
    """Writer and reader agree with the stored text, byte by byte."""
    state = state_of(vector["state"])

    assert state.to_blob() == vector["text"]
    assert base64.b64decode(vector["text"]).hex(" ") == vector["bytes"]
    assert WindowState.from_blob(vector["text"]) == state


def test_the_example_of_the_page_is_a_vector() -> None:
    """The page explains one of the vectors."""
    assert f"`{VECTORS[1]['text']}`" in PAGE


def test_retired_tags_are_skipped() -> None:
    """A blob of an earlier release holds 5, 5 and 9 in the tags 2, 3 and 9, and 1 in `tp`."""
    text = "BAAKBAgGChIAFAI="

    assert WindowState.from_blob(text) == WindowState(predictions=5, tp=1)
    assert blob_reader.read(text, TABLE) == {"predictions": 5, "tp": 1}


def test_the_table_lists_the_fields() -> None:
    """The page has all tags and names, and the retired tags."""
    assert {tag: name for tag, (name, _) in TABLE.items()} == {tag: name for name, tag in TAGS.items()}
    assert RETIRED_TAGS == blob_reader.RETIRED


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(states)
def test_the_second_reader_agrees(state: WindowState) -> None:
    """A reader that follows the page reads what the agent writes."""
    assert blob_reader.read(state.to_blob(), TABLE) == plain(state)


def test_the_edges_follow_the_formulas_of_the_page() -> None:
    """Score bins and buckets of times have the edges that the page defines."""
    decades = [max(0, (index - 100) // 900) for index in range(3700)]
    edges = [(index - 900 * decade) / 10 ** (6 - decade) for index, decade in enumerate(decades)]

    assert EDGES.tolist() == pytest.approx([*edges, 1.0], rel=1e-15)
    for first, last, actual in ((4, 10, DURATION_EDGES), (8, 15, DELAY_EDGES)):
        inner = [digits * 10 ** (k - 1) for k in range(first, last + 1) for digits in range(10, 100)]
        assert actual == (*inner, 10 ** (last + 1))
        step, width, count = 10 ** (first - 3), 10 ** (first - 2), len(actual)
        lower = {key: (key + 190) * step for key in range(-190, -90)} | {k: (k + 100) * width for k in range(-90, 0)}
        higher = {count + 1 + j: (10 + j) * 10**last for j in range(90)}
        for key, edge in {**lower, **higher}.items():
            assert bucket_of(edge, actual) == key
            assert bucket_of(edge - 1, actual) != key


def test_the_cells_of_the_tails_follow_the_formulas_of_the_page() -> None:
    """The cells begin where the page says."""
    starts = [(2 + 900 * (44 - k) + i, (100 + i) / 10 ** (k + 3)) for k in (4, 5, 20, 44) for i in (0, 1, 899)]
    starts += [(36902 + 900 * (k - 1) + i, 1 - (1000 - i) / 10 ** (k + 3)) for k in (1, 2, 8) for i in (0, 1, 899)]

    for cell, start in starts:
        assert score_tails.LOWS[cell] == pytest.approx(start, rel=1e-14)
        assert score_tails.tail_cells(np.array([start * (1 + 1e-14 if start < 0.5 else 1 + 1e-15)])) == [cell]
    assert (score_tails.EXACTLY_ZERO, score_tails.NEARLY_ZERO) == (0, 1)
    assert (score_tails.NEARLY_ONE, score_tails.EXACTLY_ONE) == (47702, 47703)
