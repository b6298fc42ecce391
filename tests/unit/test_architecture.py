"""The rules of the house, checked on the source itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("monitor_agent", "model_server")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60

OWNERS = {
    "elasticsearch": ("monitor_agent/es/", "monitor_agent/stack/embedded/elasticsearch.py"),
    "elastic_transport": ("monitor_agent/es/",),
    "flask": ("model_server/", "monitor_agent/dashboards/"),
    "jgo": ("monitor_agent/stack/embedded/",),
    "jsonschema": ("monitor_agent/kibana/checks/",),
    "lark": ("monitor_agent/logstash/",),
    "tensorflow": ("model_server/saved_model.py", "model_server/training/"),
    "tensorflow_hub": ("model_server/training/",),
    "tensorflow_text": ("model_server/saved_model.py", "model_server/training/"),
    "vl_convert": ("monitor_agent/dashboards/",),
    "waitress": ("model_server/", "monitor_agent/dashboards/"),
}
PURE = {
    "monitor_agent/metrics/": ("monitor_agent.metrics",),
    "monitor_agent/contracts/": ("monitor_agent.contracts", "monitor_agent.metrics"),
    "monitor_agent/pipeline/": (
        "monitor_agent.contracts",
        "monitor_agent.durations",
        "monitor_agent.errors",
        "monitor_agent.metrics",
        "monitor_agent.pipeline",
        "monitor_agent.settings",
    ),
    "monitor_agent/alerting/": (
        "monitor_agent.alerting",
        "monitor_agent.contracts",
        "monitor_agent.errors",
        "monitor_agent.es",
        "monitor_agent.durations",
        "monitor_agent.pipeline",
        "monitor_agent.settings",
    ),
    "monitor_agent/kibana/": (
        "monitor_agent.alerting",
        "monitor_agent.contracts",
        "monitor_agent.durations",
        "monitor_agent.errors",
        "monitor_agent.http_auth",
        "monitor_agent.kibana",
        "monitor_agent.pipeline",
        "monitor_agent.settings",
    ),
    "model_server/": (
        "monitor_agent.cli.completion",
        "monitor_agent.cli.version_action",
        "monitor_agent.contracts",
        "monitor_agent.durations",
        "monitor_agent.errors",
        "monitor_agent.files",
        "monitor_agent.log",
        "monitor_agent.settings",
        "model_server",
    ),
}

STACK_USERS = ("monitor_agent/cli/", "monitor_agent/demo/", "monitor_agent/stack/")


def imports_of(path: Path) -> set[str]:
    """Return the dotted names that a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_keeps_the_size_that_can_be_read(path: Path) -> None:
    """No module is longer than 400 lines and no function longer than 60 without its docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))

    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_MODULE_LINES
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", [path for path in MODULES if path.name != "__init__.py"], ids=relative)
def test_a_module_says_what_it_is(path: Path) -> None:
    """Every module begins with a docstring."""
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_heavy_library_stays_in_its_room(path: Path) -> None:
    """Libraries of the extras and the Elasticsearch client are imported only where they belong."""
    name = relative(path)
    for imported in imports_of(path):
        owners = OWNERS.get(imported.split(".")[0])
        assert owners is None or name.startswith(owners), f"{name} imports {imported}"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_pure_room_imports_only_what_lies_below_it(path: Path) -> None:
    """Contracts, metrics and pipeline import no client, no clock; the server only contracts and settings."""
    name = relative(path)
    for room, allowed in PURE.items():
        if name.startswith(room):
            ours = {imported for imported in imports_of(path) if imported.startswith(PACKAGES)}
            outside = {imported for imported in ours if not imported.startswith(allowed)}
            assert not outside, f"{name} imports {sorted(outside)}"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_only_what_starts_a_stack_knows_how(path: Path) -> None:
    """The agent, the metrics and the server work with any Elasticsearch: they do not import `stack`."""
    imported = {name for name in imports_of(path) if name.startswith("monitor_agent.stack")}

    assert not imported or relative(path).startswith(STACK_USERS)


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_the_environment_is_read_in_one_place(path: Path) -> None:
    """Only the entry points read os.environ; all else takes settings."""
    allowed = (
        "monitor_agent/cli/__init__.py",
        "model_server/cli.py",
        "monitor_agent/stack/",
    )
    reads = "os.environ" in path.read_text(encoding="utf-8") or "os.getenv" in path.read_text(encoding="utf-8")

    assert not reads or relative(path).startswith(allowed)
