"""Runs every command of both programs with one thing wrong each, and prints what happened as JSON lines.

A case is a fork of a process that has loaded all commands: it needs no time to import them, and what it does to itself
ends with it. `python -m tests.command_sweep FOLDER PORT [WORDS...]` runs cases in an empty folder.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path

import model_server.cli
from monitor_agent import cli

PATIENCE_SECONDS, SERVING_SECONDS = 60.0, 0.3
ROOT = Path(__file__).parents[1]
SERVERS = ("dashboards", "run", "receive", "pipeline run", "model-server serve", "stack logs")
"""They run until a signal comes."""
SLOW = ("train",)
"""It loads TensorFlow, which takes seconds."""
PATHS = ("FILE", "DIR", "CONF")
NOT_UTF8 = os.fsdecode(b"\xff")
BAD_PATHS = ("folder", "unreadable", "binary", NOT_UTF8)
VALUES = {
    "--from": "now-1h",
    "--to": "now",
    "--now": "now",
    "--until": "now+1h",
    "--at": "now",
    "window": "now-1h",
    "--rights": "predict",
}


@dataclass(frozen=True)
class Case:
    """A command with its arguments, and what is wrong with the process."""

    program: str
    arguments: tuple[str, ...]
    trouble: str = ""


@dataclass(frozen=True)
class End:
    """How a case ended: its exit status, negative if a signal ended it, and what it printed."""

    case: Case
    status: int
    output: str
    errors: str
    seconds: float


def leaves(
    parser: argparse.ArgumentParser, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Yield the words and the parser of each command that has no further actions."""
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not actions:
        yield words, parser
    for action in actions:
        for name, command in action.choices.items():
            yield from leaves(command, (*words, name))


def is_path(action: argparse.Action) -> bool:
    """Return whether an argument names a file or a folder."""
    return action.type is Path or action.metavar in PATHS or action.dest in ("file", "files", "out", "data")


def value_of(action: argparse.Action, folder: Path) -> str:
    """Return a value that the parser takes."""
    name = action.option_strings[-1] if action.option_strings else action.dest
    if action.choices:
        return str(next(iter(action.choices)))
    if is_path(action):
        return str(folder / "file")
    return VALUES.get(name, "1" if action.type not in (None, str) else "x")


def arguments_of(
    parser: argparse.ArgumentParser, folder: Path, changed: argparse.Action | None, value: str
) -> list[str]:
    """Return the required arguments, with another value of one argument."""
    words: list[str] = []
    for action in parser._actions:
        if not (action.required or action is changed) or isinstance(action, argparse._HelpAction):
            continue
        text = value if action is changed else value_of(action, folder)
        words += [*action.option_strings[-1:], text]
    return words


def cases(folder: Path, *, thorough: bool) -> Iterator[Case]:
    """Yield each command as it is, with wrong values of its arguments, and in trouble.

    Parameters
    ----------
    thorough : each command in each trouble, and with each wrong value; else they take turns.
    """
    programs = {"monitor-agent": cli.make_parser(), "model-server": model_server.cli._parser()}
    troubles, paths = cycle(["", *TROUBLES]), cycle(str(folder / name) for name in BAD_PATHS)
    for program, parser in programs.items():
        for words, command in leaves(parser):
            if words[-1] in SLOW:
                continue
            usual = (*words, *arguments_of(command, folder, None, ""))
            for trouble in ["", *TROUBLES] if thorough else [next(troubles)]:
                yield Case(program, usual, trouble)
            for action in command._actions:
                if action.nargs == 0 or isinstance(action, argparse._HelpAction):
                    continue
                if is_path(action):
                    values = ["", *(str(folder / name) for name in BAD_PATHS)] if thorough else [next(paths)]
                else:
                    values = ["", "-x-", NOT_UTF8] if thorough else [NOT_UTF8] if action.type else []
                for value in values:
                    yield Case(program, (*words, *arguments_of(command, folder, action, value)))


def _read_only(folder: Path) -> None:
    os.chdir(folder / "read_only")


def _gone(folder: Path) -> None:
    gone = folder / "gone"
    gone.mkdir(exist_ok=True)
    os.chdir(gone)
    gone.rmdir()


def _without_home(_folder: Path) -> None:
    os.environ["HOME"] = ""


