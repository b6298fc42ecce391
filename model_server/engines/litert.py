"""The engine `litert`: LiteRT computes the main signature of a SavedModel, from a file that `export --optimize` made.

Texts cannot be converted. If the SavedModel has a signature `tokenize` that makes the inputs of the main signature of
texts, TensorFlow calls it, and LiteRT computes the rest. Otherwise TensorFlow computes the signature of texts alone.
"""

from __future__ import annotations

import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model_server.engines.loaded_graph import LoadedGraph
from model_server.engines.saved_model import SavedModel, score_rows
from model_server.engines.tensorflow_loading import first_line, muted_stream
from model_server.model_card import LITERT, TENSORFLOW, ModelCard
from model_server.signatures.batch import stacked
from model_server.signatures.input_form import IDS, INPUT_MASK
from model_server.signatures.instance_inputs import InstanceInputs
from model_server.signatures.json_values import Array
from model_server.signatures.model_plan import ServedSignature
from model_server.signatures.tensor_spec import SignatureSpec
from monitor_agent.errors import MissingPackageError, ModelError
from monitor_agent.extras import LITERT_ENGINE, install_command, loading, missing_modules

TOKENIZE = "tokenize"
WIDTH_STEP = 8
"""Rows of ids with a mask are padded to a multiple of it, so that few widths occur."""

MOST_INTERPRETERS = 8
MEMORY_BYTES = 512 << 20
"""All interpreters together may take about this much: each has its own copy of the weights."""

Shapes = tuple[tuple[int, ...], ...]


