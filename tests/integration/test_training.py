"""Training from a file to a SavedModel that a server can call."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from model_server.training.options import EarlyStopping, TrainOptions
from monitor_agent.errors import DataError, ModelError

if TYPE_CHECKING:
    from model_server.training.train import TrainReport

ROWS = 600
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz"]
OPTIONS: dict[str, Any] = {"epochs": 4, "batch_size": 32, "max_seq_length": 16, "folds": 2, "model_version": "7"}


def write_examples(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """Write texts whose label depends on one word of each text: red and hat give a click, other pairs rarely do."""
    random = np.random.default_rng(5)
    colours, items = random.choice(["red", "blue", "green"], ROWS), random.choice(["hat", "shoe", "coat"], ROWS)
    text_a = [f"{colour} evening slot{slot}" for colour, slot in zip(colours, random.integers(0, 3, ROWS), strict=True)]
    text_b = [f"{item} price{price}" for item, price in zip(items, random.integers(0, 3, ROWS), strict=True)]
    labels = ((colours == "red") & (items == "hat") | (random.random(ROWS) < 0.005)).astype(int)
    rows = (f"{a},{b},{label}" for a, b, label in zip(text_a, text_b, labels, strict=True))
    path.write_text("\n".join(["text_a,text_b,label", *rows]) + "\n", encoding="utf-8")
    return text_a, text_b, labels


class TrainedModel:
    """A trained model, loaded from its folder as a server loads it, and its training data."""

    def __init__(self, folder: Path) -> None:
        import tensorflow as tf

        from model_server.training.train import train

        self.data = folder / "examples.csv"
        self.text_a, self.text_b, self.labels = write_examples(self.data)
        self.options = TrainOptions(data=self.data, out=folder / "models", **OPTIONS)
        self.report = train(self.options)
        loaded = tf.saved_model.load(str(self.report.folder))
        self.loaded, self.ids, self.text = loaded, loaded.signatures["serving_default"], loaded.signatures["text"]

    def score_text(self, text_a: list[str], text_b: list[str]) -> np.ndarray:
        """Return the scores of text pairs by the model's `text` signature."""
        import tensorflow as tf

        scores: np.ndarray = self.text(text_a=tf.constant(text_a), text_b=tf.constant(text_b))["score"].numpy()
        return scores


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    """Return the model that the tests of this module share."""
    return TrainedModel(tmp_path_factory.mktemp("training"))


def test_it_learns(trained: TrainedModel) -> None:
    """If the label depends on both texts, held-out and final scores rank it."""
    scores = trained.score_text(trained.text_a, trained.text_b)

    assert trained.report.metrics["auc"]["value"] > 0.9
    assert trained.score_text(["red evening slot1"], ["hat price1"]) > 5 * trained.score_text(
        ["blue evening slot1"], ["hat price1"]
    )
    assert ((scores >= trained.report.entries["threshold"]) == (trained.labels > 0)).mean() > 0.95


def test_scores_are_probabilities(trained: TrainedModel) -> None:
    """The class weights are undone: the mean score is about the rate of positives."""
    scores = trained.score_text(trained.text_a, trained.text_b)

    assert scores.dtype == np.float32
    assert scores.mean() == pytest.approx(trained.labels.mean(), rel=0.25)


def test_both_signatures_agree(trained: TrainedModel) -> None:
    """Raw text and its ids from a BERT tokeniser get the same score, alone, padded and in a batch."""
    import tensorflow as tf

    from model_server.training.tokens import PairTokenizer

    pieces = (trained.report.folder / "assets" / "vocab.txt").read_text(encoding="utf-8").splitlines()
    tokenizer = PairTokenizer(pieces, lower_case=True, max_seq_length=16)
    pairs = ["red evening slot1", "an unseen user, in the Evening!"], ["hat price1", "shoe"]
    by_text = trained.score_text(*pairs)
    word_ids, mask, segment_ids = tokenizer(*(tf.constant(text) for text in pairs))

    wider = [tf.pad(tensor, [[0, 0], [0, 5]]) for tensor in (word_ids, mask, segment_ids)]
    for ids in ((word_ids, mask, segment_ids), wider):
        by_ids = trained.ids(input_word_ids=ids[0], input_mask=ids[1], segment_ids=ids[2])["score"].numpy()
        np.testing.assert_allclose(by_ids, by_text, rtol=1e-4)
    alone = [trained.score_text([a], [b])[0] for a, b in zip(*pairs, strict=True)]
    np.testing.assert_allclose(alone, by_text, rtol=1e-4)


