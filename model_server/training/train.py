"""Training of a click model from text pairs to an exported SavedModel.

The steps: read the examples, get a vocabulary, tokenise, fit on folds to measure scores of unseen examples
(calibration, threshold, quality), fit on all examples, export. Positives are rare, so a step takes a fixed share of
them and the loss gives both classes the same weight. The calibration undoes both: an exported score is a probability.
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
    """The result of a training run: the model's folder and its card, the content of `model.json`."""

    folder: Path
    card: dict[str, Any]


def train(options: TrainOptions, progress: Progress | None = None) -> TrainReport:
    """Train a model, export it to ``out/<model version>`` and return the report.

    Parameters
    ----------
    progress : called with the name of the stage, the steps done and the number of all steps.

    Raises
    ------
    DataError
        If the examples are missing, malformed or too few.
    ModelError
        If the encoder cannot be loaded or the model cannot be written.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", options.model_version):
        raise ModelError(f"model version {options.model_version!r} cannot name a folder", "use letters, digits, . _ -")
    progress = progress or _silent
    progress("reading", 0, 1)
    examples = read(options.data)
    folds = make_folds(examples.labels, options.folds, options.seed)
    tf.random.set_seed(options.seed)
    with tempfile.TemporaryDirectory() as folder_name:
        encoder = load_encoder(options.encoder or built_in_encoder(examples, Path(folder_name), options.seed))
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
    """The result of cross-fitting: the threshold, and the quality of the scores of unseen examples."""

    threshold: float
    quality: dict[str, float]


def fit(model: ClickModel, tokens: Tokens, folds: Ints, options: TrainOptions, progress: Progress) -> Fitted:
    """Fit once per fold on the other folds, then on all examples; set the model's calibration.

    The logits of each fit are standardised over all examples (without labels), so that the calibration from the fits
    on folds holds for the last fit too.
    """
    rate = options.learning_rate or (FINE_TUNING_RATE if options.encoder else BUILT_IN_RATE)
    fitter = Fitter(model, Recipe(options.epochs, options.batch_size, rate, WEIGHT_DECAY))
    everything = np.arange(len(folds))
    row_sets = [np.flatnonzero(folds != fold) for fold in range(options.folds)] + [everything]
    total, done = sum(fitter.steps(len(rows)) for rows in row_sets), 0

    def advance() -> None:
        nonlocal done
        done += 1
        progress("training", done, total)

    unseen = np.zeros(len(folds))
    centre, spread = 0.0, 1.0
    for fold, rows in enumerate(row_sets):
        fitter.fit(tokens, rows, options.seed, advance)
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
    """Return the fold of each example, at random, with the classes spread evenly over the folds.

    Raises
    ------
    DataError
        If a class has fewer examples than there are folds.
    """
    random = np.random.default_rng(seed)
    fold_of = np.zeros(len(labels), np.int64)
    for label in (0, 1):
        rows = random.permutation(np.flatnonzero(labels == label))
        if len(rows) < folds:
            raise DataError(f"only {len(rows)} examples have label {label}", f"training needs at least {folds}")
        fold_of[rows] = np.arange(len(rows)) % folds
    return fold_of


def built_in_encoder(examples: Examples, parent: Path, seed: int) -> str:
    """Write the small encoder, with a vocabulary of the examples, and return its folder."""
    pieces = vocabulary.build([*examples.text_a, *examples.text_b])
    words = parent / "vocab.txt"
    words.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    save_encoder(parent / BUILT_IN.name, words, BUILT_IN, lower_case=True, seed=seed)
    return str(parent / BUILT_IN.name)


def tokenise(tokenizer: PairTokenizer, examples: Examples) -> Tokens:
    """Return the examples as tokens, all padded to the longest."""
    chunks = []
    for start in range(0, len(examples), TOKENISING_BATCH):
        texts = (text[start : start + TOKENISING_BATCH] for text in (examples.text_a, examples.text_b))
        chunks.append([tensor.numpy() for tensor in tokenizer(*(tf.constant(text) for text in texts))])
    width = max(chunk[0].shape[1] for chunk in chunks)
    padding = [tokenizer.pad, 0, 0]
    word_ids, mask, segment_ids = (
        np.concatenate([_widen(chunk[column], width, padding[column]) for chunk in chunks]) for column in range(3)
    )
    return Tokens(word_ids, mask, segment_ids, examples.labels)


def _widen(rows: npt.NDArray[np.int32], width: int, value: int) -> npt.NDArray[np.int32]:
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])), constant_values=value)


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Ignore the progress."""


def make_card(
    options: TrainOptions, encoder: Encoder, vocab_size: int, examples: Examples, fitted: Fitted
) -> dict[str, Any]:
    """Return the content of `model.json`; a pure function of options and data, without a clock."""
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
