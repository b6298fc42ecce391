"""`model-server evaluate --data FILE`: the quality of a served model on labelled rows."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model_server.cards.card_file import Card, read_card_file, with_entry, write_card_file
from model_server.cards.markdown import plain_text
from model_server.engines.engine import Engine
from model_server.evaluation.labelled_instances import LABEL
from model_server.model_card import ModelCard
from model_server.releases.available import AvailableModel, available_models
from model_server.signatures.model_plan import INTERNAL
from monitor_agent.errors import DataError, ModelError
from monitor_agent.extras import MODEL_SERVER, require
from monitor_agent.files import replace_file
from monitor_agent.settings import ServerSettings
from monitor_agent.tables.table_file import TableFile

WARM_UP_BATCH = 2
FIELDS = ("text_a", "text_b", "text")
COMMAND = "model-server evaluate"


def add_parser(subparsers: Any) -> None:
    """Add ``evaluate`` to the commands."""
    parser = subparsers.add_parser("evaluate", help="measure a model on labelled rows, as the server would score them")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FILE",
        help="CSV, NDJSON or Parquet with the model's inputs and labels",
    )
    parser.add_argument("--label", default=LABEL, metavar="COLUMN", help="column with the truth (default: %(default)s)")
    for field in FIELDS:
        option = f"--{field.replace('_', '-')}"
        parser.add_argument(option, metavar="COLUMN", help=f"column with {field}, if it has another name")
    parser.add_argument(
        "--model-dir", type=Path, metavar="DIR", help="folder of the model (default: MODEL_SERVER_MODEL_DIR)"
    )
    parser.add_argument("--model", metavar="NAME", help="name of the model; needed if there are several")
    parser.add_argument("--model-version", metavar="VERSION", help="the version (default: the newest that is served)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the JSON object to a file")
    parser.add_argument("--card", action="store_true", help="also write the result into the version's model card")


def run(args: argparse.Namespace, settings: ServerSettings) -> int:
    """Evaluate a model and print the result; return the exit status.

    Raises
    ------
    DataError
        If the file cannot be read or written, or a row does not fit the model.
    ModelError
        If there is no such model, or it cannot be served, or its card cannot be written.
    MissingPackageError
        If a package is missing.
    """
    require(COMMAND, MODEL_SERVER)
    if args.model_dir is not None:
        settings = dataclasses.replace(settings, model_dir=str(args.model_dir), model_config="", model_name="")
    card = _card(available_models(settings), args.model, args.model_version)
    from model_server.engines.loaded_graph import LoadedGraph
    from model_server.engines.loading import engine_of_graph
    from model_server.evaluation.file_evaluation import evaluate_file

    engine = engine_of_graph(card, LoadedGraph(card.folder))
    engine.warm_up(WARM_UP_BATCH)
    columns = {name: field for field in FIELDS if (name := getattr(args, field))}
    evaluation = evaluate_file(engine, TableFile(args.data), args.label, columns)
    entry = {
        "name": f"evaluation on {evaluation.data['files'][0]['name']}",
        "data": evaluation.data,
        "metrics": evaluation.analysis.metrics,
        "tables": evaluation.analysis.tables,
    }
    model = {"name": card.name, "version": card.version, "kind": engine.kind, "threshold": _threshold(card, engine)}
    text = json.dumps({"model": model, **entry}, indent=2, ensure_ascii=False) + "\n"
    if args.out is not None:
        _write(args.out, text)
    if args.card:
        write_card_file(card.home, with_entry(_card_of(card, engine), "quantitative_analyses", entry))
    sys.stdout.write(text if args.json else _readable(model, entry))
    return 0


def _card(models: Sequence[AvailableModel], name: str | None, version: str | None) -> ModelCard:
    """Return the card of the version to evaluate.

    Raises
    ------
    ModelError
        If there is no such model or version, or it cannot be served.
    """
    chosen = [model for model in models if name in (None, model.name)]
    if len(chosen) != 1:
        names = ", ".join(model.name for model in models)
        problem = f"there is no model {name}" if name else "there are several models"
        raise ModelError(problem, f"choose one with --model: {names}")
    (model,) = chosen
    if version is None:
        versions = model.choose()
        if not versions:
            raise model.first_problem
        return model.cards[versions[-1]]
    if version in model.refused:
        raise model.refused[version]
    if version not in model.cards:
        raise ModelError(f"{model.folder} has no version {version}", f"it has {', '.join(model.cards) or 'none'}")
    return model.cards[version]


def _threshold(card: ModelCard, engine: Engine) -> float | None:
    return card.threshold if engine.kind == "binary" else None


def _card_of(card: ModelCard, engine: Engine) -> Card:
    """Return the model card of a version; if it has none, what the server knows about it."""
    if existing := read_card_file(card.home):
        return existing
    facts: Card = {
        "model_details": {"name": card.name, "version": card.version, "kind": engine.kind},
        "signatures": [
            {
                "name": signature.name,
                "inputs": [str(tensor) for tensor in signature.inputs],
                "outputs": [str(tensor) for tensor in signature.outputs],
            }
            for signature in engine.signatures
            if not signature.name.startswith(INTERNAL)
        ],
    }
    if engine.kind == "binary":
        method = "written into model.json, or set" if card.has_threshold else "nobody has chosen one; the default"
        facts["decision_threshold"] = {"value": card.threshold, "method": method}
    return facts


def _write(path: Path, text: str) -> None:
    try:
        replace_file(path, text)
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror})", "name another file") from error


def _readable(model: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """Return the result as text for people."""
    facts = {name: value for name, value in model.items() if value is not None}
    lines = [", ".join(f"{name} {plain_text(value)}" for name, value in facts.items())]
    data = entry["data"]
    unlabelled = sum(step["rows"] for step in data["cleaning"])
    lines += [f"{data['rows']:,} labelled rows of {data['files'][0]['name']}, {unlabelled:,} without a label", ""]
    rows = [["metric", "value", "95 % interval"]]
    for name, metric in entry["metrics"].items():
        value = metric["undefined"] if metric["value"] is None else plain_text(metric["value"])
        ends = [plain_text(metric[end]) for end in ("low", "high") if end in metric]
        rows.append([name, value, " to ".join(ends) or "-"])
    lines += _aligned(rows)
    for table in entry["tables"]:
        cells = [table["columns"], *table["rows"]]
        lines += ["", table["title"], *_aligned([[plain_text(cell) for cell in row] for row in cells])]
    return "\n".join(lines) + "\n"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows whose columns are as wide as their longest text.

    >>> _aligned([["a", "b"], ["long", "c"]])
    ['a     b', 'long  c']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
