"""The model to serve: its folder below the model folder, and the content of its `model.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model_server.signatures.mapping import ModelMapping, read_mapping
from monitor_agent.contracts.model_names import problem_of_name, problem_of_version, shortened, version_order
from monitor_agent.errors import ModelError
from monitor_agent.settings import ServerSettings

CARD = "model.json"
GRAPH = "saved_model.pb"
KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")
DEFAULT_MAX_SEQ_LENGTH = 512
DEFAULT_THRESHOLD = 0.5
"""The threshold of a model whose author says none, as in scikit-learn's `predict`."""


@dataclass(frozen=True)
class ModelCard:
    """The properties of a model that the server needs.

    Attributes
    ----------
    folder : the SavedModel.
    threshold : a score at or above it is a predicted positive.
    has_threshold : whether somebody has chosen the threshold.
    max_seq_length : the most ids that an instance may have.
    vocab_size : ids are below it; None = unknown.
    mapping : what it says about the signature.
    """

    folder: Path
    name: str
    version: str
    threshold: float
    max_seq_length: int = DEFAULT_MAX_SEQ_LENGTH
    vocab_size: int | None = None
    mapping: ModelMapping = field(default_factory=ModelMapping)
    has_threshold: bool = True


def read_card(settings: ServerSettings) -> ModelCard:
    """Return the card of the model that the settings choose; settings override `model.json`.

    Raises
    ------
    ModelError
        If there is no model or no such version, or its card is incomplete or malformed.
    """
    folder = find_folder(Path(settings.model_dir), settings.model_version)
    path = folder / CARD
    entries = read_entries(path)
    name = settings.model_name or _entry(entries, "name", str, path) or name_of_folder(folder, settings.model_dir)
    mapping = read_mapping(entries, path)
    threshold = settings.threshold if settings.threshold is not None else _entry(entries, "threshold", float, path)
    if threshold is not None and not 0 <= threshold <= 1:
        raise ModelError(f"{path}: threshold {threshold} is not between 0 and 1", "correct the file")
    version = _entry(entries, "version", str, path) or folder.resolve().name
    if problem := problem_of_name(name):
        raise ModelError(f"the model's name in {path} {problem}", "set MODEL_SERVER_MODEL_NAME to another name")
    if problem := problem_of_version(version):
        raise ModelError(f"{folder}: the version {shortened(version)} {problem}", f"write another version into {path}")
    return ModelCard(
        folder=folder,
        name=name,
        version=version,
        threshold=DEFAULT_THRESHOLD if threshold is None else threshold,
        has_threshold=threshold is not None,
        max_seq_length=_entry(entries, "max_seq_length", int, path) or DEFAULT_MAX_SEQ_LENGTH,
        vocab_size=_entry(entries, "vocab_size", int, path),
        mapping=mapping,
    )


def name_of_folder(folder: Path, root: str) -> str:
    """Return the name of a model that says none: that of the folder of its versions, or of its only folder.

    >>> name_of_folder(Path("models/click/3"), "models/click"), name_of_folder(Path("models/click"), "models/click")
    ('click', 'click')
    """
    folder = folder.resolve()
    is_version = folder != Path(root).resolve() or folder.name.isdecimal()
    return folder.parent.name if is_version else folder.name


def find_folder(root: Path, version: str) -> Path:
    """Return the SavedModel at `root`, or the one of `version` ("" = the newest) in a sub-folder of it.

    Raises
    ------
    ModelError
        If there is none, or the folder cannot be read.
    """
    hint = "train one with `model-server train`, or set MODEL_SERVER_MODEL_DIR"
    try:
        if root.suffix in KERAS_SUFFIXES and root.is_file():
            raise ModelError(f"{root} is a file of Keras, not a SavedModel", _export(root))
        if not root.is_dir():
            raise ModelError(f"there is no model folder {root}", hint)
        if (root / GRAPH).is_file():
            return root
        versions = {path.name: path for path in root.iterdir() if path.name[0] != "." and (path / GRAPH).is_file()}
    except OSError as error:
        problem = f"the model folder {root} cannot be read ({error.strerror})"
        raise ModelError(problem, "let the server's account read it, or set MODEL_SERVER_MODEL_DIR") from error
    if not versions and (path := _keras_file(root)):
        raise ModelError(f"{path} is a file of Keras, not a SavedModel", _export(path))
    if not versions:
        raise ModelError(f"neither {root} nor a folder in it holds a SavedModel", hint)
    if version and version not in versions:
        names = ", ".join(sorted(versions, key=version_order))
        raise ModelError(f"{root} has no version {version}", f"it has {names}")
    return versions[version or max(versions, key=version_order)]


def _keras_file(root: Path) -> Path | None:
    return min((path for path in root.iterdir() if path.suffix in KERAS_SUFFIXES and path.is_file()), default=None)


def _export(path: Path) -> str:
    target = path.with_suffix("") / "1"
    command = f"import keras; keras.saving.load_model({str(path)!r}).export({str(target)!r})"
    return f'export it by `python -c "{command}"`, and set MODEL_SERVER_MODEL_DIR={path.with_suffix("")}'


def read_entries(path: Path) -> dict[str, Any]:
    """Return the entries of a `model.json`; none if there is no such file.

    Raises
    ------
    ModelError
        If it cannot be read, or is no JSON object.
    """
    try:
        entries: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({error})", "correct the file") from error
    if not isinstance(entries, dict):
        raise ModelError(f"{path} is not a JSON object", "correct the file")
    return entries


def _entry(entries: dict[str, Any], name: str, kind: type[Any], path: Path) -> Any:
    """Return an entry of the card; None when absent.

    Raises
    ------
    ModelError
        If the entry is of another type.
    """
    value = entries.get(name)
    if kind is float and type(value) is int:
        value = float(value)
    if value is not None and type(value) is not kind:
        raise ModelError(f"{path}: {name} is {value!r}, a {kind.__name__} is expected", "correct the file")
    return value
