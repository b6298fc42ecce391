"""Scores the labelled rows of a file by a served model, in constant memory, and evaluates the scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from model_server.engines.engine import Engine
from model_server.evaluation.analysis import Analysis, Evaluation
from model_server.evaluation.binary import BinaryEvaluation
from model_server.evaluation.labelled_instances import LABEL, NO_FIELDS, LabelledInstance, LabelledReader
from model_server.evaluation.multiclass import MulticlassEvaluation
from model_server.evaluation.regression import RegressionEvaluation
from model_server.signatures.instance_inputs import InputReader
from monitor_agent.contracts.kinds import BINARY, MULTICLASS, REGRESSION
from monitor_agent.errors import DataError, ModelError
from monitor_agent.tables.table_file import TableFile

BATCH = 256


@dataclass(frozen=True)
class FileEvaluation:
    """The quality of a model on a file.

    Attributes
    ----------
    data : what a model card says about the file.
    """

    data: Mapping[str, Any]
    analysis: Analysis


def evaluate_file(
    engine: Engine, file: TableFile, label: str = LABEL, fields: Mapping[str, str] = NO_FIELDS
) -> FileEvaluation:
    """Return the quality of a model, which is warmed up, on the rows of a file that have a label.

    Parameters
    ----------
    label : the column with the truth.
    fields : column of the file -> field of an instance, for columns with other names.

    Raises
    ------
    DataError
        If the file cannot be read, a row does not fit the model, or no row has a label.
    ModelError
        If the model cannot compute rows, or gives what is no probability.
    """
    reader = LabelledReader(InputReader(engine.plan.forms, engine.limits), engine.kind, engine.classes, label, fields)
    evaluation = evaluation_of(engine)
    instances = reader.read(file)
    while batch := list(islice(instances, BATCH)):
        for rows in _groups(batch):
            evaluation.add(_scores(engine, file, rows), np.array([instance.truth for instance in rows]))
    if reader.rows == reader.unlabelled:
        raise DataError(f"{file.path} has no row with a value in {label}", "give labelled rows")
    data = {
        "rows": reader.rows - reader.unlabelled,
        "files": [file.facts(reader.rows)],
        "cleaning": [{"rule": "the label is missing", "rows": reader.unlabelled, "action": "dropped"}],
    }
    return FileEvaluation(data, evaluation.analysis())


def evaluation_of(engine: Engine) -> Evaluation:
    """Return an empty evaluation for the kind of a model."""
    if engine.kind == MULTICLASS.name:
        return MulticlassEvaluation(engine.classes)
    if engine.kind == BINARY.name:
        return BinaryEvaluation(engine.card.threshold)
    return RegressionEvaluation()


def _groups(batch: Sequence[LabelledInstance]) -> Iterator[list[LabelledInstance]]:
    """Yield instances that the model computes together, as the server's batches have them."""
    groups: dict[Any, list[LabelledInstance]] = {}
    for instance in batch:
        groups.setdefault(instance.inputs.group, []).append(instance)
    yield from groups.values()


def _scores(engine: Engine, file: TableFile, rows: Sequence[LabelledInstance]) -> Any:
    try:
        scores = engine.compute([instance.inputs for instance in rows]).scores
    except Exception as error:  # each library has many types of errors
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        where = f"{file.path}:{rows[0].row}"
        raise ModelError(f"the model cannot compute {where} or a row after it ({reason})", "correct the row") from error
    numbers = np.asarray(scores, np.float64).reshape(len(rows), -1)
    is_right = np.isfinite(numbers)
    if engine.kind != REGRESSION.name:
        is_right &= (numbers >= 0) & (numbers <= 1)
    if not is_right.all():
        row, column = (int(places[0]) for places in np.nonzero(~is_right))
        problem = f"for {file.path}:{rows[row].row} the model gives {numbers[row, column]:g}"
        expectation = "a number" if engine.kind == REGRESSION.name else "a probability"
        raise ModelError(f"{problem}, not {expectation}", "correct the row, or train the model again")
    return scores
