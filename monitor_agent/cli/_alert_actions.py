"""The actions of `monitor-agent alerts` beside the list: one firing, a trial of the channels, silences."""

from __future__ import annotations

import argparse
import dataclasses
import getpass
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from monitor_agent.alerting.alert_store import stored_firings
from monitor_agent.alerting.definitions import Alert, load_alerts
from monitor_agent.alerting.firings import Firing
from monitor_agent.alerting.look_back import fitted
from monitor_agent.cli._agent import prepared_gateway_of
from monitor_agent.cli._agent import rules_of as settings_rules
from monitor_agent.cli._alert_replay import add_replay, run_replay
from monitor_agent.cli._output import NOTHING, print_json, print_line, print_table
from monitor_agent.cli._times import add_time
from monitor_agent.clock import SystemClock
from monitor_agent.contracts.alert import SEGMENT, SEVERITIES
from monitor_agent.contracts.printable import printable
from monitor_agent.errors import DataError, SettingsError, name_meant, suggestion
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.retry import Backoff
from monitor_agent.notifying.assembly import SAMPLE, SAMPLE_FACTS, rules_of, tried_renderer
from monitor_agent.notifying.channels import open_channels
from monitor_agent.notifying.firing_facts import read_facts, worst_document
from monitor_agent.notifying.messages import FiringFacts, dashboard_link, facts_of, firing_link
from monitor_agent.notifying.routes import ChannelRules
from monitor_agent.notifying.silence_store import SilenceStore
from monitor_agent.notifying.silences import Silence, matches
from monitor_agent.pipeline import instants
from monitor_agent.settings import Settings, read_notify_tables
from monitor_agent.vocabulary.counted_nouns import counted

LABELS = ("model_version", SEGMENT, "severity")
"""Fields of a firing that a silence may match, beside model and alert."""
HINT = "such as --label segment=labels.scene=search"


def add_actions(actions: Any) -> None:
    """Add the arguments of the actions."""
    show = actions.add_parser("show", help="print all about one firing, with the windows behind it")
    show.add_argument("id", metavar="ID", help="id of a firing, or the beginning of one")
    show.add_argument("--json", action="store_true", help="print one JSON document")
    _add_test(actions)
    add_replay(actions)
    silence = actions.add_parser("silence", help="tell nobody of some alerts for a time")
    silence.add_argument(
        "--model", default="*", metavar="NAME", help="name of the model, or a pattern of shell wildcards"
    )
    silence.add_argument("--alert", default="*", metavar="ALERT", help="id of the alert, or a pattern")
    silence.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help=f"a further field ({', '.join(LABELS)}), {HINT}",
    )
    add_time(silence, "--until", required=True, help="end of the silence, such as now+2h")
    silence.add_argument("--reason", required=True, metavar="TEXT", help="why, for the others")
    unsilence = actions.add_parser("unsilence", help="end a silence now")
    unsilence.add_argument("id", metavar="ID", help="id of the silence")
    ack = actions.add_parser("ack", help="say that somebody knows of a firing: it is not repeated")
    ack.add_argument("id", metavar="ID", help="id of a firing, or the beginning of one")
    ack.add_argument("--reason", default="", metavar="TEXT", help="what is done about it")
    for action in (silence, ack):
        action.add_argument(
            "--author", default="", metavar="NAME", help="who says so (default: the user of this machine)"
        )


def _add_test(actions: Any) -> None:
    test = actions.add_parser("test", help="print which channels a firing goes to; send them a sample")
    add_time(test, "--at", help="the time of the firing (default: now)")
    test.add_argument("--send", action="store_true", help="send a sample to these channels")
    test.add_argument("--model", default="click", metavar="NAME", help="model of the sample (default: %(default)s)")
    test.add_argument(
        "--alert", default=SAMPLE.rule, metavar="ALERT", help="alert of the sample (default: %(default)s)"
    )
    test.add_argument("--severity", choices=tuple(SEVERITIES), help="severity of the sample (default: the alert's)")


def run_action(args: argparse.Namespace, settings: Settings) -> int:
    """Run an action; return the exit status."""
    actions = {
        "show": _show,
        "test": _test,
        "replay": run_replay,
        "silence": _silence,
        "unsilence": _unsilence,
        "ack": _acknowledge,
    }
    return actions[args.action](args, settings)


def silences_in_words(silences: Iterable[Silence]) -> list[str]:
    """Return one line for each silence."""
    return [
        printable(
            f"silence {silence.id} until {_minute(silence.end)}: {_matchers(silence)}, by {silence.author}: "
            f"{silence.reason}"
        )
        for silence in silences
    ]


