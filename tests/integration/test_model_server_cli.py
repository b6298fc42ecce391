"""The console script: it is quick, and reports an error in one line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest


def run(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the script in a folder and return its output."""
    return subprocess.run(
        [sys.executable, "-m", "model_server", *arguments],
        env={**os.environ, "MODEL_LOG_DIR": str(folder / "log"), "MODEL_SERVER_PORT": "0", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_needs_no_tensorflow() -> None:
    """`--help` does not load the libraries that only serving and training need."""
    code = (
        "import sys\nfrom model_server.cli import main\ntry:\n    main(['--help'])\nfinally:\n    print(*sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert "serve until SIGTERM (the default)" in done.stdout
    assert not {"tensorflow", "flask", "waitress", "elasticsearch"} & set(done.stdout.split())


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({"MODEL_SERVER_PORT": "http"}, "MODEL_SERVER_PORT='http' is malformed"),
        ({"MODEL_SERVER_THREADS": "0"}, "MODEL_SERVER_THREADS=0 is too small"),
        ({"MODEL_SERVER_MODEL_DIR": "/nowhere"}, "there is no model folder /nowhere: train one with"),
        ({"MODEL_SERVER_HOST": "192.0.2.1"}, "cannot listen on 192.0.2.1:0"),
        ({"MODEL_LOG_DIR": "/proc/log"}, "events cannot be written to /proc/log"),
        ({"MODEL_SERVER_HMAC_KEY": "short"}, "the key for ids has 5 characters"),
    ],
)
def test_an_error_is_one_line(tmp_path: Path, environ: dict[str, str], reason: str) -> None:
    """The exit status is 1 and one line says what to do; there is no traceback, and no file stays."""
    done = run(tmp_path, **environ)

    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    assert line.startswith("error: ")
    assert reason in line
    assert not list((tmp_path / "log").glob("*.ndjson"))


def test_check_says_which_model_would_be_served(tmp_path: Path) -> None:
    """Without loading it, and without a log folder; without a model the line is that of the server."""
    empty = tmp_path / "empty"
    empty.mkdir()
    model = tmp_path / "models" / "3"
    model.mkdir(parents=True)
    (model / "saved_model.pb").touch()
    (model / "model.json").write_text('{"name": "click", "threshold": 0.25}')

    good = run(tmp_path, "check", MODEL_SERVER_MODEL_DIR=str(model.parent))
    without = run(tmp_path, "check", MODEL_SERVER_MODEL_DIR=str(empty))
    wrong = run(tmp_path, "check", MODEL_SERVER_MODEL_DIR=str(model.parent), MODEL_SERVER_THREADS="0")

    assert (good.returncode, good.stdout) == (0, f"model click, version 3, threshold 0.25, in {model}\n")
    assert (without.returncode, without.stdout) == (1, "")
    assert without.stderr.startswith(f"error: neither {empty} nor a folder in it holds a SavedModel: train one with")
    assert "MODEL_SERVER_THREADS=0 is too small" in wrong.stderr
    assert not (tmp_path / "log").exists()


def test_a_port_in_use_is_reported_before_the_model_is_loaded(tmp_path: Path) -> None:
    """Another process listens: the error names the address and the settings to change."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        done = run(tmp_path, MODEL_SERVER_PORT=str(port))

    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port} (Address already in use)" in done.stderr
    assert "MODEL_SERVER_PORT" in done.stderr
