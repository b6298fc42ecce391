"""The folder `kibana/`: saved objects, watches and rules as files that people read, edit and commit.

`objects/<type>/<id>.json`, `watches/<id>.json`, `rules/<id>.json`, `alerts.toml`, `model-monitoring.ndjson`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor_agent import product_files
from monitor_agent.alerting.definitions import Alert, parse_alerts
from monitor_agent.errors import DataError, MonitorError, reason_of_file
from monitor_agent.files import replace_file
from monitor_agent.kibana.file_names import file_name, require_distinct
from monitor_agent.kibana.objects import SavedObject, file_text, from_document, parse_json, to_document
from monitor_agent.kibana.package import pack as pack_objects
from monitor_agent.kibana.rules import rule
from monitor_agent.kibana.watches import watch

PACKAGE = "model-monitoring.ndjson"
ALERTS = "alerts.toml"
GENERATED = ("watches", "rules")
REMEDY = "set KIBANA_FOLDER to a folder that `monitor-agent kibana files` wrote, or remove the setting"


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
        raise DataError(f"{root} is no folder", REMEDY)
    objects: dict[str, SavedObject] = {}
    broken: dict[str, MonitorError] = {}
    for path in sorted(root.glob("*/*.json")):
        name = path.relative_to(folder).as_posix()
        try:
            _require_inside(folder, name)
            objects[name] = from_document(_read(path))
        except DataError as error:
            broken[name] = DataError(f"{name}: {error.message}", error.hint)
    return objects, broken


def write_objects(folder: Path, objects: Iterable[SavedObject], *, prune: bool = False) -> FolderChanges:
    """Write every object to its file and return the changes. Nothing is written if one of the files cannot be named.

    Parameters
    ----------
    prune : remove the files of objects that are not among `objects`; else return them as `unlisted`.

    Raises
    ------
    DataError
        If a type or an id is no name of a file, two objects have one file, a link leads out of the folder, or the
        folder belongs to the installed product.
    """
    _require_own(folder)
    texts: dict[str, str] = {}
    for saved in objects:
        file_name(saved.type, "type")
        name = f"objects/{saved.type}/{file_name(saved.id, 'id')}"
        if name in texts:
            raise DataError(f"{saved.key} occurs twice", "keep one of them")
        try:
            texts[name] = file_text(to_document(saved, encoded=False))
        except RecursionError as error:
            raise DataError(f"{saved.key} is nested too deeply") from error
    here = {path.relative_to(folder).as_posix() for path in (folder / "objects").glob("*/*.json")}
    return _write(folder, texts, here, prune=prune)


def generated(folder: Path) -> dict[str, str]:
    """Return name -> text of every generated file: the import file, the watches and the rules."""
    texts = {PACKAGE: pack_objects(read_objects(folder).values())}
    for alert in read_alerts(folder):
        name = file_name(alert.id, "name of an alert")
        texts[f"watches/{name}"] = file_text(watch(alert))
        texts[f"rules/{name}"] = file_text(rule(alert))
    return texts


def read_alerts(folder: Path) -> list[Alert]:
    """Return the alerts of `folder/alerts.toml`."""
    text = _text(folder / ALERTS)
    if text is None:
        raise DataError(f"{folder / ALERTS} is missing", REMEDY)
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
    if changed:
        _require_own(folder)
    _require_all_inside(folder, {*texts, *changed})
    for name in changed:
        if name in texts:
            _put(folder / name, texts[name])
        else:
            (folder / name).unlink()
    return changed


def _require_own(folder: Path) -> None:
    """Refuse to change the files of an installation: the next installation would replace them without a word."""
    if folder.resolve() == product_files.KIBANA and not product_files.are_sources():
        raise DataError(
            f"{folder} belongs to the installed product and is not changed",
            "copy it with `monitor-agent kibana files --out FOLDER`, then set KIBANA_FOLDER=FOLDER",
        )


def _generated_here(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for kind in GENERATED for path in (folder / kind).glob("*.json")}


def _text(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({reason_of_file(error)})") from error


def _write(folder: Path, texts: Mapping[str, str], here: set[str], *, prune: bool) -> FolderChanges:
    _require_all_inside(folder, {*texts, *here})
    rest = sorted(here - texts.keys())
    before = {name: _bytes(folder / name) for name in texts}
    added = [name for name, content in sorted(before.items()) if content is None]
    changed = [name for name, content in sorted(before.items()) if content not in (None, texts[name].encode())]
    for name in (*added, *changed):
        _put(folder / name, texts[name])
    if prune:
        for name in rest:
            (folder / name).unlink()
    return FolderChanges(tuple(added), tuple(changed), tuple(rest) if prune else (), () if prune else tuple(rest))


def _require_all_inside(folder: Path, names: set[str]) -> None:
    """Refuse names that are one file on some file systems, or that lead out of the folder."""
    require_distinct(names)
    for name in sorted(names):
        _require_inside(folder, name)


def _require_inside(folder: Path, name: str) -> None:
    """Refuse a link, such as a folder in `objects`, that leads out of the project's folder."""
    root = os.path.realpath(folder)
    if os.path.commonpath([root, os.path.realpath(folder / name)]) != root:
        raise DataError(f"{name} leads out of {folder} by a link", "replace the link by a folder or a file")


def _bytes(path: Path) -> bytes | None:
    """Return the content of a file; None if there is none."""
    try:
        return path.read_bytes() if path.exists() else None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", "correct the permissions") from error


def _put(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text, mode=0o666)  # files of a project, which people share
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror})", "correct the permissions") from error


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DataError(f"{path.name} is no file")
    try:
        document = parse_json(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path.name} cannot be read ({reason_of_file(error)})") from error
    if not isinstance(document, dict):
        raise DataError(f"{path.name} holds no JSON object")
    return document
