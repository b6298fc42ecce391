"""`docs/architecture.md` names only types, files and commands that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def section_rows(title: str) -> list[list[str]]:
    """Return the cells of the rows of the table in a section."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


GLOSSARY = {row[0]: row[-1].strip("`") for row in section_rows("Glossary")}
PLACES = {row[0]: row[-1] for row in section_rows("Where does it go?")}


def module_path(name: str) -> Path | None:
    """Return the file of a module below `monitor_agent`, None if it does not exist."""
    path = ROOT / "monitor_agent" / name.replace(".", "/")
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def defined_names(path: Path) -> set[str]:
    """Return the classes, functions and constants that a module defines."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def test_every_term_of_the_glossary_has_its_name_in_the_code() -> None:
    """Each name is a module, or a class, function or constant of a module."""
    missing = {}
    for term, name in GLOSSARY.items():
        module, _, attribute = name.rpartition(".")
        path = module_path(module)
        if module_path(name) is None and (path is None or attribute not in defined_names(path)):
            missing[term] = name

    assert missing == {}
    assert len(GLOSSARY) > 30


def test_a_term_stands_once_in_the_glossary() -> None:
    """No term has two meanings."""
    terms = [row[0] for row in section_rows("Glossary")]

    assert len(terms) == len(set(terms))


@pytest.mark.parametrize("addition", sorted(PLACES))
def test_the_files_for_an_addition_exist(addition: str) -> None:
    """Each path exists; a path with a placeholder has its folder, with a file of the same kind in it."""
    for path in re.findall(r"`([\w./<>-]+/[\w./<>-]*)`", PLACES[addition]):
        pattern = re.sub(r"<\w+>", "*", path)
        assert list(ROOT.glob(pattern)), path


def test_the_page_says_where_the_usual_additions_go() -> None:
    """A newcomer finds the files for each of them."""
    usual = ("metric", "panel", "alert", "Logstash filter", "setting", "field", "command", "kind of Elasticsearch")

    assert [word for word in usual if not any(word in addition for addition in PLACES)] == []
