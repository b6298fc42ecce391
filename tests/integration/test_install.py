"""The installation that `make` runs on a fresh machine: it succeeds, or ends with one line that says what to do."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "install.py"
OPTIONS = ["--venv", "venv", "--stamp", "venv/.user", "--lock", "lock.txt"]
PROJECT = "[metadata]\nname = nothing\nversion = 1\n[options]\npackages =\n"


def install(folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the script in a folder that holds a project without code."""
    (folder / "setup.cfg").write_text(PROJECT)
    (folder / "pyproject.toml").write_text('[build-system]\nrequires = ["setuptools"]\n')
    (folder / "lock.txt").write_text(f"setuptools==80.0.0 --hash=sha256:{'0' * 64}\n")
    command = [sys.executable, str(SCRIPT), *OPTIONS]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True, check=False, timeout=120
    )


def test_no_registry_is_one_clear_line_and_no_stamp(tmp_path: Path) -> None:
    """Without a package index the script reports it in one line, and the next run tries again."""
    done = install(tmp_path, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0", PIP_NO_CACHE_DIR="1")

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    assert "check the network" in done.stderr
    assert not (tmp_path / "venv" / ".user").exists()


def test_an_environment_that_cannot_be_created_is_one_clear_line(tmp_path: Path) -> None:
    """A file in the way ends in one line, not in a traceback."""
    (tmp_path / "venv").write_text("a file stands where the environment should be")

    done = install(tmp_path)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 14, 0)])
def test_an_unsupported_python_is_refused_before_anything_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], version: tuple[int, int, int]
) -> None:
    """TensorFlow has no packages for this Python: the line names the supported ones, and no file is created."""
    main = runpy.run_path(str(SCRIPT))["main"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(sys, "argv", ["install.py", *OPTIONS])

    assert main() == 1
    assert "use 3.10 to 3.13" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