def _show(args: argparse.Namespace, settings: Settings) -> int:
    now = SystemClock().now()
    with prepared_gateway_of(settings, "alerts", Backoff(tries=2)) as gateway:
        firing = _firing_of(gateway, settings, args.id)
        quiet = SilenceStore(gateway).read(now)
        rules = settings_rules(gateway, settings, firing.model)
        alerts = {alert.id: alert for alert in fitted(load_alerts(settings.agent.alerts), *rules.scopes)}
        documents = _documents_behind(gateway, alerts, firing)
        broken = read_facts(gateway, [firing], alerts).get(firing.id, FiringFacts()).broken
    silence, acknowledged = quiet.silence_of(firing, now), quiet.acknowledged.get(firing.id)
    link = dashboard_link(firing, settings.notify.dashboards_url)
    if args.json:
        further = {
            "id": firing.id,
            "documents": documents,
            "broken": [feature.content() for feature in broken],
            "silence": None if silence is None else {"id": silence.id, **silence.document()},
            "acknowledged_by": acknowledged.author if acknowledged else None,
            "acknowledged_at": instants.text(acknowledged.at) if acknowledged else None,
            "link": link or None,
        }
        print_json({**firing.document(), **further})
        return 0
    rows = [
        ("firing", firing.id),
        ("alert", f"{firing.rule} ({firing.severity}): {firing.title}"),
        ("state", firing.state),
    ]
    rows += [(name.replace("_", " "), value) for name, value in firing.group]
    rows += [("message", firing.message), ("since", _minute(firing.start))]
    rows += [("active since", _minute(firing.active_since))] if firing.active_since else []
    rows += [("recovered", _minute(firing.end))] if firing.end else []
    if firing.measure:
        rows.append(("value", f"{firing.measure} {firing.value:.4g}, limit {firing.limit:.4g}"))
        rows += [("behind it", _document_in_words(firing.measure, document)) for document in documents]
    rows += [("broken", feature.sentence()) for feature in broken]
    rows += [("inhibited by", ", ".join(firing.inhibited_by))] if firing.inhibited_by else []
    rows += [("silenced", line) for line in silences_in_words([silence] if silence else [])]
    if acknowledged:
        reason = f": {acknowledged.reason}" if acknowledged.reason else ""
        rows.append(("acknowledged by", f"{acknowledged.author} at {_minute(acknowledged.at)}{reason}"))
    rows.append(("dashboard", link or firing.dashboard))
    rows += [("page", page)] if (page := firing_link(firing, settings.notify.dashboards_url)) else []
    for name, text in rows:
        print_line(f"{name:16}{printable(text)}")
    return 0


def _test(args: argparse.Namespace, settings: Settings) -> int:
    """Print where a sample goes; return 1 if a channel does not take it."""
    tables = read_notify_tables(args.environ, args.config)
    alerts = {alert.id: alert for alert in load_alerts(settings.agent.alerts)}
    if args.alert not in alerts:
        raise DataError(f"there is no alert {args.alert}", suggestion(args.alert, alerts))
    alert, now = alerts[args.alert], SystemClock().now()
    moment = args.at.at(now) if args.at else now
    group = dataclasses.replace(SAMPLE, group=(("model_name", args.model),))
    fields = {name: getattr(alert, name) for name in ("title", "message", "dashboard")}
    sample = dataclasses.replace(
        group, rule=alert.id, severity=args.severity or alert.severity, start=moment, active_since=moment, **fields
    )
    channels = open_channels(settings.notify, tables)
    if not channels:
        raise SettingsError("no channel is set", "set MONITOR_NOTIFY_URLS (docs/notifications.md)")
    with prepared_gateway_of(settings, "alerts", Backoff(tries=2)) as gateway:
        quiet = SilenceStore(gateway).read(min(moment, now))
    rules = rules_of(channels, settings.notify, tables, alerts.values())
    message = tried_renderer(settings.notify).message(
        "test", f"test:{instants.text(now)}", [sample], {sample.id: SAMPLE_FACTS}, moment
    )
    rows, failed = [], False
    for channel in channels:
        verdict = _verdict(dataclasses.replace(rules[channel.name], quiet=quiet), sample, moment)
        if args.send and not verdict:
            reason = channel.send(message)
            verdict, failed = (f"failed: {reason}" if reason else "sent"), failed or bool(reason)
        rows.append([channel.name, channel.visible_address, verdict or "would be sent"])
    print_table(f"{args.alert} of {args.model}, {_minute(moment)}", ["channel", "address", ""], rows, left=3)
    return int(failed)


