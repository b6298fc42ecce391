"""Converts a signature of a SavedModel into a file of LiteRT, with weights of 8 or 16 bits.

The signature is frozen: its variables become constants. LiteRT lacks the operation with which most encoders give a mask
new dimensions (`mask[:, None, None, :]`) when the sizes are open, so `ExpandDims` replaces it first.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from model_server.engines.loaded_graph import LoadedGraph
from model_server.engines.tensorflow_loading import first_line, muted_stream
from model_server.signatures.tensor_spec import SignatureSpec
from monitor_agent.errors import ModelError

INT32 = 3
"""TensorFlow's number of the type int32 (`types.proto`)."""

INT8, FLOAT16, FLOAT32 = "int8", "float16", "float32"
WEIGHTS = (INT8, FLOAT16, FLOAT32)


def convert(graph: LoadedGraph, signature: SignatureSpec, weights: str) -> bytes:
    """Return a signature as the content of a file of LiteRT; its inputs and outputs keep their names and types.

    Parameters
    ----------
    weights : `int8` = the weights of matrix products as whole numbers, each row of inputs is quantised when it is
        computed (dynamic range quantisation); `float16`; `float32` = as they are.

    Raises
    ------
    ModelError
        If the signature holds operations that LiteRT lacks, such as those of texts.
    """
    if any(tensor.is_text for tensor in (*signature.inputs, *signature.outputs)):
        raise ModelError(f"the signature {signature.name} takes or gives texts", "only signatures of numbers convert")
    try:
        with muted_stream(sys.stderr), tempfile.TemporaryDirectory() as folder:
            return _converted(graph, signature, weights, Path(folder))
    except Exception as error:  # the converter and TensorFlow have many types of errors
        reason = _missing_operations(error) or first_line(error)[:300]
        raise ModelError(
            f"the signature {signature.name} cannot be converted ({reason})", "serve it without --optimize"
        ) from error


def _converted(graph: LoadedGraph, signature: SignatureSpec, weights: str, folder: Path) -> bytes:
    tensorflow = graph.tensorflow
    frozen = frozen_graph(graph, signature)
    call = _function(tensorflow, with_expanded_dimensions(tensorflow, frozen.definition), frozen)
    specs = [tensorflow.TensorSpec(tensor.shape, tensor.dtype, name=tensor.name) for tensor in signature.inputs]
    module = tensorflow.Module()
    module.call = tensorflow.function(
        lambda *columns: dict(zip(frozen.outputs, call(*columns), strict=True)), input_signature=specs
    )
    tensorflow.saved_model.save(module, str(folder), signatures={signature.name: module.call})
    converter = tensorflow.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=[signature.name])
    if weights != FLOAT32:
        converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    if weights == FLOAT16:
        converter.target_spec.supported_types = [tensorflow.float16]
    content: bytes = converter.convert()
    return content


class FrozenGraph:
    """A signature without variables.

    Attributes
    ----------
    definition : its GraphDef, all functions inlined.
    inputs : name of an input -> its tensor in the graph, in the order of the names.
    outputs : the same of the outputs.
    """

    def __init__(self, definition: Any, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> None:
        self.definition = definition
        self.inputs = dict(inputs)
        self.outputs = dict(outputs)


def frozen_graph(graph: LoadedGraph, signature: SignatureSpec) -> FrozenGraph:
    """Return a signature with constants instead of its variables.

    Errors of TensorFlow pass through.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2_as_graph

    function = graph.functions[signature.name]
    frozen, definition = convert_variables_to_constants_v2_as_graph(
        function, lower_control_flow=False, aggressive_inlining=True
    )
    by_name = {tensor.name.partition(":")[0]: tensor.name for tensor in frozen.inputs}
    inputs = {tensor.name: by_name[tensor.name] for tensor in signature.inputs}
    outputs = dict(zip(sorted(function.structured_outputs), (tensor.name for tensor in frozen.outputs), strict=True))
    return FrozenGraph(definition, inputs, outputs)


def _function(tensorflow: Any, definition: Any, frozen: FrozenGraph) -> Any:
    """Return the graph as a function of its inputs, in the order of their names."""
    wrapped = tensorflow.compat.v1.wrap_function(lambda: tensorflow.import_graph_def(definition, name=""), [])
    tensor = wrapped.graph.get_tensor_by_name
    return wrapped.prune([tensor(name) for name in frozen.inputs.values()], list(map(tensor, frozen.outputs.values())))


def with_expanded_dimensions(tensorflow: Any, definition: Any) -> Any:
    """Return a graph in which `ExpandDims` gives the new dimensions that a slice of everything gives."""
    constants = {node.name: node for node in definition.node if node.op == "Const"}
    changed = tensorflow.compat.v1.GraphDef(versions=definition.versions, library=definition.library)
    for node in definition.node:
        axes = _new_axes(tensorflow, node, constants) if node.op == "StridedSlice" else []
        tensor = node.input[0] if axes else ""
        for place, axis in enumerate(axes):
            constant = changed.node.add(op="Const", name=f"{node.name}/axis_{place}")
            constant.attr["dtype"].type = INT32
            constant.attr["value"].tensor.CopyFrom(tensorflow.make_tensor_proto(axis, tensorflow.int32))
            name = node.name if place == len(axes) - 1 else f"{node.name}/expanded_{place}"
            expanded = changed.node.add(op="ExpandDims", name=name, input=[tensor, constant.name])
            expanded.attr["T"].CopyFrom(node.attr["T"])
            expanded.attr["Tdim"].type = INT32
            tensor = name
        if not axes:
            changed.node.add().CopyFrom(node)
    return changed


def _new_axes(tensorflow: Any, node: Any, constants: Mapping[str, Any]) -> list[int]:
    """Return the new dimensions of a slice that takes everything; none if it takes only a part."""
    strides = constants.get(node.input[3].partition(":")[0])
    if strides is None or node.attr["shrink_axis_mask"].i or node.attr["ellipsis_mask"].i:
        return []
    steps = np.atleast_1d(tensorflow.make_ndarray(strides.attr["value"].tensor))
    masks = [node.attr[name].i for name in ("begin_mask", "end_mask", "new_axis_mask")]
    begins, ends, new = ([bool(mask >> place & 1) for place in range(len(steps))] for mask in masks)
    rest = [place for place in range(len(steps)) if not new[place]]
    if any(not begins[place] or not ends[place] or steps[place] != 1 for place in rest):
        return []
    return [place for place, is_new in enumerate(new) if is_new]


def _missing_operations(error: Exception) -> str:
    """Return the operations that LiteRT lacks, by the converter's message; "" if it is about something else."""
    lines = [line for line in str(error).splitlines() if line.startswith(("TF Select ops:", "Custom ops:"))]
    names = ", ".join(line.partition(":")[2].strip() for line in lines)
    return f"LiteRT lacks {names}" if names else ""
