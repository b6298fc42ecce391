"""Fine-tuning of a click model: weighted cross-entropy, AdamW, seeded batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from model_server.training.classifier import ClickModel

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-6
CLIP_NORM = 1.0
WARM_UP = 0.1
POSITIVE_SHARE = 0.25
"""Share of positives in the rows of a step: clicks are rare, and without this most steps would have none."""
SCORING_BATCH = 512
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Recipe:
    """The parameters of a fit: passes over the data, rows of a step, peak rate, decay of matrices."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float


@dataclass(frozen=True)
class Tokens:
    """Tokenised examples: int32 arrays of shape (n, sequence) and float32 labels (n,)."""

    word_ids: npt.NDArray[np.int32]
    mask: npt.NDArray[np.int32]
    segment_ids: npt.NDArray[np.int32]
    labels: npt.NDArray[np.float32]


@dataclass(frozen=True)
class ValidationRows:
    """When a fit ends early.

    Attributes
    ----------
    rows : on which the loss is measured after each epoch; the fit must not learn from them.
    patience : epochs without a lower loss after which the fit ends.
    """

    rows: Ints
    patience: int


@dataclass(frozen=True)
class FitOutcome:
    """How a fit went.

    Attributes
    ----------
    epochs : passes that it took.
    best_epoch : the one whose weights the model has now.
    losses : on the validation rows after each epoch; empty without validation.
    stopped_early : whether it ended before its last epoch.
    """

    epochs: int
    best_epoch: int
    losses: tuple[float, ...] = ()
    stopped_early: bool = False


class Fitter:
    """Fits one model several times, each time from its initial weights (for cross-fitting), by one traced step."""

    def __init__(self, model: ClickModel, recipe: Recipe) -> None:
        self._model = model
        self._recipe = recipe
        self._first = [weight.numpy() for weight in model.weights]
        self._moments = [(tf.Variable(tf.zeros_like(w)), tf.Variable(tf.zeros_like(w))) for w in model.weights]
        ids = tf.TensorSpec([None, None], tf.int32)
        row = tf.TensorSpec([None], tf.float32)
        number = tf.TensorSpec([], tf.float32)
        self._step = tf.function(self._train_step, input_signature=[ids, ids, ids, row, row, number, number])
        self._logits = tf.function(
            lambda *tokens: model.logits(*tokens, training=False), input_signature=[ids, ids, ids]
        )

    def steps(self, rows: int) -> int:
        """Return the number of steps of one fit on `rows` rows."""
        return self._recipe.epochs * -(-rows // self._recipe.batch_size)

    def fit(
        self,
        tokens: Tokens,
        rows: Ints,
        seed: int,
        progress: Callable[[], None],
        validation: ValidationRows | None = None,
    ) -> FitOutcome:
        """Fit the model to the rows, from its initial weights; each class gets half of the weight.

        With validation, the model has afterwards the weights of the epoch with the lowest loss.
        """
        for weight, value in zip(self._model.weights, self._first, strict=True):
            weight.assign(value)
        for pair in self._moments:
            for moment in pair:
                moment.assign(tf.zeros_like(moment))
        total, epochs = self.steps(len(rows)), self._recipe.epochs
        losses: list[float] = []
        best = self._first
        for step, batch in enumerate(self._batches(tokens.labels, rows, seed), 1):
            weights = np.where(tokens.labels[batch] > 0, 1 - POSITIVE_SHARE, POSITIVE_SHARE).astype(np.float32)
            rate = np.float32(self._recipe.learning_rate * schedule(step, total))
            self._step(*_rows(tokens, batch), tokens.labels[batch], weights, rate, np.float32(step))
            progress()
            if validation is None or step * epochs % total:
                continue
            losses.append(balanced_loss(self.logits(tokens, validation.rows), tokens.labels[validation.rows]))
            best_epoch = losses.index(min(losses)) + 1
            if best_epoch == len(losses):
                best = [weight.numpy() for weight in self._model.weights]
            if len(losses) - best_epoch >= validation.patience:
                break
        if not losses:
            return FitOutcome(epochs, epochs)
        for weight, value in zip(self._model.weights, best, strict=True):
            weight.assign(value)
        return FitOutcome(len(losses), best_epoch, tuple(losses), len(losses) < epochs)

    def logits(self, tokens: Tokens, rows: Ints) -> npt.NDArray[np.float32]:
        """Return the uncalibrated log-odds of the rows."""
        chunks = [rows[start : start + SCORING_BATCH] for start in range(0, len(rows), SCORING_BATCH)]
        return np.concatenate([self._logits(*_rows(tokens, chunk)).numpy() for chunk in chunks])

    def _batches(self, labels: npt.NDArray[np.float32], rows: Ints, seed: int) -> Iterator[Ints]:
        """Yield the rows of each step, with a fixed share of positives; no row comes again before all of its class."""
        random = np.random.default_rng(seed)
        positives, negatives = (_endless(rows[labels[rows] == label], random) for label in (1, 0))
        size = min(self._recipe.batch_size, len(rows))
        of_positives = max(1, round(size * POSITIVE_SHARE))
        for _ in range(self.steps(len(rows))):
            yield np.array([*islice(positives, of_positives), *islice(negatives, size - of_positives)])

    def _train_step(
        self, word_ids: Any, mask: Any, segment_ids: Any, labels: Any, weights: Any, rate: Any, step: Any
    ) -> None:
        with tf.GradientTape() as tape:
            logits = self._model.logits(word_ids, mask, segment_ids, training=True)
            losses = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_sum(losses * weights) / tf.reduce_sum(weights)
        trained = self._model.weights
        gradients = tape.gradient(loss, trained, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        gradients, _ = tf.clip_by_global_norm([tf.convert_to_tensor(gradient) for gradient in gradients], CLIP_NORM)
        for weight, gradient, (first, second) in zip(trained, gradients, self._moments, strict=True):
            first.assign(BETA_1 * first + (1 - BETA_1) * gradient)
            second.assign(BETA_2 * second + (1 - BETA_2) * tf.square(gradient))
            change = first / (1 - BETA_1**step) / (tf.sqrt(second / (1 - BETA_2**step)) + EPSILON)
            decay = self._recipe.weight_decay if len(weight.shape) > 1 else 0.0
            weight.assign_sub(rate * (change + decay * weight))


def balanced_loss(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.float32]) -> float:
    """Return the mean cross-entropy in which each class has half of the weight, as in the training; not finite = inf.

    >>> round(balanced_loss(np.array([0.0, 0.0, 0.0]), np.array([1.0, 0.0, 0.0])), 4)
    0.6931
    """
    exact = logits.astype(np.float64)
    losses = np.logaddexp(0.0, exact) - labels * exact
    loss = float(losses[labels > 0].mean() + losses[labels == 0].mean()) / 2
    return loss if np.isfinite(loss) else float("inf")


def schedule(step: int, total: int) -> float:
    """Return the share of the peak rate at a step: linear warm-up, then linear decay to zero.

    >>> [schedule(step, 20) for step in (1, 2, 11, 20)]
    [0.5, 1.0, 0.5555555555555556, 0.05555555555555555]
    """
    return min(step / (WARM_UP * total), (total + 1 - step) / (total * (1 - WARM_UP)), 1.0)


def _endless(rows: Ints, random: np.random.Generator) -> Iterator[int]:
    """Yield the rows in random order without end; each pass has a new order."""
    while True:
        yield from random.permutation(rows)


def _rows(tokens: Tokens, rows: Ints) -> tuple[Any, Any, Any]:
    return tokens.word_ids[rows], tokens.mask[rows], tokens.segment_ids[rows]
