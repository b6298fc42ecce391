"""The rules of the house, checked on the source itself.

`ROOMS` is the plan: every room and every loose module, what it holds and which others it may import.
`python -m tests.unit.test_architecture` writes the plan into `docs/architecture.md`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
PACKAGES = ("monitor_agent", "model_server")
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 7
MAX_LOOSE_MODULES = 8


@dataclass(frozen=True)
class Room:
    """A folder of modules, or a loose module.

    Attributes
    ----------
    name : path below the repository.
    holds : one line for the page.
    imports : the other rooms that it may import, by the last part of their names; each must stand above it.
    libraries : the libraries of other people that it may import.
    """

    name: str
    holds: str
    imports: str = ""
    libraries: str = ""

    @property
    def key(self) -> str:
        """Return the name by which other rooms allow it."""
        return self.name.removeprefix("monitor_agent/").removesuffix(".py").rstrip("/")

    def has(self, path: str) -> bool:
        """Return whether a file belongs to this room."""
        return path == self.name or (self.name.endswith("/") and path.startswith(self.name))


ROOMS = (
    Room("monitor_agent/errors.py", "every error that a user can meet, each with what to do"),
    Room("monitor_agent/clock.py", "the time of now, as an argument"),
    Room("monitor_agent/durations.py", "durations as text: `90s`, `1h30m`, `1w`", "errors"),
    Room("monitor_agent/gc_tuning.py", "how often Python's garbage collector runs"),
    Room(
        "monitor_agent/extras.py",
        "the extras of the installation: what needs which packages, and how to install them",
        "errors",
    ),
    Room(
        "monitor_agent/files.py",
        "replaced files, reloaded files, file locks, address files",
        "errors",
    ),
    Room(
        "monitor_agent/http_client/",
        "what HTTP clients share: addresses, trusted certificates, proxies, bounded answers, reasons of failures",
        "errors",
        "truststore urllib3",
    ),
    Room(
        "monitor_agent/product_files/",
        "the pipeline, the saved objects and the alerts as files of the wheel; copies of them for users",
        "errors files",
    ),
    Room("monitor_agent/vocabulary/", "names that events, settings and metrics share"),
    Room(
        "monitor_agent/settings/",
        "every setting: name, environment variable, default, unit, meaning; how texts become values",
        "durations errors http_client product_files vocabulary",
        "tomli",
    ),
    Room(
        "monitor_agent/metrics/",
        "one metric per file; the mergeable state of a window; drift distances",
        "vocabulary",
        "numpy",
    ),
    Room(
        "monitor_agent/contracts/",
        "one index per file: fields, mapping, sample; which documents a mapping takes; roles; ids",
        "metrics vocabulary",
    ),
    Room(
        "monitor_agent/prediction_log/",
        "writes predictions, feedback, errors and releases to event files, for the model server and any Python program",
        "contracts errors files",
        "orjson typing_extensions",
    ),
    Room(
        "monitor_agent/tables/",
        "reads files of rows: CSV, NDJSON, Parquet",
        "errors extras files",
        "pyarrow",
    ),
    Room("monitor_agent/log.py", "the JSON log lines of the processes", "contracts http_client", "structlog orjson"),
    Room(
        "monitor_agent/command_line.py",
        "what both programs share: the parser, `--version`, shell completion, one line for each error",
        "contracts errors extras log",
        "shtab",
    ),
    Room(
        "monitor_agent/pipeline/",
        "pure steps of the agent: windows, attribution, query bodies, documents",
        "contracts durations errors metrics settings vocabulary",
        "numpy",
    ),
    Room(
        "monitor_agent/root_causes/",
        "what a fall of a metric comes from: rate and mix by the values of many dimensions, ranked",
        "durations metrics pipeline settings vocabulary",
        "numpy",
    ),
    Room(
        "monitor_agent/es/",
        "everything that reads and writes Elasticsearch: gateway, stores, templates",
        "clock contracts durations errors http_client metrics pipeline root_causes settings vocabulary",
        "elasticsearch elastic_transport numpy orjson structlog",
    ),
    Room(
        "monitor_agent/http_serving/",
        "the HTTP server of model server, viewer and health page: limits, TLS, hosts, origins of pages, proxies",
        "errors files http_client settings vocabulary",
        "structlog waitress",
    ),
    Room(
        "monitor_agent/receiving/",
        "takes the events of KServe and UBI by HTTP, and writes their event lines before it answers",
        "contracts errors files http_serving prediction_log settings vocabulary",
        "orjson prometheus_client structlog",
    ),
    Room(
        "monitor_agent/alerting/",
        "the list of alerts, KQL, their evaluation and firings; needs neither Kibana nor Watcher",
        "contracts durations errors es metrics pipeline product_files settings",
        "structlog tomli",
    ),
    Room(
        "monitor_agent/notifying/",
        "messages about alerts: what is due to whom, outboxes, silences, texts, channels by Apprise",
        "alerting contracts durations errors es extras log metrics pipeline root_causes settings",
        "apprise jinja2 structlog",
    ),
    Room(
        "monitor_agent/agent/",
        "one cycle and what runs it: join, recompute, backfill, leases, alerts once a cycle, health",
        "alerting clock contracts errors es http_serving metrics notifying pipeline settings",
        "orjson prometheus_client schedule structlog",
    ),
    Room(
        "monitor_agent/kibana/",
        "saved objects, watches and rules: their model, checks, searches; Kibana's API",
        "extras alerting contracts durations errors files http_client pipeline product_files settings",
        "jsonschema",
    ),
    Room(
        "monitor_agent/analysis/",
        "metrics, curves and labelled predictions as Arrow tables, for analysts who write Python",
        "clock contracts errors es extras kibana pipeline settings",
        "pyarrow",
    ),
    Room(
        "monitor_agent/dashboards/",
        "the viewer of the dashboards without Kibana, and the reports",
        "alerting extras clock contracts durations errors es files http_serving kibana metrics notifying pipeline "
        "root_causes settings vocabulary",
        "flask orjson structlog vl_convert werkzeug",
    ),
    Room(
        "monitor_agent/logstash/",
        "the embedded runner of Logstash configurations",
        "contracts errors files gc_tuning http_client http_serving settings vocabulary",
        "lark orjson structlog urllib3",
    ),
    Room(
        "monitor_agent/stack/",
        "ways to get an Elasticsearch: embedded, compose, external; starts and stops the processes of one machine",
        "extras contracts errors files http_client settings",
        "cjdk jgo requests",
    ),
    Room(
        "model_server/setting_limits.py",
        "the limits of the model server's settings",
        "contracts durations errors prediction_log settings",
    ),
    Room("model_server/errors.py", "errors of one request; each has a status of HTTP"),
    Room(
        "model_server/json_object.py",
        "reads the fields of a JSON body; an error names the path of the field",
        "contracts model_server/errors prediction_log",
        "orjson",
    ),
    Room(
        "model_server/signatures/",
        "what a SavedModel takes and gives: where its inputs are in a request, which output is the score",
        "contracts errors model_server/errors model_server/json_object prediction_log",
        "numpy",
    ),
    Room(
        "model_server/model_card.py",
        "the model to serve, by its files; needs no TensorFlow",
        "contracts errors model_server/signatures settings",
    ),
    Room(
        "model_server/engines/",
        "what computes the scores of a model, behind one interface",
        "errors extras model_server/errors model_server/model_card model_server/signatures",
        "ai_edge_litert h5py keras numpy structlog tensorflow tensorflow_hub tensorflow_text tf_keras",
    ),
    Room("model_server/cards/", "the model card of a version: JSON, and a page of it", "errors files"),
    Room("model_server/data_files/", "describes the columns of files of rows", "tables"),
    Room(
        "model_server/evaluation/",
        "the quality of scores on labelled data, by the agent's metrics",
        "contracts errors metrics model_server/cards model_server/engines model_server/errors "
        "model_server/json_object model_server/signatures tables",
        "numpy",
    ),
    Room(
        "model_server/releases/",
        "which models and versions are served: folders, rules, loading, swap, splits",
        "contracts errors model_server/errors model_server/model_card prediction_log settings",
        "structlog tomli",
    ),
    Room(
        "model_server/exporting/",
        "writes new versions: copies, and smaller or faster ones with what that costs",
        "contracts errors extras model_server/cards model_server/engines "
        "model_server/evaluation model_server/model_card model_server/releases model_server/signatures tables settings",
        "numpy tensorflow",
    ),
    Room("model_server/api_keys.py", "the file of API keys", "errors files", "structlog"),
    Room(
        "monitor_agent/diagnosis/",
        "the checks of `monitor-agent check`: the facts, and what they mean for the user",
        "alerting contracts durations errors es extras files http_client http_serving kibana log logstash notifying "
        "model_server/api_keys model_server/releases model_server/setting_limits product_files settings stack "
        "vocabulary",
    ),
    Room(
        "monitor_agent/demo/",
        "the scenarios of `demo`: their data, the replay by the clock of a past time, what was found",
        "agent alerting clock contracts dashboards durations errors es extras files gc_tuning importing log "
        "logstash metrics model_server/model_card notifying pipeline prediction_log settings stack vocabulary",
        "numpy pyarrow rich",
    ),
    Room(
        "monitor_agent/importing/",
        "imports tables of predictions and labels: rows become event lines, which the configured pipeline delivers",
        "agent clock contracts errors es files log logstash pipeline prediction_log settings tables",
        "orjson",
    ),
    Room(
        "monitor_agent/cli/",
        "one command per file; writes the generated pages",
        "agent alerting analysis clock command_line contracts dashboards demo diagnosis durations errors es extras "
        "files gc_tuning http_serving importing kibana log logstash metrics notifying pipeline product_files receiving "
        "root_causes settings stack vocabulary",
        "orjson rich",
    ),
    Room("monitor_agent/__main__.py", "the entry point of `monitor-agent`", "cli extras"),
    Room(
        "model_server/training/",
        "trains, calibrates and exports the demo's kind of model",
        "extras contracts errors model_server/cards model_server/data_files model_server/engines "
        "model_server/evaluation model_server/signatures tables",
        "numpy rich tensorflow tensorflow_hub tensorflow_text",
    ),
    Room(
        "model_server/",
        "everything that runs beside the model: HTTP, batching",
        "command_line contracts errors extras files gc_tuning http_serving log model_server/api_keys "
        "model_server/cards model_server/engines model_server/errors model_server/evaluation "
        "model_server/exporting model_server/json_object model_server/model_card model_server/releases "
        "model_server/setting_limits model_server/signatures model_server/training prediction_log settings tables",
        "flask numpy orjson prometheus_client structlog werkzeug",
    ),
)

ENVIRONMENT_READERS = (
    "monitor_agent/analysis/",
    "monitor_agent/cli/__init__.py",
    "monitor_agent/stack/",
    "model_server/cli.py",
)
"""Entry points, and what starts processes; all else takes settings."""

NARROW_LIBRARIES = {
    "ai_edge_litert": ("model_server/engines/",),
    "elasticsearch": ("monitor_agent/es/",),
    "jsonschema": ("monitor_agent/kibana/checks/",),
    "apprise": ("monitor_agent/notifying/channels.py",),
    "tensorflow": ("model_server/engines/", "model_server/exporting/conversion.py", "model_server/training/"),
    "tensorflow_text": ("model_server/engines/", "model_server/training/"),
}
"""Libraries that only one corner of a room may import."""


def modules() -> list[Path]:
    """Return every module of the packages."""
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def relative(path: Path) -> str:
    """Return the path below the repository."""
    return path.relative_to(ROOT).as_posix()


def room_of(path: str) -> Room | None:
    """Return the room that a file belongs to: the one with the longest fitting name."""
    return max((room for room in ROOMS if room.has(path)), key=lambda room: len(room.name), default=None)


@cache
def tree_of(path: Path) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports_of(path: Path) -> set[str]:
    """Return the dotted names that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@cache
