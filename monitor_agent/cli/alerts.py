"""`monitor-agent alerts`: the pending and active alerts, and those that recovered lately, as of the last cycle."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from monitor_agent.alerting.alert_store import stored_firings
from monitor_agent.alerting.firings import Firing
from monitor_agent.cli._agent import prepared_gateway_of
from monitor_agent.cli._alert_actions import add_actions, run_action, silences_in_words
from monitor_agent.cli._output import NOTHING, add_json, number, print_json, print_line, print_table
from monitor_agent.clock import SystemClock
from monitor_agent.contracts.alert import STATE_ACTIVE
from monitor_agent.es.retry import Backoff
from monitor_agent.notifying.silence_store import SilenceStore
from monitor_agent.pipeline import instants
from monitor_agent.settings import Settings

RECENT = timedelta(days=1)
SHORT_ID = 12
"""So many characters of an id name a firing."""


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser(
        "alerts",
        help="list the alerts that are pending, active, or recovered within a day; try channels, silence alerts",
    )
    _add_list_options(parser)
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION")
    _add_list_options(actions.add_parser("list", help="as without an action"))
    add_actions(actions)


def _add_list_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--all",
        action="store_true",
        help="list all stored firings, also firings that recovered and were never active",
    )
    add_json(parser)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print the firings, the newest first; return 1 if one is active, else 0. The other actions have their own."""
    if args.action not in (None, "list"):
        return run_action(args, settings)
    since = instants.EPOCH if args.all else SystemClock().now() - RECENT
    with prepared_gateway_of(settings, "alerts", Backoff(tries=2)) as gateway:
        firings = stored_firings(gateway, since, settings.agent.page_size)
        silences = SilenceStore(gateway).read(SystemClock().now()).silences
    firings = [firing for firing in firings if args.all or firing.open or firing.active_since]
    if args.json:
        print_json([{"id": firing.id, **firing.document()} for firing in firings])
    elif firings:
        _print(firings)
    else:
        print_line("no alert is pending or active" + ("" if args.all else ", and none has recovered within a day"))
    for line in silences_in_words(silences) if not args.json else ():
        print_line(line)
    return int(any(firing.state == STATE_ACTIVE for firing in firings))


def _print(firings: Sequence[Firing]) -> None:
    columns = ["id", "state", "alert", "about", "since", "until", "value", "limit", "why"]
    print_table("alerts", columns, [_row(firing) for firing in firings], left=len(columns))
    for name, title in sorted({(firing.dashboard, firing.title) for firing in firings if firing.open}):
        print_line(f"{title}: see the dashboard {name}")


def _row(firing: Firing) -> list[str]:
    inhibited = f"inhibited by {', '.join(firing.inhibited_by)}: " if firing.inhibited_by else ""
    return [
        firing.id[:SHORT_ID],
        firing.state,
        firing.rule,
        "/".join(value for _, value in firing.group) or NOTHING,
        _second(instants.text(firing.start)),
        NOTHING if firing.end is None else _second(instants.text(firing.end)),
        NOTHING if firing.measure is None else f"{firing.measure} {number(firing.value)}",
        number(firing.limit),
        inhibited + firing.message,
    ]


def _second(text: str) -> str:
    return text[:19] + "Z"
