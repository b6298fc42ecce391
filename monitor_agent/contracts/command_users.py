"""Which user runs which command: the page docs/users.md and the hints of errors are made from this table."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from monitor_agent.contracts.role_names import (
    ALERT_OPERATOR,
    ANALYST,
    DEADLETTER_READER,
    MONITOR_AGENT,
    MONITOR_SETUP,
    PIPELINE_WRITER,
)

SUPERUSER = "a superuser, such as elastic"
NOBODY = ""
SETUP = "run `monitor-agent setup`"
_SETUP_COMMANDS = re.compile(r"`monitor-agent setup[^`]*`(?! as )")


@dataclass(frozen=True)
class CommandUser:
    """The user of a command.

    Attributes
    ----------
    command : the command's words after `monitor-agent`.
    user : the role of the least rights that the command needs; "" = it sends nothing to Elasticsearch.
    why : what the command does there.
    """

    command: str
    user: str
    why: str


COMMAND_USERS: tuple[CommandUser, ...] = (
    CommandUser("setup", MONITOR_SETUP, "writes index templates, lifecycle policies, aliases and new fields"),
    CommandUser("setup --repair", MONITOR_SETUP, "copies and replaces indices"),
    CommandUser(
        "setup --kibana",
        MONITOR_SETUP,
        "also writes watches; `KIBANA_USERNAME` is a user who may change saved objects and rules in Kibana",
    ),
    CommandUser("run", MONITOR_AGENT, "reads and labels events, writes metrics, deletes expired indices"),
    CommandUser("once", MONITOR_AGENT, "as `run`"),
    CommandUser("backfill", MONITOR_AGENT, "as `run`"),
    CommandUser(
        "import",
        MONITOR_AGENT,
        "as `run`; `PIPELINE_USERNAME` writes the rows. The node of `--data` has all users; `--dry-run` sends nothing",
    ),
    CommandUser("reference", MONITOR_AGENT, "reads events, writes drift references"),
    CommandUser("release", MONITOR_AGENT, "writes the release of a version"),
    CommandUser("models apply", MONITOR_SETUP, "changes the settings of models"),
    CommandUser("models diff", MONITOR_AGENT, "reads the settings of models, the agent's state and metrics"),
    CommandUser("models list", MONITOR_AGENT, "reads the settings of models and the agent's state"),
    CommandUser("models show", MONITOR_AGENT, "reads the settings of models and the agent's state"),
    CommandUser("models history", MONITOR_AGENT, "reads the settings of models and the agent's state"),
    CommandUser("lost-lines", MONITOR_AGENT, "reads the agent's state"),
    CommandUser("check", MONITOR_AGENT, "reads facts about the cluster, indices and privileges"),
    CommandUser("deadletters list", DEADLETTER_READER, "reads dead letters, which hold the original lines"),
    CommandUser("deadletters show", DEADLETTER_READER, "reads dead letters, which hold the original lines"),
    CommandUser("deadletters replay", MONITOR_AGENT, "deletes the dead letters that it sends again"),
    CommandUser("totals", ANALYST, "reads metrics"),
    CommandUser("compare", ANALYST, "reads metrics"),
    CommandUser("explain-window", ANALYST, "reads metrics and events"),
    CommandUser("explain-drop", ANALYST, "reads metrics, events, releases and documents of cycles"),
    CommandUser(
        "alerts", ANALYST, "reads alerts; `show` and `replay` read metrics too, `test --send` sends to channels"
    ),
    CommandUser("alerts silence", ALERT_OPERATOR, "writes a silence"),
    CommandUser("alerts unsilence", ALERT_OPERATOR, "ends a silence"),
    CommandUser("alerts ack", ALERT_OPERATOR, "writes that somebody knows of a firing"),
    CommandUser("dashboards", ANALYST, "reads metrics and events; its panels of dead letters need `deadletter_reader`"),
    CommandUser("report", ANALYST, "as `dashboards`"),
    CommandUser("pipeline run", PIPELINE_WRITER, "creates events; the user is `PIPELINE_USERNAME`"),
    CommandUser("receive", NOBODY, "writes event files"),
    CommandUser("pipeline", NOBODY, "the other actions read files only"),
    CommandUser("stack users", SUPERUSER, "creates roles and users, which needs the privilege `manage_security`"),
    CommandUser("stack", NOBODY, "the other actions start and stop Elasticsearch; `stack status` takes any user"),
    CommandUser(
        "up",
        MONITOR_SETUP,
        "the set-up; then each part runs as its own user. The embedded Elasticsearch has all users. With a cluster of "
        "your own, set `STACK_SETUP_PASSWORD`, or run `setup` before; `ELASTICSEARCH_USERNAME` is `monitor_agent`",
    ),
    CommandUser("demo", NOBODY, "it has an Elasticsearch of its own"),
    CommandUser("kibana check", ANALYST, "runs the searches of the dashboards; with `--offline` it needs no user"),
    CommandUser("kibana", NOBODY, "`KIBANA_USERNAME` is a user who may change saved objects in Kibana"),
    CommandUser("docs", NOBODY, "writes files"),
    CommandUser("completion", NOBODY, "prints a script"),
)


def entry_of(command: str) -> CommandUser:
    """Return the row of a command, or of the command whose action it is.

    Parameters
    ----------
    command : the command's words after `monitor-agent`; it is one of the CLI.

    >>> entry_of("deadletters show").user, entry_of("totals").user, entry_of("pipeline check").user
    ('deadletter_reader', 'analyst', '')
    """
    entries = {entry.command: entry for entry in COMMAND_USERS}
    return entries.get(command) or entries[command.partition(" ")[0]]


def commands_of(roles: Collection[str]) -> list[str]:
    """Return the commands that are the work of roles.

    >>> commands_of(["deadletter_reader"])
    ['deadletters list', 'deadletters show']
    """
    return [entry.command for entry in COMMAND_USERS if entry.user in roles]


def with_setup_user(text: str) -> str:
    """Return a text in which each `monitor-agent setup` has its user, for a cluster where another user may not run it.

    >>> with_setup_user("run `monitor-agent setup --repair`, then try again")
    'run `monitor-agent setup --repair` as the user monitor_setup, then try again'
    """
    return _SETUP_COMMANDS.sub(rf"\g<0> as the user {MONITOR_SETUP}", text)