def test_tokens_are_those_of_bert() -> None:
    """A pair becomes [CLS] a [SEP] b [SEP] with its segments; if it is too long, the longer text is cut first."""
    import tensorflow as tf

    from model_server.training.tokens import PairTokenizer

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b"]
    tokenizer = PairTokenizer(pieces, lower_case=True, max_seq_length=8)

    word_ids, mask, segment_ids = tokenizer(tf.constant(["A a", "a a a a a a", ""]), tf.constant(["b zz", "b", ""]))

    assert word_ids.numpy().tolist() == [[2, 4, 4, 3, 5, 1, 3, 0], [2, 4, 4, 4, 4, 3, 5, 3], [2, 3, 3, 0, 0, 0, 0, 0]]
    assert mask.numpy().sum(axis=1).tolist() == [7, 8, 3]
    assert segment_ids.numpy().tolist() == [
        [0, 0, 0, 0, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 0, 1, 1],
        [0, 0, 1, 0, 0, 0, 0, 0],
    ]


def test_the_folder_has_the_entries_that_a_server_needs_and_a_card(trained: TrainedModel) -> None:
    """`model.json` says how the model is served, the card what it is and how good it is."""
    folder = trained.report.folder
    entries = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    card = json.loads((folder / "model_card.json").read_text(encoding="utf-8"))
    page = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")

    assert entries == trained.report.entries
    assert (entries["name"], entries["version"], entries["max_seq_length"]) == ("click", "7", 16)
    assert 0 < entries["threshold"] < 1
    assert sorted(path.name for path in folder.parent.iterdir()) == ["7"]
    assert {name: card[name] for name in trained.report.card} == trained.report.card
    assert card["training_data"]["positives"] == trained.labels.sum()
    assert card["training_data"]["files"][0]["sha256"] == hashlib.sha256(trained.data.read_bytes()).hexdigest()
    assert card["decision_threshold"]["value"] == entries["threshold"]
    auc = card["quantitative_analyses"][0]["metrics"]["auc"]
    assert auc["low"] < auc["value"] <= auc["high"]
    assert [signature["name"] for signature in card["signatures"]] == ["serving_default", "text", "tokenize"]
    assert card["signatures"][1]["inputs"] == ["text_a string (?)", "text_b string (?)"]
    assert f"- value: {entries['threshold']:.4g}\n- method: the best F1" in page
    assert "| accuracy | " in page


STOPPING, MOST_EPOCHS = EarlyStopping(1, 0.3), 8


@pytest.fixture(scope="module")
def stopped(trained: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, list[str]]:
    """Return report and notes of a training of a tiny model, at a rate so high that the loss soon rises."""
    from model_server.training.train import train

    notes: list[str] = []
    folder = tmp_path_factory.mktemp("stopped")
    handle = write_module(folder, [*PIECES, "red", "hat"], "dict")
    options = {**OPTIONS, "epochs": MOST_EPOCHS, "learning_rate": 0.05, "encoder": handle}
    report = train(TrainOptions(data=trained.data, out=folder, early_stopping=STOPPING, **options), note=notes.append)
    return report, notes


def test_a_fit_ends_early_with_the_weights_of_its_best_epoch(stopped: tuple[Any, list[str]]) -> None:
    """Notes and card say after which epoch and why; the metrics of the validation rows stand apart."""
    report, notes = stopped

    rows = report.card["training"]["tables"][0]["rows"]

    assert [row[0] for row in rows] == ["fold 1", "fold 2", "exported model"]
    assert notes == [
        f"fit {number} of 3 ended after epoch {epochs} of {MOST_EPOCHS} ({reason}); it has the weights of epoch {best}"
        for number, (_, epochs, best, _, reason) in enumerate(rows, 1)
    ]
    early = [row for row in rows if row[1] < MOST_EPOCHS]
    assert early
    assert all(
        (best, reason) == (epochs - 1, "no lower loss in the next epoch") for _, epochs, best, _, reason in early
    )
    cross_validation, validation = report.card["quantitative_analyses"]
    total = cross_validation["data"]["rows"] + validation["data"]["rows"]
    assert total == report.card["training_data"]["rows"] == ROWS
    assert "30% of the pairs of texts" in report.card["training"]["early_stopping"]["validation_rows"]


def test_the_exported_weights_are_those_of_the_best_epoch(
    stopped: tuple[Any, list[str]], trained: TrainedModel
) -> None:
    """The exported model has the metrics that the card says for the validation rows."""
    import tensorflow as tf

    from model_server.evaluation.binary import BinaryEvaluation
    from model_server.training.examples import read
    from model_server.training.splits import VALIDATION, make_split

    report, _ = stopped
    examples = read(trained.data)
    rows = np.flatnonzero(make_split(examples, OPTIONS["folds"], TrainOptions.seed, STOPPING) == VALIDATION)
    call = tf.saved_model.load(str(report.folder)).signatures["text"]
    texts = [tf.constant([column[row] for row in rows]) for column in (examples.text_a, examples.text_b)]
    evaluation = BinaryEvaluation(report.entries["threshold"])
    evaluation.add(call(text_a=texts[0], text_b=texts[1])["score"].numpy(), examples.labels[rows])

    measured, stated = evaluation.analysis().metrics, report.card["quantitative_analyses"][1]["metrics"]

    assert measured["log_loss"]["value"] == pytest.approx(stated["log_loss"]["value"], rel=1e-3)
    assert measured["f1"] == stated["f1"]


