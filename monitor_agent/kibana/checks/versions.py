"""An object has the version that Kibana needs: it migrates and breaks older ones, and refuses newer ones."""

from __future__ import annotations

from collections.abc import Iterator

from monitor_agent.kibana.checks.bundle import Bundle
from monitor_agent.kibana.objects import CORE_VERSION, SavedObject

VERSIONS = {"index-pattern": "8.0.0", "tag": "8.0.0", "search": "10.5.0", "lens": "8.9.0", "dashboard": "10.2.0"}
"""The oldest version with the structure of the objects here; Kibana 8.19 and 9.x accept it."""


def check(_bundle: Bundle, saved: SavedObject) -> Iterator[str]:
    """Yield versions that Kibana 8.19 refuses, or for which it runs migrations that break the object."""
    expected = VERSIONS.get(saved.type)
    if expected is None:
        return
    if not saved.version:
        yield f"no typeMigrationVersion: Kibana would run every migration since 7.x; write {expected}"
    elif _numbers(saved.version) > _numbers(expected):
        yield f"typeMigrationVersion {saved.version} is refused by Kibana 8.19; export from 8.19, or write {expected}"
    elif _numbers(saved.version) < _numbers(expected):
        yield f"typeMigrationVersion {saved.version} is too old for this form; write {expected}"
    if saved.core_version != CORE_VERSION:
        yield f"coreMigrationVersion {saved.core_version}; write {CORE_VERSION}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))
