"""The benchmarks run rarely, so a test says when they use a name of the product that is gone."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("monitor_agent", "model_server")
PROGRAMS_OF_OTHERS = "rivals"
"""These modules run in environments of their own."""


def test_every_name_that_a_benchmark_imports_exists() -> None:
    """Each import of the benchmarks and the scripts that names the product finds its name."""
    missing = []
    for path in sorted([*(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]):
        if PROGRAMS_OF_OTHERS in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or (node.module or "").partition(".")[0] not in PACKAGES:
                continue
            module = importlib.import_module(node.module or "")
            missing += [
                f"{path.relative_to(ROOT)}: {node.module}.{alias.name}"
                for alias in node.names
                if not hasattr(module, alias.name) and not _is_module(f"{node.module}.{alias.name}")
            ]
    assert missing == []


def _is_module(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True
