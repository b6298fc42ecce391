"""`monitor-agent alerts replay`: what would have fired over stored documents, with any list of alerts."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor_agent.alerting.alert_store import stored_firings
from monitor_agent.alerting.definitions import Alert, load_alerts
from monitor_agent.alerting.firings import Firing
from monitor_agent.alerting.look_back import fitted
from monitor_agent.alerting.replay import replay
from monitor_agent.alerting.replay_documents import AlertHistory, times_without_cycles
from monitor_agent.cli._agent import prepared_gateway_of, rules_of
from monitor_agent.cli._output import NOTHING, add_json, number, print_json, print_line, print_table
from monitor_agent.cli._times import add_range, range_at
from monitor_agent.clock import SystemClock
from monitor_agent.durations import parse_duration
from monitor_agent.es.retry import Backoff
from monitor_agent.notifying import assembly
from monitor_agent.notifying.channels import open_channels
from monitor_agent.notifying.replayed_messages import ReplayedMessage, replayed_messages
from monitor_agent.notifying.routes import ChannelRules
from monitor_agent.pipeline import instants
from monitor_agent.pipeline.instants import HOUR, Interval
from monitor_agent.settings import Settings, read_notify_tables
from monitor_agent.vocabulary.counted_nouns import counted

MOST_TIMES = 5
EVERYTHING = "a channel that is told everything"


@dataclass(frozen=True)
class _Replayed:
    """What was replayed.

    Attributes
    ----------
    messages : by channel.
    stored : the firings that became active in the same time in the agent.
    without_cycles : the times in which the agent evaluated nothing.
    """

    firings: Sequence[Firing]
    messages: Mapping[str, Sequence[ReplayedMessage]]
    stored: int
    without_cycles: Sequence[Interval]

    def messages_about(self, firing: Firing) -> int:
        """Return the number of messages about a firing, on all channels."""
        return sum(firing.id in message.firings for messages in self.messages.values() for message in messages)


def add_replay(actions: Any) -> None:
    """Add the arguments of the action."""
    parser = actions.add_parser(
        "replay", help="print what would have fired over stored documents, and whom it would have told; write nothing"
    )
    add_range(parser, required=True)
    parser.add_argument("--alerts", default="", metavar="FILE", help="list of alerts (default: that of the settings)")
    add_json(parser)


def run_replay(args: argparse.Namespace, settings: Settings) -> int:
    """Print the firings of a range, the oldest first; return 0."""
    interval = Interval(*range_at(args.start, args.end, SystemClock().now()))
    alerts = load_alerts(args.alerts or settings.agent.alerts)
    rules = _rules(args, settings, alerts)
    with prepared_gateway_of(settings, "alerts", Backoff(tries=2)) as gateway:
        by_model = rules_of(gateway, settings)
        history = AlertHistory(gateway, by_model.settings_at)
        firings = replay(fitted(alerts, *by_model.scopes), history, interval, settings.agent.period)
        without = times_without_cycles(gateway, interval, max(HOUR, 2 * settings.agent.period))
        earlier = stored_firings(gateway, interval.start, settings.agent.page_size)
    stored = sum(row.active_since is not None and interval.holds(row.active_since) for row in earlier)
    messages = {name: replayed_messages(firings, of_channel, interval) for name, of_channel in rules.items()}
    replayed = _Replayed(firings, messages, stored, without)
    if args.json:
        print_json(_document(replayed))
    else:
        _print(replayed, interval)
    return 0


def _rules(args: argparse.Namespace, settings: Settings, alerts: Sequence[Alert]) -> Mapping[str, ChannelRules]:
    """Return what each channel is told; without channels, those of one that is told everything."""
    tables = read_notify_tables(args.environ, args.config)
    channels = open_channels(settings.notify, tables)
    if channels:
        return assembly.rules_of(channels, settings.notify, tables, alerts)
    throttles = {alert.id: parse_duration(alert.throttle) for alert in alerts}
    return {EVERYTHING: ChannelRules(throttles=throttles, group_wait=settings.notify.group_wait)}


def _document(replayed: _Replayed) -> dict[str, Any]:
    return {
        "firings": [
            {**row.document(), "id": row.id, "messages": replayed.messages_about(row)} for row in replayed.firings
        ],
        "messages": {
            name: [{"sent": instants.text(row.sent), "kind": row.kind, "firings": list(row.firings)} for row in rows]
            for name, rows in replayed.messages.items()
        },
        "stored_firings": replayed.stored,
        "without_cycles": [
            {"from": instants.text(time.start), "to": instants.text(time.end)} for time in replayed.without_cycles
        ],
    }


def _print(replayed: _Replayed, interval: Interval) -> None:
    title = f"replay, {instants.text(interval.start)} to {instants.text(interval.end)}"
    if replayed.firings:
        columns = ["alert", "about", "active from", "until", "value", "limit", "messages"]
        print_table(title, columns, [_row(firing, replayed) for firing in replayed.firings], left=5)
    else:
        print_line(f"{title}: no alert would have become active")
    by_alert = Counter(firing.rule for firing in replayed.firings)
    counts = ", ".join(f"{alert} {count}" for alert, count in sorted(by_alert.items()))
    all_firings = counted(len(replayed.firings), "firing")
    print_line(f"{all_firings}{f' ({counts})' if counts else ''}; the agent stored {replayed.stored}")
    for time in replayed.without_cycles[:MOST_TIMES]:
        start, end = (_minute(instants.text(moment)) for moment in (time.start, time.end))
        print_line(f"the agent evaluated nothing from {start} to {end}")
    if len(replayed.without_cycles) > MOST_TIMES:
        print_line(f"and in {len(replayed.without_cycles) - MOST_TIMES} further times (all of them: --json)")
    for name, messages in replayed.messages.items():
        kinds = Counter(message.kind for message in messages)
        words = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        print_line(f"{len(messages)} messages to {name}{f': {words}' if words else ''}")


def _row(firing: Firing, replayed: _Replayed) -> list[str]:
    return [
        firing.rule,
        "/".join(value for _, value in firing.group) or NOTHING,
        _minute(instants.text(firing.active_since or firing.start)),
        NOTHING if firing.end is None else _minute(instants.text(firing.end)),
        NOTHING if firing.measure is None else f"{firing.measure} {number(firing.value)}",
        number(firing.limit),
        str(replayed.messages_about(firing)),
    ]


def _minute(text: str) -> str:
    return text[:16] + "Z"
