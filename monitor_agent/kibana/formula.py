"""Lens formulas: their text, and the columns that Kibana before 9.2 needs stored with it (pure).

`count(kql='outcome: tp') / count()` is stored as the column `F`, one column `FX<n>` for each call, and, if calls are
combined, a last one with the arithmetic.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor_agent.errors import DataError
from monitor_agent.kibana.arithmetic import FUNCTIONS
from monitor_agent.kibana.lens import METRICS, RECORDS

Stored = dict[str, Any]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>@?[A-Za-z_][\w.@]*)|(?P<text>'(?:\\.|[^'\\])*')|(?P<sign>[-+*/(),=]))"
)
_SIGNS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}
_NAMED = ("kql", "shift", "percentile")


@dataclass
class _Parser:
    """A recursive descent over one text; `calls` are the columns of its calls, in the order of their numbers."""

    column: str
    text: str
    label: str
    at: int = 0
    calls: list[Stored] = field(default_factory=list)

    def whole(self) -> Any:
        tree = self.sum()
        if self.text[self.at :].strip():
            raise self.refused()
        return tree

    def sum(self) -> Any:
        return self._chain("+-", self.product)

    def product(self) -> Any:
        return self._chain("*/", self.term)

    def _chain(self, signs: str, operand: Any) -> Any:
        start = self._skip()
        tree = operand()
        chained = False
        while (sign := self._sign(signs)) is not None:
            tree = {"type": "function", "name": _SIGNS[sign], "args": [tree, operand()]}
            chained = True
        if chained:
            self._set_location(tree, start)
        return tree

    def term(self) -> Any:
        start = self._skip()
        if self._sign("("):
            inner = self.sum()
            self._expect(")")
            return inner
        if (number := self._take("number")) is not None:
            return float(number) if "." in number else int(number)
        name = self._take("name")
        if name is None:
            raise self.refused()
        self._expect("(")
        if name in FUNCTIONS and name not in METRICS:
            arguments = [self.sum()]
            while self._sign(","):
                arguments.append(self.sum())
            self._expect(")")
            if len(arguments) != FUNCTIONS[name][0]:
                raise self.refused()
            tree = {"type": "function", "name": name, "args": arguments}
            self._set_location(tree, start)
            return tree
        return self._call(name)

    def _call(self, name: str) -> str:
        if name not in METRICS:
            raise self.refused()
        source, named = "", {}
        while not self._sign(")"):
            argument = self._take("name") or _unquoted(self._take("text"))
            if not argument:
                raise self.refused()
            if argument in _NAMED and self._sign("="):
                named[argument] = self._take("number") or _unquoted(self._take("text"))
            elif source:
                raise self.refused()
            else:
                source = argument
            self._sign(",")
        self.calls.append(self._column(name, source, named))
        return f"{self.column}X{len(self.calls) - 1}"

    def _column(self, name: str, source: str, named: Mapping[str, str]) -> Stored:
        if (name == "count") == bool(source) and name != "count":
            raise self.refused()
        params: Stored = {"emptyAsNull": False}
        if name == "percentile":
            params = {
                "percentile": float(named["percentile"]) if "." in named["percentile"] else int(named["percentile"])
            }
        elif name == "last_value":
            params = {"sortField": "@timestamp"}
        column: Stored = {
            "label": f"Part of {self.label}",
            "customLabel": True,
            "dataType": "number",
            "operationType": name,
            "isBucketed": False,
            "scale": "ratio",
            "sourceField": source or RECORDS,
            "params": params,
        }
        if "kql" in named:
            column["filter"] = {"query": named["kql"], "language": "kuery"}
        elif name == "last_value":
            column["filter"] = {"query": f'"{source}": *', "language": "kuery"}
        if "shift" in named:
            column["timeShift"] = named["shift"]
        return column

    def _set_location(self, node: Stored, start: int) -> None:
        node["location"] = {"min": start, "max": self.at}
        node["text"] = self.text[start : self.at]

    def _skip(self) -> int:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.at

    def _take(self, group: str) -> str | None:
        token = _TOKEN.match(self.text, self.at)
        if token is None or token[group] is None:
            return None
        self.at = token.end()
        return token[group]

    def _sign(self, signs: str) -> str | None:
        token = _TOKEN.match(self.text, self.at)
        if token is None or token["sign"] is None or token["sign"] not in signs:
            return None
        self.at = token.end()
        return token["sign"]

    def _expect(self, sign: str) -> None:
        if self._sign(sign) is None:
            raise self.refused()

    def refused(self) -> DataError:
        return DataError(f"formula of {self.column}: not understood at character {self.at + 1}: {self.text}")


def expand(column: str, stored: Mapping[str, Any]) -> dict[str, Stored]:
    """Return the columns that belong to a formula: its own first, then those of its calls and of its arithmetic.

    Parameters
    ----------
    column : the formula column's id.
    stored : the formula column; its `references` are replaced.

    Raises
    ------
    DataError
        If the text uses an operation that is not supported.

    >>> list(expand("f", {"label": "Share", "params": {"formula": "count(kql='outcome: tp') / count()"}}))
    ['f', 'fX0', 'fX1', 'fX2']
    """
    parser = _Parser(column, stored["params"]["formula"], stored["label"])
    tree = parser.whole()
    columns = {f"{column}X{number}": call for number, call in enumerate(parser.calls)}
    if not isinstance(tree, str):
        columns[f"{column}X{len(columns)}"] = {
            "label": f"Part of {stored['label']}",
            "customLabel": True,
            "dataType": "number",
            "operationType": "math",
            "isBucketed": False,
            "scale": "ratio",
            "params": {"tinymathAst": tree},
            "references": list(columns),
        }
    return {column: {**stored, "references": [f"{column}X{len(columns) - 1}"]}, **columns}


def _unquoted(text: str | None) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text else ""
