"""Builds a WordPiece vocabulary from training text.

A frequent word is one piece. Each character is a piece at the start and inside of a word, so that a rare word is spelt
out instead of lost. Source of the format: BERT's ``vocab.txt``: one piece a line; the id of a piece is its line number.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ALWAYS = "abcdefghijklmnopqrstuvwxyz0123456789"
_WORDS = re.compile(r"\w+|[^\w\s]")


def words_of(text: str) -> list[str]:
    """Return words and punctuation marks of a text as BERT's basic tokeniser does: lower-cased, without accents.

    >>> words_of("Crème brûlée, slot_2")
    ['creme', 'brulee', ',', 'slot', '_', '2']
    """
    plain = unicodedata.normalize("NFD", text.lower())
    plain = "".join(" " if char == "\0" else char for char in plain if unicodedata.category(char) != "Mn")
    return _WORDS.findall(plain.replace("_", " _ "))


def build(texts: Iterable[str], *, size: int = 8000, min_count: int = 1) -> list[str]:
    """Return the pieces of a vocabulary: special pieces, characters, then words, the most frequent first.

    Parameters
    ----------
    texts : any number of texts; the order does not matter.
    size : largest number of pieces; characters come before words.
    min_count : words that occur less often are spelt out.

    >>> build(["bb aa", "aa"])[-2:]
    ['aa', 'bb']
    """
    counts = Counter(word for text in texts for word in words_of(text))
    characters = sorted(set(ALWAYS) | {char for word in counts for char in word})
    pieces = [*SPECIAL, *characters, *(f"##{char}" for char in characters)]
    present = set(pieces)
    frequent = sorted((-count, word) for word, count in counts.items() if count >= min_count and word not in present)
    return (pieces + [word for _, word in frequent])[: max(size, len(SPECIAL))]