def file_of(name: str) -> str:
    """Return the file that defines a dotted name of ours."""
    steps = name.split(".")
    for length in range(len(steps), 0, -1):
        stem = "/".join(steps[:length])
        for candidate in (f"{stem}.py", f"{stem}/__init__.py"):
            if (ROOT / candidate).is_file():
                return candidate
    raise LookupError(f"{name} is no module")


@cache
def imported_files(path: Path) -> set[str]:
    """Return our own files that a module imports."""
    return {file_of(name) for name in imports_of(path) if name.split(".")[0] in PACKAGES} - {relative(path)}


def test_every_module_has_one_room_and_imports_only_what_its_room_may() -> None:
    """A module imports its own room and the rooms that the plan allows it."""
    problems = []
    for path in modules():
        name = relative(path)
        room = room_of(name)
        if room is None:
            if path.name != "__init__.py":
                problems.append(f"{name} has no room")
            continue
        allowed = {room.key, *room.imports.split()}
        for imported in imported_files(path):
            target = room_of(imported)
            if target is not None and target.key not in allowed:
                problems.append(f"{name} imports {imported}, which {room.name} may not")

    assert problems == []


def test_the_plan_allows_nothing_that_nobody_uses() -> None:
    """A permission, a library or a room that is not used is taken out of the plan."""
    used: dict[str, set[str]] = {room.key: set() for room in ROOMS}
    libraries: dict[str, set[str]] = {room.key: set() for room in ROOMS}
    for path in modules():
        room = room_of(relative(path))
        if room is not None:
            targets = {room_of(imported) for imported in imported_files(path)}
            used[room.key] |= {target.key for target in targets if target is not None}
            libraries[room.key] |= {name.split(".")[0] for name in imports_of(path)}
    unused = [
        f"{room.name}: {name}"
        for room in ROOMS
        for names, uses in ((room.imports, used[room.key]), (room.libraries, libraries[room.key]))
        for name in names.split()
        if name not in uses
    ]

    assert unused == []


