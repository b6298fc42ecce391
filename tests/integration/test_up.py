"""`monitor-agent up`: the whole product as a user runs it, from its addresses to the Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.http_client.authorization import authorization_headers
from tests.installation import Installation
from tests.waiting import processes_in, wait_until

PORTS = (
    *("STACK_HTTP_PORT", "MODEL_SERVER_PORT", "DASHBOARDS_PORT", "MONITOR_HEALTH_PORT"),
    "PIPELINE_RECEIVE_PORT",
)

PROCESSES = 7
"""Processes of the product: Elasticsearch and its proxy, model server, pipeline, agent, dashboards, receiver."""


PLANTED_SETTINGS = {
    "MODEL_SERVER_HMAC_KEY": "planted-key-of-the-hmacs",
    "PIPELINE_HTTP_PASSWORD": "planted-password-of-the-shop",
    "KIBANA_URL": "http://planted-user:planted-password-of-kibana@127.0.0.1:9",
    "STACK_AGENT_PASSWORD": "planted-password-of-the-agent",
}
PLANTED_CONTEXT = {
    "user_id": "planted-person-17",
    "session_id": "planted-session-23",
    "query": "planted search for a doctor",
}
PLANTED = ("planted-", "planted search")
"""The beginnings of all planted texts: secrets of the settings, and what a request says about a person."""


@pytest.fixture
def workspace() -> Iterator[Path]:
    """A folder that is deleted afterwards; if root runs the test, Elasticsearch's own account must be able to enter."""
    folder = Path(tempfile.mkdtemp(prefix="model-monitor-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def request_json(url: str, body: Any = None, user: tuple[str, str] | None = None) -> Any:
    """Return the decoded answer of a GET, or of a POST of `body`."""
    headers = {"Content-Type": "application/json"}
    if user:
        headers |= authorization_headers(*user)
    content = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, content, headers), timeout=30) as answer:
        return json.load(answer)


def answered(url: str, body: Any = None, user: tuple[str, str] | None = None) -> Any:
    """Return the decoded answer, or nothing while a server starts or a new index is not ready yet."""
    try:
        return request_json(url, body, user)
    except (urllib.error.URLError, ConnectionError) as error:
        if isinstance(error, urllib.error.HTTPError) and error.code != 503:
            raise
        return None


def matched(search: str, user: tuple[str, str]) -> int:
    """Return the number of matched clicks in all base windows."""
    answer = answered(search, user=user) or {"hits": {"hits": []}}
    return sum(hit["_source"]["matched"] for hit in answer["hits"]["hits"])


def children_of(pid: int) -> set[int]:
    """Return the processes that a process has started."""
    children = set()
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(file.read_text().rpartition(")")[2].split()[1]) == pid:
                children.add(int(file.parent.name))
    return children


SECRETS_OF_PARTS = {
    "elasticsearch": set(),
    "proxy": set(),
    "model_server": {"MODEL_SERVER_HMAC_KEY"},
    "pipeline": {"PIPELINE_HTTP_PASSWORD", "pipeline_writer"},
    "run": {"monitor_agent"},
    "dashboards": {"viewer"},
    "receive": {"MODEL_SERVER_HMAC_KEY"},
}
"""The secrets in the environment of each process of the product: settings, and users of Elasticsearch."""


