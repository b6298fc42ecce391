"""Each command works as the user that docs/users.md names; a user without the privileges gets one line that says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.cli import COMMANDS
from monitor_agent.contracts.command_users import COMMAND_USERS, entry_of
from monitor_agent.contracts.deadletter import DEADLETTERS
from monitor_agent.contracts.roles import ROLES
from tests.cluster import Cluster
from tests.command_line import monitor_agent, set_up
from tests.factories import START, make_feedback, make_prediction
from tests.integration.agent_world import world_on
from tests.integration.test_service import store_settings
from tests.kibana_stand_in import kibana_stand_in
from tests.pipelines import PipelineSandbox
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
RANGE = ("--from", "2026-03-02", "--to", "2026-03-03")
AGENT = {"monitor_agent", "monitor_setup"}
READERS = AGENT | {"analyst"}
LETTER_READERS = AGENT | {"deadletter_reader"}


@dataclass(frozen=True)
class Row:
    """A row of the table, as words on the command line.

    Attributes
    ----------
    words : the command; `{folder}` is a folder for its output.
    able : the roles that have its privileges.
    status : its exit status for its user.
    """

    words: tuple[str, ...]
    able: set[str]
    status: int = 0


ROWS = {
    "setup": Row(("setup",), {"monitor_setup"}),
    "setup --repair": Row(("setup", "--repair"), {"monitor_setup"}),
    "once": Row(("once", "--now", "2026-03-04"), AGENT),
    "backfill": Row(("backfill", *RANGE, "--now", "2026-03-04"), AGENT),
    "reference": Row(("reference", "--model", "click", *RANGE), AGENT),
    "release": Row(("release", "--model", "click", "--version", "7"), AGENT),
    "lost-lines": Row(("lost-lines",), READERS),
    "models apply": Row(("models", "apply", "{folder}/models.toml"), {"monitor_setup"}),
    "models diff": Row(("models", "diff", "{folder}/models.toml"), READERS),
    "models list": Row(("models", "list"), READERS),
    "models show": Row(("models", "show", "click"), READERS),
    "models history": Row(("models", "history"), READERS),
    "deadletters list": Row(("deadletters", "list"), LETTER_READERS),
    "deadletters show": Row(("deadletters", "show"), LETTER_READERS),
    "deadletters replay": Row(("deadletters", "replay", "--all"), AGENT),
    "totals": Row(("totals", *RANGE), READERS | {"alert_operator"}),
    "compare": Row(("compare", "--baseline", "1", "--candidate", "2"), READERS | {"alert_operator"}),
    "explain-window": Row(
        ("explain-window", "--model", "click", "--size", "1h", "--start", "2026-03-02T10:00"), READERS
    ),
    "explain-drop": Row(("explain-drop", "--model", "click", "--version", "2", "--against", "1", *RANGE), READERS),
    "alerts": Row(("alerts",), READERS | {"alert_operator"}),
    "alerts silence": Row(
        ("alerts", "silence", "--model", "click", "--until", "now+1h", "--reason", "a test"),
        {"monitor_setup", "alert_operator"},
    ),
    "report": Row(("report", "--dashboard", "serving", "--out", "{folder}/report.html"), READERS),
    # The few events leave panels empty, which the check reports with the status 1.
    "kibana check": Row(("kibana", "check"), READERS, 1),
}
ELSEWHERE = {
    "run": "test_the_running_agent; it works as monitor_agent in test_service",
    "import": "test_an_import; it works as monitor_agent in test_import",
    "setup --kibana": "test_the_set_up_of_kibana",
    **dict.fromkeys(("alerts unsilence", "alerts ack"), "test_people_silence_and_acknowledge in test_notifications"),
    "check": "test_check_says_what_a_user_can_run",
    "dashboards": "test_a_panel_says_which_right_is_missing in test_roles; it works as viewer in tests/browser",
    "pipeline run": "test_the_pipeline",
    "stack users": "test_only_a_superuser_creates_users; it works in test_stack_external",
    "up": "test_up_without_the_user_of_the_set_up; it works in test_up",
}
"""Rows with a test of another form."""
Run = Callable[..., tuple[int, str, list[str]]]


@dataclass
class Commands:
    """Runs commands as a user of the cluster."""

    cluster: Cluster
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    folder: Path = field(default_factory=Path)

    def run(self, user: str, *words: str) -> tuple[int, str, list[str]]:
        """Return exit status, output, and the lines of errors that are no log lines."""
        self.monkeypatch.setenv("ELASTICSEARCH_USERNAME", user)
        self.monkeypatch.setenv("ELASTICSEARCH_PASSWORD", self.cluster.users[user])
        self.capsys.readouterr()
        status = monitor_agent(*(word.format(folder=self.folder) for word in words))
        output, errors = self.capsys.readouterr()
        return status, output, [line for line in errors.splitlines() if not line.startswith("{")]


@pytest.fixture(scope="module")
def filled(installed: Cluster) -> Cluster:
    """Return a cluster with events of two versions, the metrics of them, and a dead letter."""
    installed.clean()
    with world_on(installed) as world:
        first, second = make_prediction(START), make_prediction(START, version="2")
        world.deliver(first, second, make_feedback(first))
        store_settings(installed)
        world.cycle(START + timedelta(days=2))
        world.admin.index(index="model-deadletters-2026.03.02", id="one", document=DEADLETTERS.sample, refresh=True)
    return installed


@pytest.fixture
def commands(
    filled: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    """Return what runs commands, with folders of their own."""
    variables = {
        "ELASTICSEARCH_URL": filled.url,
        "PIPELINE_DATA_DIR": str(tmp_path / "pipeline"),
        "MODEL_LOG_DIR": str(tmp_path / "log"),
        "STACK_DATA_DIR": str(tmp_path / "stack"),
        "KIBANA_FOLDER": str(ROOT / "kibana"),
        **dict.fromkeys(("MODEL_SERVER_PORT", "DASHBOARDS_PORT", "STACK_HTTP_PORT", "MONITOR_HEALTH_PORT"), "0"),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "models.toml").write_text("[models.click]\ngate_positives = 40\n", encoding="utf-8")
    return Commands(filled, monkeypatch, capsys, tmp_path)


def refuses(commands: Commands, user: str, command: str, *words: str) -> None:
    """Assert that a command ends with one line that names the user, the privilege and the user of the command."""
    status, output, errors = commands.run(user, *words)

    assert (status, output, len(errors)) == (1, "", 1), (user, output, errors)
    right = f"run `monitor-agent {command}` as the user {entry_of(command).user} (docs/users.md)"
    assert errors[0].startswith(f"error: the user {user} lacks the privilege"), errors
    assert right in errors[0], errors


@pytest.mark.parametrize("command", ROWS)
def test_a_command_works_as_its_user_only(commands: Commands, command: str) -> None:
    """Users without its privileges are refused before it begins: no wrong number, nothing half done."""
    row = ROWS[command]

    for user in ROLES.keys() - row.able:
        refuses(commands, user, command, *row.words)
    status, output, errors = commands.run(entry_of(command).user, *row.words)

    assert entry_of(command).user in row.able
    assert status == row.status, errors
    assert output
    assert [line for line in errors if line.startswith(("error", "warning"))] == []


def test_the_table_has_every_command() -> None:
    """Each command of the CLI is there, with a user that exists; each row has a test, or sends nothing."""
    without_user = {entry.command for entry in COMMAND_USERS if not entry.user}
    assert {entry.command.split()[0] for entry in COMMAND_USERS} == set(COMMANDS)
    assert {entry.command for entry in COMMAND_USERS} == {*ROWS, *ELSEWHERE, *without_user}
    assert {row.split()[0] for row in without_user} == {
        "demo",
        "pipeline",
        "receive",
        "stack",
        "kibana",
        "docs",
        "completion",
    }


@pytest.mark.parametrize("user", sorted(ROLES.keys() - AGENT))
def test_the_running_agent(commands: Commands, user: str) -> None:
    """It ends at its start, and does not try for ever."""
    refuses(commands, user, "run", "run")


@pytest.mark.parametrize("user", sorted(ROLES.keys() - AGENT))
def test_an_import(commands: Commands, user: str) -> None:
    """Nothing is delivered if the days cannot be computed."""
    (commands.folder / "clicks.csv").write_text("id,time,score\n1,2026-03-02T10:00:00Z,0.5\n", encoding="utf-8")
    refuses(commands, user, "import", "import", "{folder}/clicks.csv", "--model", "click", "--version", "1")


def test_the_set_up_of_kibana(commands: Commands) -> None:
    """Nothing reaches Kibana if the user may not set up Elasticsearch."""
    with kibana_stand_in() as kibana:
        commands.monkeypatch.setenv("KIBANA_URL", kibana.url)
        for user in ROLES.keys() - {"monitor_setup"}:
            refuses(commands, user, "setup", "setup", "--kibana")
        assert kibana.requests == []
        status, output, _ = commands.run("monitor_setup", "setup", "--kibana")
    assert (status, "0 refused" in output) == (0, True)


def test_only_a_superuser_creates_users(commands: Commands) -> None:
    """The line names the privilege, and who has it."""
    commands.monkeypatch.setenv("STACK_AGENT_PASSWORD", "planted-secret")
    for user in ROLES:
        status, _, (line,) = commands.run(user, "stack", "users")
        assert status == 1
        assert f"unauthorized for user [{user}]" in line
        assert "manage_security" in line
        assert line.endswith("only a superuser may do this (docs/users.md)")


AGENT_COMMANDS = (
    "run, once, backfill, import, reference, release, models diff, models list, models show, models history, "
    "lost-lines, check, deadletters list, deadletters show, deadletters replay, totals, compare, explain-window, "
    "explain-drop, alerts, dashboards, report, kibana check"
)
CAN_RUN = {
    "pipeline_writer": ("warning", "pipeline run"),
    "monitor_agent": ("ok", AGENT_COMMANDS),
    "monitor_setup": ("ok", "all commands"),
    "analyst": ("warning", "totals, compare, explain-window, explain-drop, alerts, dashboards, report, kibana check"),
    "alert_operator": ("warning", "alerts silence, alerts unsilence, alerts ack"),
    "deadletter_reader": ("warning", "deadletters list, deadletters show"),
}


@pytest.mark.parametrize("user", ROLES)
def test_check_says_what_a_user_can_run(commands: Commands, user: str) -> None:
    """Its row has the roles of the user of the settings, and the commands that are their work."""
    _, output, errors = commands.run(user, "check", "--json")

    row = next(row for row in json.loads(output) if row["check"] == "user of the agent")
    assert errors == []
    assert row["state"] == CAN_RUN[user][0]
    assert row["finding"].startswith(f"{user} has the privileges of the role")
    assert row["finding"].endswith(f", and runs: {CAN_RUN[user][1]}")
    assert ("a user with the role monitor_agent" in row["remedy"]) == (row["state"] == "warning")


def test_check_tries_each_user_of_the_settings(commands: Commands) -> None:
    """Users that `stack users` makes: one has the right password, another one a wrong password."""
    commands.monkeypatch.setenv("STACK_SETUP_PASSWORD", commands.cluster.users["monitor_setup"])
    commands.monkeypatch.setenv("STACK_ANALYST_PASSWORD", "planted-secret")

    _, output, _ = commands.run("monitor_agent", "check", "--json")

    rows = {row["check"]: row for row in json.loads(output)}
    assert rows["user monitor_setup"]["state"] == "ok"
    assert rows["user analyst"]["state"] == "failed"
    assert "STACK_ANALYST_PASSWORD" in rows["user analyst"]["remedy"]
    assert "planted-secret" not in output


def without_template(cluster: Cluster) -> None:
    """Remove one index template."""
    with cluster.client() as admin:
        admin.indices.delete_index_template(name="model-drift")


@pytest.fixture
def incomplete(commands: Commands) -> Iterator[Commands]:
    """Yield commands on a cluster that lacks a template; it is there again afterwards."""
    without_template(commands.cluster)
    yield commands
    commands.monkeypatch.setenv("STACK_SETUP_PASSWORD", commands.cluster.users["monitor_setup"])
    assert set_up() == 0


def test_set_up_is_named_with_its_user(incomplete: Commands) -> None:
    """A user who may not run it learns who may; the user of the set-up is told the command alone."""
    _, _, refused = incomplete.run("monitor_agent", "once")
    _, _, plain = incomplete.run("monitor_setup", "once")
    _, output, _ = incomplete.run("monitor_agent", "check", "--json")

    assert refused[0].endswith("run `monitor-agent setup` as the user monitor_setup")
    assert plain[0].endswith("run `monitor-agent setup`")
    remedies = {row["check"]: row["remedy"] for row in json.loads(output)}
    assert remedies["index templates"] == "run `monitor-agent setup` as the user monitor_setup"


def test_up_without_the_user_of_the_set_up(incomplete: Commands) -> None:
    """On a cluster of the user's own, it names the setting before it starts anything."""
    incomplete.monkeypatch.setenv("STACK_PROVIDER", "external")

    status, output, errors = incomplete.run("monitor_agent", "up")

    assert (status, output, len(errors)) == (1, "", 1), errors
    assert errors[0].startswith("error: the user monitor_agent lacks the privileges manage_index_templates; ")
    assert errors[0].endswith("set STACK_SETUP_PASSWORD to the password of the user monitor_setup (docs/users.md)")

    incomplete.monkeypatch.setenv("STACK_SETUP_PASSWORD", "wrong-password")
    _, _, (line,) = incomplete.run("monitor_agent", "up")
    assert line.endswith("check STACK_SETUP_PASSWORD")


@pytest.mark.usefixtures("frequent_statistics")
@pytest.mark.parametrize("user", ["pipeline_writer", "analyst", "deadletter_reader"])
def test_the_pipeline(filled: Cluster, tmp_path: Path, user: str) -> None:
    """Its user creates the index of a new day; with another one the lines wait, and the trouble names the role."""
    sandbox = PipelineSandbox(tmp_path, filled.url, user, filled.users[user])
    day = START + timedelta(days=[*ROLES].index(user) + 10)
    event: dict[str, Any] = make_prediction(day)
    sandbox.append(event)
    with sandbox.running():
        if user == "pipeline_writer":
            wait_until(lambda: sandbox.statistics().get("delivered"))
        else:
            trouble = wait_until(lambda: sandbox.statistics().get("trouble"))
            assert f"unauthorized for user [{user}]" in trouble
            assert "PIPELINE_USERNAME must be a user with the role pipeline_writer (docs/users.md)" in trouble
    with filled.client() as admin:
        assert admin.indices.exists(index=f"model-predictions-{day:%Y.%m.%d}").body == (user == "pipeline_writer")
