"""The checks of the saved objects, one check a module (pure); each check has a broken sample in its tests.

`check_objects` returns the findings of all checks; `CHECKS` lists the checks by name.
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
from monitor_agent.kibana.checks.alerting import check_alerts
from monitor_agent.kibana.checks.bundle import Bundle, Check, Finding
from monitor_agent.kibana.objects import SavedObject

CHECKS: dict[str, Check] = {
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

__all__ = ["CHECKS", "Bundle", "Finding", "check_alerts", "check_objects"]


def check_objects(objects: Mapping[str, SavedObject], names: Iterable[str] = tuple(CHECKS)) -> list[Finding]:
    """Return the findings, ordered by file and check.

    Parameters
    ----------
    objects : path below `kibana/` -> saved object.
    names : the names of the checks to run.
    """
    bundle = Bundle(objects)
    findings = {
        Finding(name, path, message)
        for name in names
        for path in objects
        for message in _messages(CHECKS[name], bundle, path)
    }
    return sorted(findings, key=lambda finding: (finding.file, finding.check, finding.message))


def _messages(check: Check, bundle: Bundle, path: str) -> list[str]:
    """Return the messages of one check about one object; an object that the check cannot read gives one more."""
    messages: list[str] = []
    try:
        messages.extend(check(bundle, bundle.objects[path]))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        messages.append(f"too broken to be checked further: {error!r}")
    return messages
