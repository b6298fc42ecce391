"""Training of a click model from text pairs to an exported SavedModel.

The steps: read the examples, get a vocabulary, tokenise, fit on folds to measure scores of unseen examples
(calibration, threshold, quality), fit on all examples, export. Positives are rare, so a step takes a fixed share of
them and the loss gives both classes the same weight. The calibration undoes both: an exported score is a probability.
With early stopping, no fit learns from the validation rows; the loss on them decides which epoch's weights remain.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from model_server.cards.card_file import Card
from model_server.evaluation.analysis import Analysis
from model_server.evaluation.binary import BinaryEvaluation
from model_server.training import calibration, splits, vocabulary
from model_server.training.card import CROSS_VALIDATION, VALIDATION, make_card, reason_of, training_section
from model_server.training.classifier import ClickModel
from model_server.training.encoder import EncoderConfig, save_encoder
from model_server.training.examples import Examples, read
from model_server.training.export import export
from model_server.training.fitting import FitOutcome, Fitter, Ints, Recipe, Tokens, ValidationRows
from model_server.training.hub import load_encoder
from model_server.training.options import TrainOptions
from model_server.training.tokens import PairTokenizer
from monitor_agent.errors import ModelError

BUILT_IN = EncoderConfig()
BUILT_IN_RATE = 5e-4
FINE_TUNING_RATE = 2e-5
WEIGHT_DECAY = 0.01
TOKENISING_BATCH = 4096
Progress = Callable[[str, int, int], None]
Note = Callable[[str], object]


@dataclass(frozen=True)
class TrainReport:
    """The result of a training run.

    Attributes
    ----------
    folder : of the version.
    entries : the content of `model.json`.
    card : the model card.
    """

    folder: Path
    entries: dict[str, Any]
    card: Card

    @property
    def metrics(self) -> Mapping[str, Mapping[str, Any]]:
        """The metrics of the cross-validation."""
        first: Mapping[str, Mapping[str, Any]] = self.card["quantitative_analyses"][0]["metrics"]
        return first


def train(options: TrainOptions, progress: Progress | None = None, note: Note | None = None) -> TrainReport:
    """Train a model, export it to ``out/<model version>`` and return the report.

    Parameters
    ----------
    progress : called with the name of the stage, the steps done and the number of all steps.
    note : called with one line about each fit, if there is early stopping.

    Raises
    ------
    DataError
        If the examples are missing, malformed or too few.
    ModelError
        If the encoder cannot be loaded or the model cannot be written.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", options.model_version):
        raise ModelError(f"model version {options.model_version!r} cannot name a folder", "use letters, digits, . _ -")
    progress, note = progress or _silent, note or _silent
    progress("reading", 0, 1)
    examples = read(options.data, options.columns, options.cleaning)
    folds = splits.make_split(examples, options.folds, options.seed, options.early_stopping)
    tf.random.set_seed(options.seed)
    with tempfile.TemporaryDirectory() as folder_name:
        encoder = load_encoder(options.encoder or built_in_encoder(examples, Path(folder_name), options.seed))
        pieces = encoder.vocabulary.read_text(encoding="utf-8").splitlines()
        tokenizer = PairTokenizer(pieces, lower_case=encoder.lower_case, max_seq_length=options.max_seq_length)
        model = ClickModel(encoder, tokenizer, seed=options.seed)
        tokens = tokenise(tokenizer, examples)
        fitted = fit(model, tokens, folds, options, progress, note)
        progress("exporting", 0, 1)
        details = {
            "architecture": "BERT encoder, sigmoid on its pooled output, Platt calibration",
            "encoder": options.encoder or BUILT_IN.name,
            "lower_case": encoder.lower_case,
            "parameters": sum(int(np.prod(weight.shape)) for weight in model.weights),
            "max_seq_length": options.max_seq_length,
            "vocab_size": len(pieces),
        }
        split = splits.describe(examples, options.early_stopping)
        section = training_section(options, _learning_rate(options), split, fitted.fits)
        card = make_card(options, details, examples.data, section, fitted.analyses, fitted.threshold)
        entries = {
            "name": options.model_name,
            "version": options.model_version,
            "threshold": fitted.threshold,
            "max_seq_length": options.max_seq_length,
            "vocab_size": len(pieces),
        }
        folder = options.out / options.model_version
        card = export(model, folder, entries, card)
        progress("exporting", 1, 1)
    return TrainReport(folder, entries, card)


