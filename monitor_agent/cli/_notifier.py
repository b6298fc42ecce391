"""The notifier of the agent, with what its messages may hold: the causes of falls, and pictures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime

from monitor_agent.alerting.definitions import Alert
from monitor_agent.alerting.firings import Firing
from monitor_agent.cli._summary_report import report_maker
from monitor_agent.es.gateway import Gateway
from monitor_agent.notifying.assembly import make_notifier
from monitor_agent.notifying.notifier import MessageContents, Notifier
from monitor_agent.settings import Settings, read_notify_tables


def notifier_of(
    args: argparse.Namespace, settings: Settings, gateway: Gateway, alerts: Sequence[Alert], name: str
) -> Notifier | None:
    """Return the notifier of the settings; None if they have no channel.

    Parameters
    ----------
    name : the agent's name.

    Raises
    ------
    SettingsError
        If an address or the template is wrong.
    MissingPackageError
        If there is a channel, and Apprise is not installed.
    """

    def draw(alert: Alert, firing: Firing, now: datetime) -> bytes:
        # An agent without channels that take pictures loads none of this.
        from monitor_agent.dashboards.firing_picture import firing_picture

        return firing_picture(gateway, alert, firing, now)

    tables = read_notify_tables(args.environ, args.config)
    contents = MessageContents(settings.agent, draw, make_report=report_maker(gateway))
    return make_notifier(gateway, settings.notify, tables, alerts, name, contents)
