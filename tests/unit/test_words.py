"""The words of the house: names that say what they hold, and one form for what a docstring promises."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("monitor_agent", "model_server", "tests", "benchmarks", "scripts")
MAX_EXCEPTIONS = 20

FORBIDDEN = frozenset(
    """
    told tell tells telling found known shown each part parts look looks looked looking asked ask asks seen
    said say says saying drawn held kept given taken made wanted what who ours theirs mine own same such every
    beside crowded settled bell nights trial watched compared drifted thing things one both it they others
    """.split()  # noqa: SIM905
)
"""Participles and pronouns: as the name of a value or a type, none of them says what is held."""

EXCEPTIONS: frozenset[str] = frozenset()
"""`file:name` of each place where such a word is the right one."""

HEDGED_ERROR = re.compile(r"(?:;|\bor)\s+\w+Error\b|\w+Error,? where\b")
"""An error that the text of a docstring mentions, in the place of a section `Raises`."""


def sources() -> list[Path]:
    """Return every module of the project."""
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(path.read_text(encoding="utf-8"))


def names_of(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield every name that a module gives to a value, a function or a type, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name, node.lineno
        elif isinstance(node, ast.alias):
            yield node.asname or node.name, node.lineno


def test_a_name_says_what_it_holds() -> None:
    """No value, function, type or module is called by a participle or a pronoun."""
    misnamed = []
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        if path.stem.strip("_") in FORBIDDEN:
            misnamed.append(name)
        for identifier, line in names_of(tree_of(path)):
            if identifier.strip("_").lower() in FORBIDDEN and f"{name}:{identifier}" not in EXCEPTIONS:
                misnamed.append(f"{name}:{line}: {identifier}")

    assert misnamed == []


def test_exceptions_stay_few() -> None:
    """At most twenty places may use a forbidden word, and each of them does."""
    used = {
        f"{path.relative_to(ROOT).as_posix()}:{identifier}"
        for path in sources()
        for identifier, _ in names_of(tree_of(path))
    }

    assert len(EXCEPTIONS) <= MAX_EXCEPTIONS
    assert sorted(EXCEPTIONS - used) == []


def test_a_type_has_a_name_of_its_own() -> None:
    """No two modules define a type of the same name."""
    places: dict[str, list[str]] = {}
    for folder in ("monitor_agent", "model_server"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in tree_of(path).body:
                if isinstance(node, ast.ClassDef):
                    places.setdefault(node.name, []).append(path.relative_to(ROOT).as_posix())

    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_a_docstring_names_its_errors_in_a_section() -> None:
    """What a function raises stands under `Raises`, not inside a sentence."""
    hedged = []
    for folder in ("monitor_agent", "model_server"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(tree_of(path)):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)):
                    text = ast.get_docstring(node) or ""
                    if HEDGED_ERROR.search(text):
                        hedged.append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}")

    assert hedged == []
