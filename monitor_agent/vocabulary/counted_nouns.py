"""Numbers with their noun: one day, two days (pure)."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, in the singular or the plural.

    Parameters
    ----------
    plural : of a noun that does not take an s.

    >>> counted(1, "day"), counted(1200, "prediction"), counted(0, "class", "classes")
    ('1 day', '1,200 predictions', '0 classes')
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
