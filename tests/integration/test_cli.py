"""The console scripts: what is not installed, or broken, is one line before anything starts."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from monitor_agent.extras import install_command
from tests.http_servers import ROOT
from tests.lacking_packages import environ_with_broken, environ_without
from tests.scripted_node import ScriptedNode, received_until
from tests.waiting import interruptible

HOW_TO_GO_ON = {
    "once": "run it again; nothing counts twice",
    "backfill --from 2026-11-01 --to 2026-11-02": "the same command goes on from there",
    "setup": "run it again; what is done already stays as it is",
    "models list": "",
}
"""Commands, and what an interruption of them says."""
EVERYTHING = ("flask", "jgo", "lark", "pyarrow", "tensorflow", "tensorflow_text", "vl_convert")
COMMANDS = {
    "demo": ("jgo, flask, tensorflow, tensorflow-text, lark and vl-convert-python", "embedded,server,train"),
    "up": ("jgo, flask, tensorflow, tensorflow-text, lark and vl-convert-python", "embedded,server,train"),
    "stack up": ("jgo", "embedded"),
    "pipeline run": ("lark", "embedded"),
    "pipeline validate x": ("lark", "embedded"),
    "import x": ("lark and pyarrow", "import"),
    "import x --data y": ("lark, pyarrow and jgo", "import,embedded"),
    "dashboards": ("flask and vl-convert-python", "embedded"),
    "report --out x.png": ("vl-convert-python", "embedded"),
    "model-server serve": ("flask, tensorflow and tensorflow-text", "server"),
    "model-server train --data x --out y": ("tensorflow and tensorflow-text", "train"),
}


def run(folder: Path, command: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command of `monitor-agent`, or of `model-server` if it names that, in a folder."""
    words = command.split()
    program, words = ("model_server", words[1:]) if words[0] == "model-server" else ("monitor_agent", words)
    return subprocess.run(
        [sys.executable, "-m", program, *words],
        cwd=folder,
        env={**os.environ, "STACK_CACHE_DIR": str(folder / "cache"), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_missing_extras_are_one_line_before_anything_starts(tmp_path: Path, command: str) -> None:
    """The line names all packages and the command that installs them; no file is written, nothing is fetched."""
    site, work = tmp_path / "site", tmp_path / "work"
    site.mkdir()
    work.mkdir()
    packages, extras = COMMANDS[command]

    done = run(work, command, environ_without(site, *EVERYTHING))

    subject = " ".join(command.split()[: 2 if command.split()[0] in ("stack", "pipeline") else 1])
    subject = command if command.startswith("model-server train") else subject
    subject = {"model-server serve": "model-server"}.get(command, subject).partition(" --")[0]
    verb = "are" if " and " in packages else "is"
    remedy = install_command(extras.split(","))
    assert done.stderr == f"error: {subject} needs {packages}, which {verb} not installed: run {remedy}\n"
    assert (done.returncode, done.stdout) == (1, "")
    assert list(work.rglob("*")) == []


@pytest.mark.parametrize(
    "statement",
    [
        "raise ImportError('libcudart.so.12: cannot open shared object file')",
        "raise TypeError('Descriptors cannot be created directly.\\nDowngrade protobuf')",
        "raise OSError('libtensorflow_cc.so.2: cannot map zero-fill pages')",
        "import a_module_that_is_missing",
    ],
)
def test_a_broken_tensorflow_is_one_line(tmp_path: Path, statement: str) -> None:
    """Whatever its import raises."""
    site = tmp_path / "site"
    site.mkdir()
    done = run(tmp_path, "model-server train --data x --out y", environ_with_broken(site, "tensorflow", statement))

    (line,) = done.stderr.splitlines()
    assert line.startswith("error: training needs ")
    assert " -m pip install " in line
    assert done.returncode == 1


@pytest.mark.parametrize("command", HOW_TO_GO_ON)
def test_an_interruption_is_one_line(tmp_path: Path, command: str) -> None:
    """While Elasticsearch does not answer; the line says how to go on if something may be half done."""
    request_came = threading.Event()

    def script(connection: socket.socket) -> None:
        received_until(connection, b"\r\n\r\n")
        request_came.set()
        while connection.recv(1 << 16):
            pass

    node = ScriptedNode(script)
    with contextlib.closing(node):
        process = subprocess.Popen(
            [sys.executable, "-m", "monitor_agent", *command.split()],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "ELASTICSEARCH_URL": f"http://{node.address}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=interruptible,
        )
        assert request_came.wait(60)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)

    advice = HOW_TO_GO_ON[command]
    assert (process.returncode, output) == (130, f"interrupted: {advice}\n" if advice else "interrupted\n")
