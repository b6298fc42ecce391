"""Translation of the Kibana query language to Elasticsearch queries, as far as alerts and saved objects use it (pure).

It reads `field: value`, `field: "a phrase"`, `field: (a or b)`, `field: *`, `field: pre*`, `field >= 3`, `not`, `and`,
`or` and brackets. A value follows the type of its field as in a `match` query.

>>> query('outcome: (fp or fn) and not prediction.score < 0.5')["bool"]["filter"][1]
{'bool': {'must_not': [{'range': {'prediction.score': {'lt': '0.5'}}}]}}
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from monitor_agent.errors import DataError

Query = dict[str, Any]

_TOKEN = re.compile(
    r'\s*(?:(?P<quoted>"(?:\\.|[^"\\])*")|(?P<sign><=|>=|<|>|:|\(|\))|(?P<word>(?:\\.|[^\s"()<>:\\])+))'
)
_RANGES = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
_EVERYTHING: Query = {"match_all": {}}


def query(text: str) -> Query:
    """Return the Elasticsearch query of a KQL text; an empty text matches everything.

    Raises
    ------
    DataError
        If the text is no KQL, or uses syntax that is not supported here.
    """
    if not text.strip():
        return _EVERYTHING
    reader = _Reader(text)
    parsed = reader.alternatives()
    reader.end()
    return parsed


def fields(text: str) -> set[str]:
    """Return the fields that a KQL text names."""
    return set(_fields(query(text)))


def _fields(node: Any) -> Iterator[str]:
    for kind, inner in node.items():
        if kind == "bool":
            for clauses in inner.values():
                for clause in clauses if isinstance(clauses, list) else []:
                    yield from _fields(clause)
        elif kind == "exists":
            yield inner["field"]
        elif kind != "match_all":
            yield from inner


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def alternatives(self) -> Query:
        queries = [self._conjunction()]
        while self._keyword("or"):
            queries.append(self._conjunction())
        return queries[0] if len(queries) == 1 else {"bool": {"minimum_should_match": 1, "should": queries}}

    def end(self) -> None:
        if self._peek() is not None:
            raise self._refused()

    def _conjunction(self) -> Query:
        queries = [self._term()]
        while self._keyword("and"):
            queries.append(self._term())
        return queries[0] if len(queries) == 1 else {"bool": {"filter": queries}}

    def _term(self) -> Query:
        if self._keyword("not"):
            return {"bool": {"must_not": [self._term()]}}
        if self._sign("("):
            inner = self.alternatives()
            self._expect(")")
            return inner
        field = _plain(self._value())
        for sign, name in _RANGES.items():
            if self._sign(sign):
                return {"range": {field: {name: _plain(self._value())}}}
        self._expect(":")
        if self._sign("("):
            inner = self._values(field)
            self._expect(")")
            return inner
        return _matches(field, self._value())

    def _values(self, field: str) -> Query:
        queries = [_matches(field, self._value())]
        conjunction = "and" if self._keyword("and") else "or" if self._keyword("or") else ""
        if not conjunction:
            return queries[0]
        queries.append(_matches(field, self._value()))
        while self._keyword(conjunction):
            queries.append(_matches(field, self._value()))
        return {"bool": {"filter": queries} if conjunction == "and" else {"minimum_should_match": 1, "should": queries}}

    def _peek(self) -> re.Match[str] | None:
        token = _TOKEN.match(self._text, self._at)
        if token is None and self._text[self._at :].strip():
            raise self._refused()
        return token

    def _take(self, group: str) -> str | None:
        token = self._peek()
        if token is None or token[group] is None:
            return None
        self._at = token.end()
        return token[group]

    def _keyword(self, word: str) -> bool:
        token = self._peek()
        if token is None or (token["word"] or "").lower() != word:
            return False
        self._at = token.end()
        return True

    def _sign(self, sign: str) -> bool:
        token = self._peek()
        if token is None or token["sign"] != sign:
            return False
        self._at = token.end()
        return True

    def _expect(self, sign: str) -> None:
        if not self._sign(sign):
            raise self._refused()

    def _word(self) -> str:
        word = self._take("word")
        if word is None or word.lower() in ("and", "or", "not"):
            raise self._refused()
        return word

    def _value(self) -> str:
        return self._take("quoted") or self._word()

    def _refused(self) -> DataError:
        return DataError(f"this KQL is not supported, from character {self._at + 1} on: {self._text}")


def _matches(field: str, value: str) -> Query:
    if value.startswith('"'):
        return {"match_phrase": {field: _plain(value)}}
    if value == "*":
        return {"exists": {"field": field}}
    if "*" in value:
        return {"wildcard": {field: {"value": _plain(value)}}}
    return {"match": {field: _plain(value)}}


def _plain(value: str) -> str:
    inner = value[1:-1] if value.startswith('"') else value
    return re.sub(r"\\(.)", r"\1", inner)
