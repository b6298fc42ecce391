"""What can be wrong with the saved objects, one rule a module (pure); each rule has a broken sample in its tests.

`check(objects)` gives all findings; `RULES` lists the rules by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monitor_agent.kibana.checks import (
    accessors,
    columns,
    coverage,
    emptiness,
    field_names,
    file_names,
    formulas,
    grid,
    links,
    references,
    schemas,
    support,
    units,
    unused,
    versions,
)
from monitor_agent.kibana.checks._base import Bundle, Finding, Rule
from monitor_agent.kibana.checks.alerting import check_alerts
from monitor_agent.kibana.objects import SavedObject

RULES: dict[str, Rule] = {
    "accessors": accessors.check,
    "columns": columns.check,
    "coverage": coverage.check,
    "emptiness": emptiness.check,
    "field_names": field_names.check,
    "file_names": file_names.check,
    "formulas": formulas.check,
    "grid": grid.check,
    "links": links.check,
    "references": references.check,
    "schemas": schemas.check,
    "support": support.check,
    "units": units.check,
    "unused": unused.check,
    "versions": versions.check,
}

__all__ = ["RULES", "Bundle", "Finding", "check", "check_alerts"]


def check(objects: Mapping[str, SavedObject], rules: Iterable[str] = tuple(RULES)) -> list[Finding]:
    """Return what is wrong, by file and rule.

    Parameters
    ----------
    objects : path below `kibana/` -> saved object.
    rules : the names of the rules that are checked.
    """
    bundle = Bundle(objects)
    found = {
        Finding(name, place, message)
        for name in rules
        for path in objects
        for place, message in _tolerant(RULES[name], bundle, path)
    }
    return sorted(found, key=lambda each: (each.place, each.rule, each.message))


def _tolerant(rule: Rule, bundle: Bundle, path: str) -> list[tuple[str, str]]:
    """Return a rule's findings; where an object is too broken for it, other rules say so."""
    found: list[tuple[str, str]] = []
    try:
        found.extend((path, message) for message in rule(bundle, bundle.objects[path]))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        found.append((path, f"too broken to be checked further: {error!r}"))
    return found