@dataclass(frozen=True)
class Fitted:
    """The result of cross-fitting.

    Attributes
    ----------
    analyses : by name, facts about the data and the quality of scores of unseen examples.
    fits : how each fit went.
    """

    threshold: float
    analyses: Mapping[str, tuple[Mapping[str, Any], Analysis]]
    fits: tuple[FitOutcome, ...]


def fit(
    model: ClickModel, tokens: Tokens, folds: Ints, options: TrainOptions, progress: Progress, note: Note
) -> Fitted:
    """Fit once per fold on the other folds, then on all of them; set the model's calibration.

    The logits of each fit are standardised over all examples of the folds (without labels), so that the calibration
    from the fits on folds holds for the last fit too.
    """
    fitter = Fitter(model, Recipe(options.epochs, options.batch_size, _learning_rate(options), WEIGHT_DECAY))
    everything = np.flatnonzero(folds != splits.VALIDATION)
    validation = _validation(folds, options)
    row_sets = [everything[folds[everything] != fold] for fold in range(options.folds)] + [everything]
    steps = [fitter.steps(len(rows)) for rows in row_sets]
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        progress("training", done, sum(steps))

    unseen = np.zeros(len(folds))
    centre, spread = 0.0, 1.0
    fits = []
    for fold, rows in enumerate(row_sets):
        fits.append(fitter.fit(tokens, rows, options.seed, advance, validation))
        done = sum(steps[: fold + 1])
        if options.early_stopping is not None:
            reason = reason_of(fits[-1], options.early_stopping.patience)
            epochs = f"ended after epoch {fits[-1].epochs} of {options.epochs} ({reason})"
            note(f"fit {fold + 1} of {len(row_sets)} {epochs}; it has the weights of epoch {fits[-1].best_epoch}")
        logits = fitter.logits(tokens, everything).astype(np.float64)
        centre, spread = float(logits.mean()), max(float(logits.std()), 1e-6)
        held_out = folds[everything] == fold
        unseen[everything[held_out]] = ((logits - centre) / spread)[held_out]
    labels = tokens.labels[everything]
    platt = calibration.fit_platt(unseen[everything], labels)
    model.slope.assign(platt.slope / spread)
    model.offset.assign(platt.offset - platt.slope * centre / spread)
    scores = platt(unseen[everything])
    threshold = calibration.best_f1_threshold(scores, labels)
    analyses = {CROSS_VALIDATION: _analysis(scores, labels, threshold, f"{options.folds} folds; unseen by their fit")}
    if validation is not None:
        logits = fitter.logits(tokens, validation.rows).astype(np.float64)
        scores, labels = platt((logits - centre) / spread), tokens.labels[validation.rows]
        origin = "the exported model; these rows chose its epoch, and nothing else"
        analyses[VALIDATION] = _analysis(scores, labels, threshold, origin)
    return Fitted(threshold, analyses, tuple(fits))


def _learning_rate(options: TrainOptions) -> float:
    return options.learning_rate or (FINE_TUNING_RATE if options.encoder else BUILT_IN_RATE)


def _validation(folds: Ints, options: TrainOptions) -> ValidationRows | None:
    if options.early_stopping is None:
        return None
    return ValidationRows(np.flatnonzero(folds == splits.VALIDATION), options.early_stopping.patience)


def _analysis(
    scores: npt.NDArray[np.float64], labels: npt.NDArray[np.float32], threshold: float, origin: str
) -> tuple[dict[str, Any], Analysis]:
    evaluation = BinaryEvaluation(threshold)
    evaluation.add(scores, labels)
    return {"rows": len(labels), "positives": int(labels.sum()), "scores": origin}, evaluation.analysis()


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


def _silent(*_progress: object) -> None:
    """Ignore the progress."""
