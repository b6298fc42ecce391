"""`monitor-agent deadletters`: look at what could not be indexed, and send it again once the cause is mended.

A letter is sent again as a line of a new event file, so that it takes the same way as every other line.
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
from monitor_agent.errors import DataError
from monitor_agent.es.dead_letter_store import DeadLetter, all_dead_letters, remove
from monitor_agent.es.retry import Backoff
from monitor_agent.logstash.dead_letters import FOLDER_NAME, read_letters
from monitor_agent.logstash.durable import append_file, locked_folder, make_folder
from monitor_agent.settings import Settings

PENDING = ".pending"
SHOWN_CHARACTERS = 72
SHORT_ID = 12


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("deadletters", help="look at what could not be indexed, and send it again")
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    list_ = actions.add_parser("list", help="count them by reason, and print the newest")
    list_.add_argument("--limit", type=int, default=20, metavar="N", help="print so many (default: 20)")
    show = actions.add_parser("show", help="print whole letters as JSON")
    replay = actions.add_parser("replay", help="send letters again; needs --all, --reason or ids")
    replay.add_argument("--all", action="store_true", help="send all of them")
    replay.add_argument("--to", metavar="DIR", help="folder of event files; default: MODEL_LOG_DIR")
    for action in (show, replay):
        action.add_argument("ids", nargs="*", metavar="ID", help="an id, or how it begins")
    for action in (list_, show, replay):
        action.add_argument("--reason", default="", help="only those with this reason, such as refused")
        action.add_argument(
            "--offline", action="store_true", help="those in PIPELINE_DATA_DIR, which are refused ones, not the index"
        )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Carry out the action."""
    with _letters(args, settings) as letters:
        if args.action == "list":
            _print_list(letters, args.limit)
        elif args.action == "show":
            for letter in _chosen(letters, args.ids):
                print(orjson.dumps({"_index": letter.index, "_id": letter.id, **letter.document}).decode())
        else:
            if not (args.all or args.reason or args.ids):
                raise DataError("nothing was chosen to be sent again", "name ids, --reason or --all")
            if args.offline and (args.reason or args.ids):
                raise DataError("kept letters are sent again all together", "use --offline with --all only")
            _replay(_chosen(letters, args.ids), args, settings)
    return 0


@contextlib.contextmanager
def _letters(args: argparse.Namespace, settings: Settings) -> Iterator[list[DeadLetter]]:
    """Yield the letters of the index, or those kept in the data folder, that have the reason asked for."""
    with contextlib.ExitStack() as around:
        if args.offline:
            data_dir = Path(settings.pipeline.data_dir)
            if args.action == "replay":
                around.enter_context(locked_folder(data_dir))  # a runner would add letters that nobody has read
            kept = read_letters(data_dir / FOLDER_NAME)
            found = [DeadLetter(letter.index, letter.id, letter.document) for letter in kept]
        else:
            gateway = around.enter_context(gateway_of(settings, Backoff(tries=2)))
            found = all_dead_letters(gateway, settings.agent.page_size)
        yield [letter for letter in found if args.reason in ("", letter.reason)]


def _chosen(letters: Sequence[DeadLetter], ids: Sequence[str]) -> list[DeadLetter]:
    for beginning in ids:
        if not any(letter.id.startswith(beginning) for letter in letters):
            raise DataError(f"there is no dead letter {beginning}", "see `monitor-agent deadletters list`")
    return [letter for letter in letters if not ids or letter.id.startswith(tuple(ids))]


def _print_list(letters: Sequence[DeadLetter], limit: int) -> None:
    if not letters:
        print("no dead letters")
        return
    for reason, count in Counter(letter.reason for letter in letters).most_common():
        print(f"{count:8} {reason}")
    print()
    for letter in letters[-limit:] if limit > 0 else ():
        message = str(letter.document.get("message", "")).replace("\n", " ")
        told = str(letter.document.get("error", {}).get("message", ""))
        print(
            f"{letter.id[:SHORT_ID]}  {letter.ingested[:19]}  {letter.reason}: {(told or message)[:SHOWN_CHARACTERS]}"
        )


def _replay(letters: Sequence[DeadLetter], args: argparse.Namespace, settings: Settings) -> None:
    """Write the lines on disk under a name that nobody reads yet, remove the letters, then give the file its name.

    So a crash loses none: the next replay gives the file its name.
    """
    folder = make_folder(Path(args.to or settings.server.log_dir))
    letters = [letter for letter in letters if letter.document.get("message")]
    lines = [str(letter.document["message"]).replace("\n", " ") for letter in letters]
    if lines:
        pending = folder / f"replay-{time.time_ns()}.ndjson{PENDING}"
        append_file(pending, "".join(f"{line}\n" for line in lines).encode())
        if args.offline:
            _set_aside(settings)
        else:
            with gateway_of(settings) as gateway:
                remove(gateway, letters)
    for path in sorted(folder.glob(f"replay-*.ndjson{PENDING}")):
        path.rename(path.with_name(path.name.removesuffix(PENDING)))
    print(f"{len(lines)} lines are on their way again, by a file in {folder}")


def _set_aside(settings: Settings) -> None:
    for path in (Path(settings.pipeline.data_dir) / FOLDER_NAME).glob("*.ndjson"):
        path.rename(path.with_name(f"{path.name}.replayed-{time.time_ns()}"))
