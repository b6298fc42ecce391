"""The value of a formula's arithmetic, from the tree that Lens stores (pure)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Number = float | None

FUNCTIONS: dict[str, tuple[int, Callable[..., Number]]] = {
    "add": (2, lambda a, b: a + b),
    "subtract": (2, lambda a, b: a - b),
    "multiply": (2, lambda a, b: a * b),
    "divide": (2, lambda a, b: a / b if b else None),
    "sqrt": (1, lambda a: math.sqrt(a) if a >= 0 else None),
    "abs": (1, abs),
}
"""Name -> its number of arguments, and the function; None = undefined."""


def evaluate(tree: Any, values: Mapping[str, Number]) -> Number:
    """Return the value of a `tinymathAst`; None if an operand is undefined.

    Parameters
    ----------
    tree : a number, the id of an operand, or `{"type": "function", "name": ..., "args": [...]}`.
    values : the operands by id.

    >>> evaluate({"type": "function", "name": "divide", "args": ["a", 4]}, {"a": 2.0})
    0.5
    """
    if isinstance(tree, str):
        return values[tree]
    if not isinstance(tree, Mapping):
        return float(tree)
    arguments = [evaluate(argument, values) for argument in tree["args"]]
    if any(argument is None for argument in arguments):
        return None
    return FUNCTIONS[tree["name"]][1](*arguments)
