"""The model that is served, and the errors if there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from model_server.model_card import EngineChoice, ModelCard
from model_server.releases.available import cards_to_serve
from monitor_agent.errors import ModelError
from monitor_agent.settings import ServerSettings

CARD = {"name": "click", "version": "1", "threshold": 0.25, "max_seq_length": 64, "vocab_size": 240, "metrics": {}}


def make_model(folder: Path, card: Any = CARD) -> Path:
    """Write files that look like a SavedModel."""
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").touch()
    if card is not None:
        (folder / "model.json").write_text(json.dumps(card))
    return folder


def read(folder: Path, **settings: Any) -> ModelCard:
    return cards_to_serve(ServerSettings(model_dir=str(folder), **settings))[0]


def test_a_folder_may_be_the_model(tmp_path: Path) -> None:
    """The model folder itself may be a SavedModel."""
    folder = make_model(tmp_path / "model")

    assert read(folder) == ModelCard(folder, "click", "1", 0.25, 64, 240)


def test_the_newest_version_is_served(tmp_path: Path) -> None:
    """Version 10 is newer than 9; unfinished exports and other folders are ignored."""
    for version in ("9", "10", "8.5", "9\u00b2"):
        make_model(tmp_path / version, {**CARD, "version": version})
    make_model(tmp_path / ".11-unfinished")
    (tmp_path / "99").mkdir()

    assert read(tmp_path).version == "10"
    assert read(tmp_path, model_version="8.5").folder == tmp_path / "8.5"


@pytest.mark.parametrize(
    ("folder", "card", "reason"),
    [
        ("1", {**CARD, "version": "all"}, "the version all stands for all versions together"),
        ("all", {**CARD, "version": ""}, "the version all stands for all versions together"),
        ("all", None, "the version all stands for all versions together"),
        ("1", {**CARD, "version": "v" * 257}, "has 257 characters, more than 256"),
        ("1", {**CARD, "name": "m" * 257}, "the model's name in .* has 257 characters"),
    ],
)
def test_a_version_that_stands_for_all_versions_is_refused(tmp_path: Path, folder: str, card: Any, reason: str) -> None:
    """Metrics could not keep it apart; a name or a version that is too long is refused as well."""
    make_model(tmp_path / folder, card)

    with pytest.raises(ModelError, match=reason) as refused:
        read(tmp_path, **({} if card else {"model_name": "click", "threshold": 0.5}))

    assert len(str(refused.value)) < 400


def test_settings_override_the_card(tmp_path: Path) -> None:
    """Name and threshold can be set; without a card they must be set."""
    folder = make_model(tmp_path / "3", card=None)

    card = read(folder, model_name="other", threshold=0.5)

    assert (card.name, card.version, card.threshold, card.vocab_size) == ("other", "3", 0.5, None)


@pytest.mark.parametrize(
    ("card", "settings", "reason"),
    [
        ({**CARD, "threshold": 1.5}, {}, "threshold 1.5 is not between 0 and 1"),
        ({**CARD, "threshold": "high"}, {}, "threshold is 'high', a float is expected"),
        ({**CARD, "vocab_size": 1.5}, {}, "vocab_size is 1.5, a int is expected"),
        ([], {}, "is not a JSON object"),
    ],
)
def test_an_incomplete_card_is_refused(tmp_path: Path, card: Any, settings: dict[str, Any], reason: str) -> None:
    """The error says what is missing and how to set it."""
    make_model(tmp_path / "1", card)

    with pytest.raises(ModelError) as refused:
        read(tmp_path, **settings)
    assert reason in str(refused.value)


def test_a_card_that_is_no_json_is_refused(tmp_path: Path) -> None:
    """A damaged file is named."""
    (make_model(tmp_path / "1") / "model.json").write_text("{")

    with pytest.raises(ModelError, match=r"1/model\.json cannot be read"):
        read(tmp_path)


def test_without_a_model_the_error_says_how_to_get_one(tmp_path: Path) -> None:
    """A missing folder, an empty one and a missing version are three clear errors."""
    with pytest.raises(ModelError, match=r"there is no model folder .*nowhere: train one with `model-server train`"):
        read(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="holds a SavedModel: train one"):
        read(tmp_path)
    make_model(tmp_path / "1")
    with pytest.raises(ModelError, match="has no version 2: it has 1"):
        read(tmp_path, model_version="2")


@pytest.mark.parametrize("root", ["click", "click/3"])
def test_a_model_without_a_name_has_that_of_its_folder(tmp_path: Path, root: str) -> None:
    """The folder of the versions, whether the settings name it or one of the versions."""
    make_model(tmp_path / "click" / "3", {"threshold": 0.5})

    card = read(tmp_path / root)

    assert (card.name, card.version) == ("click", "3")


def test_the_threshold_is_a_half_if_nobody_has_chosen_one(tmp_path: Path) -> None:
    """As in scikit-learn; the server says so at its start."""
    chosen = read(make_model(tmp_path / "chosen", {"name": "click", "threshold": 0.25}))
    not_chosen = read(make_model(tmp_path / "not-chosen", None))

    assert (chosen.threshold, chosen.has_threshold) == (0.25, True)
    assert (not_chosen.threshold, not_chosen.has_threshold) == (0.5, False)


def test_the_card_names_the_engine_and_its_file(tmp_path: Path) -> None:
    """Without a word TensorFlow computes; the file of an engine must be there."""
    plain = make_model(tmp_path / "plain")
    other = make_model(tmp_path / "other", {**CARD, "engine": "litert"})
    missing = make_model(tmp_path / "missing", {**CARD, "engine": "litert", "engine_file": "int8.tflite"})
    (other / "model.tflite").touch()

    assert read(plain).engine == EngineChoice("tensorflow")
    assert read(other).engine == EngineChoice("litert", "model.tflite")
    with pytest.raises(ModelError, match=r"int8\.tflite is missing: copy the version again, or remove `engine` from"):
        read(missing)


@pytest.mark.parametrize("entries", [{"engine": "onnx"}, {"engine": 1}, {"engine": "litert", "engine_file": "../x"}])
def test_an_unknown_engine_is_refused(tmp_path: Path, entries: Any) -> None:
    """A file of an engine stands in the folder of its version."""
    with pytest.raises(ModelError, match=r"model\.json: engine"):
        read(make_model(tmp_path / "model", {**CARD, **entries}))
