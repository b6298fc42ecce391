"""Ids of predictions and feedback: a UUID is the same in upper and lower case, and in braces."""

from __future__ import annotations

import re

_UUID = re.compile(r"\{?[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\}?")


def canonical(identifier: str) -> str:
    """Return a UUID in lower case and without braces; any other id unchanged. The pipeline has the same rule.

    >>> canonical("{01A1F866-10E8-74C0-B9A0-1C4F2DA54A07}")
    '01a1f866-10e8-74c0-b9a0-1c4f2da54a07'
    >>> canonical("Order-17")
    'Order-17'
    """
    return identifier.strip("{}").lower() if _UUID.fullmatch(identifier) else identifier


def spellings(identifier: str) -> tuple[str, ...]:
    """Return the forms in which programs write a canonical id.

    >>> spellings("order-17")
    ('order-17',)
    """
    if not _UUID.fullmatch(identifier):
        return (identifier,)
    upper = identifier.upper()
    return identifier, upper, f"{{{identifier}}}", f"{{{upper}}}"
