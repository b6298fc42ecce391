"""Lens formulas: their text, and the columns that Kibana before 9.2 must find stored beside it (pure).

`count(kql='outcome: tp') / count()` is kept as the column `F`, one column `FX<n>` for each call, and, where calls are
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
    """A recursive descent over one text; `parts` are the calls in the order in which they are numbered."""

    column: str
    text: str
    label: str
    at: int = 0
    parts: list[Stored] = field(default_factory=list)

    def whole(self) -> Any:
        found = self.sum()
        if self.text[self.at :].strip():
            raise self.refused()
        return found

    def sum(self) -> Any:
        return self._chain("+-", self.product)

    def product(self) -> Any:
        return self._chain("*/", self.term)

    def _chain(self, signs: str, operand: Any) -> Any:
        start = self._skip()
        found = operand()
        chained = False
        while (sign := self._sign(signs)) is not None:
            found = {"type": "function", "name": _SIGNS[sign], "args": [found, operand()]}
            chained = True
        if chained:
            self._place(found, start)
        return found

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
            found = {"type": "function", "name": name, "args": arguments}
            self._place(found, start)
            return found
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
        self.parts.append(self._part(name, source, named))
        return f"{self.column}X{len(self.parts) - 1}"

    def _part(self, name: str, source: str, named: Mapping[str, str]) -> Stored:
        if (name == "count") == bool(source) and name != "count":
            raise self.refused()
        params: Stored = {"emptyAsNull": False}
        if name == "percentile":
            params = {
                "percentile": float(named["percentile"]) if "." in named["percentile"] else int(named["percentile"])
            }
        elif name == "last_value":
            params = {"sortField": "@timestamp"}
        found: Stored = {
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
            found["filter"] = {"query": named["kql"], "language": "kuery"}
        elif name == "last_value":
            found["filter"] = {"query": f'"{source}": *', "language": "kuery"}
        if "shift" in named:
            found["timeShift"] = named["shift"]
        return found

    def _place(self, node: Stored, start: int) -> None:
        node["location"] = {"min": start, "max": self.at}
        node["text"] = self.text[start : self.at]

    def _skip(self) -> int:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.at

    def _take(self, group: str) -> str | None:
        found = _TOKEN.match(self.text, self.at)
        if found is None or found[group] is None:
            return None
        self.at = found.end()
        return found[group]

    def _sign(self, signs: str) -> str | None:
        found = _TOKEN.match(self.text, self.at)
        if found is None or found["sign"] is None or found["sign"] not in signs:
            return None
        self.at = found.end()
        return found["sign"]

    def _expect(self, sign: str) -> None:
        if self._sign(sign) is None:
            raise self.refused()

    def refused(self) -> DataError:
        return DataError(f"formula of {self.column}: not understood at character {self.at + 1}: {self.text}")


def expand(column: str, stored: Mapping[str, Any]) -> dict[str, Stored]:
    """Return the columns that belong to a formula: itself first, then its parts.

    Parameters
    ----------
    column : the formula column's id.
    stored : the formula column; its `references` are made anew.

    Raises DataError where the text uses what is not supported.

    >>> list(expand("f", {"label": "Share", "params": {"formula": "count(kql='outcome: tp') / count()"}}))
    ['f', 'fX0', 'fX1', 'fX2']
    """
    parser = _Parser(column, stored["params"]["formula"], stored["label"])
    tree = parser.whole()
    parts = {f"{column}X{number}": part for number, part in enumerate(parser.parts)}
    if not isinstance(tree, str):
        parts[f"{column}X{len(parts)}"] = {
            "label": f"Part of {stored['label']}",
            "customLabel": True,
            "dataType": "number",
            "operationType": "math",
            "isBucketed": False,
            "scale": "ratio",
            "params": {"tinymathAst": tree},
            "references": list(parts),
        }
    return {column: {**stored, "references": [f"{column}X{len(parts) - 1}"]}, **parts}


def _unquoted(text: str | None) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text else ""
