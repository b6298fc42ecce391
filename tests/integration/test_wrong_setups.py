"""Each wrong set-up is one line that says what to do, and a row of `monitor-agent check`: docs/troubleshooting.md.

`python -m tests.integration.test_wrong_setups` writes the page from what the commands print.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import sys
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from model_server.cli import main as model_server
from monitor_agent.cli import main as monitor_agent
from tests.cluster import Cluster
from tests.integration.wrong_places import wrong_places
from tests.integration.wrong_setups import GROUPS, WrongSetup

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
WRITES = "WRITE_TROUBLESHOOTING"
BEGIN, END = "<!-- wrong set-ups: begin -->", "<!-- wrong set-ups: end -->"
FAMILIES = ("ELASTIC", "KIBANA_", "MONITOR_", "MODEL_", "PIPELINE_", "STACK_", "DASHBOARDS_", "REQUIRE_", "ES_JAVA")
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
WRONG_STATES = ("warning", "failed")
MIB = 1024**2
DiskUsage = namedtuple("DiskUsage", "total used free")


@dataclass(frozen=True)
class Printed:
    """What a user gets from a wrong set-up: the line of the command, and the row of `check` with its state."""

    line: str
    check: str
    state: str


@pytest.fixture(scope="module")
def places(installed: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Yield the places that the rows name."""
    with wrong_places(tmp_path_factory.mktemp("places"), installed) as places:
        yield places


@contextlib.contextmanager
def environment(setup: WrongSetup, places: dict[str, str], cluster: Cluster, work: Path) -> Iterator[None]:
    """Make a wrong set-up in this process, in an empty folder, with no other setting of the product."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(FAMILIES) or name.upper() in PROXY_VARIABLES:
                patch.delenv(name)
        for name in ("MODEL_SERVER_PORT", "DASHBOARDS_PORT", "STACK_HTTP_PORT", "MONITOR_HEALTH_PORT"):
            patch.setenv(name, "0")
        patch.setenv("ELASTICSEARCH_URL", f"http://127.0.0.1:{places['closed']}")
        patch.setenv("PIPELINE_CONFIG", str(ROOT / "logstash" / "pipeline"))
        patch.setenv("KIBANA_FOLDER", str(ROOT / "kibana"))
        if setup.user:
            patch.setenv("ELASTICSEARCH_URL", cluster.url)
            patch.setenv("ELASTICSEARCH_USERNAME", setup.user)
            patch.setenv("ELASTICSEARCH_PASSWORD", cluster.users[setup.user])
        for name, value in setup.environ.items():
            patch.setenv(name, filled(value, places))
        for module in setup.lacking:
            patch.setitem(sys.modules, module, None)
        for name, content in setup.files.items():
            (Path(places["folder"]) / name).write_bytes(content.encode("utf-8", "surrogateescape"))
        if setup.free_mib is not None:
            usage = DiskUsage(MIB * 1000, 0, MIB * setup.free_mib)
            patch.setattr(shutil, "disk_usage", lambda _path: usage)
        patch.chdir(work)
        yield


def filled(text: str, places: dict[str, str]) -> str:
    """Return a text with the places that it names in braces."""
    return re.sub(r"\{(\w+)\}", lambda match: places[match[1]], text)


@contextlib.contextmanager
def as_before() -> Iterator[None]:
    """Restore afterwards what a command changes in its process: its log, and who gets its signals."""
    log, numbers = structlog.get_config(), (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        structlog.configure(**log)
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)


def printed_by(setup: WrongSetup, capfd: pytest.CaptureFixture[str]) -> Printed:
    """Run the command and the check of a set-up; return what they print."""
    line = ""
    with as_before():
        capfd.readouterr()
        if setup.command:
            words = setup.command.split()
            main, words = (model_server, words[1:]) if words[0] == "model-server" else (monitor_agent, words)
            status = main(words)
            output = capfd.readouterr()
            lines = [text for text in output.err.splitlines() if not text.startswith("{")]
            assert status == 1, output
            assert len(lines) == 1, output
            assert lines[0].startswith("error: "), output
            (line,) = lines
        monitor_agent(["check", "--json"])
        output = capfd.readouterr()
        assert output.out, output
        rows = json.loads(output.out)
    wrong = [row for row in rows if row["check"] == setup.check and row["state"] in WRONG_STATES]
    if setup.runs:
        wrong = [row for row in rows if row["check"] == setup.check and setup.runs not in row["finding"].split(", ")]
    assert wrong, [row for row in rows if row["check"] == setup.check or row["state"] in WRONG_STATES]
    assert setup.runs or wrong[0]["remedy"]
    for text in (line, *(row[key] for row in rows for key in ("finding", "remedy"))):
        assert not re.search(r"Traceback|<html|<title|planted|\n", text), text
    state = f"the list of commands lacks `{setup.runs}`" if setup.runs else wrong[0]["state"]
    return Printed(line, setup.check, state)


def neutral(text: str, places: dict[str, str], work: Path) -> str:
    """Return a text without what differs between two runs: ports, folders, the interpreter."""
    text = re.sub(r"(?<=run )(?:\S+ -m pip|uv pip) install .*", lambda match: _command(match[0]), text)
    for folder, name in ((str(work), "."), (places["folder"], "/etc/monitor"), (str(ROOT), "/src")):
        text = text.replace(folder, name)
    text = re.sub(r"(127\.0\.0\.1|localhost):\d+", r"\1:PORT", text)
    for name in ("occupied", "closed"):
        text = re.sub(rf"\b{places[name]}\b", "PORT", text)
    return text


def _command(text: str) -> str:
    extras = re.search(r"\[([\w,]+)\]", text)
    assert extras is not None, text
    return f"python -m pip install 'model-monitor[{extras[1]}]'"


def code(text: str) -> str:
    """Return a text as code in a cell of a table."""
    mark = "``" if "`" in text else "`"
    pad = " " if mark == "``" else ""
    return f"{mark}{pad}{text}{pad}{mark}".replace("|", "\\|") if text else ""


def row_of(setup: WrongSetup, printed: Printed, places: dict[str, str], work: Path) -> str:
    """Return a set-up as a row of the page."""
    program = "" if setup.command.startswith("model-server") else "monitor-agent "
    command = code(program + setup.command) if setup.command else ""
    title = neutral(filled(setup.title, places), places, work).replace("|", "\\|")
    return f"| {title} | {command} | {code(neutral(printed.line, places, work))} | {printed.check}: {printed.state} |"


def rows_of_page() -> dict[str, list[str]]:
    """Return the rows of the page by group."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    tables: dict[str, list[str]] = {}
    group = ""
    for line in text.partition(BEGIN)[2].partition(END)[0].splitlines():
        if line.startswith("## "):
            group = line.removeprefix("## ")
        elif line.startswith("| ") and not line.startswith("| wrong "):
            tables.setdefault(group, []).append(line)
    return tables


