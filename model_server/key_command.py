"""`model-server keys`: adds, lists and removes API keys."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from model_server.api_keys import DEFAULT_RIGHTS, RIGHTS, VARIABLE, add_key, parse_rights, read_keys, remove_key
from monitor_agent.errors import SettingsError
from monitor_agent.settings import ServerSettings


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("keys", help=f"add, list and remove the API keys in the file {VARIABLE}")
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="make a key, and print it: only its hash is stored")
    add.add_argument("name", metavar="NAME", help="who has the key, such as shop")
    add.add_argument(
        "--rights",
        default=",".join(DEFAULT_RIGHTS),
        metavar="RIGHTS",
        help=f"some of {','.join(RIGHTS)} (default: %(default)s)",
    )
    add.add_argument("--replace", action="store_true", help="end the key that has this name")
    listing = actions.add_parser("list", help="print names, rights and times, but no keys")
    listing.add_argument("--json", action="store_true", help="print JSON")
    remove = actions.add_parser("remove", help="remove a key; a running server refuses it a second later")
    remove.add_argument("name", metavar="NAME", help="the name of the key")


def run(args: argparse.Namespace, settings: ServerSettings) -> int:
    """Carry out the action and return the exit status.

    Raises
    ------
    SettingsError
        If the file cannot be used, or the name or the rights are wrong.
    """
    if not settings.api_keys:
        raise SettingsError(f"{VARIABLE} names no file", f"set it, such as {VARIABLE}=/etc/model-server/keys.json")
    path = Path(settings.api_keys)
    if args.action == "add":
        print(add_key(path, args.name, parse_rights(args.rights), datetime.now(timezone.utc), replace=args.replace))
        print(f"keep this key: {path} holds only its hash", file=sys.stderr)
    elif args.action == "remove":
        remove_key(path, args.name)
        print(f"removed {args.name}")
    else:
        keys = read_keys(path)
        entries = [{"name": key.name, "rights": list(key.rights), "created": key.created} for key in keys]
        if args.json:
            print(json.dumps(entries))
        else:
            for key in keys:
                print(f"{key.name:24} {','.join(key.rights):24} {key.created}")
    return 0
