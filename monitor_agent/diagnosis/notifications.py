"""Whether somebody is told of alerts."""

from __future__ import annotations

from monitor_agent.diagnosis.check_result import OK, SKIPPED, CheckResult
from monitor_agent.notifying.assembly import tried_renderer
from monitor_agent.notifying.channels import open_channels
from monitor_agent.settings import NotifySettings, NotifyTables
from monitor_agent.vocabulary.counted_nouns import counted

CHECK = "notifications"


def check_notifications(settings: NotifySettings, tables: NotifyTables) -> CheckResult:
    """Return the channels that are told of alerts; nothing is sent.

    Raises
    ------
    SettingsError
        If an address or the template is wrong.
    MissingPackageError
        If there is a channel, and Apprise is not installed.
    """
    channels = open_channels(settings, tables)
    if not channels:
        return CheckResult(CHECK, SKIPPED, "no channel is set: the agent tells nobody of alerts (MONITOR_NOTIFY_URLS)")
    tried_renderer(settings)
    names = ", ".join(f"{channel.name} ({channel.visible_address})" for channel in channels)
    return CheckResult(CHECK, OK, f"{counted(len(channels), 'channel')}: {names}")
