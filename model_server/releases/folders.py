"""Finds the models and versions below the model folder, by their files.

A folder with a SavedModel or a file of Keras is a version; a folder whose sub-folders are versions is a model.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_server.model_card import GRAPH, holds_model, keras_file
from monitor_agent.contracts.model_names import version_order
from monitor_agent.errors import ModelError

FILES_OF_VERSION = ("variables", "assets", "fingerprint.pb", "model.json")
"""A folder with one of these and without a graph is a version that is not copied whole."""
HINT = "train one with `model-server train`, or set MODEL_SERVER_MODEL_DIR"

Fingerprint = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True)
class ModelFolder:
    """A model.

    Attributes
    ----------
    path : the folder of its versions, or its only version.
    versions : the folders of its versions by their names, the oldest first.
    """

    path: Path
    versions: Mapping[str, Path]

    @property
    def name(self) -> str:
        """The name of a model that says none: that of the folder of its versions."""
        path = self.path.resolve()
        if path.is_file():
            return path.stem
        return path.parent.name if self.is_single and path.name.isdecimal() else path.name

    @property
    def is_single(self) -> bool:
        """Whether the folder itself is the only version."""
        return self.path in self.versions.values()


def find_models(root: Path) -> tuple[ModelFolder, ...]:
    """Return the models at or below a folder, in the order of their names; one at least.

    If the folder has versions, it is a model, and models below it are left alone.

    Raises
    ------
    ModelError
        If there is none, or the folder cannot be read.
    """
    try:
        single = ModelFolder(root, {root.resolve().name: root})
        if root.is_file() and holds_model(root):
            return (single,)
        if not root.is_dir():
            raise ModelError(f"there is no model folder {root}", HINT)
        if (root / GRAPH).is_file():
            return (single,)
        if model := _model(root):
            return (model,)
        models = tuple(model for folder in _folders(root) if (model := _model(folder)))
        if models:
            return models
        if holds_model(root):
            return (single,)
    except OSError as error:
        problem = f"the model folder {root} cannot be read ({error.strerror})"
        raise ModelError(problem, "let the server's account read it, or set MODEL_SERVER_MODEL_DIR") from error
    raise ModelError(f"neither {root} nor a folder in it holds a SavedModel", HINT)


def find_version(root: Path, version: str) -> Path:
    """Return the SavedModel at `root`, or the one of `version` ("" = the newest) in a sub-folder of it.

    Raises
    ------
    ModelError
        If there is none, or the folder holds several models.
    """
    models = find_models(root)
    if len(models) > 1:
        names = ", ".join(model.path.name for model in models)
        raise ModelError(f"{root} holds several models: {names}", "name the folder of one of them")
    (model,) = models
    if version and version not in model.versions and not model.is_single:
        raise ModelError(f"{root} has no version {version}", f"it has {', '.join(model.versions)}")
    whole = [path for path in model.versions.values() if holds_model(path)]
    return whole[-1] if model.is_single or not version else model.versions[version]


def fingerprint(folder: Path) -> Fingerprint:
    """Return what changes when a file below a folder changes: names, inodes, sizes and times; empty if there is none.

    Raises
    ------
    ModelError
        If the folder cannot be read.
    """
    entries = []
    try:
        walk = os.walk(folder, followlinks=True) if folder.is_dir() else [(folder.parent, (), [folder.name])]
        for parent, _, names in walk:
            for name in names:
                path = Path(parent, name)
                status = path.stat()
                place = path.relative_to(folder).as_posix()
                entries.append((place, status.st_ino, status.st_size, status.st_mtime_ns))
    except OSError as error:
        raise ModelError(f"{folder} cannot be read ({error.strerror})", "copy it again") from error
    return tuple(sorted(entries))


def check_whole(folder: Path) -> None:
    """Refuse the folder of a version that cannot be read, has no graph, or has several files of Keras.

    Raises
    ------
    ModelError
        If the graph is missing, or the file is not clear.
    """
    try:
        is_whole = keras_file(folder) is not None or (folder / GRAPH).is_file()
    except OSError as error:
        raise ModelError(
            f"{folder} cannot be read ({error.strerror})", "let the server's account read it, or remove it"
        ) from error
    if not is_whole:
        raise ModelError(f"{folder} has no {GRAPH}: it is not copied whole", "copy it again")


def _model(folder: Path) -> ModelFolder | None:
    """Return the model of a folder; None if no sub-folder is a whole version.

    A version that the account cannot read is a version: it is refused with the reason.
    """
    versions: dict[str, Path] = {}
    unreadable: OSError | None = None
    is_model = False
    for path in _folders(folder):
        try:
            is_whole = holds_model(path)
            if is_whole or any((path / file).exists() for file in FILES_OF_VERSION):
                versions[path.name] = path
            is_model = is_model or is_whole
        except PermissionError as error:
            versions[path.name] = path
            unreadable = error
    if not is_model:
        if unreadable:
            raise unreadable
        return None
    return ModelFolder(folder, {name: versions[name] for name in sorted(versions, key=version_order)})


def _folders(root: Path) -> list[Path]:
    """Return the folders in a folder that can be models or versions; `lost+found` belongs to a file system."""
    folders = (path for path in root.iterdir() if path.name[0] != "." and path.name != "lost+found")
    return sorted(path for path in folders if path.is_dir())
