"""The log of predictions in processes of its own: killed, side by side, on a full disk, forked, and what it imports."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from monitor_agent.errors import LogWriteError
from tests.prediction_writer import CANNOT_WRITE
from tests.unit.monitor_agent.prediction_log.factories import make_prediction_log, sequences

WRITER = (sys.executable, "-m", "tests.prediction_writer")
IDS_BEFORE_THE_KILL = 400
MOST_MODULES = 35
IMPORT_CPU_SECONDS = 0.7
FOREIGN_MODULES = {"numpy", "flask", "tensorflow", "structlog", "elasticsearch", "waitress", "rich"}
IMPORTS = """
import sys, time
began = time.process_time()
import monitor_agent.prediction_log
print(time.process_time() - began)
print("\\n".join(sys.modules))
"""


def start(folder: Path, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*WRITER, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def ids_of(process: subprocess.Popen[bytes], least: int) -> list[str]:
    """Return at least so many ids that a writer has printed, then kill it and return the rest, too."""
    ids: list[str] = []
    with process:
        while len(ids) < least:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            ids += line.decode().split()
        process.kill()
        rest = process.stdout.read()
    return ids + rest[: rest.rfind(b"\n") + 1].decode().split()


def whole_lines(folder: Path) -> list[bytes]:
    """Return the lines of all files; a line that a killed process could not end is none."""
    texts = [path.read_bytes() for path in sorted(folder.glob("*.ndjson"))]
    return [line for text in texts for line in text[: text.rfind(b"\n") + 1].splitlines()]


def check(folder: Path, ids: list[str]) -> list[bytes]:
    """Check that each id is in the files once, and that no writer's numbers have a gap; return the lines."""
    lines = whole_lines(folder)
    numbers: dict[str, list[int]] = defaultdict(list)
    counts: Counter[str] = Counter()
    for line in lines:
        event = json.loads(line)
        numbers[event["service"]["node"]["name"]].append(event["event"]["sequence"])
        counts[event["prediction"]["id"]] += 1
    assert len(ids) == len(set(ids))
    assert set(ids) <= counts.keys()
    assert set(counts.values()) == {1}
    for written in numbers.values():
        assert sorted(written) == list(range(1, len(written) + 1))
    return lines


def test_killed_processes_lose_no_prediction_that_was_returned(tmp_path: Path) -> None:
    """Two processes write into one folder and are killed; the pipeline accepts all lines."""
    folder = tmp_path / "log"
    writers = [start(folder) for _ in range(2)]
    ids = [identifier for writer in writers for identifier in ids_of(writer, IDS_BEFORE_THE_KILL)]

    lines = check(folder, ids)

    assert len({path.name.split(".")[0] for path in folder.glob("*.ndjson")}) == 2
    assert len(list(folder.glob("*.0001.ndjson"))) == 2
    (tmp_path / "all.ndjson").write_bytes(b"".join(line + b"\n" for line in lines))
    command = [sys.executable, "-m", "monitor_agent", "pipeline", "validate", "--json", str(tmp_path / "all.ndjson")]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["totals"]["accepted"] == len(lines)


def test_a_full_disk_is_reported_and_loses_no_prediction_that_was_returned(tmp_path: Path) -> None:
    """Nothing of the refused call stays in the file."""
    size = 40_000
    writer = start(
        tmp_path, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    )
    output, errors = writer.communicate(timeout=60)

    assert writer.returncode == CANNOT_WRITE
    assert b"events cannot be written (File too large): try again later" in errors
    check(tmp_path, output.decode().split())
    assert all(path.read_bytes().endswith(b"\n") for path in tmp_path.glob("*.ndjson"))


def test_a_forked_child_is_refused_and_leaves_the_file_alone(tmp_path: Path) -> None:
    """The error says what to do; a `close` in the child does not end the parent's log."""
    log = make_prediction_log(tmp_path)

    child = os.fork()
    if child == 0:
        try:
            log.predictions([{"score": 0.5}])
        except LogWriteError as error:
            log.close()
            os._exit(7 if "open a log in each process" in str(error) else 8)
        os._exit(9)
    _, status = os.waitpid(child, 0)
    log.predictions([{"score": 0.5}])

    assert os.waitstatus_to_exitcode(status) == 7
    assert sequences(tmp_path) == [1]


def test_the_import_is_small_and_fast() -> None:
    """A program that only logs loads neither NumPy, Flask nor TensorFlow, and few modules of ours."""
    answer = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)

    seconds, *modules = answer.stdout.split()
    assert {name.split(".")[0] for name in modules} & FOREIGN_MODULES == set()
    assert len([name for name in modules if name.startswith("monitor_agent")]) <= MOST_MODULES
    assert not any(name.startswith("model_server") for name in modules)
    assert float(seconds) < IMPORT_CPU_SECONDS
