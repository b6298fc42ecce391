"""The channels by Apprise: their addresses are checked when a command starts, and never shown."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from monitor_agent import log
from monitor_agent.errors import SettingsError, in_one_line
from monitor_agent.extras import NOTIFICATIONS, loading, require
from monitor_agent.notifying.messages import Message
from monitor_agent.settings import NotifySettings, NotifyTables, secrets_of_address

ANSWER_SECONDS = 20.0
"""How long one message may take."""
KEY_HEADER = "Idempotency-Key"
_DIGEST = {"salt": b"model-monitor", "n": 2**12, "r": 8, "p": 1, "dklen": 4}
_TYPES = {"active": "failure", "reminder": "warning", "recovered": "success", "test": "info", "summary": "info"}


@dataclass(frozen=True)
class NotificationChannel:
    """A place that messages go to.

    Attributes
    ----------
    name : that of the settings, or one that is made from the address and tells nothing of it.
    visible_address : scheme and host of the address.
    """

    name: str
    visible_address: str
    plugin: Any

    @property
    def one_by_one(self) -> bool:
        """Whether each firing has a message of its own: the receiver keeps an incident for each, such as PagerDuty."""
        return hasattr(self.plugin, "dedup")

    @property
    def takes_pictures(self) -> bool:
        """Whether a message may have an attached picture."""
        return bool(self.plugin.attachment_support)

    def send(self, message: Message, pictures: Sequence[Path] = ()) -> str:
        """Send a message; return why it failed, or an empty text once the receiver has taken it."""
        sender = _apprise().Apprise(asset=_asset())
        sender.add(self._addressed(message))
        try:
            result = sender.notify(
                body=message.body,
                title=message.title,
                notify_type=_TYPES[message.kind],
                body_format="text",
                attach=[str(path) for path in pictures] if pictures and self.takes_pictures else None,
            )
            if result:
                return ""
            lines = [entry.message for entry in result.logs()]
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything, and other channels go on
            return log.masked(in_one_line(error))
        return log.masked(lines[-1]) if lines else f"no answer within {ANSWER_SECONDS:g} s"

    def _addressed(self, message: Message) -> Any:
        """Return the plugin with the key of a message, in the place where its receiver looks for one."""
        plugin = self.plugin
        if isinstance(getattr(plugin, "headers", None), dict):
            plugin.headers[KEY_HEADER] = message.key
        if self.one_by_one:
            plugin.dedup = message.incident or message.key
            if message.kind == "recovered":
                plugin.action = "map"
        return plugin


def open_channels(settings: NotifySettings, tables: NotifyTables) -> list[NotificationChannel]:
    """Return the channels of the settings; the same address twice is one channel.

    Raises
    ------
    SettingsError
        If Apprise cannot use an address; the error shows no more of it than the scheme.
    MissingPackageError
        If there is a channel, and Apprise is not installed.
    """
    addresses = list(_addresses(settings, tables))
    if not addresses:
        return []
    require("[notify]", NOTIFICATIONS)
    log.hide(text for _, address, _ in addresses for text in secrets_of_address(address))
    channels: dict[str, NotificationChannel] = {}
    for name, address, place in addresses:
        plugin = _apprise().Apprise.instantiate(address, asset=_asset())
        scheme = address.partition("://")[0] if "://" in address else ""
        if plugin is None:
            raise SettingsError(
                f"{place}: {f'{scheme}://... is' if scheme else 'it is'} no address that Apprise can use",
                "see docs/notifications.md for examples",
            )
        channel = NotificationChannel(name or f"{scheme}-{_digest(address)}", _visible_address(scheme, plugin), plugin)
        channels.setdefault(plugin.url(), channel)
    return list(channels.values())


def aliases_of(tables: NotifyTables) -> dict[str, str]:
    """Return name -> the name under which its address is a channel: the first one with the same address."""
    first: dict[str, str] = {}
    return {name: first.setdefault(address, name) for name, address in tables.channels.items()}


def _addresses(settings: NotifySettings, tables: NotifyTables) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the address and the place of each channel, those with names first."""
    for name, address in tables.channels.items():
        yield name, address, f"[notify.channels] {name}"
    for number, address in enumerate(settings.urls, 1):
        yield "", address, f"MONITOR_NOTIFY_URLS, address {number}"


@cache
def _apprise() -> Any:
    with loading(NOTIFICATIONS):
        import apprise
    # Its lines are the reasons of failures, which the agent logs itself, without addresses.
    logger = logging.getLogger("apprise")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return apprise


@cache
def _asset() -> Any:
    return _apprise().AppriseAsset(
        app_id="model-monitor",
        app_desc="Model monitor",
        app_url="",
        language="en",
        service_timeout=ANSWER_SECONDS,
        storage_mode="memory",
        secure_logging=True,
    )


def _digest(address: str) -> str:
    """Return a short text that differs between addresses, and that nobody can try secrets on quickly."""
    parameters: Mapping[str, Any] = _DIGEST
    return hashlib.scrypt(address.encode(), **parameters).hex()


def _visible_address(scheme: str, plugin: Any) -> str:
    """Return what people may see of an address: of a token in the place of the host, nothing."""
    host = plugin.template_tokens.get("host")
    shows_host = host is not None and not host.get("private") and plugin.host
    port = f":{plugin.port}" if shows_host and plugin.port else ""
    return f"{scheme}://{plugin.host}{port}" if shows_host else f"{scheme}://..."