def test_rooms_form_no_circle() -> None:
    """No room imports, by way of others, one that imports it."""
    below = {room.key: set(room.imports.split()) for room in ROOMS}

    def reaches(start: str, visited: frozenset[str] = frozenset()) -> set[str]:
        direct = below.get(start, set()) - visited
        return direct.union(*(reaches(room, visited | direct) for room in direct))

    assert [room.key for room in ROOMS if room.key in reaches(room.key)] == []


def test_modules_form_no_circle() -> None:
    """No module imports, by way of others, one that imports it, imports inside functions included."""
    graph = {relative(path): imported_files(path) for path in modules()}

    assert list(circles(graph)) == []


def circles(graph: dict[str, set[str]]) -> Iterator[list[str]]:
    """Yield the strongly connected groups of more than one node (Tarjan's algorithm)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []

    def visit(node: str) -> Iterator[list[str]]:
        order[node] = lowest[node] = len(order)
        stack.append(node)
        for target in sorted(graph.get(node, ())):
            if target not in order:
                yield from visit(target)
                lowest[node] = min(lowest[node], lowest[target])
            elif target in stack:
                lowest[node] = min(lowest[node], order[target])
        if lowest[node] == order[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                yield sorted(group)

    for node in sorted(graph):
        if node not in order:
            yield from visit(node)


def test_a_library_of_other_people_stays_in_its_rooms() -> None:
    """A room imports only the standard library and the libraries that the plan allows it."""
    problems = []
    for path in modules():
        name = relative(path)
        room = room_of(name)
        allowed = set(room.libraries.split()) if room else set()
        for library in {imported.split(".")[0] for imported in imports_of(path)} - set(PACKAGES):
            corner = NARROW_LIBRARIES.get(library)
            if library in sys.stdlib_module_names or library == "__future__":
                continue
            if library not in allowed or (corner and not name.startswith(corner)):
                problems.append(f"{name} imports {library}")

    assert problems == []


def test_the_environment_is_read_in_one_place() -> None:
    """Only the entry points read the environment; all else takes settings."""
    environment = re.compile(r"\bos\.(?:environ|getenv)\b|from os import")
    readers = [relative(path) for path in modules() if environment.search(path.read_text(encoding="utf-8"))]

    assert [name for name in readers if not name.startswith(ENVIRONMENT_READERS)] == []


def test_few_modules_stand_loose() -> None:
    """All but a handful of modules of the agent have a room."""
    loose = [path.name for path in (ROOT / "monitor_agent").glob("*.py") if not path.name.startswith("__")]

    assert len(loose) <= MAX_LOOSE_MODULES, loose


def test_a_module_keeps_the_size_that_can_be_read() -> None:
    """Modules have at most 400 lines, functions 60 lines without their docstring and 7 parameters."""
    problems = []
    for path in modules():
        name = relative(path)
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MAX_MODULE_LINES:
            problems.append(f"{name} has {lines} lines")
        for function in functions_of(path):
            length, parameters = length_of(function), parameters_of(function)
            if length > MAX_FUNCTION_LINES:
                problems.append(f"{name}: {function.name} has {length} lines")
            if parameters > MAX_PARAMETERS:
                problems.append(f"{name}: {function.name} has {parameters} parameters")

    assert problems == []


def functions_of(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return every function and method of a module."""
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def length_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def parameters_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many arguments a caller may give, `self` and `cls` left out."""
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def test_a_module_says_what_it_is() -> None:
    """Every module begins with a docstring."""
    silent = [
        relative(path) for path in modules() if path.name != "__init__.py" and not ast.get_docstring(tree_of(path))
    ]

    assert silent == []


def test_the_page_shows_the_plan() -> None:
    """The table of rooms in `docs/architecture.md` is the one that the plan makes."""
    page = PAGE.read_text(encoding="utf-8")

    assert with_rooms(page, rooms_table()) == page, "run `make docs`"


BEGIN, END = "<!-- rooms: begin -->", "<!-- rooms: end -->"


def rooms_table() -> str:
    """Return the plan as a Markdown table, the highest room first."""
    rows = [
        f"| `{room.name}` | {room.holds} | {listed(room.imports.split())} | {listed(room.libraries.split())} |"
        for room in reversed(ROOMS)
    ]
    head = ["| where | what belongs there | may import | libraries |", "|---|---|---|---|"]
    return "\n".join([*head, *rows])


def listed(names: Iterable[Any]) -> str:
    """Return names for a cell of the table."""
    return ", ".join(f"`{name}`" for name in names) or "-"


def with_rooms(page: str, table: str) -> str:
    """Return a page with the table between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_rooms(PAGE.read_text(encoding="utf-8"), rooms_table()), encoding="utf-8")