def secrets_of_parts(pid: int, passwords: Mapping[str, str]) -> dict[str, set[str]]:
    """Return the secrets in the environments of the processes that a process has started, by a word of the command."""
    secrets = {**PLANTED_SETTINGS, **passwords}
    secrets_by_part: dict[str, set[str]] = {}
    for child in children_of(pid):
        for process in (child, *children_of(child)):
            words = Path(f"/proc/{process}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            environ = Path(f"/proc/{process}/environ").read_bytes().decode("utf-8", "replace")
            component = next(
                (name for name in SECRETS_OF_PARTS if any(name in word for word in words[1:4])), "elasticsearch"
            )
            present = secrets_by_part.setdefault(component, set())
            present |= {name for name, secret in secrets.items() if secret in environ}
    return secrets_by_part


def planted_in(text: str, passwords: Mapping[str, str]) -> list[str]:
    """Return the planted texts and the passwords that a text holds."""
    return [secret for secret in (*PLANTED, *passwords.values()) if secret in text]


def files_with_planted(folder: Path, passwords: Mapping[str, str]) -> list[str]:
    """Return the files below a folder that hold a planted text or a password; those of Lucene are packed."""
    names = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_relative_to(folder / "stack" / "elasticsearch" / "data"):
            content = path.read_bytes().decode("utf-8", "replace")
            if planted_in(content, passwords):
                names.append(path.relative_to(folder).as_posix())
    return names


def open_to_others(folder: Path) -> list[str]:
    """Return files and folders that an account other than the owner can read, or write.

    Elasticsearch's account may pass through the data folder, without seeing what is in it. Elasticsearch itself gives
    its key store to the group, in a folder that only the owner can enter.
    """
    paths = [path for path in folder.rglob("*") if not path.is_symlink() and path.name != "elasticsearch.keystore"]
    rights = {path: stat.S_IMODE(path.lstat().st_mode) for path in paths}
    return sorted(f"{path} {mode:o}" for path, mode in rights.items() if mode & 0o077 & ~0o010)


def test_a_click_becomes_a_metric_and_ctrl_c_ends_all_processes(
    workspace: Path, saved_model: Path, installation: Installation
) -> None:
    """The output is enough for a user: the server's address, the file with the passwords, the dashboards.

    When all parts are killed, they come back at the same addresses, and the next click becomes a metric, too.
    All the while, what persons send stays where the contract has it, passwords are printed nowhere, each process has
    only the secrets that it needs, and each file is private to its owner. The product is the installed wheel, and has
    no other file in its folder.
    """
    environ = {
        **installation.environ(),
        **dict.fromkeys(PORTS, "0"),
        "STACK_DATA_DIR": str(workspace / "stack"),
        "PIPELINE_DATA_DIR": str(workspace / "pipeline"),
        # Names of files are bytes: nothing needs UTF-8.
        "MODEL_LOG_DIR": os.fsdecode(os.fsencode(workspace) + b"/log-caf\xe9"),
        "MODEL_SERVER_MODEL_DIR": str(saved_model),
        "MONITOR_PERIOD": "1s",
        **PLANTED_SETTINGS,
    }
    command = installation.command("monitor-agent", "up")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    up = subprocess.Popen(command, cwd=workspace, env=environ, text=True, **pipes)
    assert up.stdout is not None
    try:
        lines = []
        for line in up.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        addresses = {line[:17].strip(): line[17:].split() for line in lines if "http" in line}
        passwords_file = next((line[17:].strip() for line in lines if line.startswith("passwords")), "")
        assert passwords_file, "".join(lines)
        passwords = json.loads(Path(passwords_file).read_text())
        analyst = ("analyst", passwords["analyst"])
        features = {"mail": "planted-person@example.org"}
        instances = [{"text_a": "ua81ce left hour3", "text_b": "item14 price2", "features": features}]
        search = "ignore_unavailable=true&q=window_size:1m+AND+model_version:all+AND+segment:all"
        windows = f"{addresses['Elasticsearch'][0]}/model_performance/_search?{search}"

        def click() -> None:
            request = {"instances": instances, "context": PLANTED_CONTEXT}
            predicted = wait_until(lambda: answered(addresses["model server"][0], request), 60, 0.1)
            prediction_id = predicted["predictions"][0]["prediction_id"]
            request_json(addresses["model server"][1], {"prediction_id": prediction_id, "type": "click"})

        click()
        wait_until(lambda: matched(windows, analyst) == 1, 60, 0.1)
        data = request_json(f"{addresses['dashboards'][0]}/dashboards/model-quality/data")
        assert "error" not in data
        assert planted_in(json.dumps(data), passwords) == []
        commands = [Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in (up.pid, *children_of(up.pid))]
        assert planted_in("\n".join(commands), passwords) == []
        assert secrets_of_parts(up.pid, passwords) == SECRETS_OF_PARTS
        login = {"action_name": "login", "timestamp": "2026-11-25T10:00:00Z"}
        assert request_json(f"{addresses['receiver'][0]}/ubi/events", login) == {"skipped: other action": 1}
        admin = ("admin", passwords["admin"])
        documents = request_json(f"{addresses['Elasticsearch'][0]}/_all/_search?size=1000", user=admin)
        assert len(documents["hits"]["hits"]) > 2
        assert planted_in(json.dumps(documents), passwords) == []

        killed = children_of(up.pid)
        assert len(killed) == PROCESSES
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(children_of(up.pid) - killed) == PROCESSES, 60, 0.1)
        click()
        wait_until(lambda: matched(windows, analyst) == 2, 90, 0.1)
    finally:
        up.send_signal(signal.SIGINT)
        rest, _ = up.communicate(timeout=60)
    assert up.returncode == 0, "".join(lines) + rest
    assert "stopping model-server" in rest
    for name in ("elasticsearch", "model-server", "pipeline", "agent", "dashboards", "receiver"):
        # The end of Elasticsearch's proxy may be seen first.
        reason = "(has lost its proxy, which )?ended by SIGKILL"
        assert re.search(f"^warning: {name} {reason}: starting it again in 1 s; see {workspace}", rest, re.MULTILINE)
    assert "Traceback" not in rest
    assert processes_in(workspace) == []
    assert planted_in("".join(lines) + rest, passwords) == []
    assert files_with_planted(workspace, passwords) == ["stack/passwords.json"]
    assert open_to_others(workspace) == []
