"""The best Java that fits is used, wherever it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor_agent.errors import JavaNotFoundError, StackError
from monitor_agent.stack.embedded.java import Java, fetch_java, find_java, newest_version_for, version_for

MODULES = "java.base java.logging jdk.incubator.vector"


def make_java(home: Path, version: str, modules: str = MODULES, *, release: bool = True) -> Path:
    """Return a folder like a runtime's; without a `release` file only its program knows its version."""
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    listed = "\\n".join(f"{name}@{version}" for name in modules.split())
    program.write_text(f"#!/bin/sh\nprintf '{listed}\\n'\n")
    program.chmod(0o755)
    if release:
        (home / "release").write_text(f'JAVA_VERSION="{version}"\nMODULES="{modules}"\n')
    return home


def test_the_newest_java_wins(tmp_path: Path) -> None:
    """Of the runtimes in JAVA_HOME, on PATH and in the usual folders, the newest one is used."""
    environ = {
        "JAVA_HOME": str(make_java(tmp_path / "home", "17.0.2")),
        "PATH": str(make_java(tmp_path / "path", "21.0.1") / "bin"),
    }
    make_java(tmp_path / "jvm" / "jdk-25", "25.0.3")

    assert find_java("", environ, usual_folders=[f"{tmp_path}/jvm/*"]) == Java(tmp_path / "jvm" / "jdk-25", 25)
    assert find_java("", environ, usual_folders=[]) == Java(tmp_path / "path", 21)


def test_a_users_explicit_choice_wins(tmp_path: Path) -> None:
    """ES_JAVA_HOME is used although a newer runtime is there, if it fits."""
    environ = {"ES_JAVA_HOME": str(make_java(tmp_path / "chosen", "17.0.2"))}
    make_java(tmp_path / "jvm" / "jdk-25", "25.0.3")

    assert find_java("", environ, usual_folders=[f"{tmp_path}/jvm/*"]) == Java(tmp_path / "chosen", 17)
    assert find_java("9.5.0", environ, usual_folders=[f"{tmp_path}/jvm/*"]) == Java(tmp_path / "jvm" / "jdk-25", 25)


def test_a_link_on_the_path_leads_to_the_runtime(tmp_path: Path) -> None:
    """A `java` on PATH that is a link, as in Linux distributions, stands for its target's folder."""
    home = make_java(tmp_path / "jdk", "21")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to(home / "bin" / "java")

    assert find_java("", {"PATH": str(tmp_path / "bin")}, usual_folders=[]) == Java(home, 21)


@pytest.mark.parametrize(
    ("version", "modules"),
    [("11.0.1", MODULES), ("1.8.0_402", MODULES), ("21.0.1", "java.base java.logging")],
    ids=["too old", "old numbering", "without the vector module"],
)
def test_a_java_that_does_not_fit_is_passed_over(tmp_path: Path, version: str, modules: str) -> None:
    """A runtime that is too old, or lacks a module that Elasticsearch needs, is not used."""
    home = make_java(tmp_path / "jdk", version, modules)

    assert find_java("", {"JAVA_HOME": str(home)}, usual_folders=[]) is None


def test_a_java_out_of_reach_is_passed_over(tmp_path: Path) -> None:
    """A runtime that the account of Elasticsearch cannot reach is not used."""
    environ = {"JAVA_HOME": str(make_java(tmp_path / "jdk", "21"))}

    assert find_java("", environ, usual_folders=[], usable=lambda _home: False) is None


def test_the_version_follows_the_java() -> None:
    """Java 21 and newer run 9.5.0, older ones 8.19.21, unless the settings name a version."""
    assert [newest_version_for(Java(Path(), feature)) for feature in (17, 20, 21, 25)] == [
        "8.19.21",
        "8.19.21",
        "9.5.0",
        "9.5.0",
    ]
    assert version_for(Java(Path(), 25), "8.19.21") == "8.19.21"
    with pytest.raises(StackError, match=r"7\.17\.0 is not known"):
        version_for(Java(Path(), 25), "7.17.0")


def test_no_java_and_no_registry_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no runtime is installed and none can be fetched, the line names the package to install."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    with pytest.raises(JavaNotFoundError) as caught:
        fetch_java(tmp_path, lambda _line: None)
    assert len(str(caught.value).splitlines()) == 1
    assert "no Java >= 17 was found" in caught.value.message
    assert "the proxy HTTPS_PROXY=http://127.0.0.1:9 does not answer (Connection refused)" in caught.value.message
    assert "install Java 21" in caught.value.hint
