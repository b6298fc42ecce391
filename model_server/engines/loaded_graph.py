"""A SavedModel, or a file of Keras, before anything says how it is served."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from model_server.engines.keras_file import load_keras_file
from model_server.engines.meta_graph import read_meta_graph, signatures_of
from model_server.engines.tensorflow_loading import first_line, import_tensorflow
from model_server.model_card import keras_file
from model_server.signatures.tensor_spec import SignatureSpec, TensorSpec
from monitor_agent.errors import ModelError


class LoadedGraph:
    """A SavedModel, or a file of Keras: its signatures, and their functions.

    TensorFlow loads the functions when they are first asked for. That takes longer than all else, holds Python's lock,
    and needs memory of its own, while a small model is called without them.

    Attributes
    ----------
    signatures : what its signatures take and give.

    Raises
    ------
    MissingPackageError
        If TensorFlow is missing, or cannot be loaded.
    ModelError
        If the model cannot be loaded.
    """

    def __init__(self, folder: Path) -> None:
        self.tensorflow = import_tensorflow()
        self._folder = folder
        self._lock = threading.Lock()
        self._loaded: Any = None  # the signatures hold their variables weakly
        self._functions: Any = None
        self.signatures = self._signatures_in_file() or specs_of(self.functions)

    @property
    def is_loaded(self) -> bool:
        """Whether TensorFlow has loaded the functions."""
        return self._functions is not None

    @property
    def functions(self) -> Any:
        """Its signatures, to be called, by their names.

        Raises
        ------
        ModelError
            If TensorFlow cannot load them.
        """
        with self._lock:
            if self._functions is None:
                if (file := keras_file(self._folder)) is not None:
                    self._loaded, self._functions = load_keras_file(self.tensorflow, file)
                else:
                    self._loaded = _load(self.tensorflow, self._folder)
                    self._functions = self._loaded.signatures
            return self._functions

    def _signatures_in_file(self) -> tuple[SignatureSpec, ...]:
        """Return what the file of a SavedModel says about them; nothing if only TensorFlow can say it."""
        if keras_file(self._folder) is not None:
            return ()
        try:
            return signatures_of(self.tensorflow, read_meta_graph(self._folder))
        except Exception:  # noqa: BLE001  whatever is wrong, TensorFlow says it when it loads the model
            return ()


def _load(tensorflow: Any, folder: Path) -> Any:
    try:
        return tensorflow.saved_model.load(str(folder))
    except Exception as error:
        raise ModelError(f"{folder} cannot be loaded ({first_line(error)})", "train it or copy it again") from error


def specs_of(signatures: Any) -> tuple[SignatureSpec, ...]:
    """Return what functions take and give that TensorFlow has loaded, by their names."""
    return tuple(
        SignatureSpec(
            name,
            _tensors(signatures[name].structured_input_signature[1]),
            _tensors(signatures[name].structured_outputs),
        )
        for name in sorted(signatures)
    )


def _tensors(specs: Any) -> tuple[TensorSpec, ...]:
    entries: dict[str, Any] = specs if isinstance(specs, dict) else {}
    tensors = []
    for name, spec in sorted(entries.items()):
        shape = getattr(spec, "shape", None)
        sizes = None if shape is None or shape.rank is None else tuple(shape.as_list())
        dtype = getattr(spec, "dtype", None)
        tensors.append(TensorSpec(name, dtype.name if dtype is not None else type(spec).__name__, sizes))
    return tuple(tensors)