@pytest.mark.parametrize("group", GROUPS)
def test_a_wrong_set_up_is_one_line_and_a_row_of_check(
    installed: Cluster,
    places: dict[str, str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    group: str,
) -> None:
    """The page shows what is printed; nothing is a traceback, a page of HTML, a secret, or two lines."""
    rows, problems = [], []
    for number, setup in enumerate(GROUPS[group]):
        work = tmp_path / str(number)
        work.mkdir()
        try:
            with environment(setup, places, installed, work):
                rows.append(row_of(setup, printed_by(setup, capfd), places, work))
        except AssertionError as error:
            problems.append(f"{setup.title}: {error}")
    assert not problems, "\n".join(problems)

    if os.environ.get(WRITES):
        write(group, rows)
    assert rows_of_page().get(group) == rows, "run `python -m tests.integration.test_wrong_setups`"


def test_the_page_covers_many_set_ups() -> None:
    """All groups are there, and no set-up stands twice."""
    tables = rows_of_page()

    assert list(tables) == list(GROUPS)
    rows = [row for group in tables.values() for row in group]
    assert len(rows) == len(set(rows)) >= 60


def write(group: str, rows: list[str]) -> None:
    """Write the table of a group into the page."""
    tables = {**rows_of_page(), group: rows}
    head = "| wrong set-up | command | what it prints | row of `check` |\n|---|---|---|---|"
    sections = [f"## {name}\n\n{head}\n" + "\n".join(tables[name]) + "\n" for name in GROUPS if name in tables]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n" + "\n".join(sections) + f"{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    os.environ[WRITES] = "1"
    sys.exit(pytest.main(["-q", __file__]))
