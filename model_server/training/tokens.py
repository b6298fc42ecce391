"""BERT tokenisation of text pairs as TensorFlow operations: ``[CLS] a [SEP] b [SEP]``, padded to the longest."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_text

from monitor_agent.errors import ModelError

SEPARATORS = 3


class PairTokenizer(tf.Module):  # type: ignore[misc]
    """Turns text pairs into word ids, mask and segment ids inside a graph.

    Parameters
    ----------
    vocabulary : the WordPiece pieces, position = id.
    max_seq_length : largest number of pieces of a pair, with the separators; the longer text is cut first.
    """

    def __init__(self, vocabulary: list[str], *, lower_case: bool, max_seq_length: int) -> None:
        super().__init__("pair_tokenizer")
        missing = [piece for piece in ("[CLS]", "[SEP]", "[UNK]") if piece not in vocabulary]
        if missing:
            raise ModelError(f"the vocabulary lacks {', '.join(missing)}", "use the vocabulary of a BERT module")
        self._tokenizer = tensorflow_text.FastBertTokenizer(
            vocab=vocabulary, token_out_type=tf.int32, lower_case_nfd_strip_accents=lower_case, no_pretokenization=False
        )
        self._start = vocabulary.index("[CLS]")
        self._end = vocabulary.index("[SEP]")
        self.pad = vocabulary.index("[PAD]") if "[PAD]" in vocabulary else 0
        self._budget = max_seq_length - SEPARATORS

    def __call__(self, text_a: Any, text_b: Any) -> tuple[Any, Any, Any]:
        """Return word ids, mask and segment ids, int32 (batch, sequence), of two string tensors (batch,)."""
        first, second = (self._tokenizer.tokenize(text).merge_dims(1, -1) for text in (text_a, text_b))
        first, second = self._cut(first, second)
        rows = tf.shape(text_a)[:1]
        start, end = (tf.fill(tf.concat([rows, [1]], 0), piece) for piece in (self._start, self._end))
        pieces = tf.concat([start, first, end, second, end], axis=1)
        word_ids = pieces.to_tensor(default_value=self.pad)
        places = tf.range(tf.shape(word_ids)[1])[tf.newaxis, :]
        lengths = tf.cast(pieces.row_lengths(), tf.int32)[:, tf.newaxis]
        border = tf.cast(first.row_lengths(), tf.int32)[:, tf.newaxis] + SEPARATORS - 1
        mask = tf.cast(places < lengths, tf.int32)
        return word_ids, mask, mask * tf.cast(places >= border, tf.int32)

    def _cut(self, first: Any, second: Any) -> tuple[Any, Any]:
        """Return both rows of pieces, cut so that they fit: the longer text is cut, a short text stays whole."""
        lengths_a, lengths_b = first.row_lengths(), second.row_lengths()
        budget = tf.cast(self._budget, tf.int64)
        half = budget // 2
        length_a = tf.minimum(lengths_a, tf.maximum(budget - lengths_b, budget - half))
        length_b = tf.minimum(lengths_b, budget - length_a)
        return _head(first, length_a), _head(second, length_b)


def _head(rows: Any, lengths: Any) -> Any:
    """Return the first ``lengths`` pieces of each row, which has at least so many.

    A comparison of ragged tensors would make the graph several times larger.
    """
    all_lengths = rows.row_lengths()
    places = tf.ragged.range(all_lengths).flat_values
    pieces = tf.boolean_mask(rows.flat_values, places < tf.repeat(lengths, all_lengths))
    return tf.RaggedTensor.from_row_lengths(pieces, lengths, validate=False)
