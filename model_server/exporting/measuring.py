"""Measures two versions of a model side by side: scores of the same instances, and latencies in turn."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from model_server.engines.engine import Engine
from model_server.evaluation.file_evaluation import evaluation_of
from model_server.exporting.comparison import VersionComparing, VersionComparison
from model_server.signatures import probes
from model_server.signatures.input_form import IDS, INPUT_MASK, SPLITS, InputColumn
from model_server.signatures.instance_inputs import InstanceInputs
from model_server.signatures.json_values import numpy_dtype
from monitor_agent.errors import ModelError

CHUNK = 256
SIZES = (1, 32, 64)
MOST_CALLS = 50
SECONDS = 0.5
"""The time for each size of batches, both versions together."""

INVENTED = 512
INVENTED_IDS = 16
SEED = 1


@dataclass(frozen=True)
class MeasuredInstance:
    """An instance; `truth` = None: nobody knows what was right."""

    inputs: InstanceInputs
    truth: float | None = None


def compare(source: Engine, optimised: Engine, instances: Iterable[MeasuredInstance]) -> VersionComparison:
    """Return how the scores of two versions differ.

    Raises
    ------
    ModelError
        If there are no instances, or if the optimised engine computes none of them.
    """
    comparing = VersionComparing(source.kind, source.card.threshold, (evaluation_of(source), evaluation_of(source)))
    count = computed = 0
    for chunk in _chunks(instances):
        before, _ = _scores(source, [entry.inputs for entry in chunk])
        after, engines = _scores(optimised, bound(optimised, [entry.inputs for entry in chunk]))
        truths = [entry.truth for entry in chunk if entry.truth is not None]
        comparing.add(before, after, _truth(source.kind, truths) if len(truths) == len(chunk) else None)
        count += len(chunk)
        computed += engines.count(optimised.engine)
    if not count:
        raise ModelError("there are no instances to compare the versions with", "give a file with rows by --data")
    if not computed:
        raise ModelError(
            f"{optimised.engine} computes none of the instances of --data: texts go to tensorflow, because the "
            "SavedModel has no signature `tokenize`",
            "give the ids of the texts, or train the model again",
        )
    return comparing.result()


def latencies(engines: Mapping[str, Engine], instances: Sequence[InstanceInputs]) -> dict[str, dict[int, float]]:
    """Return the time of the fastest call with 1, 32 and 64 instances, us, of each engine.

    The engines are called in turn. Other work on the machine only adds time, so the fastest call is nearest to what the
    engine takes (Python's documentation, `timeit.Timer.repeat`).

    Parameters
    ----------
    instances : of one group, at least one; they are repeated.
    """
    times: dict[str, dict[int, list[float]]] = {name: {size: [] for size in SIZES} for name in engines}
    for size in SIZES:
        inputs = list(islice(cycle(instances), size))
        batches = {name: bound(engine, inputs) for name, engine in engines.items()}
        for name, engine in engines.items():
            engine.compute(batches[name])
        until = time.perf_counter() + SECONDS
        for _ in range(MOST_CALLS):
            for name, engine in engines.items():
                began = time.perf_counter()
                engine.compute(batches[name])
                times[name][size].append((time.perf_counter() - began) * 1e6)
            if time.perf_counter() > until:
                break
    return {name: {size: min(values) for size, values in by_size.items()} for name, by_size in times.items()}


def of_main_form(engine: Engine, instances: Iterable[InstanceInputs]) -> list[InstanceInputs]:
    """Return the first instances of the main signature that are computed together; invented ones if there are none."""
    form = engine.plan.served[0].form
    chosen = [entry for entry in instances if entry.form is form] or [entry.inputs for entry in invented(engine)]
    return [entry for entry in chosen if entry.group == chosen[0].group][: SIZES[-1]]


def invented(engine: Engine) -> list[MeasuredInstance]:
    """Return random instances of the main signature, the same ones in each run; `truth` is unknown."""
    form, limits = engine.plan.served[0].form, engine.limits
    template = probes.instances(form, limits)[-1]
    random = np.random.default_rng(SEED)
    length = min(INVENTED_IDS, form.width or INVENTED_IDS, limits.max_seq_length)
    return [
        MeasuredInstance(
            InstanceInputs(
                form,
                tuple(
                    _invented(column, value, length, limits.vocab_size, random)
                    for column, value in zip(form.columns, template.values, strict=True)
                ),
            )
        )
        for _ in range(INVENTED)
    ]


def _invented(
    column: InputColumn, template: Any, length: int, vocab_size: int | None, random: np.random.Generator
) -> Any:
    """Return a random value of the shape of a probe; ids below 100 if nobody knows how many there are."""
    if column.place == INPUT_MASK:
        return np.ones(length, numpy_dtype(column.tensor))
    if column.place in IDS:
        above = (vocab_size or 100) if column.place == IDS[0] else 2
        return random.integers(0, above, length).astype(numpy_dtype(column.tensor))
    if column.tensor.is_float and isinstance(template, np.ndarray):
        return np.asarray(random.standard_normal(template.shape)).astype(numpy_dtype(column.tensor))
    if column.place.startswith(SPLITS) or not (column.tensor.is_integer and isinstance(template, np.ndarray)):
        return template
    return random.integers(0, 2, template.shape).astype(numpy_dtype(column.tensor))


def bound(engine: Engine, inputs: Sequence[InstanceInputs]) -> list[InstanceInputs]:
    """Return inputs with the forms of another engine of the same signatures."""
    forms = {form: form for form in engine.plan.forms}
    return [replace(entry, form=forms[entry.form]) for entry in inputs]


def _chunks(instances: Iterable[MeasuredInstance]) -> Iterator[list[MeasuredInstance]]:
    iterator = iter(instances)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def _scores(engine: Engine, inputs: Sequence[InstanceInputs]) -> tuple[npt.NDArray[Any], list[str]]:
    """Return the scores in the order of the inputs, and the engine of each."""
    groups: dict[Any, list[int]] = {}
    for place, entry in enumerate(inputs):
        groups.setdefault(entry.group, []).append(place)
    places: list[int] = []
    results, engines = [], []
    for group in groups.values():
        result = engine.compute([inputs[place] for place in group])
        results.append(result.scores)
        engines += [result.engine] * len(group)
        places += group
    return np.concatenate(results)[np.argsort(places)], engines


def _truth(kind: str, values: Sequence[float]) -> npt.NDArray[Any]:
    return np.array(values, np.float64 if kind == "regression" else np.int64)