WORDS = [*PIECES, "Red", "red", "hat"]


def fine_tune(style: str, data: Path, folder: Path) -> tuple[TrainOptions, TrainReport]:
    """Return the options of a training of a foreign module, and its report."""
    from model_server.training.train import train

    handle = write_module(folder, WORDS, style)
    options = TrainOptions(data=data, out=folder / "out", encoder=handle, seed=3, **{**OPTIONS, "epochs": 1})
    return options, train(options)


@pytest.fixture(scope="module")
def tuned(trained: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainOptions, TrainReport]:
    """Return options and report of a training of a module that takes and returns dicts."""
    return fine_tune("dict", trained.data, tmp_path_factory.mktemp("tuned"))


def test_the_same_seed_gives_the_same_model(tuned: tuple[TrainOptions, TrainReport], tmp_path: Path) -> None:
    """A second training with the same options writes the same card and gives the same scores, to the bit."""
    import tensorflow as tf

    from model_server.training.train import train

    options, first = tuned
    pair = {"text_a": tf.constant(["red evening slot1"]), "text_b": tf.constant(["hat price1"])}

    second = train(replace(options, out=tmp_path))

    calls = [tf.saved_model.load(str(report.folder)).signatures["text"] for report in (first, second)]
    scores = [call(**pair)["score"].numpy()[0] for call in calls]
    assert first.folder != second.folder
    assert first.card == second.card
    assert scores[0] == scores[1]


@pytest.mark.parametrize("style", ["dict", "list"])
def test_a_foreign_module_is_fine_tuned(
    style: str, trained: TrainedModel, tuned: tuple[TrainOptions, TrainReport], tmp_path: Path
) -> None:
    """A module folder in either TF-Hub BERT form is used with its own vocabulary and letter case."""
    options, report = tuned if style == "dict" else fine_tune(style, trained.data, tmp_path)

    details = report.card["model_details"]
    assert (report.entries["vocab_size"], details["lower_case"], details["encoder"]) == (33, False, options.encoder)
    assert (report.folder / "assets" / "words.txt").read_text(encoding="utf-8").split() == WORDS


def write_module(folder: Path, pieces: list[str], style: str) -> str:
    """Write a tiny cased module that takes and returns dicts, or takes a list and returns a pair."""
    import tensorflow as tf

    from model_server.training.encoder import EncoderConfig, save_encoder

    words = folder / "words.txt"
    words.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    if style == "dict":
        config = EncoderConfig(layers=1, hidden=16, heads=4, intermediate=32)
        save_encoder(folder / "module", words, config, lower_case=False, seed=1)
        return str(folder / "module")
    table = tf.Variable(np.random.default_rng(1).standard_normal((len(pieces), 8)).astype(np.float32))

    @tf.function
    def call(inputs: list[Any], training: bool = False) -> tuple[Any, Any]:
        del training
        word_ids, mask, _segment_ids = inputs
        sequence = tf.gather(table, word_ids) * tf.cast(mask, tf.float32)[:, :, tf.newaxis]
        return tf.reduce_sum(sequence, axis=1), sequence

    for training in (True, False):
        call.get_concrete_function([tf.TensorSpec([None, None], tf.int32) for _ in range(3)], training=training)
    module = tf.train.Checkpoint()
    module.__call__, module.trainable_variables = call, [table]
    module.vocab_file, module.do_lower_case = tf.saved_model.Asset(str(words)), tf.Variable(False, trainable=False)
    tf.saved_model.save(module, str(folder / "module"))
    return str(folder / "module")


def test_an_unreachable_hub_is_one_clear_error(
    trained: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a handle cannot be fetched, the error names it and says what to do; nothing is written."""
    from model_server.training.train import train

    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    handle = "https://127.0.0.1:9/bert/1"

    with pytest.raises(ModelError, match=r"bert/1 cannot be loaded .* local module folder"):
        train(TrainOptions(data=trained.data, out=tmp_path / "out", encoder=handle, **OPTIONS))
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_module_is_refused(trained: TrainedModel, tmp_path: Path) -> None:
    """A SavedModel without vocabulary, such as an exported click model, is refused; the error names what is missing."""
    from model_server.training.train import train

    with pytest.raises(ModelError, match=r"not a BERT module: it has no .*vocab_file"):
        train(TrainOptions(data=trained.data, out=tmp_path, encoder=str(trained.report.folder), **OPTIONS))


def test_too_few_positives_are_refused(tmp_path: Path) -> None:
    """Fewer positives than folds cannot be cross-fitted."""
    from model_server.training.train import train

    (tmp_path / "few.csv").write_text("text_a,text_b,label\na,b,1\na,b,0\na,b,0\n", encoding="utf-8")

    with pytest.raises(DataError, match="only 1 examples have label 1"):
        train(TrainOptions(data=tmp_path / "few.csv", out=tmp_path, **OPTIONS))
