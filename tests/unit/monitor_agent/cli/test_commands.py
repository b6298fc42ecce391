"""What all commands share: their help, the form of times, JSON, the version."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from importlib import metadata

import pytest

from model_server.cli import main as model_server
from monitor_agent.cli import COMMANDS, main, make_parser
from monitor_agent.cli._output import print_json, print_line, print_table
from monitor_agent.cli._times import EPILOG, TimeArgument, range_at
from monitor_agent.errors import SettingsError

NOW = datetime(2026, 3, 4, 10, 17, 30, tzinfo=timezone.utc)
TABLES = (
    "totals",
    "compare",
    "reference",
    "explain-window",
    "release",
    "lost-lines",
    "alerts",
    "stack status",
    "pipeline stats",
    "deadletters list",
    "kibana check",
)


def commands(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Yield name, help and parser of every command and action."""
    for group in parser._actions:
        if isinstance(group, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in group._choices_actions}
            for word, command in group.choices.items():
                full_name = f"{name} {word}".strip()
                yield full_name, helps[word], command
                yield from commands(command, full_name)


ALL = list(commands(make_parser()))


def test_every_command_is_there() -> None:
    """Without a command among the arguments, the parser has all of them."""
    assert {name for name, _, _ in ALL if " " not in name} == set(COMMANDS)


@pytest.mark.parametrize(("name", "help_", "parser"), ALL, ids=lambda value: value if isinstance(value, str) else "")
def test_a_help_text_is_one_clause(name: str, help_: str, parser: argparse.ArgumentParser) -> None:
    """A command and each of its arguments has a help text without a full stop at its end."""
    helps = [help_, *(action.help or "" for action in parser._actions if action.nargs != argparse.PARSER)]

    assert [text for text in helps if not text or text.endswith(".")] == [], name


@pytest.mark.parametrize("parser", [parser for _, _, parser in ALL], ids=[name for name, _, _ in ALL])
def test_times_have_one_form(parser: argparse.ArgumentParser) -> None:
    """A command with a time explains the form of times; `--to` is always the end of a range."""
    times = [action for action in parser._actions if action.metavar == "TIME"]

    assert (parser.epilog == EPILOG) == bool(times)
    assert all(action in times for action in parser._actions if {"--from", "--to"} & set(action.option_strings))


@pytest.mark.parametrize("name", TABLES)
def test_a_command_with_a_table_prints_json_too(name: str) -> None:
    """Each table for people has a JSON document for programs."""
    (parser,) = [parser for full_name, _, parser in ALL if full_name == name]

    assert "--json" in parser._option_string_actions


@pytest.mark.parametrize("text", ["yesterday", "now-1x", "2026-13-01", "now||+1d"])
def test_a_malformed_time_is_refused_with_the_forms(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line names the option, the text and what to write."""
    with pytest.raises(SystemExit) as ended:
        main(["totals", "--from", text, "--to", "now"])

    line = capsys.readouterr().err.splitlines()[-1]
    assert ended.value.code == 2
    assert line.startswith(f"monitor-agent totals: error: argument --from: {text!r} is no time: write an ISO 8601 time")


def test_a_range_is_relative_to_the_present() -> None:
    """ISO 8601 and date math can be mixed."""
    start, end = range_at(TimeArgument("now-7d/d"), TimeArgument("2026-03-01||+1d"), NOW)

    assert (start, end) == (datetime(2026, 2, 25, tzinfo=timezone.utc), datetime(2026, 3, 2, tzinfo=timezone.utc))
    assert end - start == timedelta(days=5)


def test_a_range_ends_after_it_starts() -> None:
    """An empty range is a mistake."""
    with pytest.raises(SettingsError, match="--from is not before --to"):
        range_at(TimeArgument("now"), TimeArgument("now"), NOW)


@pytest.mark.parametrize(("program", "name"), [(main, "monitor-agent"), (model_server, "model-server")])
def test_the_version_is_that_of_the_package(program: object, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints one line and ends with status 0."""
    assert callable(program)
    with pytest.raises(SystemExit) as ended:
        program(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{name} {metadata.version('model-monitor')}\n"


def test_json_is_utf8_whatever_the_locale(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """A model's name may have any letter."""
    print_json({"model_name": "Größe"})

    out = capfdbinary.readouterr().out
    assert json.loads(out.decode("utf-8")) == {"model_name": "Größe"}
    assert "Größe".encode() in out


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (["release", "--model", "click", "--version", "all"], "--version"),
        (["compare", "--baseline", "1", "--candidate", "all"], "--candidate"),
    ],
)
def test_no_version_is_called_all(command: list[str], option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The name stands for all versions together: one line says so, before anything is read."""
    assert main(command) == 1

    error = capsys.readouterr().err
    assert error.startswith(f"error: {option}")
    assert "stands for all versions together" in error
    assert error.count("\n") == 1


def test_no_model_is_trained_under_the_version_all(capsys: pytest.CaptureFixture[str]) -> None:
    """The server would refuse the model."""
    with pytest.raises(SystemExit):
        model_server(["train", "--data", "x.csv", "--out", "x", "--model-version", "all"])

    assert "--model-version: stands for all versions together" in capsys.readouterr().err


@pytest.mark.parametrize("time", ["0001-01-01", "9999-12-31T23:59", "now-1000y"])
def test_a_time_in_a_year_without_events_is_refused(time: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Such a time would leave the calendar as soon as a week is subtracted or added."""
    with pytest.raises(SystemExit):
        main(["explain-drop", "--model", "click", "--from", time, "--to", "now"])

    assert "choose years from 1970 to 2999" in capsys.readouterr().err


def test_names_of_users_change_neither_the_table_nor_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A long name takes several lines of its column; a line break or an escape character is written as its number."""
    rows = [["n" * 256, "active", "short"], ["two\nlines", "active", "\x1b[31mred"]]
    print_table("alerts", ["about", "state", "why"], rows, left=3)
    print_line("reason: \x1b[31mred")
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    assert lines[2].split()[1:] == ["active", "short"]
    assert sum(line.split()[0].count("n") for line in lines[2:-2]) == 256
    assert lines[-2].split(maxsplit=2) == ["two[U+000A]lines", "active", "[U+001B][31mred"]
    assert lines[-1] == "reason: [U+001B][31mred"
