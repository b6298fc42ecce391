"""Computes a small SavedModel in the thread that calls it: no other thread wakes up, and several may call at a time.

A function of TensorFlow 2 is computed by a thread of the library, one for all calls. For a small model, waking that
thread up costs as much as the model. A session of TensorFlow 1 computes in its caller's thread if its options say so.
Source: `RunOptions.inter_op_thread_pool` in `tensorflow/core/protobuf/config.proto`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CALLER_THREAD = -1
SERVE = "serve"


class CallerSession:
    """A SavedModel in a session; it has its own copy of the variables.

    Errors of TensorFlow pass through.

    Parameters
    ----------
    tensorflow : the library.
    """

    def __init__(self, tensorflow: Any, folder: Path) -> None:
        v1 = tensorflow.compat.v1
        options = v1.ConfigProto(inter_op_parallelism_threads=1, use_per_session_threads=True)
        options.experimental.executor_type = "SINGLE_THREADED_EXECUTOR"
        self._v1 = v1
        graph = tensorflow.Graph()
        with graph.as_default():
            self._session = v1.Session(graph=graph, config=options)
            level = v1.logging.get_verbosity()
            v1.logging.set_verbosity(v1.logging.ERROR)  # it says that a session is old
            try:
                self._signatures = v1.saved_model.load(self._session, [SERVE], str(folder)).signature_def
            finally:
                v1.logging.set_verbosity(level)

    def function(self, signature: str, inputs: Sequence[str], output: str) -> Callable[..., Any]:
        """Return a function of arrays, in the order of `inputs`, that returns the array of the output.

        Raises
        ------
        LookupError
            If the signature has no such tensors.
        """
        from tensorflow.core.protobuf.config_pb2 import CallableOptions

        definition = self._signatures[signature]
        run_options = self._v1.RunOptions(inter_op_thread_pool=CALLER_THREAD)
        options = CallableOptions(
            feed=[_tensor(definition.inputs, name) for name in inputs],
            fetch=[_tensor(definition.outputs, output)],
            run_options=run_options,
        )
        call = self._session._make_callable_from_options(options)

        def compute(*arrays: Any) -> Any:
            (values,) = call(*arrays)
            return values

        return compute


def _tensor(tensors: Any, name: str) -> str:
    if name not in tensors or not tensors[name].name:  # a ragged or sparse one has no name
        raise LookupError(f"{name} is no dense tensor")
    text: str = tensors[name].name
    return text
