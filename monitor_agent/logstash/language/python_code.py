"""Python source of one function that is written from a configuration, and the values that it refers to.

A pipeline runs its steps for every event. A function written for one configuration does this several times as fast as
a chain of small functions, because it contains only what the configuration says and calls hardly anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

INDENTATION = " "


class PythonCode:
    """Lines of Python. The values that they need, such as patterns, have names of their own.

    Attributes
    ----------
    objects : the variables for objects of the event at this place, by path; see `field_code.name_object`.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[str, ...], str] = {}
        self._lines: list[str] = []
        self._depth = 0
        self._names: dict[tuple[str, int], str] = {}
        self._values: dict[str, Any] = {}
        self._numbers: dict[str, int] = {}

    def name(self, hint: str, value: Any) -> str:
        """Return the name of a value; the same value has the same name.

        Parameters
        ----------
        hint : the beginning of the name, a word.
        """
        key = (hint, id(value))
        if key not in self._names:
            self._names[key] = self.variable(hint)
            self._values[self._names[key]] = value
        return self._names[key]

    def variable(self, hint: str) -> str:
        """Return a name that nothing else in the function has."""
        self._numbers[hint] = number = self._numbers.get(hint, 0) + 1
        return f"{hint}_{number}"

    def line(self, text: str) -> None:
        """Add a line at the present depth."""
        self._lines.append(INDENTATION * self._depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Add a line such as `if x` with a colon; the lines that are added in the `with` block stand below it."""
        self.line(f"{head}:")
        self._depth += 1
        before = len(self._lines)
        yield
        if len(self._lines) == before:
            self.line("pass")
        self._depth -= 1

    @property
    def source(self) -> str:
        """The lines as text."""
        return "\n".join(self._lines) + "\n"

    def function(self, name: str) -> Callable[..., Any]:
        """Return the function of this name that the lines define."""
        namespace = dict(self._values)
        exec(compile(self.source, "<pipeline>", "exec"), namespace)
        defined: Callable[..., Any] = namespace[name]
        return defined