class Interpreters:
    """Interpreters of one file, each for inputs of certain shapes; one thread calls them at a time.

    A change of shapes costs more than a small batch. So the shapes that occur most recently keep their interpreter.

    Parameters
    ----------
    path : the file.
    threads : CPU threads of one call, at least 1.

    Raises
    ------
    MissingPackageError
        If LiteRT is installed and cannot be loaded.
    ModelError
        If the file cannot be loaded.
    """

    def __init__(self, path: Path, threads: int) -> None:
        with loading(LITERT_ENGINE):
            from ai_edge_litert.interpreter import Interpreter
        self._path = path
        self._create: Callable[[], Any] = lambda: Interpreter(str(path), num_threads=threads)
        self._most = max(1, min(MOST_INTERPRETERS, MEMORY_BYTES // max(path.stat().st_size, 1)))
        self._by_shapes: OrderedDict[Shapes, Any] = OrderedDict()
        try:
            with muted_stream(sys.stderr):  # LiteRT notes that it computes with XNNPACK
                first = self._create()
                first.allocate_tensors()
            signatures = first.get_signature_list()
            self.signature = next(iter(signatures), "")
            if not self.signature:
                raise ModelError(f"{path} has no signature", "export it again: model-server export --optimize")
            runner = first.get_signature_runner(self.signature)
            self.inputs = {name: detail["index"] for name, detail in sorted(runner.get_input_details().items())}
            self.outputs = {name: detail["index"] for name, detail in sorted(runner.get_output_details().items())}
        except (ValueError, RuntimeError, OSError) as error:
            raise ModelError(f"{path} cannot be loaded ({first_line(error)})", "export or copy it again") from error

    def run(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs by name.

        Parameters
        ----------
        arrays : the inputs by name, of the types of the file.

        Raises
        ------
        RuntimeError
            If LiteRT cannot compute them, such as for an id that the model does not know.
        """
        shapes = tuple(arrays[name].shape for name in self.inputs)
        # It comes back when the call has ended well: after an error, an interpreter is of no more use.
        interpreter = self._by_shapes.pop(shapes, None) or self._resized(arrays)
        for name, index in self.inputs.items():
            interpreter.set_tensor(index, arrays[name])
        interpreter.invoke()
        outputs = {name: interpreter.get_tensor(index) for name, index in self.outputs.items()}
        self._by_shapes[shapes] = interpreter
        return outputs

    def _resized(self, arrays: Mapping[str, Array]) -> Any:
        is_full = len(self._by_shapes) >= self._most
        interpreter = self._by_shapes.popitem(last=False)[1] if is_full else self._create()
        for name, index in self.inputs.items():
            interpreter.resize_tensor_input(index, arrays[name].shape)
        interpreter.allocate_tensors()
        return interpreter


class LiteRtModel(SavedModel):
    """A SavedModel whose main signature LiteRT computes; one thread calls it at a time.

    Raises
    ------
    MissingPackageError
        If LiteRT is missing, or cannot be loaded.
    ModelError
        If the file cannot be loaded, or is not of this SavedModel.
    """

    engine = LITERT

    def __init__(self, card: ModelCard, graph: LoadedGraph, threads: int = 1) -> None:
        super().__init__(card, graph, threads)
        if missing_modules(LITERT_ENGINE):
            raise MissingPackageError(
                f"{card.folder} names the engine litert, which needs ai-edge-litert; it is not installed",
                f"run {install_command([LITERT_ENGINE.extra])}, or remove `engine` from model.json: then TensorFlow "
                "computes the SavedModel",
            )
        path = card.folder / card.engine.file
        self._interpreters = Interpreters(path, threads or os.cpu_count() or 1)
        self._main = self.plan.served[0].form
        spec = next(spec for spec in self.signatures if spec.name == self._main.signature)
        if {tensor.name for tensor in spec.inputs} != set(self._interpreters.inputs) or {
            tensor.name for tensor in spec.outputs
        } != set(self._interpreters.outputs):
            raise ModelError(
                f"{path} has other inputs or outputs than the signature {spec.name} of the SavedModel beside it",
                "export it again: model-server export --optimize",
            )
        self._texts = {
            served.form.signature
            for served in self.plan.served[1:]
            if can_tokenize(self.signatures, served.form.signature, spec)
        }

    def _new_session(self, _threads: int) -> None:
        """Return nothing: LiteRT computes what must be fast."""

    @property
    def parallel(self) -> int:
        """Only one thread may call the interpreters at a time."""
        return 1

    def engine_of(self, served: ServedSignature) -> str:
        """Return the name of what computes a signature: `litert` for the main one, and for texts that are tokenised."""
        return LITERT if served.form is self._main or served.form.signature in self._texts else TENSORFLOW

    def _outputs(self, served: ServedSignature, inputs: Sequence[InstanceInputs]) -> dict[str, Any]:
        if self.engine_of(served) != LITERT:
            return super()._outputs(served, inputs)
        arrays = stacked(inputs, self._serialised)
        if served.form is not self._main:
            arrays = self._called(TOKENIZE, served, arrays)
        return self._interpreters.run(self._widened(arrays))

    def _scores(self, served: ServedSignature, inputs: Sequence[InstanceInputs]) -> Any:
        if self.engine_of(served) != LITERT:
            return super()._scores(served, inputs)
        return score_rows(self._outputs(served, inputs)[served.output.name], served, len(inputs))

    def _widened(self, arrays: dict[str, Array]) -> dict[str, Array]:
        """Return the arrays with rows of ids of a usual width, if the model takes a mask."""
        form = self._main
        if form.width is not None or form.column(INPUT_MASK) is None:
            return arrays
        names = [column.tensor.name for column in form.columns if column.place in IDS]
        width = arrays[names[0]].shape[1]
        wider = max(width, min(-(-width // WIDTH_STEP) * WIDTH_STEP, self.limits.max_seq_length))
        if wider == width:
            return arrays
        return arrays | {name: np.pad(arrays[name], ((0, 0), (0, wider - width))) for name in names}


def can_tokenize(signatures: Sequence[SignatureSpec], texts: str, main: SignatureSpec) -> bool:
    """Return whether a signature `tokenize` turns the texts that a signature takes into the inputs of the main one."""
    by_name = {spec.name: spec for spec in signatures}
    tokenize, of_texts = by_name.get(TOKENIZE), by_name[texts]
    if tokenize is None:
        return False
    types = {tensor.name: tensor.dtype for tensor in tokenize.outputs}
    return (
        {tensor.name for tensor in tokenize.inputs} == {tensor.name for tensor in of_texts.inputs}
        and all(types.get(tensor.name) == tensor.dtype for tensor in main.inputs)
        and {tensor.name for tensor in of_texts.outputs} == {tensor.name for tensor in main.outputs}
    )
