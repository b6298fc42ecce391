"""The syntax tree of a pipeline configuration: every node has its file, line and column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monitor_agent.errors import ConfigurationError


@dataclass(frozen=True)
class Location:
    """The place where a node begins; line and column count from 1."""

    path: str
    line: int
    column: int

    def error(self, message: str, hint: str = "") -> ConfigurationError:
        """Return the error that names this place."""
        return ConfigurationError(message, path=self.path, line=self.line, column=self.column, hint=hint)


@dataclass(frozen=True)
class Attribute:
    """`name => value`; the value is text, a number, a list, a dict or a `Plugin` (a codec)."""

    name: str
    value: Any
    at: Location


@dataclass(frozen=True)
class Plugin:
    """A plugin with its attributes, in the order written."""

    name: str
    attributes: tuple[Attribute, ...]
    at: Location


@dataclass(frozen=True)
class Selector:
    """A reference to a field of the event, such as `[event][dataset]`."""

    text: str
    at: Location


@dataclass(frozen=True)
class Pattern:
    """A regular expression between slashes, as written."""

    text: str
    at: Location


@dataclass(frozen=True)
class Comparison:
    """`left operator right`; the operator is one of `== != < <= > >= =~ !~ in`."""

    operator: str
    left: Any
    right: Any
    at: Location


@dataclass(frozen=True)
class Truth:
    """`[field]` alone: the field is there, and it is neither null, false nor empty text."""

    selector: Selector
    at: Location


@dataclass(frozen=True)
class Literal:
    """A value alone: true for every event, or false if it is the text `false` or empty."""

    value: Any
    at: Location


@dataclass(frozen=True)
class Negation:
    """`!(condition)`, `![field]` or `not in`."""

    operand: Condition
    at: Location


@dataclass(frozen=True)
class Junction:
    """Conditions joined by one of `and`, `or`, `xor`, `nand`."""

    operator: str
    operands: tuple[Condition, ...]
    at: Location


Condition = Comparison | Truth | Literal | Negation | Junction


@dataclass(frozen=True)
class Arm:
    """One branch of an if: its condition (None for the last else) and its plugins."""

    condition: Condition | None
    body: tuple[Node, ...]


@dataclass(frozen=True)
class Branch:
    """`if ... else if ... else ...`."""

    arms: tuple[Arm, ...]
    at: Location


Node = Plugin | Branch


@dataclass(frozen=True)
class Section:
    """One `input`, `filter` or `output` section."""

    kind: str
    body: tuple[Node, ...]
    at: Location
