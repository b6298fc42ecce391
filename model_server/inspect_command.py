"""`model-server inspect FOLDER`: what a SavedModel takes and gives, how it would be served, and its `model.json`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model_server.model_card import CARD, ModelCard, home_of, read_engine, read_entries
from model_server.releases.folders import find_version
from model_server.signatures.mapping import read_mapping
from model_server.signatures.model_plan import INTERNAL, suggested_entries
from model_server.signatures.tensor_spec import SignatureSpec, TensorSpec
from monitor_agent.errors import ModelError

EXAMPLE_THRESHOLD = 0.5
WARM_UP_BATCH = 2


def add_parser(subparsers: Any) -> None:
    """Add ``inspect`` to the commands."""
    parser = subparsers.add_parser("inspect", help="show what a SavedModel takes and gives, and how it would be served")
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="a SavedModel, a file of Keras, or the folder of its versions"
    )
    parser.add_argument("--model-version", default="", metavar="VERSION", help="the version (default: the newest)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print what is found; return 0 if the model can be served, else 1.

    Raises
    ------
    ModelError
        If there is no model, or it cannot be loaded.
    """
    folder = find_version(args.folder, args.model_version)
    path = home_of(folder) / CARD
    entries = read_entries(path)
    report = _report(folder, entries, path)
    if args.json:
        sys.stdout.write(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(_text(report, folder))
    return 0 if report["problem"] is None else 1


def _report(folder: Path, entries: Mapping[str, Any], path: Path) -> dict[str, Any]:
    from model_server.engines.loaded_graph import LoadedGraph
    from model_server.engines.loading import engine_of_graph

    mapping = read_mapping(entries, path)
    graph = LoadedGraph(folder)
    report: dict[str, Any] = {
        "folder": str(folder),
        "signatures": [_signature(spec) for spec in graph.signatures if not spec.name.startswith(INTERNAL)],
        "served": [],
        "model.json": None,
        "problem": None,
    }
    try:
        card = ModelCard(folder, "", "", EXAMPLE_THRESHOLD, mapping=mapping, engine=read_engine(entries, path))
        model = engine_of_graph(card, graph)
        model.warm_up(WARM_UP_BATCH)
    except ModelError as error:
        report["problem"] = str(error)
        return report
    report["served"] = [
        {
            "signature": served.form.signature,
            "inputs": [str(column) for column in served.form.columns],
            "output": str(served.output),
            "engine": model.engine_of(served),
        }
        for served in model.plan.served
    ]
    threshold = {} if model.kind != "binary" else {"threshold": EXAMPLE_THRESHOLD}
    report["model.json"] = {**threshold, **entries, **suggested_entries(model.plan, mapping)}
    return report


def _signature(spec: SignatureSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "inputs": [_tensor(tensor) for tensor in spec.inputs],
        "outputs": [_tensor(tensor) for tensor in spec.outputs],
    }


def _tensor(tensor: TensorSpec) -> dict[str, Any]:
    return {"name": tensor.name, "dtype": tensor.dtype, "shape": None if tensor.shape is None else list(tensor.shape)}


def _text(report: Mapping[str, Any], folder: Path) -> str:
    lines = []
    for spec in report["signatures"]:
        lines.append(f"signature {spec['name']}")
        for kind in ("inputs", "outputs"):
            lines += [f"  {kind[:-1]:6}  {_tensor_text(tensor)}" for tensor in spec[kind]]
    for served in report["served"]:
        lines.append(f"served    {served['signature']}")
        lines += [f"  input   {text}" for text in served["inputs"]]
        lines += [f"  output  {served['output']}", f"  engine  {served['engine']}"]
    if report["problem"] is not None:
        lines.append(f"not served: {report['problem']}")
    else:
        lines += [f"{folder / CARD}:", json.dumps(report["model.json"], indent=2, ensure_ascii=False)]
    return "\n".join(lines) + "\n"


def _tensor_text(tensor: Mapping[str, Any]) -> str:
    shape = None if tensor["shape"] is None else tuple(tensor["shape"])
    return str(TensorSpec(tensor["name"], tensor["dtype"], shape))
