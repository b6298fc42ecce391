"""Loads a file of Keras (`.keras`, `.h5`, `.hdf5`), and gives it a signature as a SavedModel has one.

Keras 3, which comes with TensorFlow, loads its files; tf_keras loads those of Keras 2, with `tensorflow_hub.KerasLayer`
and the operations of TensorFlow Text. A file with a Lambda layer holds code that could do anything: it is refused.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_server.engines.tensorflow_loading import silence_startup_notes
from monitor_agent.errors import ModelError, MonitorError
from monitor_agent.extras import KERAS_2_FILES, MODEL_SERVER, loading

SIGNATURE = "serving_default"
LAMBDA = "Lambda"
TENSORFLOW_BACKEND = "tensorflow"


@dataclass(frozen=True)
class KerasFile:
    """What is in a file of Keras, without its weights.

    Attributes
    ----------
    version : of the Keras that has written it; "" = it does not say.
    config : the architecture.
    """

    path: Path
    version: str
    config: Mapping[str, Any]

    @property
    def is_of_keras_2(self) -> bool:
        """Whether tf_keras has to load it."""
        return self.version.startswith("2.")

    @property
    def lambda_layers(self) -> tuple[str, ...]:
        """The names of its Lambda layers, also inside of other layers."""
        return tuple(_lambdas(self.config))

    def export_hint(self) -> str:
        """Return the command that makes a SavedModel of it, wherever its author's code is at hand."""
        target = self.path.with_suffix("") / "1"
        if self.is_of_keras_2:
            load = f"import tf_keras; tf_keras.models.load_model({str(self.path)!r}, compile=False"
        else:
            load = f"import keras; keras.saving.load_model({str(self.path)!r}, compile=False"
        trust = ", safe_mode=False" if self.lambda_layers else ""
        reason = "if you trust its author, export" if self.lambda_layers else "export"
        command = f"{load}{trust}).export({str(target)!r})"
        return f'{reason} it by `python -c "{command}"`, and set MODEL_SERVER_MODEL_DIR={target.parent}'


def read_keras_file(path: Path) -> KerasFile:
    """Return what is in a file of Keras.

    Raises
    ------
    ModelError
        If it is no such file, or holds weights only.
    """
    try:
        version, config = _of_archive(path) if zipfile.is_zipfile(path) else _of_hdf5(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"{path} is no file of Keras that can be read ({_first_line(error)})", "copy it again"
        ) from error
    if not isinstance(config, dict):
        raise ModelError(f"{path} holds weights, but no model", "save the whole model: model.save(...)")
    return KerasFile(path, version, config)


def load_keras_file(tensorflow: Any, path: Path) -> tuple[Any, dict[str, Any]]:
    """Return the model of a file, and its one signature.

    Parameters
    ----------
    tensorflow : the imported library.

    Raises
    ------
    MissingPackageError
        If the file is of Keras 2, and tf_keras or tensorflow-hub is missing.
    ModelError
        If the model cannot be loaded or called.
    """
    file = read_keras_file(path)
    if layers := file.lambda_layers:
        raise ModelError(f"{path} has the Lambda layer {layers[0]}, whose code could do anything", file.export_hint())
    try:
        model = _of_keras_2(path) if file.is_of_keras_2 else _of_keras_3(path)
        return model, {SIGNATURE: _signature(tensorflow, model)}
    except MonitorError:
        raise
    except Exception as error:
        raise ModelError(f"{path} cannot be loaded ({_first_line(error)})", file.export_hint()) from error


def _of_archive(path: Path) -> tuple[str, Any]:
    with zipfile.ZipFile(path) as archive:
        metadata, config = (json.loads(archive.read(name)) for name in ("metadata.json", "config.json"))
    return str(metadata.get("keras_version", "")), config


def _of_hdf5(path: Path) -> tuple[str, Any]:
    import h5py

    with h5py.File(path, "r") as file:
        version, config = (file.attrs.get(name) for name in ("keras_version", "model_config"))
    texts = [value.decode() if isinstance(value, bytes) else value for value in (version, config)]
    return str(texts[0] or ""), json.loads(texts[1]) if texts[1] else None


def _of_keras_2(path: Path) -> Any:
    silence_startup_notes()
    with loading(KERAS_2_FILES):
        import tensorflow_hub
        import tf_keras
    return tf_keras.models.load_model(path, custom_objects={"KerasLayer": tensorflow_hub.KerasLayer}, compile=False)


def _of_keras_3(path: Path) -> Any:
    with loading(MODEL_SERVER):
        import keras
    if keras.backend.backend() != TENSORFLOW_BACKEND:
        problem = f"Keras computes by {keras.backend.backend()}, and {path} needs TensorFlow"
        raise ModelError(problem, "unset KERAS_BACKEND")
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def _signature(tensorflow: Any, model: Any) -> Any:
    """Return a function of the model's inputs by their names; it returns the outputs by their names."""
    tensors = model.inputs
    if not tensors:
        raise ValueError("it does not say the shapes of its inputs")
    if any(getattr(tensor, kind, False) for tensor in tensors for kind in ("sparse", "ragged")):
        raise ValueError("it takes sparse or ragged tensors")
    by_name = getattr(model, "input", None)  # a sequential model of Keras 3 has none
    is_named = isinstance(by_name, dict)
    inputs = (
        dict(by_name) if isinstance(by_name, dict) else {tensor.name.partition(":")[0]: tensor for tensor in tensors}
    )
    specs = {name: tensorflow.TensorSpec(tensor.shape, tensor.dtype, name=name) for name, tensor in inputs.items()}
    output_names = list(getattr(model, "output_names", None) or [model.layers[-1].name])

    def call(**columns: Any) -> dict[str, Any]:
        values = [columns[name] for name in inputs]
        packed = columns if is_named else values if len(values) > 1 else values[0]
        outputs = model(packed, training=False)
        if isinstance(outputs, dict):
            return dict(outputs)
        listed = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        return dict(zip(output_names, listed, strict=True))

    return tensorflow.function(call).get_concrete_function(**specs)


def _lambdas(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        if config.get("class_name") == LAMBDA:
            inner = config.get("config")
            yield str(inner.get("name", "") if isinstance(inner, dict) else "")
        for value in config.values():
            yield from _lambdas(value)
    elif isinstance(config, list):
        for value in config:
            yield from _lambdas(value)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
