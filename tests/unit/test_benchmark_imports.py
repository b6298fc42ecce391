"""The benchmarks run rarely, so a test says when they use a name of the product that is gone."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("monitor_agent", "model_server")


def test_every_name_that_a_benchmark_imports_exists() -> None:
    """Each import of the benchmarks and the scripts from the product names a module, or a name that a module has."""
    missing = []
    for path in sorted([*(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            if isinstance(node, ast.ImportFrom) and module.partition(".")[0] in PACKAGES:
                missing += [
                    f"{path.relative_to(ROOT)}: {module}.{alias.name}"
                    for alias in node.names
                    if alias.name not in names_of(module) and file_of(f"{module}.{alias.name}") is None
                ]
    assert missing == []


def file_of(module: str) -> Path | None:
    """Return the file of a module; None if there is none."""
    place = ROOT.joinpath(*module.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


@cache
def names_of(module: str) -> frozenset[str]:
    """Return the names that a module defines or imports; none if there is no such module."""
    path = file_of(module)
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if path else ():
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return frozenset(names)
