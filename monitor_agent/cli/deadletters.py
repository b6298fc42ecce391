"""`monitor-agent deadletters`: list the lines that could not be indexed, and send them again.

A letter is sent again as a line of a new event file, so that the pipeline reads it like any other line.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import orjson

from monitor_agent.cli._agent import gateway_of
from monitor_agent.cli._letters import PlacedLetter, placed_letters
from monitor_agent.cli._output import add_json, print_json, print_line
from monitor_agent.errors import DataError, ElasticsearchError, MissingPrivilegeError
from monitor_agent.es.dead_letter_store import DeadLetter, all_dead_letters, remove
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.retry import Backoff
from monitor_agent.es.rights import require_privileges
from monitor_agent.logstash.delivery.letter_files import FOLDER_NAME, note_replayed
from monitor_agent.logstash.delivery.letter_lines import line_of
from monitor_agent.logstash.delivery.letter_replay import LetterReplay, ReplayedLetter
from monitor_agent.settings import Settings
from monitor_agent.vocabulary.counted_nouns import counted

MESSAGE_CHARACTERS = 72
SHORT_ID = 12

AFTER_INTERRUPTION = "run it again; what is done already is not done twice"


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
            help="use only the dead letters in PIPELINE_DATA_DIR, without Elasticsearch",
        )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Carry out the action."""
    if args.action == "replay":
        _replay(args, settings)
        return 0
    letters = _with_reason(_readable_letters(args, settings), args.reason)
    if args.action == "list":
        _print_list(letters, letters[-args.limit :] if args.limit > 0 else [], as_json=args.json)
    else:
        for letter in _selected(letters, args.ids):
            print_line(orjson.dumps(letter.document()).decode())
    return 0


def _readable_letters(args: argparse.Namespace, settings: Settings) -> list[PlacedLetter]:
    """Return all letters; those of the data folder alone, with a notice, if Elasticsearch does not give its own."""
    indexed: list[DeadLetter] | None = None
    if not args.offline:
        try:
            with gateway_of(settings, Backoff(tries=2)) as gateway:
                indexed = _indexed(gateway, settings, args.action)
        except MissingPrivilegeError:
            raise
        except ElasticsearchError as error:
            print(f"notice: only the dead letters in PIPELINE_DATA_DIR are read, because {error}", file=sys.stderr)
    return placed_letters(Path(settings.pipeline.data_dir), indexed)


def _with_reason(letters: Sequence[PlacedLetter], reason: str) -> list[PlacedLetter]:
    return [entry for entry in letters if reason in ("", entry.letter.reason)]


def _selected(
    letters: Sequence[PlacedLetter], ids: Sequence[str], finished: Collection[str] = ()
) -> list[PlacedLetter]:
    """Return the letters with these ids, or beginnings of ids; all of them if there is none.

    Parameters
    ----------
    finished : ids of letters that need nothing more.
    """
    present = [entry.letter.id for entry in letters] + list(finished)
    for beginning in ids:
        if not any(identifier.startswith(beginning) for identifier in present):
            raise DataError(f"there is no dead letter {beginning}", "see `monitor-agent deadletters list`")
    return [entry for entry in letters if not ids or entry.letter.id.startswith(tuple(ids))]


def _print_list(letters: Sequence[PlacedLetter], newest: Sequence[PlacedLetter], *, as_json: bool) -> None:
    counts = Counter(entry.letter.reason for entry in letters).most_common()
    if as_json:
        print_json({"reasons": dict(counts), "letters": [entry.document() for entry in newest]})
        return
    if not letters:
        print_line("no dead letters")
        return
    for reason, count in counts:
        print_line(f"{count:8} {reason}")
    print_line("")
    for entry in newest:
        letter = entry.letter
        line = str(letter.document.get("message", "")).replace("\n", " ")
        message = str(_error_of(letter).get("message", "")) or line
        reason = f"{letter.reason}: {message[:MESSAGE_CHARACTERS]}"
        print_line(f"{letter.id[:SHORT_ID]}  {letter.ingested[:19]}  {reason}  ({', '.join(entry.places)})")


def _error_of(letter: DeadLetter) -> dict[str, Any]:
    error = letter.document.get("error")
    return error if isinstance(error, dict) else {}


def _replay(args: argparse.Namespace, settings: Settings) -> None:
    """Write the lines of letters into a new event file, and remove the letters from all their places."""
    if not (args.all or args.reason or args.ids):
        raise DataError("no dead letter is named", "give ids, --reason or --all")
    folder, data_dir = Path(args.out or settings.server.log_dir), Path(settings.pipeline.data_dir)
    with contextlib.ExitStack() as resources:
        gateway = None if args.offline else resources.enter_context(gateway_of(settings, Backoff(tries=2)))

        def remove_copies(copies: Sequence[ReplayedLetter]) -> None:
            note_replayed(data_dir / FOLDER_NAME, [(copy.id, copy.ingested) for copy in copies])
            if gateway is not None:
                remove(gateway, [DeadLetter(copy.index, copy.id, {}) for copy in copies])

        indexed = None if gateway is None else _removable(gateway, settings)
        replay = LetterReplay(folder, remove_copies)
        finished = resources.enter_context(replay.locked())
        if gateway is not None and finished:
            indexed = _removable(gateway, settings)
        letters = _with_reason(placed_letters(data_dir, indexed), args.reason)
        chosen = _selected(letters, args.ids, [copy.id for copy in finished])
        chosen = [entry for entry in chosen if entry.letter.document.get("message")]
        if chosen:
            lines = [line_of(entry.letter.document) for entry in chosen]
            replay.send([copy for entry in chosen for copy in entry.copies], lines)
    if finished:
        print_line(f"an interrupted replay of {counted(len(finished), 'dead letter')} is finished")
    print_line(f"{counted(len(chosen), 'line')} written to {folder}; the pipeline sends them again")


def _indexed(gateway: Gateway, settings: Settings, action: str) -> list[DeadLetter]:
    """Return the letters in Elasticsearch.

    Raises
    ------
    MissingPrivilegeError
        If the user lacks a privilege of the action.
    ElasticsearchError
        If Elasticsearch does not return them.
    """
    try:
        require_privileges(gateway, f"deadletters {action}")
    except MissingPrivilegeError as error:
        raise MissingPrivilegeError(error.message, f"{error.hint}, or add --offline") from error
    return all_dead_letters(gateway, settings.agent.page_size)


def _removable(gateway: Gateway, settings: Settings) -> list[DeadLetter]:
    """Return the letters in Elasticsearch, which the user may delete there.

    Raises
    ------
    MissingPrivilegeError
        If the user may not.
    DataError
        If it does not return them: they could not be removed, so they would be sent twice.
    """
    try:
        return _indexed(gateway, settings, "replay")
    except MissingPrivilegeError:
        raise
    except ElasticsearchError as error:
        hint = "try again later, or use --offline to send those of PIPELINE_DATA_DIR"
        raise DataError(f"the dead letters in Elasticsearch cannot be read ({error.message})", hint) from error