def _no_reader(_folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    os.dup2(writing, 1)


def _full_disk(_folder: Path) -> None:
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


def _name(path: Path, *variables: str) -> None:
    """Let each variable name a path."""
    for variable in variables:
        os.environ[variable] = str(path)


def _file_in_place_of_folders(folder: Path) -> None:
    _name(
        folder / "file",
        "MODEL_LOG_DIR",
        "PIPELINE_DATA_DIR",
        "STACK_DATA_DIR",
        "STACK_CACHE_DIR",
        "KIBANA_FOLDER",
        "PIPELINE_CONFIG",
    )


def _unreadable_folders(folder: Path) -> None:
    _name(
        folder / "closed",
        "MODEL_LOG_DIR",
        "PIPELINE_DATA_DIR",
        "STACK_DATA_DIR",
        "STACK_CACHE_DIR",
        "KIBANA_FOLDER",
        "PIPELINE_CONFIG",
        "MODEL_SERVER_MODEL_DIR",
    )


def _unreadable_files(folder: Path) -> None:
    _name(
        folder / "unreadable",
        "MODEL_SERVER_API_KEYS",
        "MONITOR_ALERTS",
        "MODEL_SERVER_TLS_CERT",
        "MODEL_SERVER_TLS_KEY",
    )


def _binary_files(folder: Path) -> None:
    _name(
        folder / "binary",
        "MODEL_SERVER_API_KEYS",
        "MONITOR_ALERTS",
        "DASHBOARDS_TLS_CERT",
        "DASHBOARDS_TLS_KEY",
        "PIPELINE_CONFIG",
    )


def _unreadable_settings(folder: Path) -> None:
    os.environ["MONITOR_CONFIG"] = str(folder / "folder")


def _few_files(_folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))


TROUBLES: dict[str, Callable[[Path], None]] = {
    "read-only working folder": _read_only,
    "working folder removed": _gone,
    "empty HOME": _without_home,
    "no reader of the output": _no_reader,
    "full disk": _full_disk,
    "file in the place of folders": _file_in_place_of_folders,
    "unreadable folders": _unreadable_folders,
    "unreadable files": _unreadable_files,
    "binary files": _binary_files,
    "folder in the place of the settings": _unreadable_settings,
}


def prepare(folder: Path) -> None:
    """Make the files that cases name."""
    (folder / "file").write_text("no JSON\n")
    (folder / "binary").write_bytes(b"\xff\xfe\x00\x81" * 20)
    (folder / "unreadable").write_text("x")
    (folder / "unreadable").chmod(0)
    for name, mode in {"folder": 0o755, "read_only": 0o555, "closed": 0}.items():
        (folder / name).mkdir(mode=mode)


def run(case: Case, folder: Path) -> End:
    """Run a case in a process of its own."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _child(case, folder, work)
    name = " ".join(case.arguments[:2]) if case.program == "monitor-agent" else f"model-server {case.arguments[0]}"
    is_server = name.startswith(SERVERS)
    status = _wait(pid, SERVING_SECONDS if is_server else PATIENCE_SECONDS)
    if status is None and is_server:
        os.kill(pid, signal.SIGINT)
        status = _wait(pid, PATIENCE_SECONDS)
    if status is None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        status = -signal.SIGKILL
    texts = [(folder / name).read_bytes().decode(errors="backslashreplace") for name in ("stdout", "stderr")]
    return End(case, status, *texts, time.monotonic() - began)


def _wait(pid: int, seconds: float) -> int | None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    return None


def _child(case: Case, folder: Path, work: Path) -> None:
    """Run a case; this process does not return."""
    status = 99
    try:
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(work)
        if case.trouble:
            TROUBLES[case.trouble](folder)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)
        main = cli.main if case.program == "monitor-agent" else model_server.cli.main
        try:
            status = main(case.arguments)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()
    except BaseException:  # noqa: BLE001 - the parent reads it
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(status)


def load_all() -> None:
    """Import what commands import when they run, with the limits of the account that tests have."""
    import model_server.serving_process  # noqa: F401
    import monitor_agent.cli._reference_pages
    import monitor_agent.cli._validation
    import monitor_agent.dashboards.server
    import monitor_agent.logstash.runner  # noqa: F401

    for command in cli.COMMANDS:
        cli._module(command)


def main(folder: Path, port: str, chosen: Sequence[str]) -> None:
    """Run some cases of each command, or all cases of the commands that begin with chosen words; print their ends.

    Parameters
    ----------
    port : of a server that is neither Elasticsearch nor Kibana: nobody waits for it to come up.
    """
    prepare(folder)
    for name in list(os.environ):
        if name.startswith(("ELASTIC", "KIBANA_", "MONITOR_", "MODEL_", "PIPELINE_", "STACK_", "DASHBOARDS_")):
            del os.environ[name]
    os.environ |= {
        "ELASTICSEARCH_URL": f"http://127.0.0.1:{port}",
        "KIBANA_URL": f"http://127.0.0.1:{port}",
        "STACK_HEAP": "none",
        "STACK_CACHE_DIR": str(folder / "cache"),
        "STACK_HTTP_PORT": "0",
        "MODEL_SERVER_PORT": "0",
        "DASHBOARDS_PORT": "0",
        "MONITOR_HEALTH_PORT": "0",
        "KIBANA_FOLDER": str(ROOT / "kibana"),
        "PIPELINE_CONFIG": str(ROOT / "logstash" / "pipeline"),
        "PIPELINE_PASSWORD": "planted-password",
    }
    load_all()
    for case in cases(folder, thorough=bool(chosen)):
        if " ".join(case.arguments).startswith(tuple(chosen)) or not chosen:
            sys.stdout.write(json.dumps(asdict(run(case, folder))) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), sys.argv[2], sys.argv[3:])
