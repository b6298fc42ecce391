"""`monitor-agent pipeline validate`: the events of files that the pipeline would refuse, and how many of each kind."""

from __future__ import annotations

import argparse
import contextlib
import gzip
import socket
import stat
import sys
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import orjson

from monitor_agent.cli._output import print_line
from monitor_agent.contracts.printable import in_width, printable
from monitor_agent.errors import DataError, MonitorError
from monitor_agent.files import readable_name
from monitor_agent.logstash import compiler
from monitor_agent.logstash.language.variables import pipeline_variables
from monitor_agent.logstash.plugin import PipelineContext
from monitor_agent.logstash.validation import ByteStream, RefusedEvent, Validation, ValidationTotals
from monitor_agent.settings import Settings
from monitor_agent.vocabulary.counted_nouns import counted

ACCEPTED, REFUSED, UNREADABLE = 0, 1, 2
STANDARD_INPUT = "-"
MOST_CHARACTERS = 400
_ROWS = {
    "accepted": "accepted",
    "duplicates": "with the id of an accepted event; only the first is stored",
    "refused": "refused",
    "dropped": "dropped by the configuration",
}


def validate(args: argparse.Namespace, settings: Settings) -> int:
    """Check the files; return 1 if an event is refused, 2 if a file cannot be read or the configuration is wrong."""
    errors: list[dict[str, str]] = []
    out = _JsonReport() if args.json else _TextReport()
    try:
        with _validation(args, settings) as validation:
            for name in args.files:
                try:
                    _check_file(validation, name, out)
                except DataError as error:
                    print(f"error: {error}", file=sys.stderr)
                    errors.append({"file": readable_name(name), "reason": error.message})
            totals = validation.totals()
    except MonitorError as error:
        print(f"error: {error}", file=sys.stderr)
        return UNREADABLE
    out.end(totals, errors)
    if errors:
        return UNREADABLE
    return REFUSED if totals.refused else ACCEPTED


def _validation(args: argparse.Namespace, settings: Settings) -> Validation:
    config = args.file or settings.pipeline.config
    sections = compiler.parse_sources(compiler.read_sources(config))
    # No output is opened, so none needs a password.
    variables = {"PIPELINE_PASSWORD": "", **pipeline_variables(settings, args.environ)}
    context = PipelineContext(
        settings.pipeline, sys.stdin.buffer, sys.stdout.buffer, readable_name(socket.gethostname())
    )
    return Validation(compiler.compile_sections(sections, variables, context), config)


def _check_file(validation: Validation, name: str, out: _TextReport | _JsonReport) -> None:
    readable = readable_name(name)
    for refusal in _refusals(validation, name, readable):  # an error of the output is none of the file
        out.add(readable, refusal)


def _refusals(validation: Validation, name: str, readable: str) -> Iterator[RefusedEvent]:
    path = name if name == STANDARD_INPUT else str(Path(name).absolute())
    try:
        with _opened(name) as stream:
            yield from validation.refusals(stream, readable_name(path))
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{readable} cannot be read ({reason})") from error


@contextlib.contextmanager
def _opened(name: str) -> Iterator[ByteStream]:
    if name == STANDARD_INPUT:
        yield cast(ByteStream, sys.stdin.buffer)
        return
    path = Path(name)
    if stat.S_ISDIR(path.stat().st_mode):
        readable = readable_name(name).rstrip("/")
        raise DataError(f"{readable} is a folder", f"name its files, such as {readable}/*.ndjson")
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        yield cast(ByteStream, stream)


class _TextReport:
    """A line for each refusal, at once, then the totals."""

    def add(self, name: str, refusal: RefusedEvent) -> None:
        """Print a refusal."""
        explanation = f": {refusal.explanation}" if refusal.explanation else ""
        print_line(f"{name}:{refusal.line}: {in_width(printable(refusal.reason + explanation), MOST_CHARACTERS)}")

    def end(self, totals: ValidationTotals, _errors: list[dict[str, str]]) -> None:
        """Print the totals."""
        counts = [(name, getattr(totals, name)) for name in _ROWS]
        rows = [(name, count) for name, count in counts if count or name in ("accepted", "refused")]
        reasons = [
            (count, in_width(printable(reason), MOST_CHARACTERS)) for reason, count in totals.reasons.most_common()
        ]
        width = max(len(f"{count:,}") for _, count in rows)
        reason_width = max((len(f"{count:,}") for count, _ in reasons), default=0)
        if totals.refused:
            print_line("")
        print_line(f"{counted(totals.events, 'event')} in {counted(totals.lines, 'line')}")
        for name, count in rows:
            print_line(f"  {count:>{width},}  {_ROWS[name]}")
            if name == "refused":
                for reason_count, reason in reasons:
                    print_line(f"  {'':{width}}    {reason_count:>{reason_width},}  {reason}")


class _JsonReport:
    """One JSON object, written as it grows: the refusals of large files need not be in memory."""

    def __init__(self) -> None:
        self._separator = b'{"refusals": [\n'

    def add(self, name: str, refusal: RefusedEvent) -> None:
        """Write a refusal."""
        self._write(self._separator, _json({"file": name, **asdict(refusal)}))
        self._separator = b",\n"

    def end(self, totals: ValidationTotals, errors: list[dict[str, str]]) -> None:
        """Write the rest of the object."""
        counts = {name: getattr(totals, name) for name in ("lines", "events", *_ROWS)}
        reasons = dict(totals.reasons.most_common())
        if not totals.refused:
            self._write(self._separator)
        rest = {"totals": counts, "reasons": reasons, "errors": errors}
        self._write(b"],\n", _json(rest).removeprefix(b"{"), b"\n")

    def _write(self, *texts: bytes) -> None:
        sys.stdout.buffer.write(b"".join(texts))
        sys.stdout.buffer.flush()


def _json(document: Any) -> bytes:
    try:
        return orjson.dumps(document)
    except TypeError:  # half a character, which JSON can write, but UTF-8 cannot
        import json

        return json.dumps(document).encode()
