"""`monitor-agent pipeline validate`, as a user meets it; its verdicts are those of the pipeline and Elasticsearch."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.cluster import Cluster
from tests.factories import make_feedback, make_prediction
from tests.pipelines import ROOT, PipelineSandbox
from tests.waiting import wait_until

COMMAND = [sys.executable, "-m", "monitor_agent", "pipeline", "validate"]
CASES = ROOT / "logstash" / "cases"


def validate(*arguments: str | Path, text: bytes = b"", **environ: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command without any Elasticsearch."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=text,
        env={**os.environ, "ELASTICSEARCH_URL": "http://127.0.0.1:9", **environ},
        capture_output=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )


def lines_of(*events: Any) -> bytes:
    """Return events, or texts as they are, as lines."""
    return b"".join((event if isinstance(event, bytes) else orjson.dumps(event)) + b"\n" for event in events)


def without(event: dict[str, Any], section: str, field: str) -> dict[str, Any]:
    """Return an event without one field."""
    return {**event, section: {name: value for name, value in event[section].items() if name != field}}


@pytest.fixture
def event_file(tmp_path: Path) -> Path:
    """Return a file with good and bad lines."""
    good, surprising = make_prediction(), make_prediction()
    surprising["prediction"]["surprise"] = 1
    path = tmp_path / "events.ndjson"
    path.write_bytes(
        lines_of(
            good,
            without(make_prediction(), "prediction", "score"),
            b"",
            make_feedback(good),
            good,
            b'{"a":1}{"b":2}',
            [without(make_prediction(), "model", "version"), make_prediction(), {"x": 1}],
            surprising,
        )
    )
    return path


def test_each_refused_line_has_its_reason(event_file: Path) -> None:
    """File, line and reason, then the totals; a blank line is no event, and a list has several."""
    done = validate(event_file)

    assert (done.returncode, done.stderr) == (1, b"")
    refusals, _, totals = done.stdout.decode().partition("\n\n")
    starts = [line.removeprefix(f"{event_file}:") for line in refusals.splitlines()]
    assert starts[0] == "2: bad prediction.score: `prediction.score` is missing or no number in 0..1"
    assert [line.split(":")[:2] for line in starts] == [
        ["2", " bad prediction.score"],
        ["6", " malformed"],
        ["7", " bad model.version"],
        ["7", " no timestamp"],
        ["8", " refused"],
    ]
    assert "dynamic introduction of [surprise] within [prediction] is not allowed" in starts[4]
    assert totals.splitlines()[:4] == [
        "9 events in 8 lines",
        "  3  accepted",
        "  1  with the id of an accepted event; only the first is stored",
        "  5  refused",
    ]


def test_json_has_the_same(event_file: Path) -> None:
    """One object: totals, reasons, and each refusal with file, line, reason and id."""
    done = validate(event_file, "--json")

    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["totals"] == {
        "lines": 8,
        "events": 9,
        "accepted": 3,
        "duplicates": 1,
        "refused": 5,
        "dropped": 0,
    }
    assert sum(report["reasons"].values()) == 5
    assert report["reasons"]["bad prediction.score"] == 1
    first = report["refusals"][0]
    assert (first["file"], first["line"], first["reason"]) == (str(event_file), 2, "bad prediction.score")
    assert len(first["id"]) == 36
    assert report["errors"] == []


def test_files_without_a_refusal_end_with_0(tmp_path: Path) -> None:
    """Several files, compressed ones and the standard input as well; an id is counted once over all of them."""
    event = make_prediction()
    (tmp_path / "a.ndjson").write_bytes(lines_of(event, make_prediction())[:-1])  # the last line has no end
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress(lines_of(event)) + gzip.compress(lines_of(make_prediction())))

    done = validate("--json", tmp_path / "a.ndjson", tmp_path / "b.ndjson.gz", "-", text=lines_of(make_prediction()))

    report = json.loads(done.stdout)
    assert (done.returncode, report["refusals"]) == (0, [])
    assert (report["totals"]["lines"], report["totals"]["accepted"], report["totals"]["duplicates"]) == (5, 4, 1)


def test_standard_input_is_named_by_its_sign() -> None:
    """As in the arguments."""
    done = validate("-", text=b'{"event":')
    assert done.stdout.decode().startswith("-:1: malformed: ")


def test_what_cannot_be_read_ends_with_2(event_file: Path, tmp_path: Path) -> None:
    """One line for each such file; the other files are checked nevertheless."""
    (tmp_path / "cut.gz").write_bytes(gzip.compress(lines_of(make_prediction()))[:-9])
    (tmp_path / "plain.gz").write_bytes(b"{}\n")

    names = [tmp_path, tmp_path / "gone", tmp_path / "cut.gz", tmp_path / "plain.gz", event_file]
    done = validate("--json", *names)

    errors = done.stderr.decode().splitlines()
    assert done.returncode == 2
    assert errors[0] == f"error: {tmp_path} is a folder: name its files, such as {tmp_path}/*.ndjson"
    assert errors[1] == f"error: {tmp_path}/gone cannot be read (No such file or directory)"
    assert [line.partition(" cannot be read (")[0] for line in errors[2:]] == [
        f"error: {tmp_path}/cut.gz",
        f"error: {tmp_path}/plain.gz",
    ]
    report = json.loads(done.stdout)
    assert (len(report["errors"]), report["totals"]["refused"]) == (4, 5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("filter { nothing { } }", "there is no filter 'nothing'"),
        ("input { stdin { } }", "there is no file input"),
        ("input {", "10-a.conf:1"),
    ],
)
def test_a_wrong_configuration_ends_with_2(tmp_path: Path, event_file: Path, text: str, message: str) -> None:
    """One line says what is wrong with it."""
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "10-a.conf").write_text(text)

    done = validate("-f", tmp_path / "pipeline", event_file)

    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert message in done.stderr.decode()


def test_another_configuration_is_used_as_it_is(tmp_path: Path) -> None:
    """Its own codec, filters and outputs; what it drops is counted."""
    (tmp_path / "a.conf").write_text(
        'input { file { path => "/nowhere/*" codec => plain } }\n'
        'filter { if [message] == "no" { drop { } } }\n'
        'output { elasticsearch { index => "texts" } }\n'
    )

    done = validate("-f", tmp_path / "a.conf", "-", text=b"yes\nyes\nno\n")

    assert done.returncode == 0
    assert (
        done.stdout.decode() == "3 events in 3 lines\n  2  accepted\n  0  refused\n  1  dropped by the configuration\n"
    )


def test_odd_names_and_values_are_printed_safely(tmp_path: Path) -> None:
    """A name that is not UTF-8, and control characters in a line."""
    name = os.fsencode(tmp_path) + b"/caf\xe9.ndjson"
    Path(os.fsdecode(name)).write_bytes(lines_of({**make_prediction(), "event": {"id": "a\x1b[31m\n"}, "x\n": 1}))

    done = validate(os.fsdecode(name))

    assert done.returncode == 1
    assert done.stdout.startswith(f"{tmp_path}/caf\\xe9.ndjson:1: ".encode())
    assert b"\x1b" not in done.stdout


def test_the_reader_may_go_away(tmp_path: Path) -> None:
    """`| head -1` ends the command without a complaint."""
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"{\n" * 20_000)
    process = subprocess.Popen([*COMMAND, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait(30)


def test_a_closed_standard_input_is_empty() -> None:
    """As a supervisor may start it."""
    result = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *COMMAND, "-"], capture_output=True, timeout=60, check=False, cwd=ROOT
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.startswith(b"0 events in 0 lines")


def test_ctrl_c_ends_it_with_one_line() -> None:
    """While it waits for its standard input; whoever runs the tests may ignore the signal, as a shell's `&` does."""
    process = subprocess.Popen(
        [*COMMAND, "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"{\n")
    process.stdin.flush()
    assert process.stdout.readline().startswith(b"-:1: malformed")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, b"interrupted\n")


def test_the_verdicts_are_those_of_the_pipeline(cluster: Cluster, tmp_path: Path) -> None:
    """The lines of all golden cases, by the pipeline into a real node, and by the command without one."""
    sandbox = PipelineSandbox(tmp_path, cluster.url, "pipeline_writer", cluster.users["pipeline_writer"])
    sandbox.logs.mkdir(parents=True)
    names = sorted(path.name for path in CASES.glob("*.log"))
    for name in names:
        (sandbox.logs / f"{name}.ndjson").write_bytes((CASES / name).read_bytes())
    files = sorted(sandbox.logs.iterdir())
    report = json.loads(validate("--json", *files).stdout)

    with sandbox.running():
        wait_until(lambda: sandbox.statistics().get("delivered"), 60)
    with cluster.client() as client:
        client.indices.refresh(index="model-*")
        letters = client.search(index="model-deadletters", size=2000)["hits"]["hits"]
        stored = client.count(index="model-predictions,model-feedback,model-errors,model-releases")["count"]

    assert stored == report["totals"]["accepted"]
    real = Counter((letter["_source"]["log"]["file"]["path"], letter["_source"]["error"]["type"]) for letter in letters)
    predicted = Counter((refusal["file"], refusal["reason"]) for refusal in report["refusals"])
    assert predicted.keys() == real.keys()
    assert report["totals"]["refused"] >= len(letters)  # equal lines of a file become one dead letter
