"""A machine without Docker; tests/integration/test_stack_compose.py runs a program in its place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from monitor_agent.errors import StackError
from monitor_agent.settings import StackSettings
from monitor_agent.stack.compose import ComposeProvider


def test_without_docker_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing program is reported with an alternative."""
    monkeypatch.setenv("PATH", str(tmp_path))
    provider = ComposeProvider(StackSettings(), lambda _line: None, tmp_path / "docker-compose.yml")

    with pytest.raises(StackError, match=r"docker is not installed: .*--provider embedded"):
        provider.down()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the project's compose files, on a machine without Docker."""
    root = Path(__file__).parents[4]
    for name in ("docker-compose.yml", "docker-compose.tls.yml", ".env.example"):
        shutil.copy(root / name, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def prepare(folder: Path) -> list[str]:
    """Start the containers up to the point where Docker is missing; return the lines before it."""
    lines: list[str] = []
    with pytest.raises(StackError):
        ComposeProvider(StackSettings(), lines.append, folder / "docker-compose.yml").up(detach=False)
    return lines[:-1]


def variables(folder: Path) -> dict[str, str]:
    """Return the variables of `.env`, which holds each name once."""
    lines = [line for line in (folder / ".env").read_text().splitlines() if line and not line.startswith("#")]
    names = [line.partition("=")[0] for line in lines]
    assert sorted(names) == sorted(set(names))
    return dict(line.split("=", 1) for line in lines)


def test_names_that_the_containers_do_not_read_are_named(folder: Path) -> None:
    """A misspelt name, and a setting that the containers do not get; the example, settings and folders are fine."""
    example = (folder / ".env.example").read_text().replace("=\n", "=a\n")
    fine = "MONITOR_PERIOD=5m\nMODEL_SERVER_THRESHOLD=0.3\nCOMPOSE_PROFILES=dashboards\nCERTIFICATES_DIR=a\n"
    (folder / ".env").write_text(f"{example}{fine}MODEL_SERVER_PROT=8600\nSTACK_HEAP=1g\n")

    assert prepare(folder) == [
        f"warning: {folder}/.env: MODEL_SERVER_PROT is not read by the containers: did you mean MODEL_SERVER_PORT?",
        f"warning: {folder}/.env: STACK_HEAP is not read by the containers",
    ]


def test_missing_secrets_are_generated_once(folder: Path) -> None:
    """`.env` gets a value for each variable, long enough for Kibana's key, private to its owner, and keeps it."""
    assert prepare(folder) == [f"passwords were generated and are kept in {folder}/.env"]
    first = variables(folder)
    assert prepare(folder) == []

    assert variables(folder) == first
    assert all(first.values())
    assert len(first["KIBANA_ENCRYPTION_KEY"]) >= 32
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600


def test_what_an_older_file_lacks_is_added(folder: Path) -> None:
    """After an upgrade, and after a half-filled copy of the example; all other lines stay as they are."""
    prepare(folder)
    complete = variables(folder)
    older = {**complete, "AGENT_PASSWORD": "", "MONITOR_PERIOD": "5m"}
    del older["SETUP_PASSWORD"]
    (folder / ".env").write_text("# mine\n" + "\n".join(f"{name}={value}" for name, value in older.items()))

    (line,) = prepare(folder)

    assert line == f"{folder}/.env had no value for AGENT_PASSWORD, SETUP_PASSWORD: it was added"
    after = variables(folder)
    assert after["SETUP_PASSWORD"]
    assert after["AGENT_PASSWORD"]
    assert after == {**older, **{name: after[name] for name in ("SETUP_PASSWORD", "AGENT_PASSWORD")}}
    assert (folder / ".env").read_text().startswith("# mine\n")
