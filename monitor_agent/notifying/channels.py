"""The channels by Apprise: their addresses are checked when a command starts, and never shown."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
READ_SECONDS = 18.0
"""How long a receiver may be silent."""
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
    aliases : all names of its address in the settings; one in `urls` has the name "".
    """

    name: str
    visible_address: str
    plugin: Any
    aliases: frozenset[str] = frozenset()

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
                body=message.body or message.title,  # Apprise sends no title alone
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
    """Return the channels of the settings; the same address twice is one channel, however it is written.

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
        plugin = _plugin(address, place)
        scheme = address.partition("://")[0].lower()
        identity = one_spelling(plugin.url(), any_case=_shows_host(plugin))
        channel = channels.get(identity)
        if channel is None:
            digest = _digest(one_spelling(address, any_case=_shows_host(plugin)))
            channel = NotificationChannel(name or f"{scheme}-{digest}", _visible_address(scheme, plugin), plugin)
        channels[identity] = replace(channel, aliases=channel.aliases | {name})
    return list(channels.values())


def one_spelling(address: str, *, any_case: bool) -> str:
    """Return an address as all spellings of it are written: its query in order, no slash at the end of its path.

    Parameters
    ----------
    any_case : whether upper and lower case are the same in the place of the host: not if a token is there.

    >>> one_spelling("JSON://User:Pw@Example.org/a/?b=2&a=1", any_case=True)
    'json://User:Pw@example.org/a?a=1&b=2'
    >>> one_spelling("slack://TokenA/TokenB#alerts", any_case=False)
    'slack://TokenA/TokenB#alerts'
    """
    scheme, _, rest = address.partition("://")
    rest, mark, query = rest.partition("?")
    account, path = _split_once(rest, "/")
    user, at, host = account.rpartition("@")
    query = "&".join(sorted(query.split("&")))
    return f"{scheme.lower()}://{user}{at}{host.lower() if any_case else host}{path.rstrip('/')}{mark}{query}"


def _split_once(text: str, separator: str) -> tuple[str, str]:
    """Return a text up to a separator, and the rest with it."""
    position = text.find(separator)
    return (text, "") if position < 0 else (text[:position], text[position:])


def _plugin(address: str, place: str) -> Any:
    """Return what sends to an address.

    Parameters
    ----------
    place : where the address is in the settings.

    Raises
    ------
    SettingsError
        If Apprise cannot use the address.
    """
    scheme, separator, rest = address.partition("://")
    if _split_once(rest.partition("?")[0], "/")[0].count("@") > 1:
        # Apprise would take a piece of the password for the host, and show it.
        raise SettingsError(f"{place}: {scheme}://... has several @ before its path", "write %40 for @ in a password")
    plugin = _apprise().Apprise.instantiate(address, asset=_asset())
    if plugin is None:
        raise SettingsError(
            f"{place}: {f'{scheme}://... is' if separator else 'it is'} no address that Apprise can use",
            "see docs/notifications.md for examples",
        )
    if "rto=" not in address:
        # Apprise waits for 4 s; a receiver that takes a message in 5 s would get it again and again.
        plugin.socket_read_timeout = READ_SECONDS
    if "overflow=" not in address:
        # Otherwise a receiver that refuses a long text would refuse it for ever, and get nothing any more.
        plugin.overflow_mode = _apprise().OverflowMode.SPLIT
    return plugin


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
        # A receiver behind a redirect gets no body: the message would be lost, and count as sent.
        http_redirects=False,
    )


def _digest(address: str) -> str:
    """Return a short text that differs between addresses, and that nobody can try secrets on quickly."""
    parameters: Mapping[str, Any] = _DIGEST
    return hashlib.scrypt(address.encode(), **parameters).hex()


def _visible_address(scheme: str, plugin: Any) -> str:
    """Return what people may see of an address: of a token in the place of the host, nothing."""
    if not _shows_host(plugin):
        return f"{scheme}://..."
    return f"{scheme}://{plugin.host.lower()}{f':{plugin.port}' if plugin.port else ''}"


def _shows_host(plugin: Any) -> bool:
    """Return whether a host is in the place of the host, and no token."""
    host = plugin.template_tokens.get("host")
    return host is not None and not host.get("private") and bool(plugin.host)
