"""Computes a small SavedModel in the thread that calls it: no other thread wakes up, and several may call at a time.

A function of TensorFlow 2 is computed by a thread of the library, one for all calls. For a small model, waking that
thread up costs as much as the model. A session of TensorFlow 1 computes in its caller's thread if its options say so.
Source: `RunOptions.inter_op_thread_pool` in `tensorflow/core/protobuf/config.proto`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model_server.engines.background import run
from model_server.engines.meta_graph import VARIABLES, assets, init_operation, read_meta_graph, subgraph_for

CALLER_THREAD = -1


class CallerSession:
    """Some signatures of a SavedModel in a session; it has its own copy of the variables.

    Errors of TensorFlow pass through.

    Parameters
    ----------
    tensorflow : the library.
    signatures : the names of those that will be called.

    Raises
    ------
    LookupError
        If a signature, or what it needs, is not in the file.
    """

    def __init__(self, tensorflow: Any, folder: Path, signatures: Sequence[str]) -> None:
        v1 = tensorflow.compat.v1
        options = v1.ConfigProto(inter_op_parallelism_threads=1, use_per_session_threads=True)
        options.allow_soft_placement = True
        options.experimental.executor_type = "SINGLE_THREADED_EXECUTOR"
        self._v1 = v1
        meta_graph = read_meta_graph(folder)
        subgraph = subgraph_for(meta_graph, signatures)
        self._signatures = {name: meta_graph.signature_def[name] for name in signatures}
        graph = tensorflow.Graph()
        with graph.as_default():
            v1.import_graph_def(subgraph, name="", producer_op_list=meta_graph.meta_info_def.stripped_op_list)
            self._session = v1.Session(graph=graph, config=options)
        run(self._session._extend_graph)
        self._load_state(meta_graph, folder)

    def _load_state(self, meta_graph: Any, folder: Path) -> None:
        """Load the variables and the tables."""
        saver, files = meta_graph.saver_def, assets(meta_graph, folder)
        if saver.restore_op_name:
            self._perform(saver.restore_op_name, {saver.filename_tensor_name: bytes(folder / VARIABLES / VARIABLES)})
        if operation := init_operation(meta_graph):
            self._perform(operation, files)

    def _perform(self, operation: str, feeds: Mapping[str, bytes]) -> None:
        paths = (np.array(path, object) for path in feeds.values())
        self._callable(list(feeds), target=[operation])(*paths)

    def function(self, signature: str, inputs: Sequence[str], outputs: Sequence[str]) -> Callable[..., list[Any]]:
        """Return a function of arrays, in the order of `inputs`, that returns the arrays of the outputs.

        Raises
        ------
        LookupError
            If the signature has no such tensors.
        """
        definition = self._signatures[signature]
        return self._callable(
            [_tensor(definition.inputs, name) for name in inputs],
            fetch=[_tensor(definition.outputs, name) for name in outputs],
        )

    def _callable(self, feed: Sequence[str], **options: Sequence[str]) -> Callable[..., list[Any]]:
        from tensorflow.core.protobuf.config_pb2 import CallableOptions

        run_options = self._v1.RunOptions(inter_op_thread_pool=CALLER_THREAD)
        call = run(
            self._session._make_callable_from_options, CallableOptions(feed=feed, run_options=run_options, **options)
        )
        return lambda *arrays: run(call, *arrays)


def _tensor(tensors: Any, name: str) -> str:
    if name not in tensors or not tensors[name].name:  # a ragged or sparse one has no name
        raise LookupError(f"{name} is no dense tensor")
    text: str = tensors[name].name
    return text
