"""The stored columns of a formula follow from its text: Kibana before 9.2 computes from these columns alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from monitor_agent.errors import DataError
from monitor_agent.kibana.checks.bundle import Bundle
from monitor_agent.kibana.formula import expand
from monitor_agent.kibana.objects import SavedObject

_ESSENTIAL = ("operationType", "sourceField", "filter", "timeShift", "references")


def check(_bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    """Yield formulas that are broken, or whose stored columns are missing or differ from the text."""
    if saved.type != "lens":
        return
    for layer in saved.attributes["state"]["datasourceStates"]["formBased"]["layers"].values():
        columns = layer["columns"]
        for name, column in columns.items():
            if column["operationType"] == "formula":
                yield from _formula(name, columns)


def _formula(name: str, columns: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    if columns[name]["params"].get("isFormulaBroken"):
        yield f"the formula {name} is marked as broken"
    try:
        expected = expand(name, columns[name])
    except DataError as error:
        yield error.message
        return
    stored = {other: column for other, column in columns.items() if other.startswith(name)}
    for other in sorted(stored.keys() - expected.keys()):
        yield f"the column {other} begins with the name of the formula {name}: Kibana 9.2 would delete it"
    for other in sorted(expected.keys() - stored.keys()):
        yield f"the formula {name} lacks its column {other}: Kibana before 9.2 would show nothing"
    for other in sorted(expected.keys() & stored.keys()):
        if _essence(expected[other]) != _essence(stored[other]):
            yield f"{other} differs from the text of the formula {name}: open and save it in Kibana"


def _essence(column: Mapping[str, Any]) -> dict[str, Any]:
    params = column.get("params", {})
    essence = {name: column.get(name) for name in _ESSENTIAL}
    return {**essence, "percentile": params.get("percentile"), "tree": _tree(params.get("tinymathAst"))}


def _tree(node: Any) -> Any:
    """Return the arithmetic without its positions in the text."""
    if isinstance(node, Mapping):
        return node["name"], *(_tree(argument) for argument in node["args"])
    return node
