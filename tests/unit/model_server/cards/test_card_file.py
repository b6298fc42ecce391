"""The model card: its JSON, its page, and what programs add to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model_server.cards.card_file import read_card_file, table, with_entry, write_card_file
from monitor_agent.errors import ModelError

CARD = {
    "model_details": {"name": "click", "version": "7", "kind": "binary"},
    "intended_use": {"primary": ["Scores text pairs."], "out_of_scope": ["Decisions about people."]},
    "training_data": {
        "rows": 90_000,
        "files": [{"name": "a.csv", "bytes": 12, "rows": 3, "sha256": "ab"}],
        "cleaning": [{"rule": "both texts are empty", "rows": 2, "action": "dropped"}],
        "features": [
            {"name": "price", "use": "described", "type": "numeric", "missing": 1, "distinct": 2, "minimum": 0.5},
            {"name": "brand", "use": "described", "type": "categorical", "missing": 0, "top_values": [["a|b\n#", 2]]},
        ],
    },
    "training": {"epochs": 2, "tables": [table("epochs of the fits", ["fit", "epochs"], [["1", 2]])]},
    "quantitative_analyses": [
        {
            "name": "cross-validation",
            "data": {"rows": 90_000},
            "metrics": {
                "auc": {"value": 0.87654321, "low": 0.85, "high": 0.9},
                "precision": {"value": None, "undefined": "no_predicted_positive"},
            },
            "tables": [table("calibration", ["mean score", "rate"], [[0.1, 0.2]])],
        }
    ],
    "signatures": [{"name": "text", "inputs": ["text_a string (?)"], "outputs": ["score float32 (?)"]}],
}


def test_the_page_shows_what_the_card_holds(tmp_path: Path) -> None:
    """Each section has a heading; values of the data cannot become markup."""
    write_card_file(tmp_path, CARD)

    page = (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")

    assert page.startswith("# Model card: click, version 7\n\n## Model details\n\n- name: click\n")
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == [
        "Model details",
        "Intended use",
        "Training data",
        "Training",
        "Quantitative analyses",
        "Signatures",
    ]
    for line in (
        "- rows: 90,000",
        "| a.csv | 12 | 3 | ab |",
        "| both texts are empty | 2 | dropped |",
        "| price | described | numeric | 1 | 2 | minimum 0.5 |",
        "| brand | described | categorical | 0 | - | a\\|b # (2) |",
        "| auc | 0.8765 | 0.85 to 0.9 |",
        "| precision | no_predicted_positive | - |",
        "| text | output | score float32 (?) |",
        "epochs of the fits:\n\n| fit | epochs |\n| --- | --- |\n| 1 | 2 |",
    ):
        assert line in page


def test_an_optimisation_is_added_to_an_existing_card(tmp_path: Path) -> None:
    """Another one of the same name replaces it; the rest of the card and its page stay."""
    write_card_file(tmp_path, CARD)
    for seconds in (2.0, 1.0):
        measured = table("latency", ["engine", "us"], [["litert-int8", seconds]])
        card = with_entry(read_card_file(tmp_path), "optimizations", {"name": "litert-int8", "tables": [measured]})
        write_card_file(tmp_path, card)

    card = json.loads((tmp_path / "model_card.json").read_text(encoding="utf-8"))
    page = (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")

    assert {name: card[name] for name in CARD} == CARD
    assert [entry["tables"][0]["rows"] for entry in card["optimizations"]] == [[["litert-int8", 1.0]]]
    assert "### litert-int8\n\nlatency:\n\n| engine | us |" in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["MODEL_CARD.md", "model_card.json"]


def test_a_card_that_cannot_be_read_or_written_is_one_line(tmp_path: Path) -> None:
    """The line names the file; a version without a card has an empty one."""
    assert read_card_file(tmp_path) == {}
    for content, reason in (
        ("[]", "is not a JSON object"),
        ("{", "cannot be read"),
        ('{"training": 3}', "is not a model"),
    ):
        (tmp_path / "model_card.json").write_text(content)
        with pytest.raises(ModelError, match=rf"model_card\.json {reason}.*: delete the file"):
            read_card_file(tmp_path)
    with pytest.raises(ModelError, match="cannot be written"):
        write_card_file(tmp_path / "none", CARD)
