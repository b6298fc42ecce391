"""What is in the file `saved_model.pb`: signatures, and the part of the graph that some of them need.

A trained model has three times as many functions as its signatures call: those of its training, of saving it, and of
its gradients. Source: `meta_graph.proto`, `graph.proto` and `function.proto` in `tensorflow/core`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from model_server.model_card import GRAPH
from model_server.signatures.model_plan import INTERNAL
from model_server.signatures.tensor_spec import SignatureSpec, TensorSpec

VARIABLES = "variables"
SERVE = "serve"
INIT_SIGNATURE = "__saved_model_init_op"
INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")
IMPLEMENTS = "api_implements"
"""TensorFlow may call another function in the place of one that has the same value of this attribute."""


def read_meta_graph(folder: Path) -> Any:
    """Return the graph of a SavedModel that is served, with its signatures; TensorFlow must be imported.

    Raises
    ------
    LookupError
        If the SavedModel has no such graph.
    OSError
        If its file cannot be read.
    google.protobuf.message.DecodeError
        If the file is damaged.
    """
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved_model = SavedModel()
    saved_model.ParseFromString((folder / GRAPH).read_bytes())
    for meta_graph in saved_model.meta_graphs:
        if set(meta_graph.meta_info_def.tags) == {SERVE}:
            return meta_graph
    raise LookupError(f"{folder} has no graph with the tag {SERVE}")


def signatures_of(tensorflow: Any, meta_graph: Any) -> tuple[SignatureSpec, ...]:
    """Return what the signatures of a graph of TensorFlow 2 take and give.

    Raises
    ------
    LookupError
        If only TensorFlow can say it: it is a graph of TensorFlow 1, a tensor is ragged or sparse, or the name of an
        input is none of an argument of Python, so that TensorFlow changes it.
    """
    if not meta_graph.HasField("object_graph_def"):
        raise LookupError("a graph of TensorFlow 1")
    for signature in meta_graph.signature_def.values():
        if not all(name.isidentifier() for name in signature.inputs):
            raise LookupError("names of inputs that TensorFlow changes")
    return tuple(
        SignatureSpec(name, _tensors(tensorflow, signature.inputs), _tensors(tensorflow, signature.outputs))
        for name, signature in sorted(meta_graph.signature_def.items())
        if not name.startswith(INTERNAL)
    )


def init_operation(meta_graph: Any) -> str:
    """Return the name of the operation that fills the tables of a model; "" = it has none."""
    if INIT_SIGNATURE in meta_graph.signature_def:
        name: str = meta_graph.signature_def[INIT_SIGNATURE].outputs[INIT_SIGNATURE].name
        return _node(name)
    for collection in INIT_COLLECTIONS:
        for name in meta_graph.collection_def[collection].node_list.value if _has(meta_graph, collection) else ():
            return _node(name)
    return ""


def assets(meta_graph: Any, folder: Path) -> dict[str, bytes]:
    """Return the files of a model, each with the name of the tensor that takes its path."""
    from tensorflow.python.saved_model.loader_impl import get_asset_tensors

    files: dict[str, bytes] = get_asset_tensors(str(folder), meta_graph)
    return files


def subgraph_for(meta_graph: Any, signatures: Iterable[str]) -> Any:
    """Return the graph with what some signatures need, and with what loads the variables and tables."""
    targets = [init_operation(meta_graph), *assets(meta_graph, Path())]
    targets += [meta_graph.saver_def.restore_op_name, meta_graph.saver_def.filename_tensor_name]
    for name in signatures:
        signature = meta_graph.signature_def[name]
        targets += [tensor.name for tensor in (*signature.inputs.values(), *signature.outputs.values())]
    graph = meta_graph.graph_def
    nodes = _needed_nodes(graph, [_node(name) for name in targets if name])
    functions = _needed_functions(graph.library, [name for node in nodes for name in _references(node)])
    subgraph = type(graph)(versions=graph.versions)
    subgraph.node.extend(nodes)
    subgraph.library.function.extend(functions)
    names = {function.signature.name for function in functions}
    subgraph.library.gradient.extend(entry for entry in graph.library.gradient if entry.function_name in names)
    return subgraph


def _needed_nodes(graph: Any, names: Sequence[str]) -> list[Any]:
    by_name = {node.name: node for node in graph.node}
    needed, waiting = dict[str, Any](), list(names)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = by_name[name]
            waiting += [_node(entry) for entry in by_name[name].input]
    return [node for node in graph.node if node.name in needed]


def _needed_functions(library: Any, names: Sequence[str]) -> list[Any]:
    by_name = {function.signature.name: function for function in library.function}
    alike: dict[bytes, list[str]] = {}
    for name, function in by_name.items():
        if IMPLEMENTS in function.attr:
            alike.setdefault(function.attr[IMPLEMENTS].s, []).append(name)
    needed, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name in needed or name not in by_name:
            continue
        needed.add(name)
        function = by_name[name]
        waiting += [reference for node in function.node_def for reference in _references(node)]
        if IMPLEMENTS in function.attr:
            waiting += alike[function.attr[IMPLEMENTS].s]
    return [function for function in library.function if function.signature.name in needed]


def _references(node: Any) -> Iterator[str]:
    """Yield the names of the functions that a node may call."""
    yield node.op
    for value in node.attr.values():
        kind = value.WhichOneof("value")
        if kind == "func":
            yield from _names_in(value.func)
        elif kind == "list":
            for function in value.list.func:
                yield from _names_in(function)


def _names_in(function: Any) -> Iterator[str]:
    """Yield the name of a function, and those in its attributes."""
    yield function.name
    for value in function.attr.values():
        if value.WhichOneof("value") == "func":
            yield from _names_in(value.func)


def _node(tensor: str) -> str:
    """Return the name of the node that a tensor or an input belongs to."""
    return tensor.removeprefix("^").partition(":")[0]


def _has(meta_graph: Any, collection: str) -> bool:
    return collection in meta_graph.collection_def


def _tensors(tensorflow: Any, tensors: Any) -> tuple[TensorSpec, ...]:
    return tuple(_tensor(tensorflow, name, tensor) for name, tensor in sorted(tensors.items()))


def _tensor(tensorflow: Any, name: str, tensor: Any) -> TensorSpec:
    if not tensor.name:
        raise LookupError(f"{name} is no dense tensor")
    shape = tensor.tensor_shape
    sizes = None if shape.unknown_rank else tuple(None if size.size < 0 else size.size for size in shape.dim)
    return TensorSpec(name, tensorflow.dtypes.as_dtype(tensor.dtype).name, sizes)
