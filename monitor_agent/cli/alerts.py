"""`monitor-agent alerts`: what is pending, active, and has recovered lately, as the agent last found."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from monitor_agent.alerting.firings import Firing
from monitor_agent.alerting.store import stored_firings
from monitor_agent.cli._agent import gateway_of
from monitor_agent.cli._output import NOTHING, add_json, number, print_json, say, show
from monitor_agent.clock import SystemClock
from monitor_agent.contracts.alert import STATE_ACTIVE
from monitor_agent.es.retry import Backoff
from monitor_agent.pipeline import instants
from monitor_agent.settings import Settings

LATELY = timedelta(days=1)


def add_parser(subparsers: Any) -> None:
    """Add the command's arguments."""
    parser = subparsers.add_parser("alerts", help="which alerts are pending, active, or have recovered within a day")
    parser.add_argument(
        "--all", action="store_true", help="all that are kept, also those that recovered without having been active"
    )
    add_json(parser)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Print the firings, the newest first; 0 where none is active, 1 where one is."""
    since = instants.EPOCH if args.all else SystemClock().now() - LATELY
    with gateway_of(settings, Backoff(tries=2)) as gateway:
        firings = stored_firings(gateway, since, settings.agent.page_size)
    told = [each for each in firings if args.all or each.open or each.active_since]
    if args.json:
        print_json([each.document() for each in told])
    elif told:
        _show(told)
    else:
        say("no alert is pending or active" + ("" if args.all else ", and none has recovered within a day"))
    return int(any(each.state == STATE_ACTIVE for each in told))


def _show(firings: Sequence[Firing]) -> None:
    columns = ["state", "alert", "about", "since", "until", "value", "limit", "why"]
    show("alerts", columns, [_row(each) for each in firings], left=len(columns))
    for name, title in sorted({(each.dashboard, each.title) for each in firings if each.open}):
        say(f"{title}: see the dashboard {name}")


def _row(firing: Firing) -> list[str]:
    inhibited = f"inhibited by {', '.join(firing.inhibited_by)}: " if firing.inhibited_by else ""
    return [
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
