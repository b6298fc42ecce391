"""The value of a formula's arithmetic, from the tree that Lens stores (pure)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

Number = float | None
Computation = Callable[[Mapping[str, Number]], Number]
"""A value from operands by id."""

FUNCTIONS: dict[str, tuple[int, Callable[..., Number]]] = {
    "add": (2, lambda a, b: a + b),
    "subtract": (2, lambda a, b: a - b),
    "multiply": (2, lambda a, b: a * b),
    "divide": (2, lambda a, b: a / b if b else None),
    "sqrt": (1, lambda a: math.sqrt(a) if a >= 0 else None),
    "abs": (1, abs),
}
"""Name -> its number of arguments, and the function; None = undefined."""


def compiled(tree: Any) -> Computation:
    """Return the function that computes a `tinymathAst` from its operands by id; None if an operand is undefined.

    A chart computes a formula for thousands of points, so the tree is read once.

    Parameters
    ----------
    tree : a number, the id of an operand, or `{"type": "function", "name": ..., "args": [...]}`.

    >>> share = compiled({"type": "function", "name": "divide", "args": ["a", 4]})
    >>> share({"a": 2.0}), share({"a": None})
    (0.5, None)
    """
    if isinstance(tree, str):
        return itemgetter(tree)
    if not isinstance(tree, Mapping):
        number = float(tree)
        return lambda _values: number
    function, arguments = FUNCTIONS[tree["name"]][1], [compiled(argument) for argument in tree["args"]]
    if len(arguments) == 1:
        return _of_one(function, arguments[0])
    return _of_two(function, *arguments)


def _of_one(function: Callable[..., Number], argument: Computation) -> Computation:
    def value(values: Mapping[str, Number]) -> Number:
        a = argument(values)
        return None if a is None else function(a)

    return value


def _of_two(function: Callable[..., Number], first: Computation, second: Computation) -> Computation:
    def value(values: Mapping[str, Number]) -> Number:
        a, b = first(values), second(values)
        return None if a is None or b is None else function(a, b)

    return value
