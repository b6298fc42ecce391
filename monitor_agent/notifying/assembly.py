"""Makes the notifier of the settings; what is wrong with them is told before the first cycle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

from monitor_agent.alerting.definitions import Alert
from monitor_agent.alerting.firings import Firing
from monitor_agent.contracts.alert import CRITICAL
from monitor_agent.durations import parse_duration
from monitor_agent.es.gateway import Gateway
from monitor_agent.notifying.channels import NotificationChannel, open_channels
from monitor_agent.notifying.messages import FiringFacts, Renderer, make_renderer
from monitor_agent.notifying.notifier import MessageContents, Notifier
from monitor_agent.notifying.outbox import KINDS
from monitor_agent.notifying.routes import ChannelRules, routes_of
from monitor_agent.notifying.summary_writer import SummaryWriter
from monitor_agent.pipeline import instants
from monitor_agent.settings import NotifySettings, NotifyTables

SAMPLE = Firing(
    rule="quality-below-threshold",
    group=(("model_name", "click"), ("model_version", "2")),
    start=instants.parse("2026-11-23T10:05:00Z"),
    title="Model quality below its threshold",
    message="the whole 95 % interval of F1 lies below 0.2",
    severity=CRITICAL,
    dashboard="model-quality",
    active_since=instants.parse("2026-11-23T10:10:00Z"),
    measure="f1_high",
    value=0.17,
    limit=0.2,
)
"""A firing that shows what a message looks like."""
SAMPLE_FACTS = FiringFacts(
    metric="f1",
    value=0.14,
    low=0.11,
    high=0.17,
    n=812,
    predictions=2950,
    window_start=instants.parse("2026-11-23T09:00:00Z"),
    window_end=instants.parse("2026-11-23T10:00:00Z"),
)
WITHOUT_NUMBERS = replace(SAMPLE, group=(), measure=None, value=None, limit=None)
"""A firing about all models that compares no number, as the one of a silent agent."""


def make_notifier(
    gateway: Gateway,
    settings: NotifySettings,
    tables: NotifyTables,
    alerts: Iterable[Alert],
    name: str,
    contents: MessageContents | None = None,
) -> Notifier | None:
    """Return the notifier; None if the settings have no channel.

    Parameters
    ----------
    name : the agent's name.
    contents : what messages may hold beyond the firings.

    Raises
    ------
    SettingsError
        If an address or the template is wrong.
    MissingPackageError
        If there is a channel, and Apprise is not installed.
    """
    channels = open_channels(settings, tables)
    if not channels:
        return None
    alerts = list(alerts)
    rules = rules_of(channels, settings, tables, alerts)
    summaries = SummaryWriter(gateway, settings, contents.make_report if contents else None)
    return Notifier(gateway, channels, rules, (tried_renderer(settings), summaries), alerts, name, contents)


def tried_renderer(settings: NotifySettings) -> Renderer:
    """Return what makes the texts, after it has made one of each kind, with numbers and without.

    Raises
    ------
    SettingsError
        If the template cannot be read or filled in.
    """
    renderer = make_renderer(settings)
    for kind in (*KINDS, "test"):
        for firing, facts in ((SAMPLE, SAMPLE_FACTS), (WITHOUT_NUMBERS, FiringFacts())):
            renderer.message(kind, "", [firing], {firing.id: facts}, SAMPLE.start + timedelta(minutes=5))
    return renderer


def rules_of(
    channels: Iterable[NotificationChannel], settings: NotifySettings, tables: NotifyTables, alerts: Iterable[Alert]
) -> Mapping[str, ChannelRules]:
    """Return what each channel is told, by its name."""
    throttles = {alert.id: parse_duration(alert.throttle) for alert in alerts}
    return {
        channel.name: ChannelRules(
            routes_of(channel.aliases, tables.routes),
            throttles=throttles,
            group_wait=settings.group_wait,
            one_by_one=channel.one_by_one,
        )
        for channel in channels
    }
