"""Writes a new version from a SavedModel: a copy, or an optimised one that is measured beside its source."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from model_server.cards.card_file import read_card_file, table, with_entry, write_card_file
from model_server.engines.engine import Engine
from model_server.engines.loaded_graph import LoadedGraph
from model_server.engines.loading import engine_of_graph
from model_server.engines.meta_graph import VARIABLES
from model_server.engines.saved_model import limit_threads, threads_for
from model_server.evaluation.labelled_instances import LabelledReader
from model_server.exporting import measuring
from model_server.exporting.comparison import AUC, Tolerance, VersionComparison
from model_server.exporting.measuring import MeasuredInstance
from model_server.exporting.optimisations import OPTIMISATIONS
from model_server.model_card import CARD, ModelCard, keras_file, read_card, read_entries
from model_server.signatures.instance_inputs import InputReader
from monitor_agent.contracts.model_names import problem_of_version
from monitor_agent.errors import ModelError
from monitor_agent.settings import ServerSettings
from monitor_agent.tables.table_file import TableFile

WARM_UP_BATCH = 64
REFUSED = "nothing is written; choose another optimisation"
FEW = 256
KERAS = "export it by Keras: keras.saving.load_model(...).export(...)"
ENGINE_ENTRIES = ("engine", "engine_file")
TITLES = {AUC: "AUC", "log_loss": "log loss", "root_mean_squared_error": "root mean squared error"}


@dataclass(frozen=True)
class ExportOptions:
    """What is exported.

    Attributes
    ----------
    source : the folder of the version.
    out : the folder that gets the new version.
    version : its name; "" = the next number.
    optimise : a name of `OPTIMISATIONS`; "" = a copy.
    data : rows with labels; None = invented instances, whose labels nobody knows.
    """

    source: Path
    out: Path
    version: str = ""
    optimise: str = ""
    data: Path | None = None
    tolerance: Tolerance = Tolerance()


@dataclass(frozen=True)
class ExportReport:
    """A written version: its folder, and its optimisation as the model card has it; empty for a copy."""

    folder: Path
    optimisation: dict[str, Any]


def export(options: ExportOptions) -> ExportReport:
    """Write the new version; the folder appears whole or not at all.

    Raises
    ------
    ModelError
        If the version exists, cannot be optimised or written, or is worse than the tolerance allows.
    DataError
        If the data cannot be read.
    MissingPackageError
        If a package of an engine is missing.
    """
    if path := keras_file(options.source):
        raise ModelError(f"{path} is a file of Keras; only a SavedModel is exported", KERAS)
    version = options.version or _next_version(options)
    target = options.out / version
    if problem := problem_of_version(version) or ("is no name of a folder" if Path(version).name != version else ""):
        raise ModelError(f"the version {version[:100]} {problem}", "name another one by --new-version")
    if target.exists():
        raise ModelError(f"{target} exists already", "name another version by --new-version; none is overwritten")
    with _new_folder(target) as folder:
        shutil.copytree(options.source, folder, ignore=shutil.ignore_patterns(".*"))
        entries = {**read_entries(folder / CARD), "version": version}
        name = read_card(options.source, ServerSettings(), _name_of(options.source)).name
        entries = {"name": name, **entries}
        card = read_card_file(folder)
        optimisation: dict[str, Any] = {}
        if options.optimise:
            optimisation = _optimise(options, folder, entries)
            card = with_entry(card, "optimizations", optimisation)
        _write_entries(folder, entries)
        write_card_file(folder, _of_version(card, name, version, options.source.resolve().name))
    return ExportReport(target, optimisation)


def _optimise(options: ExportOptions, folder: Path, entries: dict[str, Any]) -> dict[str, Any]:
    """Optimise the copy in a folder, and its entries of `model.json`; return the entry of the model card."""
    chosen = OPTIMISATIONS[options.optimise]
    threads = threads_for(options.source)
    limit_threads(threads)
    graph = LoadedGraph(options.source)
    source = _engine(options.source, graph, threads)
    main = source.plan.served[0].form.signature
    old_file = source.card.engine.file
    for name in ENGINE_ENTRIES:
        entries.pop(name, None)
    if old_file:
        (folder / old_file).unlink()
    entries |= chosen.apply(graph, next(spec for spec in graph.signatures if spec.name == main), folder)
    _write_entries(folder, entries)
    is_rewritten = "engine" not in entries
    try:
        optimised = _engine(folder, LoadedGraph(folder) if is_rewritten else graph, threads)
    except ModelError as error:
        reason = str(error).removeprefix(f"{folder}: ").replace(str(folder), "it")
        raise ModelError(f"{options.optimise} makes a version that cannot be served ({reason})", REFUSED) from error
    instances = _instances(options.data, source)
    first = list(islice(instances, FEW))
    comparison = measuring.compare(source, optimised, chain(first, instances))
    if problem := comparison.problem(options.tolerance):
        raise ModelError(
            f"{options.optimise} is worse than the tolerance allows: {problem}",
            f"{REFUSED}, or allow more by --tolerance",
        )
    speed = measuring.latencies(
        {"source": source, "new": optimised}, measuring.of_main_form(source, (entry.inputs for entry in first))
    )
    rows = [*_size_rows(options.source, source, folder, optimised), *_speed_rows(speed), *_quality_rows(comparison)]
    file = TableFile(options.data) if options.data else None
    return {
        "name": options.optimise,
        "method": chosen.method,
        "source_version": source.card.version,
        "instances": comparison.instances,
        "data": file.facts(comparison.instances) if file else f"{comparison.instances} invented instances",
        "tolerance": asdict(options.tolerance),
        "tables": [table("effect", ["measure", "source", options.optimise, "difference"], rows)],
    }


def _engine(folder: Path, graph: LoadedGraph, threads: int) -> Engine:
    engine = engine_of_graph(read_card(folder, ServerSettings(), _name_of(folder)), graph, threads)
    engine.warm_up(WARM_UP_BATCH)
    return engine


def _instances(data: Path | None, source: Engine) -> Iterator[MeasuredInstance]:
    if data is None:
        return iter(measuring.invented(source))
    reader = LabelledReader(InputReader(source.plan.forms, source.limits), source.kind, source.classes)
    return (MeasuredInstance(entry.inputs, entry.truth) for entry in reader.read(TableFile(data)))


def _size_rows(before: Path, source: Engine, after: Path, optimised: Engine) -> list[list[Any]]:
    """Return the rows of the table about files; the files of the engine are what computes the main signature."""
    engines = [source.engine_of(source.plan.served[0]), optimised.engine_of(optimised.plan.served[0])]
    folders = [_bytes(before), _bytes(after)]
    weights = [_bytes_of_weights(before, source.card), _bytes_of_weights(after, optimised.card)]
    return [
        ["engine", *engines, None],
        ["files of the version, bytes", *folders, _ratio(*folders)],
        ["weights of the main signature, bytes", *weights, _ratio(*weights)],
    ]


def _speed_rows(speed: Mapping[str, Mapping[int, float]]) -> list[list[Any]]:
    source, new = speed["source"], speed["new"]
    return [
        [f"latency of {size}, us", round(source[size]), round(new[size]), _ratio(source[size], new[size])]
        for size in source
    ]


def _quality_rows(comparison: VersionComparison) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for name, before in comparison.before.items():
        after = comparison.after[name]
        difference = None if before is None or after is None else f"{after - before:+.3g}"
        rows.append([TITLES.get(name, name), before, after, difference])
    if comparison.flipped is not None:
        rows.append(["instances with another label, share", None, comparison.flipped, None])
    return [*rows, ["largest difference of a score", None, comparison.largest, None]]


def _ratio(before: float, after: float) -> str:
    return f"{after / before:.2f} times" if before else "-"


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _bytes_of_weights(folder: Path, card: ModelCard) -> int:
    return (folder / card.engine.file).stat().st_size if card.engine.file else _bytes(folder / VARIABLES)


def _next_version(options: ExportOptions) -> str:
    """Return the number after the largest one of the source and of the versions in the folder.

    Raises
    ------
    ModelError
        If the source has no number.
    """
    source = options.source.resolve().name
    present = [path.name for path in options.out.iterdir()] if options.out.is_dir() else []
    numbers = [int(name) for name in (source, *present) if name.isascii() and name.isdecimal()]
    if not numbers:
        raise ModelError(f"the version {source} is no number, so the next one is not clear", "name it by --new-version")
    return str(max(numbers) + 1)


def _name_of(folder: Path) -> str:
    """Return the name of a model whose `model.json` says none: that of the folder of its versions."""
    folder = folder.resolve()
    return folder.parent.name if folder.name.isdecimal() else folder.name


def _of_version(card: Mapping[str, Any], name: str, version: str, source: str) -> dict[str, Any]:
    """Return the card of a source as that of a version that was made from it."""
    details = {**card.get("model_details", {}), "name": name, "version": version, "made_from_version": source}
    caveats = list(card.get("caveats_and_recommendations", ()))
    if card.get("quantitative_analyses"):
        caveats.append(f"The quantitative analyses are those of version {source}.")
    return {**card, "model_details": details, **({"caveats_and_recommendations": caveats} if caveats else {})}


def _write_entries(folder: Path, entries: Mapping[str, Any]) -> None:
    (folder / CARD).write_text(json.dumps(entries, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """Yield a folder that becomes the target when the block ends well; else nothing stays.

    Raises
    ------
    ModelError
        If it cannot be written.
    """
    is_new = not target.parent.exists()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as room:
            yield Path(room) / "new"
            (Path(room) / "new").rename(target)
    except (OSError, shutil.Error) as error:
        reason = getattr(error, "strerror", None) or "its files cannot be copied"
        raise ModelError(f"{target} cannot be written ({reason})", "name another folder or free disk space") from error
    finally:
        if is_new and target.parent.is_dir() and not any(target.parent.iterdir()):
            target.parent.rmdir()
