"""A Java without a `release` file is asked for its version and its modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor_agent.stack.embedded.java import Java, find_java, inspect
from tests.unit.monitor_agent.stack.embedded.test_java import MODULES, make_java


def test_a_java_without_a_release_file_is_asked(tmp_path: Path) -> None:
    """Where no file says the version, the program itself does."""
    assert inspect(make_java(tmp_path / "jdk", "21.0.1", release=False)) == Java(tmp_path / "jdk", 21)


@pytest.mark.parametrize(
    ("version", "modules"),
    [("11.0.1", MODULES), ("1.8.0_402", MODULES), ("21.0.1", "java.base java.logging")],
    ids=["too old", "old numbering", "without the vector module"],
)
def test_a_java_without_a_release_file_must_fit_too(tmp_path: Path, version: str, modules: str) -> None:
    """A runtime that is too old or was made without a module that Elasticsearch needs is not taken."""
    home = make_java(tmp_path / "jdk", version, modules, release=False)

    assert find_java("", {"JAVA_HOME": str(home)}, usual_folders=[]) is None
