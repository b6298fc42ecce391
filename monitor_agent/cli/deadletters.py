"""`monitor-agent deadletters`: list the lines that could not be indexed, and send them again.

A letter is sent again as a line of a new event file, so that the pipeline reads it like any other line.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from monitor_agent.cli._agent import gateway_of
from monitor_agent.cli._output import add_json, print_json, print_line
from monitor_agent.errors import DataError
from monitor_agent.es.dead_letter_store import DeadLetter, all_dead_letters, remove
from monitor_agent.es.retry import Backoff
from monitor_agent.logstash.dead_letters import FOLDER_NAME, read_letters
from monitor_agent.logstash.durable import append_file, locked_folder, make_folder
from monitor_agent.settings import Settings

PENDING = ".pending"
MESSAGE_CHARACTERS = 72
SHORT_ID = 12


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("deadletters", help="list the lines that could not be indexed, and send them again")
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    list_ = actions.add_parser("list", help="count the dead letters by reason, and print the newest")
    list_.add_argument("--limit", type=int, default=20, metavar="N", help="how many to print (default: %(default)s)")
    add_json(list_)
    show = actions.add_parser("show", help="print whole dead letters, one JSON document per line")
    replay = actions.add_parser("replay", help="send dead letters again; name them by --all, --reason or ids")
    replay.add_argument("--all", action="store_true", help="send all dead letters")
    replay.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of event files that gets a file with the lines (default: MODEL_LOG_DIR)",
    )
    for action in (show, replay):
        action.add_argument("ids", nargs="*", metavar="ID", help="an id, or the beginning of one")
    for action in (list_, show, replay):
        action.add_argument("--reason", default="", help="only dead letters with this reason, such as refused")
        action.add_argument(
            "--offline",
            action="store_true",
            help="read the refused dead letters in PIPELINE_DATA_DIR instead of the index",
        )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Carry out the action."""
    with _letters(args, settings) as letters:
        if args.action == "list":
            _print_list(letters, letters[-args.limit :] if args.limit > 0 else [], as_json=args.json)
        elif args.action == "show":
            for letter in _selected(letters, args.ids):
                print_line(orjson.dumps(_document(letter)).decode())
        else:
            if not (args.all or args.reason or args.ids):
                raise DataError("no dead letter is named", "name ids, --reason or --all")
            if args.offline and (args.reason or args.ids):
                raise DataError("--offline sends all dead letters of PIPELINE_DATA_DIR", "use it with --all only")
            _replay(_selected(letters, args.ids), args, settings)
    return 0


@contextlib.contextmanager
def _letters(args: argparse.Namespace, settings: Settings) -> Iterator[list[DeadLetter]]:
    """Yield the letters of the index or of the data folder, those with the reason of the arguments."""
    with contextlib.ExitStack() as resources:
        if args.offline:
            data_dir = Path(settings.pipeline.data_dir)
            if args.action == "replay":
                resources.enter_context(locked_folder(data_dir))  # so that no runner adds letters meanwhile
            stored = read_letters(data_dir / FOLDER_NAME)
            letters = [DeadLetter(letter.index, letter.id, letter.document) for letter in stored]
        else:
            gateway = resources.enter_context(gateway_of(settings, Backoff(tries=2)))
            letters = all_dead_letters(gateway, settings.agent.page_size)
        yield [letter for letter in letters if args.reason in ("", letter.reason)]


def _selected(letters: Sequence[DeadLetter], ids: Sequence[str]) -> list[DeadLetter]:
    for beginning in ids:
        if not any(letter.id.startswith(beginning) for letter in letters):
            raise DataError(f"there is no dead letter {beginning}", "see `monitor-agent deadletters list`")
    return [letter for letter in letters if not ids or letter.id.startswith(tuple(ids))]


def _print_list(letters: Sequence[DeadLetter], newest: Sequence[DeadLetter], *, as_json: bool) -> None:
    counts = Counter(letter.reason for letter in letters).most_common()
    if as_json:
        print_json({"reasons": dict(counts), "letters": [_document(letter) for letter in newest]})
        return
    if not letters:
        print_line("no dead letters")
        return
    for reason, count in counts:
        print_line(f"{count:8} {reason}")
    print_line("")
    for letter in newest:
        line = str(letter.document.get("message", "")).replace("\n", " ")
        message = str(letter.document.get("error", {}).get("message", "")) or line
        print_line(f"{letter.id[:SHORT_ID]}  {letter.ingested[:19]}  {letter.reason}: {message[:MESSAGE_CHARACTERS]}")


def _document(letter: DeadLetter) -> dict[str, Any]:
    return {"_index": letter.index, "_id": letter.id, **letter.document}


def _replay(letters: Sequence[DeadLetter], args: argparse.Namespace, settings: Settings) -> None:
    """Write the lines into a file that no pipeline reads, remove the letters, then give the file its final name.

    A crash loses no line: the next replay gives the file its name.
    """
    folder = make_folder(args.out or Path(settings.server.log_dir))
    letters = [letter for letter in letters if letter.document.get("message")]
    lines = [str(letter.document["message"]).replace("\n", " ") for letter in letters]
    if lines:
        pending = folder / f"replay-{time.time_ns()}.ndjson{PENDING}"
        append_file(pending, "".join(f"{line}\n" for line in lines).encode())
        if args.offline:
            _rename_replayed(settings)
        else:
            with gateway_of(settings) as gateway:
                remove(gateway, letters)
    for path in sorted(folder.glob(f"replay-*.ndjson{PENDING}")):
        path.rename(path.with_name(path.name.removesuffix(PENDING)))
    print_line(f"{len(lines)} lines written to {folder}; the pipeline sends them again")


def _rename_replayed(settings: Settings) -> None:
    for path in (Path(settings.pipeline.data_dir) / FOLDER_NAME).glob("*.ndjson"):
        path.rename(path.with_name(f"{path.name}.replayed-{time.time_ns()}"))
