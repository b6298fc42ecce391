"""The model to serve: its folder below the model folder, and the content of its `model.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model_server.signatures.mapping import ModelMapping, read_mapping
from monitor_agent.contracts.model_names import problem_of_name, problem_of_version, shortened
from monitor_agent.errors import ModelError
from monitor_agent.settings import ServerSettings

CARD = "model.json"
GRAPH = "saved_model.pb"
KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")
KERAS_WEIGHTS = ".weights.h5"
"""Keras's name of a file that holds weights, but no model."""

FIRST_VERSION = "1"
DEFAULT_MAX_SEQ_LENGTH = 512
DEFAULT_THRESHOLD = 0.5
"""The threshold of a model whose author says none, as in scikit-learn's `predict`."""


TENSORFLOW, LITERT = "tensorflow", "litert"
ENGINES = (TENSORFLOW, LITERT)
LITERT_FILE = "model.tflite"


@dataclass(frozen=True)
class EngineChoice:
    """What computes the main signature of a version.

    Attributes
    ----------
    name : `tensorflow` or `litert`.
    file : the file of the converted signature in the folder of the version; "" = the SavedModel is computed.
    """

    name: str = TENSORFLOW
    file: str = ""


@dataclass(frozen=True)
class ModelCard:
    """The properties of a model that the server needs.

    Attributes
    ----------
    folder : the SavedModel, a folder with a file of Keras, or this file.
    threshold : a score at or above it is a predicted positive.
    has_threshold : whether somebody has chosen the threshold.
    max_seq_length : the most ids that an instance may have.
    vocab_size : ids are below it; None = unknown.
    mapping : what it says about the signature.
    engine : what computes it.
    """

    folder: Path
    name: str
    version: str
    threshold: float
    max_seq_length: int = DEFAULT_MAX_SEQ_LENGTH
    vocab_size: int | None = None
    mapping: ModelMapping = field(default_factory=ModelMapping)
    has_threshold: bool = True
    engine: EngineChoice = EngineChoice()

    @property
    def home(self) -> Path:
        """The folder of the version, also if a file is its model."""
        return home_of(self.folder)


def holds_model(path: Path) -> bool:
    """Return whether a folder is a SavedModel or has a file of Keras, or a file is one of Keras."""
    return (path / GRAPH).is_file() or bool(_keras_files(path))


def keras_file(path: Path) -> Path | None:
    """Return the file of Keras that is the model at a path; None if the model is a SavedModel.

    Raises
    ------
    ModelError
        If a folder has several files of Keras.
    """
    files = [] if (path / GRAPH).is_file() else _keras_files(path)
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise ModelError(
            f"{path} has several files of Keras: {names}", "leave one, or name it in MODEL_SERVER_MODEL_DIR"
        )
    return files[0] if files else None


def _keras_files(path: Path) -> list[Path]:
    paths = [path]
    if path.is_dir():
        paths = [file for file in sorted(path.iterdir()) if not file.name.endswith(KERAS_WEIGHTS)]
    return [file for file in paths if file.suffix.lower() in KERAS_SUFFIXES and file.is_file()]


def home_of(path: Path) -> Path:
    """Return the folder of a version whose model is a folder or a file."""
    return path.parent if path.is_file() else path


def read_card(folder: Path, settings: ServerSettings, model_folder: str) -> ModelCard:
    """Return the card of a version; settings override `model.json`.

    Parameters
    ----------
    folder : the model, a folder or a file.
    model_folder : the name of the model's folder: the model's name if nothing says another.

    Raises
    ------
    ModelError
        If the card is incomplete or malformed.
    """
    path = home_of(folder) / CARD
    entries = read_entries(path)
    name = settings.model_name or _entry(entries, "name", str, path) or model_folder
    mapping = read_mapping(entries, path)
    threshold = settings.threshold if settings.threshold is not None else _entry(entries, "threshold", float, path)
    if threshold is not None and not 0 <= threshold <= 1:
        raise ModelError(f"{path}: threshold {threshold} is not between 0 and 1", "correct the file")
    version = _entry(entries, "version", str, path) or _version_of(folder.resolve())
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
        engine=read_engine(entries, path),
    )


def _version_of(path: Path) -> str:
    """Return the version of a model that says none: the name of its folder; for a file outside of such a folder, 1."""
    home = home_of(path)
    return home.name if home == path or home.name.isdecimal() else FIRST_VERSION


def read_engine(entries: Mapping[str, Any], path: Path) -> EngineChoice:
    """Return the engine that a `model.json` names, and its file.

    Raises
    ------
    ModelError
        If the entries are malformed, or the file is missing.
    """
    name = _entry(entries, "engine", str, path) or TENSORFLOW
    file = _entry(entries, "engine_file", str, path)
    if name not in ENGINES:
        raise ModelError(f"{path}: engine is {shortened(name)}", f"write one of {', '.join(ENGINES)}")
    if name == TENSORFLOW:
        return EngineChoice()
    file = file or LITERT_FILE
    if Path(file).name != file:
        raise ModelError(f"{path}: engine_file is {shortened(file)}", f"write the name of a file in {path.parent}")
    if not (path.parent / file).is_file():
        remedy = f"copy the version again, or remove `engine` from {path}: then TensorFlow computes the SavedModel"
        raise ModelError(f"{path} names the engine {name}, but {path.parent / file} is missing", remedy)
    return EngineChoice(name, file)


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


def _entry(entries: Mapping[str, Any], name: str, kind: type[Any], path: Path) -> Any:
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
