"""No command of either program shows a traceback, whatever is wrong with its arguments, files, streams or signals."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.integration.wrong_places import answering
from tests.waiting import interruptible, wait_until

ROOT = Path(__file__).parents[2]
FORBIDDEN = re.compile(r"Traceback|this is a defect|Exception ignored|<html|<title|planted")
STATUSES = {0, 1, 2, 130}
INTERRUPT = 1 << (signal.SIGINT - 1)
NO_RIGHTS = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
"""Takes from root the right to read and write everything."""


def as_usual_account() -> Sequence[str]:
    """Return what runs a command without the rights of root."""
    if os.geteuid():
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root reads every file, and setpriv is not installed")
    return NO_RIGHTS


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, object]]]:
    """Yield how all cases of the sweep ended; the server that they reach is neither Elasticsearch nor Kibana."""
    folder = tmp_path_factory.mktemp("sweep")
    with answering(404, "text/html", b"<html><title>404 Not Found</title></html>") as port:
        sweep = [sys.executable, "-m", "tests.command_sweep", str(folder), str(port)]
        done = subprocess.run(
            [*as_usual_account(), *sweep], cwd=ROOT, capture_output=True, text=True, timeout=500, check=False
        )
    assert done.returncode == 0, done.stderr
    yield [json.loads(line) for line in done.stdout.splitlines()]
    for path in folder.iterdir():
        path.chmod(0o700)


def test_whatever_is_wrong_no_command_shows_a_traceback(ends: list[dict[str, object]]) -> None:
    """Each case ends by itself or by Ctrl-C, and with status 1 by one error line at most."""
    wrong = []
    for end in ends:
        errors = [line for line in str(end["errors"]).splitlines() if line.startswith("error: ")]
        if (
            FORBIDDEN.search(f"{end['output']}{end['errors']}")
            or end["status"] not in STATUSES
            or (end["status"] == 1 and len(errors) > 1)
        ):
            wrong.append(end)

    assert wrong == []
    assert len(ends) > 80


@pytest.mark.parametrize("program", ["monitor_agent", "model_server"])
def test_ctrl_c_while_a_program_starts_ends_it_without_a_word(program: str) -> None:
    """The first moment at which Python would show a traceback is that of the imports."""
    with subprocess.Popen(
        [sys.executable, "-m", program, "--version"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        status = Path(f"/proc/{process.pid}/status")

        def is_default() -> bool:
            """Return whether Python has begun, and the program no longer lets it raise KeyboardInterrupt."""
            caught = re.search(r"SigCgt:\s+(\w+)", status.read_text())
            loaded = "site-packages" in Path(f"/proc/{process.pid}/maps").read_text()
            return caught is not None and not int(caught[1], 16) & INTERRUPT and loaded

        wait_until(lambda: process.poll() is not None or is_default())
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)

    assert (process.returncode, output, errors) == (-signal.SIGINT, b"", b"")


@pytest.mark.parametrize("program", ["monitor_agent", "model_server"])
def test_ctrl_c_while_a_command_works_is_one_line(program: str, tmp_path: Path) -> None:
    """The status is that of shells."""
    fifo = tmp_path / "settings.toml"
    os.mkfifo(fifo)
    command = ["once"] if program == "monitor_agent" else ["serve"]
    words = [sys.executable, "-m", program, "--config", str(fifo), *command]
    with (
        subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, preexec_fn=interruptible
        ) as process,
        fifo.open("w"),  # returns when the program reads its settings
    ):
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)

    advice = b": run it again; nothing counts twice" if program == "monitor_agent" else b""
    assert (process.returncode, output, errors) == (130, b"", b"interrupted" + advice + b"\n")


@pytest.mark.parametrize("arguments", [["check"], ["pipeline", "validate", os.fsdecode(b"caf\xe9.ndjson")], ["--help"]])
def test_a_locale_without_utf8_is_no_trouble(arguments: list[str], tmp_path: Path) -> None:
    """What the locale cannot show is printed as escapes."""
    environ = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "ELASTICSEARCH_URL": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-m", "monitor_agent", *arguments],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert not FORBIDDEN.search((done.stdout + done.stderr).decode("ascii"))
    assert done.returncode in STATUSES


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`monitor-agent completion bash | head -1` ends without a word."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "monitor_agent", "completion", "bash"],
        cwd=ROOT,
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writing)

    assert (done.returncode, done.stderr) == (0, b"")
