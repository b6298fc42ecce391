"""The folder `kibana/`: saved objects, watches and rules as files that people read, edit and commit.

`objects/<type>/<id>.json`, `watches/<id>.json`, `rules/<id>.json`, `alerts.toml`, `model-monitoring.ndjson`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor_agent.alerting.definitions import Alert, parse_alerts
from monitor_agent.errors import DataError, MonitorError
from monitor_agent.kibana.objects import SavedObject, file_text, from_document, to_document
from monitor_agent.kibana.package import pack as pack_objects
from monitor_agent.kibana.rules import rule
from monitor_agent.kibana.watches import watch

PACKAGE = "model-monitoring.ndjson"
ALERTS = "alerts.toml"
GENERATED = ("watches", "rules")


@dataclass(frozen=True)
class FolderChanges:
    """The effect of a write to the folder: paths relative to it; `unlisted` files stay, without an object."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()


def read_objects(folder: Path) -> dict[str, SavedObject]:
    """Return path (relative to `folder`) -> object of every file in `folder/objects`.

    Raises
    ------
    DataError
        If the folder is missing or a file is broken.
    """
    objects, broken = readable_objects(folder)
    for error in broken.values():
        raise error
    return objects


def readable_objects(folder: Path) -> tuple[dict[str, SavedObject], dict[str, MonitorError]]:
    """Return the objects of `folder/objects` that can be read, and the reasons why others cannot, by path.

    Raises
    ------
    DataError
        If the folder is missing.
    """
    root = folder / "objects"
    if not root.is_dir():
        raise DataError(f"{root} is no folder", "run in the project's folder, or set KIBANA_FOLDER")
    objects: dict[str, SavedObject] = {}
    broken: dict[str, MonitorError] = {}
    for path in sorted(root.glob("*/*.json")):
        name = path.relative_to(folder).as_posix()
        try:
            objects[name] = from_document(_read(path))
        except DataError as error:
            broken[name] = DataError(f"{name}: {error.message}", error.hint)
    return objects, broken


def write_objects(folder: Path, objects: Iterable[SavedObject], *, prune: bool = False) -> FolderChanges:
    """Write every object to its file and return the changes.

    Parameters
    ----------
    prune : remove the files of objects that are not among `objects`; else return them as `unlisted`.
    """
    texts = {f"objects/{saved.type}/{saved.id}.json": file_text(to_document(saved, encoded=False)) for saved in objects}
    here = {path.relative_to(folder).as_posix() for path in (folder / "objects").glob("*/*.json")}
    return _write(folder, texts, here, prune=prune)


def generated(folder: Path) -> dict[str, str]:
    """Return name -> text of every generated file: the import file, the watches and the rules."""
    texts = {PACKAGE: pack_objects(read_objects(folder).values())}
    for alert in read_alerts(folder):
        texts[f"watches/{alert.id}.json"] = file_text(watch(alert))
        texts[f"rules/{alert.id}.json"] = file_text(rule(alert))
    return texts


def read_alerts(folder: Path) -> list[Alert]:
    """Return the alerts of `folder/alerts.toml`."""
    text = _text(folder / ALERTS)
    if text is None:
        raise DataError(f"{folder / ALERTS} is missing", "run in the project's folder, or set KIBANA_FOLDER")
    return parse_alerts(text)


def stale(folder: Path) -> list[str]:
    """Return the names of generated files that differ from their sources, or have no source."""
    texts = generated(folder)
    here = _generated_here(folder)
    return sorted(name for name in texts.keys() | here if _text(folder / name) != texts.get(name))


def pack(folder: Path) -> list[str]:
    """Write the generated files, remove those without a source, and return the names of the changed files."""
    changed = stale(folder)
    texts = generated(folder)
    for name in changed:
        path = folder / name
        if name in texts:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[name], encoding="utf-8")
        else:
            path.unlink()
    return changed


def _generated_here(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for kind in GENERATED for path in (folder / kind).glob("*.json")}


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _write(folder: Path, texts: Mapping[str, str], here: set[str], *, prune: bool) -> FolderChanges:
    added, changed = [], []
    for name, text in sorted(texts.items()):
        path = folder / name
        if not path.is_file():
            added.append(name)
        elif path.read_text(encoding="utf-8") == text:
            continue
        else:
            changed.append(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    rest = sorted(here - texts.keys())
    if prune:
        for name in rest:
            (folder / name).unlink()
    return FolderChanges(tuple(added), tuple(changed), tuple(rest) if prune else (), () if prune else tuple(rest))


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise DataError(f"{path.name} holds no JSON object")
    return document