def _verdict(rules: ChannelRules, firing: Firing, moment: datetime) -> str:
    """Return why a channel is not told of a firing at a moment; empty if it is."""
    if not rules.takes(firing):
        return "not sent: no route lets it through"
    silence = rules.quiet.silence_of(firing, moment)
    if silence is not None:
        return f"waits: silence {silence.id} until {_minute(silence.end)}"
    return "waits: outside of the hours of its routes" if rules.holds(firing, moment) else ""


def _silence(args: argparse.Namespace, settings: Settings) -> int:
    now, author = SystemClock().now(), args.author or _author()
    silence = Silence(
        "", now, args.until.at(now), author, args.reason.strip(), args.model, args.alert, _labels(args.label)
    )
    silence.check()
    _warn_of_unknown_alert(args.alert, settings)
    with prepared_gateway_of(settings, "alerts silence") as gateway:
        written = SilenceStore(gateway).add(silence)
    for line in silences_in_words([written]):
        print_line(line)
    return 0


def _unsilence(args: argparse.Namespace, settings: Settings) -> int:
    with prepared_gateway_of(settings, "alerts unsilence") as gateway:
        ended = SilenceStore(gateway).end(args.id, SystemClock().now())
    print_line(f"silence {ended.id} has ended; what is still active is told now")
    return 0


def _acknowledge(args: argparse.Namespace, settings: Settings) -> int:
    author = args.author or _author()
    with prepared_gateway_of(settings, "alerts ack") as gateway:
        firing = _firing_of(gateway, settings, args.id)
        if not firing.open:
            raise DataError(f"the firing {firing.id} has recovered", "see `monitor-agent alerts`")
        SilenceStore(gateway).acknowledge(firing, author, args.reason, SystemClock().now())
    print_line(f"{author} has acknowledged {firing.rule} ({firing.id}): it is not repeated; its recovery is told")
    return 0


def _firing_of(gateway: Gateway, settings: Settings, beginning: str) -> Firing:
    firings = stored_firings(gateway, instants.EPOCH, settings.agent.page_size)
    matching = [firing for firing in firings if firing.id.startswith(beginning)]
    if len(matching) != 1:
        problem = f"{len(matching)} firings begin with {beginning}" if matching else f"there is no firing {beginning}"
        raise DataError(problem, "see the ids in `monitor-agent alerts --json`")
    return matching[0]


def _documents_behind(gateway: Gateway, alerts: Mapping[str, Alert], firing: Firing) -> list[dict[str, Any]]:
    """Return the document with the worst value of a firing, if its alert is still in the list."""
    if firing.measure is None or firing.rule not in alerts:
        return []
    index, body = worst_document(alerts[firing.rule], firing)
    return [dict(hit["_source"]) for hit in gateway.search(index, body)["hits"]["hits"]]


def _document_in_words(measure: str, document: dict[str, Any]) -> str:
    facts = facts_of(measure, document)
    pieces = [] if facts.value is None else [f"{facts.metric} {facts.value:.4g}"]
    if facts.low is not None and facts.high is not None:
        pieces.append(f"95 % interval {facts.low:.4g} to {facts.high:.4g}")
    pieces += [] if facts.n is None else [f"n = {facts.n}"]
    pieces += [] if facts.predictions is None else [counted(facts.predictions, "prediction")]
    if facts.window_start is not None and facts.window_end is not None:
        pieces.append(f"window {_minute(facts.window_start)} to {_minute(facts.window_end)}")
    return ", ".join(pieces)


def _labels(texts: Iterable[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or name not in LABELS or not value:
            raise DataError(f"--label {text} is none", f"use {', '.join(LABELS[:-1])} or {LABELS[-1]}, {HINT}")
        if name in labels:
            raise DataError(f"--label {name} is there twice", "write a silence for each value, or use a pattern")
        labels[name] = value
    return labels


def _warn_of_unknown_alert(pattern: str, settings: Settings) -> None:
    """Say that no alert of this list has the name: another list may be the agent's."""
    try:
        alert_ids = [alert.id for alert in load_alerts(settings.agent.alerts)]
    except DataError:
        return  # a broken list of this machine is no reason to wake people
    if not any(matches(pattern, name) for name in alert_ids):
        meant = name_meant(pattern, alert_ids)
        hint = f": did you mean {meant}?" if meant else ""
        print(f"warning: the list of alerts has no {pattern}{hint}", file=sys.stderr)


def _author() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise DataError("nobody knows who you are", "give --author NAME") from None


def _matchers(silence: Silence) -> str:
    pieces = [f"model {silence.model}", f"alert {silence.alert}"]
    return ", ".join([*pieces, *(f"{name} {value}" for name, value in sorted(silence.labels.items()))])


def _minute(moment: datetime | None) -> str:
    return NOTHING if moment is None else moment.strftime("%Y-%m-%dT%H:%MZ")
