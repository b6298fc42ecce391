"""What `monitor-agent` and `model-server` share: the parser, `--version`, completion, one line for each error."""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import shtab

from monitor_agent import log
from monitor_agent.contracts.printable import BYTES, printable
from monitor_agent.errors import MonitorError, defect, name_meant
from monitor_agent.extras import missing_package

PACKAGE = "model-monitor"
INTERRUPTED = 130
_OF_THE_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
SHORTEST_ABBREVIATION = 4
"""An option with fewer characters, `--` included, says too little about what is meant."""


def run_program(subject: str, package: str, run: Callable[[], int]) -> int:
    """Return the exit status of a program; whatever goes wrong is one line on standard error, without a secret.

    The status is that of `run`, 1 after an error, 130 if the user interrupts (the KeyboardInterrupt may say how
    to go on), and 0 if the reader of the output goes away (`| head`): then there is no one to report to. Python's
    `-X dev` shows the traceback of a defect.

    Parameters
    ----------
    subject : the program, for the report of a defect.
    package : the package that `python -m` runs.
    run : returns the exit status; reads the arguments as well.
    """
    _open_closed_streams()
    try:
        try:
            return run()
        finally:
            sys.stdout.flush()
    except MonitorError as error:
        return _report(f"error: {error}")
    except KeyboardInterrupt as error:
        _report(f"interrupted: {error}" if str(error) else "interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return 0
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        return _report(_line_of(subject, package, error))


def _line_of(subject: str, package: str, error: Exception) -> str:
    """Return the line that reports an error that is none of the product's own."""
    if isinstance(error, UnicodeEncodeError):
        return f"error: {error.object[:100]!a} is not UTF-8: correct this argument or setting"
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith(__name__.split(".")[0]):
        return f"error: {missing_package(subject, error.name)}"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"error: {os.fsdecode(error.filename)!r}: {error.strerror}: correct the path or its permissions"
    if isinstance(error, FileNotFoundError) and not _has_working_folder():
        return "error: the working folder does not exist any more: change to another one"
    if isinstance(error, OSError) and error.errno in _OF_THE_OUTPUT:
        _discard_output()
        return f"error: the output cannot be written ({error.strerror}): free disk space, or write it elsewhere"
    return defect(subject, package, error)


def _has_working_folder() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


def _report(line: str) -> int:
    """Print a line on standard error, without secrets; return the exit status of a failure."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(log.masked(printable(" ".join(line.splitlines()), spared=BYTES)) + "\n")
    return 1


def _discard_output() -> None:
    """Let standard output go nowhere, so that its end is not an error once more."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_closed_streams() -> None:
    """Open the standard streams that the caller has closed (`<&-`), so that no other file gets their descriptors.

    Texts may hold bytes that are not UTF-8, such as names of files: they are printed as escapes, and end nothing.
    """
    sys.stdin = sys.stdin or os.fdopen(os.open(os.devnull, os.O_RDONLY), encoding="utf-8")
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class CommandParser(argparse.ArgumentParser):
    """A parser that takes no abbreviations, and refuses what it does not know with its own usage.

    An abbreviation would change its meaning when another option is added.
    """

    def __init__(self, *arguments: Any, before: tuple[CommandParser, ...] = (), **options: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, **options})
        self._before = before

    def add_subparsers(self, **options: Any) -> Any:
        """Return the commands; their parsers know the parsers before them."""
        make: dict[str, Any] = {"parser_class": partial(CommandParser, before=(*self._before, self))}
        return super().add_subparsers(**make, **options)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return the arguments; exit with status 2 if one is unknown."""
        self._refuse_before_command(sys.argv[1:] if args is None else args)
        parsed = super().parse_known_args(args, namespace)
        if parsed[1]:
            self.error(self._refusal(parsed[1]))
        return parsed

    def _refuse_before_command(self, args: Sequence[str]) -> None:
        """Exit if the first argument is an unknown option: argparse would take its value for the command."""
        first = args[0].partition("=")[0] if args else ""
        if self._subparsers and first.startswith("--") and first not in self._option_string_actions:
            self.error(self._refusal(args[:1]))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            names = [str(name) for name in action.choices]
            meant = name_meant(str(value), names)
            hint = f"did you mean {meant}?" if meant else f"choose from {', '.join(names)}"
            raise argparse.ArgumentError(action, f"there is no {value!r}: {hint}")

    def _refusal(self, unknown: Sequence[str]) -> str:
        """Return what is wrong with the first unknown argument."""
        option = next((text for text in unknown if text.startswith("-") and text != "-"), "")
        if not option:
            return f"unexpected argument {unknown[0]!r}"
        name = option.partition("=")[0]
        for parser in self._before:
            if name in parser.options:
                return f"{name} is an option of {parser.prog}: write it before the command, {parser.prog} {name} ..."
        meant = _option_meant(name, self.options)
        return f"there is no option {name}" + (f": did you mean {meant}?" if meant else "")

    @property
    def options(self) -> list[str]:
        """Return the options that the help shows."""
        actions = [action for action in self._actions if action.help != argparse.SUPPRESS]
        return [name for action in actions for name in action.option_strings]


def _option_meant(name: str, options: Iterable[str]) -> str:
    """Return the option that is near a name, or the only one that begins with it; empty if there is none.

    >>> _option_meant("--over", ["--overwrite", "--out", "-f"]), _option_meant("--o", ["--overwrite", "--out"])
    ('--overwrite', '')
    """
    long = [option for option in options if option.startswith("--")]
    longer = [option for option in long if len(name) > SHORTEST_ABBREVIATION and option.startswith(name)]
    return longer[0] if len(longer) == 1 else name_meant(name, long)


class VersionAction(argparse.Action):
    """Prints the program's name and version, and exits; the package's metadata is read only then."""

    def __init__(self, option_strings: Sequence[str], dest: str, **_options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help="print the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_arguments: object) -> NoReturn:
        """Print the version and exit."""
        sys.stdout.write(f"{parser.prog} {metadata.version(PACKAGE)}\n")
        parser.exit()


def add_completion(subparsers: Any) -> None:
    """Add the command `completion` and its arguments."""
    parser = subparsers.add_parser("completion", help="print the completion script of a shell")
    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS, help="the shell that reads the script")


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the completion script of a parser and its commands; arguments that are paths complete to files."""
    _complete_paths(parser)
    return shtab.complete(parser, shell=shell)


def _complete_paths(parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:  # argparse has no public list of a parser's arguments
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_paths(command)
        elif action.type is Path:
            action.complete = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE  # type: ignore[attr-defined]
