"""Cleans the rows of training data, and counts what it drops and changes (pure)."""

from __future__ import annotations

import hashlib
import re
from typing import Any, NamedTuple

from model_server.training.options import CleaningRules
from monitor_agent.tables.table_file import is_missing

UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters but tab and line ends, and halves of surrogate pairs, which are no text. BERT's tokenisers make
spaces of control characters, too."""

DROPPED, CHANGED, RETAINED = "dropped", "changed", "kept"


class Example(NamedTuple):
    """A pair of texts with its label, 0 or 1."""

    text_a: str
    text_b: str
    label: int


class Cleaner:
    """Cleans one row after the other."""

    def __init__(self, rules: CleaningRules) -> None:
        self._rules = rules
        self._fingerprints: set[bytes] = set()
        self.invalid_labels = self.empty = self.half_empty = self.unreadable = self.duplicates = 0

    def clean(self, text_a: str, text_b: str, label: int | None) -> Example | None:
        """Return the example that a row holds; None if the row is dropped.

        Parameters
        ----------
        label : None = it is neither 0 nor 1.
        """
        if label is None:
            self.invalid_labels += 1
            return None
        texts = [UNREADABLE.sub(" ", text) for text in (text_a, text_b)]
        empty = sum(not text.strip() for text in texts)
        if empty == len(texts):
            self.empty += 1
            return None
        self.half_empty += empty
        self.unreadable += texts != [text_a, text_b]
        example = Example(texts[0], texts[1], label)
        if self._is_duplicate(example):
            self.duplicates += 1
            if self._rules.drop_duplicates:
                return None
        return example

    def steps(self) -> list[dict[str, Any]]:
        """Return the steps as a model card has them: the rule, its rows, and what became of them."""
        duplicates = DROPPED if self._rules.drop_duplicates else RETAINED
        return [
            {"rule": rule, "rows": rows, "action": action}
            for rule, rows, action in (
                ("the label is neither 0 nor 1", self.invalid_labels, DROPPED),
                ("both texts are empty", self.empty, DROPPED),
                ("one text is empty", self.half_empty, RETAINED),
                ("control characters in a text become spaces", self.unreadable, CHANGED),
                ("texts and label repeat an earlier row", self.duplicates, duplicates),
            )
        ]

    def _is_duplicate(self, example: Example) -> bool:
        fingerprint = hashlib.blake2b(repr(example).encode(), digest_size=16).digest()
        if fingerprint in self._fingerprints:
            return True
        self._fingerprints.add(fingerprint)
        return False


def text_of(value: Any) -> str | None:
    """Return the text that a row has in a column, empty if it is missing; None if the value is no text.

    >>> text_of("hat"), text_of(None), text_of(7), text_of(["hat"])
    ('hat', '', '7', None)
    """
    if is_missing(value):
        return ""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    return str(value) if isinstance(value, (str, int, float)) else None
