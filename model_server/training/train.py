"""Training of a click model from text pairs to an exported SavedModel.

The steps: read, make or take a vocabulary, tokenise, fit on folds to learn what unseen scores are worth (calibration,
threshold, quality), fit on everything, export. Positives are rare: steps draw a fixed share of them and the loss
weighs both classes equally; the calibration undoes both, so that an exported score is a probability.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from model_server.training import calibration, vocabulary
from model_server.training.classifier import ClickModel
from model_server.training.encoder import EncoderConfig, save_encoder
from model_server.training.examples import Examples, read
from model_server.training.export import export
from model_server.training.fitting import Fitter, Ints, Recipe, Tokens
from model_server.training.hub import Encoder, load_encoder
from model_server.training.options import TrainOptions
from model_server.training.tokens import PairTokenizer
from monitor_agent.errors import DataError, ModelError

BUILT_IN = EncoderConfig()
BUILT_IN_RATE = 5e-4
FINE_TUNING_RATE = 2e-5
WEIGHT_DECAY = 0.01
TOKENISING_BATCH = 4096
DIGITS = 8
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class TrainReport:
    """What came out: the model's folder and its card, the content of ``model.json``."""

    folder: Path
    card: dict[str, Any]


def train(options: TrainOptions, progress: Progress | None = None) -> TrainReport:
    """Train a model, export it to ``out/<model version>`` and return the report.

    Parameters
    ----------
    progress : called with the stage's name, the steps done and the steps in all.

    Raises
    ------
    DataError : when the examples are missing, malformed or too few.
    ModelError : when the encoder cannot be loaded or the model cannot be written.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", options.model_version):
        raise ModelError(f"model version {options.model_version!r} cannot name a folder", "use letters, digits, . _ -")
    progress = progress or _silent
    progress("reading", 0, 1)
    examples = read(options.data)
    folds = make_folds(examples.labels, options.folds, options.seed)
    tf.random.set_seed(options.seed)
    with tempfile.TemporaryDirectory() as room:
        encoder = load_encoder(options.encoder or built_in_encoder(examples, Path(room), options.seed))
        pieces = encoder.vocabulary.read_text(encoding="utf-8").splitlines()
        tokenizer = PairTokenizer(pieces, lower_case=encoder.lower_case, max_seq_length=options.max_seq_length)
        model = ClickModel(encoder, tokenizer, seed=options.seed)
        tokens = tokenise(tokenizer, examples)
        fitted = fit(model, tokens, folds, options, progress)
        progress("exporting", 0, 1)
        card = make_card(options, encoder, len(pieces), examples, fitted)
        folder = options.out / options.model_version
        export(model, folder, card)
        progress("exporting", 1, 1)
    return TrainReport(folder, card)


@dataclass(frozen=True)
class Fitted:
    """What cross-fitting found: the threshold and the quality of scores on unseen examples."""

    threshold: float
    quality: dict[str, float]


def fit(model: ClickModel, tokens: Tokens, folds: Ints, options: TrainOptions, progress: Progress) -> Fitted:
    """Fit on all folds but one, for each; then on everything; set the model's calibration and return what was found.

    Each fitted model's logits are standardised over all examples (without labels), so that what the folds' models
    taught about scores holds for the last one too.
    """
    rate = options.learning_rate or (FINE_TUNING_RATE if options.encoder else BUILT_IN_RATE)
    fitter = Fitter(model, Recipe(options.epochs, options.batch_size, rate, WEIGHT_DECAY))
    everything = np.arange(len(folds))
    parts = [np.flatnonzero(folds != fold) for fold in range(options.folds)] + [everything]
    total, done = sum(fitter.steps(len(part)) for part in parts), 0

    def advance() -> None:
        nonlocal done
        done += 1
        progress("training", done, total)

    unseen = np.zeros(len(folds))
    centre, spread = 0.0, 1.0
    for fold, part in enumerate(parts):
        fitter.fit(tokens, part, options.seed, advance)
        logits = fitter.logits(tokens, everything).astype(np.float64)
        centre, spread = float(logits.mean()), max(float(logits.std()), 1e-6)
        held_out = folds == fold
        unseen[held_out] = ((logits - centre) / spread)[held_out]
    platt = calibration.fit_platt(unseen, tokens.labels)
    model.slope.assign(platt.slope / spread)
    model.offset.assign(platt.offset - platt.slope * centre / spread)
    threshold = calibration.best_f1_threshold(platt(unseen), tokens.labels)
    return Fitted(threshold, calibration.quality(platt(unseen), tokens.labels, threshold))


def make_folds(labels: npt.NDArray[np.float32], folds: int, seed: int) -> Ints:
    """Return each example's fold, drawn at random with the classes spread evenly.

    Raises
    ------
    DataError : when a class has fewer examples than there are folds.
    """
    random = np.random.default_rng(seed)
    fold_of = np.zeros(len(labels), np.int64)
    for label in (0, 1):
        rows = random.permutation(np.flatnonzero(labels == label))
        if len(rows) < folds:
            raise DataError(f"only {len(rows)} examples have label {label}", f"training needs at least {folds}")
        fold_of[rows] = np.arange(len(rows)) % folds
    return fold_of


def built_in_encoder(examples: Examples, room: Path, seed: int) -> str:
    """Write the small encoder, with a vocabulary of the examples, and return its folder."""
    pieces = vocabulary.build([*examples.text_a, *examples.text_b])
    words = room / "vocab.txt"
    words.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    save_encoder(room / BUILT_IN.name, words, BUILT_IN, lower_case=True, seed=seed)
    return str(room / BUILT_IN.name)


def tokenise(tokenizer: PairTokenizer, examples: Examples) -> Tokens:
    """Return the examples as tokens, all padded to the longest."""
    chunks = []
    for start in range(0, len(examples), TOKENISING_BATCH):
        texts = (text[start : start + TOKENISING_BATCH] for text in (examples.text_a, examples.text_b))
        chunks.append([part.numpy() for part in tokenizer(*(tf.constant(text) for text in texts))])
    width = max(chunk[0].shape[1] for chunk in chunks)
    padding = [tokenizer.pad, 0, 0]
    word_ids, mask, segment_ids = (
        np.concatenate([_widen(chunk[column], width, padding[column]) for chunk in chunks]) for column in range(3)
    )
    return Tokens(word_ids, mask, segment_ids, examples.labels)


def _widen(rows: npt.NDArray[np.int32], width: int, value: int) -> npt.NDArray[np.int32]:
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])), constant_values=value)


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Take progress and say nothing."""


def make_card(
    options: TrainOptions, encoder: Encoder, vocab_size: int, examples: Examples, fitted: Fitted
) -> dict[str, Any]:
    """Return what ``model.json`` says; a pure function of options and data, no clock."""
    return {
        "name": options.model_name,
        "version": options.model_version,
        "threshold": fitted.threshold,
        "max_seq_length": options.max_seq_length,
        "vocab_size": vocab_size,
        "encoder": options.encoder or BUILT_IN.name,
        "lower_case": encoder.lower_case,
        "metrics": {name: round(value, DIGITS) for name, value in fitted.quality.items()},
        "training": {
            "examples": len(examples),
            "positives": examples.positives,
            "epochs": options.epochs,
            "folds": options.folds,
            "seed": options.seed,
        },
    }
