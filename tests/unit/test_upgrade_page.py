"""`docs/upgrade.md` says what has changed since 0.1: the names of that release are in `tests/data/release-0.1`."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from monitor_agent.cli import make_parser
from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.contracts.roles import ROLES
from monitor_agent.settings import Settings, environment_of
from monitor_agent.settings.names import known_variables

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/upgrade.md").read_text(encoding="utf-8")
OLD = json.loads((ROOT / "tests/data/release-0.1/names.json").read_text(encoding="utf-8"))
FIELDS = {contract.name: contract.fields.keys() for contract in CONTRACTS}
NO_FIELDS = {"features.other"}
"""Fields that the table of fields names although they still exist."""


def section(title: str) -> str:
    """Return the text below a title of the page."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of all rows of tables, without their heads."""
    lines = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line] for line in lines]


def options(parser: argparse.ArgumentParser, command: str = "") -> Iterator[tuple[str, set[str]]]:
    """Yield each command with its long options."""
    names = {name for action in parser._actions for name in action.option_strings if name.startswith("--")}
    yield command, names - {"--help"}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield from options(child, f"{command} {name}".strip())


def test_no_setting_is_gone() -> None:
    """The page says so, and that no setting has another name."""
    assert "No setting has another name, and none is gone." in section("Settings")
    assert OLD["settings"].keys() - known_variables() == set()


def test_every_other_default_is_on_the_page() -> None:
    """A setting whose default is another one than in 0.1 has a row."""
    sections = [getattr(Settings(), entry.name) for entry in fields(Settings)]
    now = {name: text for values in sections for name, text in environment_of(values).items()}
    changed = {name for name, text in OLD["settings"].items() if text != now[name]}
    named = set(re.findall(r"`([A-Z][A-Z_]+)`", section("Settings")))

    assert changed <= named


def test_the_settings_of_the_page_exist() -> None:
    """Each name in capitals is a setting; those that the page calls new were not in 0.1."""
    page_names = set(re.findall(r"`([A-Z][A-Z]+_[A-Z_]+)(?:=[^`]*)?`", PAGE))
    containers = {"SETUP_PASSWORD", "DEADLETTER_READER_PASSWORD"}
    new = re.search(r"New settings that an upgrade may need: (.+?)All are in", PAGE, re.DOTALL)

    assert page_names <= known_variables() | containers
    assert new
    assert not set(re.findall(r"`([A-Z_]+)`", new[1])) & OLD["settings"].keys()


def test_every_field_that_is_gone_is_on_the_page() -> None:
    """The table has exactly the fields of 0.1 that no longer exist, and their new names exist."""
    gone = {(index, name) for index, names in OLD["fields"].items() for name in names if name not in FIELDS[index]}
    table = [row for row in rows(section("Indices, fields and ids")) if len(row) == 3 and row[0].strip("`") in FIELDS]
    documented = {(index.strip("`"), field.strip("`")) for index, field, _ in table}

    assert {(index, name) for index, name in documented if name not in NO_FIELDS} == gone
    assert FIELDS.keys() >= OLD["fields"].keys()
    for index, _, text in table:
        if new := re.fullmatch(r"`(\w+)`", text):
            assert new[1] in FIELDS[index.strip("`")]
        elif twin := re.fullmatch(r"gone; `(\w+)` has the same number", text):
            assert twin[1] in FIELDS[index.strip("`")]


def test_every_option_that_is_gone_is_on_the_page() -> None:
    """The first column of the table of commands has each option of 0.1 that no longer exists."""
    now = dict(options(make_parser()))
    gone = {f"{command} {name}" for command, names in OLD["commands"].items() for name in {*names} - now[command]}
    documented = [row[0] for row in rows(section("Commands"))]

    assert [entry for entry in gone if not any(f"monitor-agent {entry}" in cell for cell in documented)] == []


@pytest.mark.parametrize("command", sorted(set(re.findall(r"(?<!^\| )`monitor-agent ([^`]+)`", PAGE, re.MULTILINE))))
def test_the_commands_of_the_page_are_accepted(command: str) -> None:
    """Each command line of the page exists; the first column of a table has those of 0.1."""
    arguments = command.replace("FILE...", "FILE").replace(" FROM", " 2026-03-01").replace(" TO", " 2026-03-02").split()

    args = make_parser(arguments).parse_args(arguments)

    assert args.command == arguments[0]


def test_every_new_role_is_on_the_page() -> None:
    """The table of users has each role, and calls those new that 0.1 lacked."""
    table = {row[0].strip("`"): row for row in rows(section("Users and roles"))}

    assert ROLES.keys() <= table.keys()
    assert {name for name in ROLES if table[name][1] == "-"} == ROLES.keys() - set(OLD["roles"])
