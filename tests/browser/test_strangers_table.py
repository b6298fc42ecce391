"""The README's commands for a stranger's table, run as they stand there, up to the numbers on the first dashboard."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from monitor_agent.http_serving.listener import bind
from tests.browser.conftest import DRAWN_PAGE, PATIENCE_MILLISECONDS
from tests.strangers_table import ROWS, write_strangers_table
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
SECTION = "## Numbers from a table"
MOST_COMMANDS = 3
SERVES = "monitor-agent dashboards"


def commands_of_readme() -> list[tuple[str, list[str]]]:
    """Return the commands of the section, each with the lines that it prints."""
    section = README.read_text(encoding="utf-8").partition(SECTION)[2]
    block = section.partition("```\n")[2].partition("```")[0]
    pieces = [piece for piece in re.split(r"^\$ ", block, flags=re.MULTILINE) if piece]
    commands = []
    for piece in pieces:
        command, printed = re.fullmatch(r"((?:.*\\\n)*.*\n?)((?:.*\n?)*)", piece).groups()  # type: ignore[union-attr]
        commands.append((command, [line for line in printed.splitlines() if line]))
    return commands


def without_what_varies(text: str) -> list[str]:
    """Return the lines without how long something took."""
    return [re.sub(r"\d+ requests in [\d.]+ s", "", line) for line in text.splitlines()]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder with the table and the program; the account of Elasticsearch may enter it."""
    with tempfile.TemporaryDirectory(prefix="stranger-") as name:
        place = Path(name)
        place.chmod(0o755)
        program = place / "bin" / "monitor-agent"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m monitor_agent "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        write_strangers_table(place / "loans.csv")
        yield place


@contextlib.contextmanager
def served(script: str, folder: Path, environ: dict[str, str]) -> Iterator[None]:
    """Run commands of which the last one serves until it is stopped."""
    log = folder / "dashboards.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            ["bash", "-c", script], cwd=folder, env=environ, stdout=stream, stderr=subprocess.STDOUT
        )
    try:
        wait_until(lambda: "Ctrl-C stops them" in log.read_text() or process.poll() is not None, 300)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_three_commands_lead_from_a_table_to_a_dashboard(folder: Path, browser: Browser) -> None:
    """The import prints what the README shows, and the address that it names shows the numbers of that time."""
    with bind("127.0.0.1", 0, "the test", "") as listener:
        port = listener.getsockname()[1]
    environ = {
        **os.environ,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "DASHBOARDS_PORT": str(port),
    }
    first_rows, *commands = commands_of_readme()
    assert first_rows[0].startswith("head ")
    assert len(commands) <= MOST_COMMANDS
    exported, imported, dashboards = (command for command, _ in commands)
    assert dashboards.startswith(SERVES)

    first = subprocess.run(["bash", "-c", first_rows[0]], cwd=folder, capture_output=True, text=True, check=True)
    done = subprocess.run(
        ["bash", "-c", exported + imported], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )

    assert first.stdout.splitlines() == first_rows[1]
    in_readme = "\n".join(commands[1][1]).replace(":8601/", f":{port}/")
    assert without_what_varies(done.stdout) == without_what_varies(in_readme), done.stderr
    assert done.returncode == 1  # rows were refused
    assert "{" not in done.stderr  # no line of a log
    (address,) = re.findall(r"^look at (\S+)$", done.stdout, re.MULTILINE)
    with served(exported + "exec " + dashboards, folder, environ):
        context = browser.new_context(viewport={"width": 1440, "height": 2400})
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector(DRAWN_PAGE)
        row = page.get_by_role("row").filter(has_text="loans")
        expect(row.first).to_contain_text(f"{ROWS - 3:,}")
        expect(page.locator("body")).to_contain_text("72.5 %")
        context.close()
