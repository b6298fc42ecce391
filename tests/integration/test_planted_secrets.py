"""Passwords in addresses and settings are printed nowhere, whatever fails; a person's data stay where they may be."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

import pytest

from monitor_agent import cli
from monitor_agent.files import read_address
from monitor_agent.settings import environment_of
from monitor_agent.stack.process import ChildProcess, Command
from tests.cluster import Cluster
from tests.command_line import monitor_agent
from tests.factories import START, make_prediction
from tests.integration.test_up import open_to_others
from tests.pipelines import PipelineSandbox, stop
from tests.stand_in import StandIn
from tests.viewers import fetch
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


PERSON = "planted-person@example.org"


def holders_of(folder: Path, text: str) -> set[str]:
    """Return the files below a folder that hold a text, such as `logs/events.ndjson`."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix() for path in files if text.encode() in path.read_bytes()}


def test_what_cannot_be_indexed_is_in_dead_letters_only(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Elasticsearch names the value that it refuses: that goes into the dead letter, and into no log or statistics.

    Labels are stored as they came, and are in no log either.
    """
    sandbox = PipelineSandbox(tmp_path, cluster.url, "pipeline_writer", cluster.users["pipeline_writer"])
    with cluster.client() as admin:
        scene = {"properties": {"labels": {"properties": {"scene": {"type": "long"}}}}}
        admin.indices.create(index="model-predictions-2026.03.02", mappings=scene)
        refused, stored = make_prediction(START, scene=PERSON), make_prediction(START, scene="17")
        unknown = {**make_prediction(START), "user": {"mail": PERSON}}
        sandbox.append(refused, stored, unknown, f'{{"mail": "{PERSON}", broken'.encode())
        process = sandbox.spawn()
        try:
            wait_until(lambda: sandbox.statistics().get("delivered"))
        finally:
            stop(process)
        admin.indices.refresh(index="model-*")
        hits = admin.search(index="_all", size=100)["hits"]["hits"]
    monkeypatch.setenv("ELASTICSEARCH_URL", cluster.url)
    monkeypatch.setenv("PIPELINE_DATA_DIR", str(sandbox.data))
    for command in (["pipeline", "stats"], ["deadletters", "list"]):
        user = "analyst" if command[0] == "deadletters" else "monitor_agent"
        monkeypatch.setenv("ELASTICSEARCH_USERNAME", user)
        monkeypatch.setenv("ELASTICSEARCH_PASSWORD", cluster.users[user])
        monitor_agent(*command)

    letters = [hit["_source"] for hit in hits if hit["_index"].startswith("model-deadletters-")]
    assert sorted(letter["error"]["type"] for letter in letters) == ["malformed", "refused", "refused"]
    assert all(PERSON in letter["message"] for letter in letters)
    assert {hit["_index"] for hit in hits if PERSON in str(hit)} == {
        hit["_index"] for hit in hits if "deadletters" in hit["_index"]
    }
    assert {name.rpartition("/")[0] for name in holders_of(tmp_path, PERSON)} == {"logs", "data/dead_letters"}
    assert "field [labels.scene] of type [long]" in sandbox.log()
    output = str(capsys.readouterr())
    assert "as the user deadletter_reader" in output
    assert planted_in(output) == []


def test_a_login_leaves_no_trace(cluster: Cluster, tmp_path: Path) -> None:
    """Passwords of persons, right or wrong, and a token in an address: not in the log, an answer or an argument."""
    address = tmp_path / "address"
    environ = {**environment_of(cluster.settings("viewer")), "DASHBOARDS_AUTH": "elasticsearch"}
    argv = [sys.executable, "-m", "monitor_agent", "dashboards", "--port", "0", "--address-file", str(address)]
    viewer = ChildProcess(Command("viewer", argv, tmp_path / "log" / "viewer.log", {**os.environ, **environ}))
    analyst = cluster.users["analyst"]
    viewer.start()
    try:
        viewer.wait_ready(address.exists, 60)
        url = read_address(address)
        answers = []
        for password in ("planted-guess", analyst):
            form = urlencode({"user": "analyst", "password": password, "next": "/?token=planted-token"}).encode()
            request = urllib.request.Request(f"{url}/login", form, {"Origin": url}, method="POST")
            with contextlib.suppress(HTTPError), urllib.request.build_opener(Unredirected).open(request) as answer:
                answers.append(f"{answer.headers} {answer.read().decode()}")
        status, headers, page = fetch(f"{url}/dashboards/serving/data?token=planted-token")
        arguments = Path(f"/proc/{viewer.pid}/cmdline").read_text()
    finally:
        viewer.stop()

    log = (tmp_path / "log" / "viewer.log").read_text()
    assert status == 401
    for secret in ("planted-guess", analyst, cluster.users["viewer"]):
        assert secret not in "".join(answers) + page + str(headers) + arguments + log
    assert "planted-token" not in log
    assert holders_of(tmp_path, "planted-") == set()
    assert open_to_others(tmp_path / "log") == []


def test_pages_and_logs_do_not_show_the_user_of_an_address(tmp_path: Path) -> None:
    """The viewer's page and the agent's health page say that nobody answers, without user and password."""
    environ = {
        **os.environ,
        "ELASTICSEARCH_URL": f"http://planted-user:{ENCODED}@127.0.0.1:9",
        "ELASTICSEARCH_USERNAME": "",
        "ELASTICSEARCH_PASSWORD": "",
        "MONITOR_HEALTH_PORT": "0",
    }
    address = tmp_path / "address"
    argv = (sys.executable, "-m", "monitor_agent")
    viewer_argv = (*argv, "dashboards", "--port", "0", "--address-file", str(address))
    viewer = ChildProcess(Command("viewer", viewer_argv, tmp_path / "log" / "viewer.log", environ))
    agent = ChildProcess(Command("agent", (*argv, "run"), tmp_path / "log" / "agent.log", environ))

    def health_url() -> str:
        return next(iter(re.findall(r"http://127\.0\.0\.1:\d{4,5}", (tmp_path / "log" / "agent.log").read_text())), "")

    try:
        viewer.start()
        agent.start()
        health = wait_until(health_url, 60)
        failing = wait_until(lambda: page if "no answer" in (page := fetch(f"{health}/healthz")[2]) else "", 60)
        viewer.wait_ready(address.exists, 60)
        data = fetch(f"{read_address(address)}/dashboards/serving/data")[2]
    finally:
        agent.stop()
        viewer.stop()

    logs = "".join(path.read_text() for path in (tmp_path / "log").iterdir())
    assert "no answer" in data
    assert planted_in(failing + data + logs) == []


class Unredirected(urllib.request.HTTPRedirectHandler):
    """Follows no redirection, so that the answer itself can be looked at."""

    def redirect_request(self, *_arguments: Any) -> None:
        """Return nothing: the redirection is raised as HTTPError."""


@pytest.mark.parametrize(
    "code",
    [
        "raise ValueError(f'refused {secret}')",
        "import threading; thread = threading.Thread(target=int, args=(secret,)); thread.start(); thread.join()",
    ],
)
def test_a_crash_prints_no_secret(code: str) -> None:
    """A traceback that Python itself prints, of the main thread or of another one."""
    program = (
        "import os; from monitor_agent import log, settings; log.configure('test');"
        f"log.hide(settings.secret_values(settings.load(os.environ))); secret = os.environ['PIPELINE_PASSWORD']; {code}"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PIPELINE_PASSWORD": PASSWORD, "PIPELINE_USERNAME": "planted-user"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" in ended.stderr
    assert "ValueError" in ended.stderr
    assert "***" in ended.stderr
    assert planted_in(ended.stderr.replace("planted-user", "")) == []


@pytest.mark.parametrize("name", ["statistics.json", "model_server_log.positions.json"])
def test_a_damaged_file_is_named_and_not_shown(
    tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """The content of a file of the state may be anything after a crash of the disk."""
    sandbox = PipelineSandbox(tmp_path, stand_in.url, password="planted-password")
    sandbox.append(make_prediction())
    sandbox.data.mkdir(mode=0o700)
    (sandbox.data / name).write_text(f'{{"{PERSON}": "planted-')
    monkeypatch.setenv("PIPELINE_DATA_DIR", str(sandbox.data))
    process = sandbox.spawn()
    try:
        monitor_agent("pipeline", "stats")
        wait_until(lambda: stand_in.of("model-predictions") or process.poll() is not None)
    finally:
        stop(process)

    assert planted_in(sandbox.log() + str(capsys.readouterr())) == []
    assert "Traceback" not in sandbox.log()
