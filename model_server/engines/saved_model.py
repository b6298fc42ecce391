"""The engine `tensorflow`: a loaded SavedModel, or a file of Keras."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from model_server.engines.caller_session import CallerSession
from model_server.engines.engine import BatchResult
from model_server.engines.loaded_graph import LoadedGraph
from model_server.engines.meta_graph import VARIABLES
from model_server.engines.tensorflow_loading import first_line, import_tensorflow
from model_server.errors import RefusedInputsError
from model_server.model_card import TENSORFLOW, ModelCard, keras_file
from model_server.signatures import probes
from model_server.signatures.batch import stacked
from model_server.signatures.input_form import EXAMPLE, IDS
from model_server.signatures.instance_inputs import ExampleFeatures, InputLimits, InstanceInputs
from model_server.signatures.model_plan import ModelPlan, ServedSignature, plan
from monitor_agent.errors import ModelError

MAX_REASON_LENGTH = 300
SMALL_BYTES = 100 << 20
"""A model of six layers, 384 wide, has about 90 MiB."""
_log = structlog.get_logger()


class SavedModel:
    """A SavedModel that TensorFlow computes; `parallel` threads may call it at a time.

    Parameters
    ----------
    graph : the loaded model; None = it is loaded now.
    threads : CPU threads of one operation; 0 = one per core; None = as many as suit the size of the model.

    Attributes
    ----------
    engine : the name of the engine.
    graph : its signatures, and their functions.
    plan : how its signatures are served.
    card : what its `model.json` and the settings say.

    Raises
    ------
    MissingPackageError
        If TensorFlow is missing, or cannot be loaded.
    ModelError
        If the model cannot be loaded or served.
    """

    engine = TENSORFLOW

    def __init__(self, card: ModelCard, graph: LoadedGraph | None = None, threads: int | None = None) -> None:
        self.graph = graph or LoadedGraph(card.folder)
        self._tensorflow = self.graph.tensorflow
        self.card = card
        self.signatures = self.graph.signatures
        self.plan: ModelPlan = plan(self.signatures, card.mapping, card.folder)
        self._calls: dict[tuple[str, ...], Callable[..., list[Any]] | None] = {}
        self._session = self._new_session(threads_for(card.folder) if threads is None else threads)

    def _new_session(self, threads: int) -> CallerSession | None:
        """Return a session if an operation uses one thread; else None: all cores compute an operation together."""
        if threads != 1 or keras_file(self.card.folder) is not None:
            return None
        try:
            signatures = [served.form.signature for served in self.plan.served]
            return CallerSession(self._tensorflow, self.card.folder, signatures)
        except Exception as error:  # noqa: BLE001  TensorFlow has many types of errors
            _log.info("the model is computed without a session", reason=first_line(error))
            return None

    @property
    def parallel(self) -> int:
        """How many threads may call it at a time."""
        return 1 if self._session is None else len(os.sched_getaffinity(0))

    @property
    def limits(self) -> InputLimits:
        """The limits of the ids of an instance: a signature can fix their number."""
        widths = [form.width for form in self.plan.forms if form.width is not None]
        return InputLimits(min([self.card.max_seq_length, *widths]), self.card.vocab_size)

    @property
    def kind(self) -> str:
        """The kind of its predictions."""
        return self.plan.kind

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its classes; empty for other kinds."""
        return self.plan.classes

    def warm_up(self, batch_size: int) -> None:
        """Call all signatures with several shapes: the first requests are then as fast as later ones.

        Raises
        ------
        ModelError
            If the model cannot be called, or if its output is not what it should be.
        """
        for served in self.plan.served:
            self._warm_up(served, batch_size)

    def _warm_up(self, served: ServedSignature, batch_size: int) -> None:
        reasons = []
        counts = [min(count, served.form.batch_size or count) for count in (1, batch_size, 2)]
        instances = probes.instances(served.form, self.limits)
        for probe in instances:
            try:
                for count in counts:
                    values = self._scores(served, [probe] * count)
                    output = served.output.resolved(values, self.card.folder)
                    if problem := output.problem(values, count):
                        raise ModelError(
                            f"{self.card.folder}: the output {output.name}: {problem}",
                            'write "output", "column" or "activation" into model.json (docs/model-server.md#models)',
                        )
                    self.plan = self.plan.with_output(output)
            except ModelError:
                raise
            except Exception as error:  # noqa: BLE001  TensorFlow has many types of errors
                reasons.append(first_line(error))
        if len(reasons) < len(instances):
            return
        if served.form.column(EXAMPLE) and served.output.kind:
            # Nothing says which features an example must have.
            _log.warning("not warmed up: an example without features is refused", reason=reasons[0])
            return
        raise ModelError(f"{self.card.folder} cannot be called ({reasons[0]})", "export it again")

    def compute(self, inputs: Sequence[InstanceInputs]) -> BatchResult:
        """Return the score of each instance, and all outputs if an instance needs them; all inputs are of one group.

        Other errors of the library that computes pass through.

        Raises
        ------
        RefusedInputsError
            If the model refuses the values of an instance.
        """
        try:
            return self._result(inputs)
        except self._tensorflow.errors.InvalidArgumentError as error:
            raise RefusedInputsError(first_line(error)[:MAX_REASON_LENGTH]) from error

    def _result(self, inputs: Sequence[InstanceInputs]) -> BatchResult:
        served = next(entry for entry in self.plan.served if entry.form is inputs[0].form)
        engine = self.engine_of(served)
        most = served.form.batch_size or len(inputs)
        portions = [inputs[start : start + most] for start in range(0, len(inputs), most)]
        read = served.output.read
        if not any(entry.has_all_outputs for entry in inputs):
            scores = [read(self._scores(served, portion), len(portion)) for portion in portions]
            return BatchResult(scores[0] if len(scores) == 1 else np.concatenate(scores), engine=engine)
        results = [self._outputs(served, portion) for portion in portions]
        rows = [len(portion) for portion in portions]
        name = served.output.name
        scores = [
            read(score_rows(result[name], served, count), count) for result, count in zip(results, rows, strict=True)
        ]
        outputs = {name: _rows([result[name] for result in results], rows) for name in results[0]}
        return BatchResult(np.concatenate(scores), outputs, engine)

    def engine_of(self, _served: ServedSignature) -> str:
        """Return the name of what computes a signature."""
        return TENSORFLOW

    def _outputs(self, served: ServedSignature, inputs: Sequence[InstanceInputs]) -> dict[str, Any]:
        """Return the arrays of all outputs by name; a fixed number of instances gives more rows than inputs."""
        arrays = stacked(inputs, self._serialised)
        spec = next(spec for spec in self.signatures if spec.name == served.form.signature)
        names = [tensor.name for tensor in spec.outputs]
        call = self._call_in_session(served, names)
        if call is None:
            return self._called(spec.name, served, arrays)
        return dict(zip(names, call(*(arrays[column.tensor.name] for column in served.form.columns)), strict=True))

    def _called(self, signature: str, served: ServedSignature, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Return the outputs of a signature for inputs of the form of `served`."""
        tensorflow = self._tensorflow
        columns = {
            column.tensor.name: tensorflow.constant(arrays[column.tensor.name], column.tensor.dtype)
            for column in served.form.columns
        }
        return {name: tensor.numpy() for name, tensor in self.graph.functions[signature](**columns).items()}

    def _scores(self, served: ServedSignature, inputs: Sequence[InstanceInputs]) -> Any:
        """Return the values of the output with the score, one row for each of the inputs."""
        call = self._call_in_session(served, [served.output.name])
        if call is None:
            key = (served.form.signature,)
            call = self._calls[key] = self._calls.get(key) or self._call_of(served)
        arrays = stacked(inputs, self._serialised)
        (values,) = call(*(arrays[column.tensor.name] for column in served.form.columns))
        return score_rows(values, served, len(inputs))

    def _call_in_session(self, served: ServedSignature, outputs: Sequence[str]) -> Callable[..., list[Any]] | None:
        """Return a function of the arrays of the inputs that the session computes; None if it cannot."""
        if self._session is None:
            return None
        key = (served.form.signature, *outputs)
        if key not in self._calls:
            names = [column.tensor.name for column in served.form.columns]
            try:
                self._calls[key] = self._session.function(served.form.signature, names, outputs)
            except LookupError:
                self._calls[key] = None
        return self._calls[key]

    def _call_of(self, served: ServedSignature) -> Callable[..., list[Any]]:
        """Return a function of the arrays of the inputs that gives the output with the score, in a list.

        Each tensor that is made costs as much as ten operations of a small model, so rows of ids go in one tensor.
        Outputs that are not the score are not computed.
        """
        tensorflow, columns = self._tensorflow, served.form.columns
        types = {column.tensor.dtype for column in columns}
        signature, names = self.graph.functions[served.form.signature], [column.tensor.name for column in columns]
        if len(columns) < 2 or len(types) > 1 or any(column.place not in IDS or column.is_ragged for column in columns):

            def compute(*arrays: Any) -> list[Any]:
                tensors = (
                    tensorflow.constant(array, column.tensor.dtype)
                    for array, column in zip(arrays, columns, strict=True)
                )
                return [signature(**dict(zip(names, tensors, strict=True)))[served.output.name].numpy()]

            return compute
        spec = tensorflow.TensorSpec([len(columns), *served.form.rows_shape], types.pop())

        @tensorflow.function(input_signature=[spec])  # type: ignore[untyped-decorator]
        def call(packed: Any) -> Any:
            rows = tensorflow.unstack(packed)
            return signature(**dict(zip(names, rows, strict=True)))[served.output.name]

        concrete = call.get_concrete_function()
        return lambda *arrays: [concrete(tensorflow.constant(np.stack(arrays))).numpy()]

    def _serialised(self, features: ExampleFeatures) -> bytes:
        """Return a `tf.Example`: whole numbers become int64, other numbers float, texts bytes."""
        train = self._tensorflow.train
        lists: dict[str, Any] = {}
        for name, values in features.items():
            kinds = set(map(type, values))
            if kinds <= {int}:
                lists[name] = train.Feature(int64_list=train.Int64List(value=values))
            elif kinds <= {int, float}:
                lists[name] = train.Feature(float_list=train.FloatList(value=values))
            else:
                lists[name] = train.Feature(bytes_list=train.BytesList(value=values))
        serialised: bytes = train.Example(features=train.Features(feature=lists)).SerializeToString()
        return serialised


def limit_threads(threads: int) -> None:
    """Limit the CPU threads of one batch, 0 = one per core; the first model of a process decides."""
    tensorflow = import_tensorflow()
    # Functions compute one batch at a time: parallel operations would only compete for the same cores.
    with contextlib.suppress(RuntimeError):  # TensorFlow has computed already
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)
        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)


def threads_for(folder: Path) -> int:
    """Return how many CPU threads an operation of a model should use; 0 = one per core.

    Operations of a small model are over before a second thread has begun: it only costs time. The size of its
    variables says how small it is.
    """
    file = keras_file(folder)
    paths = (folder / VARIABLES).glob("*") if file is None else [file]
    size = sum(path.stat().st_size for path in paths if path.is_file())
    return 1 if size <= SMALL_BYTES else 0


def score_rows(values: Any, served: ServedSignature, count: int) -> Any:
    """Return the values of an output, without the rows of repeated instances."""
    return values[:count] if served.form.batch_size else values


def _rows(values: Sequence[Any], counts: Sequence[int]) -> Any:
    """Return the first rows of the parts of an output, one after the other; an output without rows as it is."""
    if any(array.ndim == 0 for array in values):
        return values[0]
    return np.concatenate([array[:count] for array, count in zip(values, counts, strict=True)])
