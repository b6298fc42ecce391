"""KQL as Elasticsearch queries."""

from __future__ import annotations

from typing import Any

import pytest

from monitor_agent.alerting.kql import fields, query
from monitor_agent.errors import DataError

A, B = {"match": {"a": "1"}}, {"match": {"b": "2"}}


def either(*queries: dict[str, Any]) -> dict[str, Any]:
    """Return the query that matches where one does."""
    return {"bool": {"minimum_should_match": 1, "should": list(queries)}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"match_all": {}}),
        ("a: 1", A),
        ('"a": 1', A),
        ('a: "two words"', {"match_phrase": {"a": "two words"}}),
        (r"a: x\:y", {"match": {"a": "x:y"}}),
        ("a: *", {"exists": {"field": "a"}}),
        ("a: web*", {"wildcard": {"a": {"value": "web*"}}}),
        ("a >= 1.5", {"range": {"a": {"gte": "1.5"}}}),
        ("@timestamp < now-30m", {"range": {"@timestamp": {"lt": "now-30m"}}}),
        ("not a: 1", {"bool": {"must_not": [A]}}),
        ("a: 1 and b: 2", {"bool": {"filter": [A, B]}}),
        ("a: 1 OR b: 2", either(A, B)),
        ("a: (1 or 3)", either(A, {"match": {"a": "3"}})),
        ("a: (1 and 3)", {"bool": {"filter": [A, {"match": {"a": "3"}}]}}),
        (
            "a: 1 and (b: 2 or not a: 1)",
            {
                "bool": {
                    "filter": [A, {"bool": {"minimum_should_match": 1, "should": [B, {"bool": {"must_not": [A]}}]}}]
                }
            },
        ),
    ],
)
def test_a_text_becomes_a_query(text: str, expected: dict[str, Any]) -> None:
    """`and` binds closer than `or`, `not` closest; names of fields and values may be quoted."""
    assert query(text) == expected


@pytest.mark.parametrize("text", ["a:", "a: (1", "a: 1)", "and a: 1", "a: 1 b: 2", ": 1", "a: (1 or 2 and 3)", '"'])
def test_what_is_no_kql_is_refused(text: str) -> None:
    """The error shows the text."""
    with pytest.raises(DataError, match="this KQL is not supported"):
        query(text)


def test_the_fields_of_a_text_are_all_named() -> None:
    """Fields inside brackets and negations count too."""
    assert fields("a: 1 and (b: * or not c >= 2) and d: x*") == {"a", "b", "c", "d"}
