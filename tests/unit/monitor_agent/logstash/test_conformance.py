"""The embedded runner does the same as a real Logstash in all recorded cases."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.errors import ConfigurationError
from tests.unit.monitor_agent.logstash.program_runs import compile_text, context, printed_by

RECORDINGS = Path(__file__).parents[4] / "logstash" / "conformance"
CASES = [
    case for path in sorted(RECORDINGS.glob("*.json")) for case in json.loads(path.read_text(encoding="utf-8"))["cases"]
]
ACCEPTED = [case for case in CASES if not case["refused"]]
REFUSED = [case for case in CASES if case["refused"]]


def named(case: dict[str, Any]) -> str:
    return str(case["name"])


def comparable(event: Any, volatile: list[str]) -> str:
    """Return the event as text, without its volatile fields."""
    for path in volatile:
        *outer, last = path.split("/")
        holder = event
        for name in outer:
            holder = holder.get(name, {})
        if isinstance(holder, dict):
            holder.pop(last, None)
    return json.dumps(event, sort_keys=True)


@pytest.mark.parametrize("case", ACCEPTED, ids=named)
def test_it_prints_what_logstash_printed(case: dict[str, Any], tmp_path: Path) -> None:
    """The same configuration and input give the same events, types of numbers included."""
    printed = printed_by(case["config"], case["input"], tmp_path, case["env"])

    if case["events"] is None:
        assert sorted(line.replace('":', '": ') for line in printed) == sorted(case["text"])
    else:
        assert [comparable(json.loads(line), case["volatile"]) for line in printed] == [
            comparable(event, case["volatile"]) for event in case["events"]
        ]


@pytest.mark.parametrize("case", REFUSED, ids=named)
def test_it_refuses_what_logstash_refused(case: dict[str, Any], tmp_path: Path) -> None:
    """A refused configuration is refused, and the error names file and line."""
    with context([], tmp_path / "stdin", io.BytesIO()).stdin as stdin, pytest.raises(ConfigurationError) as caught:
        compile_text(case["config"], case["env"], context([], Path(stdin.name), io.BytesIO()))

    assert caught.value.path == "pipeline.conf"
    assert caught.value.line > 0 or case["name"] == "bad-empty"
