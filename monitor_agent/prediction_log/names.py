"""Names that a client has chosen: in the log stands only what could be a name of a setting (pure)."""

from __future__ import annotations

import re

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Names of labels and of features."""

UNLOGGED = "?"
"""Stands in the log for a name of a client that is no plain name."""


def loggable(name: str) -> str:
    """Return a name that a client has chosen if it could be one of a setting, else `?`: it may hold personal data.

    >>> loggable("price"), loggable("ada@example.org")
    ('price', '?')
    """
    return name if NAME.fullmatch(name) else UNLOGGED


def loggable_path(path: str) -> str:
    """Return the path of a request in which each part is loggable.

    >>> loggable_path("/predict"), loggable_path("/users/ada@example.org")
    ('/predict', '/users/?')
    """
    return "/".join(loggable(step) if step else "" for step in path.split("/"))
