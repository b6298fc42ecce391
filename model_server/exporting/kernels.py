"""Finds the weights of the matrix products and convolutions of a SavedModel, and writes the SavedModel with others.

Only the files of the variables change. So signatures, assets and tables stay as they are, whoever exported the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from model_server.engines.loaded_graph import LoadedGraph
from model_server.engines.meta_graph import VARIABLES
from model_server.engines.tensorflow_loading import first_line
from model_server.exporting.conversion import frozen_graph
from model_server.exporting.formulas import Axes, Kernel
from model_server.signatures.tensor_spec import SignatureSpec
from monitor_agent.errors import ModelError

CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D")
PRODUCTS = ("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")
EINSUM = "Einsum"
PASSING = ("Identity", "ReadVariableOp", "Reshape")
"""Operations between a variable and the product that uses it, which keep its values and their order."""

FINGERPRINT = "fingerprint.pb"
Content = tuple[tuple[int, ...], bytes]


def kernel_axes(graph: LoadedGraph, signature: SignatureSpec) -> dict[Content, Axes]:
    """Return the weights that a signature multiplies inputs with: shape and content -> the dimensions that are summed.

    Errors of TensorFlow pass through.
    """
    tensorflow = graph.tensorflow
    nodes = {node.name: node for node in frozen_graph(graph, signature).definition.node}
    axes: dict[Content, Axes] = {}
    for node in nodes.values():
        if node.op not in (*CONVOLUTIONS, *PRODUCTS, EINSUM):
            continue
        for place in (0, 1):
            constant = _constant(nodes, node.input[place])
            if constant is not None:
                kernel = tensorflow.make_ndarray(constant.attr["value"].tensor)
                if kernel.ndim >= 2 and np.issubdtype(kernel.dtype, np.floating):
                    axes[_content(kernel)] = _summed(node, place, kernel.ndim)
    return axes


def rewrite(graph: LoadedGraph, axes: Mapping[Content, Axes], folder: Path, formula: Callable[..., Kernel]) -> int:
    """Apply a formula to the weights of a SavedModel in a folder; return how many weights have changed.

    Parameters
    ----------
    axes : the weights, by `kernel_axes`.
    formula : makes new weights from a kernel and its summed dimensions.

    Raises
    ------
    ModelError
        If the variables cannot be read or written, or if none of them are such weights.
    """
    tensorflow = graph.tensorflow
    prefix = folder / VARIABLES / VARIABLES
    try:
        reader = tensorflow.train.load_checkpoint(str(prefix))
        names = sorted(reader.get_variable_to_dtype_map())
        values = [reader.get_tensor(name) for name in names]
        changed = 0
        for place, value in enumerate(values):
            is_kernel = isinstance(value, np.ndarray) and value.ndim >= 2
            summed = axes.get(_content(value)) if is_kernel else None
            if summed is not None:
                values[place] = formula(value, summed)
                changed += value.size
        if not changed:
            raise ModelError(
                f"{folder} has no variables that a product or a convolution uses", "choose another --optimize"
            )
        slices = [""] * len(names)
        tensorflow.raw_ops.SaveV2(prefix=str(prefix), tensor_names=names, shape_and_slices=slices, tensors=values)
    except tensorflow.errors.OpError as error:
        raise ModelError(
            f"{prefix} cannot be rewritten ({first_line(error)})", "free disk space, or copy the model again"
        ) from error
    (folder / FINGERPRINT).unlink(missing_ok=True)  # it is one of the old variables
    return changed


def _constant(nodes: Mapping[str, Any], name: str) -> Any:
    """Return the constant that an input of an operation is; None if it is computed."""
    node = nodes.get(name.partition(":")[0])
    while node is not None and node.op in PASSING:
        node = nodes.get(node.input[0].partition(":")[0])
    return node if node is not None and node.op == "Const" else None


def _summed(node: Any, place: int, dimensions: int) -> Axes:
    """Return the dimensions of a kernel over which an operation sums."""
    if node.op == EINSUM:
        inputs, _, output = node.attr["equation"].s.decode().partition("->")
        letters = inputs.split(",")[place].replace(".", "")
        return tuple(axis for axis, letter in enumerate(letters) if letter not in output)
    if node.op in CONVOLUTIONS:
        return tuple(range(dimensions - 1))
    names = ("transpose_a", "transpose_b") if node.op == "MatMul" else ("adj_x", "adj_y")
    is_transposed = node.attr[names[place]].b
    # A kernel on the right has the shape (inputs, channels), one on the left (channels, inputs).
    return (dimensions - 2,) if (place == 1) != is_transposed else (dimensions - 1,)


def _content(values: Any) -> Content:
    return values.shape, np.ascontiguousarray(values).tobytes()
