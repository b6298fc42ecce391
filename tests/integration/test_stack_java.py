"""A Java without a `release` file reports its version and its modules itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor_agent.stack.embedded.java import Java, find_java, inspect
from tests.unit.monitor_agent.stack.embedded.test_java import MODULES, make_java


def test_a_java_without_a_release_file_runs_to_report_its_version(tmp_path: Path) -> None:
    """If no file holds the version, the program itself prints it."""
    assert inspect(make_java(tmp_path / "jdk", "21.0.1", release=False)) == Java(tmp_path / "jdk", 21)


@pytest.mark.parametrize(
    ("version", "modules"),
    [("11.0.1", MODULES), ("1.8.0_402", MODULES), ("21.0.1", "java.base java.logging")],
    ids=["too old", "old numbering", "without the vector module"],
)
def test_a_java_without_a_release_file_must_fit_too(tmp_path: Path, version: str, modules: str) -> None:
    """A runtime that is too old, or lacks a module that Elasticsearch needs, is not used."""
    home = make_java(tmp_path / "jdk", version, modules, release=False)

    assert find_java("", {"JAVA_HOME": str(home)}, usual_folders=[]) is None
