"""Passwords in addresses and settings are printed nowhere, whatever fails; a person's data stay where they may be."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from monitor_agent import cli
from tests.factories import make_prediction
from tests.integration.test_up import open_to_others
from tests.pipelines import PipelineSandbox, stop
from tests.stand_in import StandIn
from tests.waiting import wait_until

PASSWORD = "planted-p@ss w\u00f6rd"
ENCODED = "planted-p%40ss%20w%C3%B6rd"
FORMS = ("planted-", ENCODED[8:], PASSWORD[8:], base64.b64encode(f"planted-user:{PASSWORD}".encode()).decode())

ADDRESSES = {
    "nobody listens": f"http://planted-user:{ENCODED}@127.0.0.1:9",
    "bad port": f"http://planted-user:{ENCODED}@127.0.0.1:99999",
    "no scheme": f"planted-user:{ENCODED}@127.0.0.1:9",
    "unknown scheme": f"ftp://planted-user:{ENCODED}@127.0.0.1:9",
    "slash in the password": "http://planted-user:planted-p/ss@127.0.0.1:9",
    "at sign in the password": "http://planted-user:planted-p@ss@127.0.0.1:9",
    "query": f"http://planted-user:{ENCODED}@127.0.0.1:9/?token=planted-token",
    "two addresses": f"http://planted-user:{ENCODED}@127.0.0.1:9,http://planted-user:{ENCODED}@127.0.0.1:8",
}
COMMANDS = [
    ["check"],
    ["check", "--json"],
    ["kibana", "import"],
    ["kibana", "export"],
    ["stack", "status", "--provider", "external"],
    ["stack", "users"],
    ["deadletters", "list"],
    ["pipeline", "stats"],
]


def planted_in(text: str) -> list[str]:
    """Return the forms of the password that a text holds."""
    return [form for form in FORMS if form in text]


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
def test_no_command_prints_the_password_of_an_address(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Right or wrong addresses, of Elasticsearch and Kibana: each failure is told without the user's secret."""
    monkeypatch.setenv("ELASTICSEARCH_URL", address)
    monkeypatch.setenv("KIBANA_URL", address)
    monkeypatch.setenv("PIPELINE_PASSWORD", "planted-password")
    monkeypatch.setenv("PIPELINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("STACK_DATA_DIR", str(tmp_path / "stack"))
    for command in COMMANDS:
        cli.main(command)
        output, errors = capsys.readouterr()

        assert output or errors, command
        assert planted_in(output + errors) == [], command
        assert "Traceback" not in errors


@pytest.mark.parametrize("fault", ["nobody listens", "refused"])
def test_the_pipeline_keeps_secrets_and_persons_where_they_belong(
    tmp_path: Path,
    stand_in: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: str,
) -> None:
    """In no log, statistics or argument; a line that cannot be read is in the dead letters only; all is private."""
    port = 9 if fault == "nobody listens" else stand_in.port
    sandbox = PipelineSandbox(
        tmp_path,
        f"http://planted-user:{ENCODED}@127.0.0.1:{port}",
        user="",
        password="",
        variables={"PIPELINE_HTTP_PASSWORD": "planted-http"},
    )
    stand_in.faults.statuses = {401: 1.0}
    sandbox.append(b'{"mail": "planted-person@example.org", broken', make_prediction())
    environ = {"ELASTICSEARCH_USERNAME": "", "ELASTICSEARCH_PASSWORD": ""}
    process = sandbox.spawn(environ)
    try:
        wait_until(lambda: sandbox.statistics().get("trouble"))
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
    finally:
        stop(process)
    monkeypatch.setenv("PIPELINE_DATA_DIR", str(sandbox.data))
    cli.main(["pipeline", "stats"])

    holders = [
        path.relative_to(tmp_path).parts[:2]
        for path in tmp_path.rglob("*")
        if path.is_file() and planted_in(path.read_bytes().decode("utf-8", "replace"))
    ]
    assert planted_in(arguments + str(capsys.readouterr()) + sandbox.log()) == []
    assert set(holders) <= {("logs", "events.ndjson"), ("data", "dead_letters")}
    assert open_to_others(sandbox.data) == []
    assert stat.S_IMODE(sandbox.data.stat().st_mode) == 0o700
