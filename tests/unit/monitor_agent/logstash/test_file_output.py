"""The output `file` appends events to files below its folder; a file name may depend on the event."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monitor_agent.errors import ConfigurationError, PipelineError
from tests.unit.monitor_agent.logstash.program_runs import IN, printed_by

WHEN = '"@timestamp":"2026-01-02T03:04:05Z"'


def write(path: str, folder: Path, *lines: str, more: str = "") -> None:
    """Run a pipeline of these lines into the output; every event has only its fields `a` and `name`."""
    only = 'filter { prune { whitelist_names => ["^a$", "^name$", "^@timestamp$"] } }'
    config = f'{IN} {only} output {{ file {{ path => "{folder}/{path}" {more} }} }}'
    printed_by(config, [f"{{{WHEN},{line}}}" for line in lines], folder)


def test_events_are_appended_as_json_lines(tmp_path: Path) -> None:
    """Existing content stays; missing folders are made."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out/events.ndjson").write_text('{"a":0}\n', encoding="utf-8")

    write("out/events.ndjson", tmp_path, '"a":1', '"a":2')

    lines = (tmp_path / "out/events.ndjson").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["a"] for line in lines] == [0, 1, 2]


def test_a_name_may_depend_on_the_event(tmp_path: Path) -> None:
    """Fields and the event's time determine the file; the codec determines the form of its lines."""
    more = 'codec => line { format => "a is %{a}" }'

    write("out/%{name}/%{+YYYY-MM-dd}.txt", tmp_path, '"a":1,"name":"x"', '"a":2,"name":"y"', more=more)

    assert (tmp_path / "out/x/2026-01-02.txt").read_text(encoding="utf-8") == "a is 1\n"
    assert (tmp_path / "out/y/2026-01-02.txt").read_text(encoding="utf-8") == "a is 2\n"


@pytest.mark.parametrize("name", ["../escaped", "../../etc/escaped", "nul\\u0000"])
def test_an_event_cannot_leave_the_folder(name: str, tmp_path: Path) -> None:
    """An event whose field leads out of the fixed beginning of the path goes into a special file there."""
    write("out/%{name}", tmp_path, f'"a":1,"name":"{name}"')

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["_filepath_failures"]
    assert not (tmp_path / "escaped").exists()


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The error names the file, and nothing is acknowledged."""
    (tmp_path / "out").mkdir()

    with pytest.raises(PipelineError, match="out cannot be written"):
        write("out", tmp_path, '"a":1')


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ('file { path => "/%{name}/x" }', "must not begin with a value of the event"),
        ('file { path => "/data/x" gzip => true }', "'gzip' cannot be 'true'"),
    ],
)
def test_what_it_cannot_do_is_refused(output: str, message: str, tmp_path: Path) -> None:
    """The error comes when the configuration is checked, not while events wait."""
    with pytest.raises(ConfigurationError, match=message):
        printed_by(f"{IN} output {{ {output} }}", [], tmp_path)
