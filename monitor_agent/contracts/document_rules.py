"""Whether a document fits the mapping of its index, as Elasticsearch decides it; without an Elasticsearch.

A test sends the same documents to a real one and compares. What depends on earlier documents, such as the limit of
fields, is left out: the indices of the contracts store further fields without indexing them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from monitor_agent.contracts.field_values import refused_value

MOST_ID_BYTES = 512
ROOT = "_doc"
METADATA = frozenset(
    f"_{name}"
    for name in (
        *("data_stream_timestamp", "field_names", "id", "ignored", "index", "nested_path"),
        *("routing", "seq_no", "source", "tier", "version"),
    )
)
"""Fields of Elasticsearch's own, which no document may have."""

_Node = Mapping[str, Any]


def refused_id(identifier: str) -> str:
    """Return why a document cannot have an id; empty if it can.

    >>> refused_id("a" * 513)
    'illegal_argument_exception: id is too long, must be no longer than 512 bytes but was: 513'
    """
    size = len(identifier.encode("utf-8", "replace"))
    if not size:
        return "illegal_argument_exception: if _id is specified it must not be empty"
    if size > MOST_ID_BYTES:
        return (
            f"illegal_argument_exception: id is too long, must be no longer than {MOST_ID_BYTES} bytes but was: {size}"
        )
    return ""


def refused_document(mapping: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Return why an index refuses a document: the type of Elasticsearch's error and its reason; empty if it fits.

    Parameters
    ----------
    mapping : of the index, as `IndexContract.mapping` returns it.

    >>> refused_document({"dynamic": "strict", "properties": {"n": {"type": "long"}}}, {"n": 1, "m": 2})
    'strict_dynamic_mapping_exception: mapping set to strict, dynamic introduction of [m] within [_doc] is not allowed'
    """
    return _Rules(mapping).refused_object(mapping, "", document, mapping.get("dynamic", True))


class _Rules:
    def __init__(self, mapping: Mapping[str, Any]) -> None:
        self._templates = [
            (_pattern(template["path_match"]), template["mapping"])
            for entry in mapping.get("dynamic_templates", ())
            for template in entry.values()
        ]

    def refused_object(self, node: _Node, path: str, value: Mapping[str, Any], dynamic: Any) -> str:
        """Return why an object with the mapping `node` at `path` is refused."""
        properties = node.get("properties", {})
        for name, inner in value.items():
            child = properties.get(name)
            if child is not None and "." not in name:  # nearly always
                if reason := self._refused_field(child, f"{path}.{name}" if path else name, inner, dynamic):
                    return reason
                continue
            names = _steps(name)
            if isinstance(names, str):
                return _parsing(names)
            if not path and name in METADATA:
                return _parsing(f"Field [{name}] is a metadata field and cannot be added inside a document.")
            content = inner
            for step in reversed(names[1:]):  # a name with dots is a path of objects
                content = {step: content}
            child = properties.get(names[0])
            child_path = f"{path}.{names[0]}" if path else names[0]
            if child is not None:
                reason = self._refused_field(child, child_path, content, dynamic)
            else:
                reason = self._refused_new_field(child_path, names[0], path, content, dynamic)
            if reason:
                return reason
        return ""

    def _refused_field(self, node: _Node, path: str, value: Any, dynamic: Any) -> str:
        type_ = node.get("type", "object")
        if type_ == "object" and node.get("enabled") is False:
            return ""
        if isinstance(value, list):
            reasons = (self._refused_field(node, path, item, dynamic) for item in value)
            return next((reason for reason in reasons if reason), "")
        if type_ == "alias":
            return _parsing(f"Cannot write to a field alias [{path}].")
        if value is None:
            return ""
        if type_ != "object":
            reason = refused_value(node, value)
            return _parsing(f"failed to parse field [{path}] of type [{type_}]: {reason}") if reason else ""
        if not isinstance(value, dict):
            field = path.rpartition(".")[2]
            return _parsing(
                f"object mapping for [{path}] tried to parse field [{field}] as object, but found a concrete value"
            )
        return self.refused_object(node, path, value, node.get("dynamic", dynamic))

    def _refused_new_field(self, path: str, name: str, parent: str, value: Any, dynamic: Any) -> str:
        if dynamic == "strict":
            return (
                f"strict_dynamic_mapping_exception: mapping set to strict, dynamic introduction of [{name}] within"
                f" [{parent or ROOT}] is not allowed"
            )
        if dynamic is not True:
            return ""
        fitting = next((mapping for pattern, mapping in self._templates if pattern.fullmatch(path)), None)
        return "" if fitting is None else self._refused_field(fitting, path, value, dynamic)


def _parsing(reason: str) -> str:
    return f"document_parsing_exception: {reason}"


def _steps(name: str) -> list[str] | str:
    """Return the names that a name with dots stands for, or why Elasticsearch takes no such name."""
    if not name:
        return "field name cannot be an empty string"
    steps = name.split(".")
    while steps and not steps[-1]:  # as in Java, empty texts at the end do not count
        steps.pop()
    if not steps:
        return "field name cannot contain only dots"
    if not all(step.strip() for step in steps):
        return f"field name cannot contain only whitespace: ['{name}']"
    return steps


def _pattern(path_match: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, path_match.split("*"))), re.DOTALL)
