"""The addresses of channels: every example of the documentation works, and nothing shows a token."""

from __future__ import annotations

import re
from http import HTTPStatus
from pathlib import Path

import pytest

from monitor_agent.errors import SettingsError
from monitor_agent.notifying.assembly import rules_of
from monitor_agent.notifying.channels import open_channels
from monitor_agent.notifying.messages import Message
from monitor_agent.settings import NotifySettings, NotifyTables, RouteTable
from tests.notification_receiver import receiving

PAGE = (Path(__file__).parents[4] / "docs/notifications.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("<!-- addresses: begin -->")[2].partition("<!-- addresses: end -->")[0]
EXAMPLES = re.findall(r"\| `(\S+://\S+)` \|$", TABLE, re.MULTILINE)


@pytest.mark.parametrize("address", EXAMPLES, ids=lambda address: str(address).partition(":")[0])
def test_an_address_of_the_page_is_a_channel(address: str) -> None:
    """Its name and what is shown of it hold nothing but the scheme and the host."""
    (channel,) = open_channels(NotifySettings(urls=(address,)), NotifyTables())
    scheme = address.partition(":")[0]
    hosts = ("...", "example.org:587", "hooks.example.org", "prod-01.westeurope.logic.azure.com:443")

    assert re.fullmatch(rf"{scheme}-[0-9a-f]{{8}}", channel.name)
    assert channel.visible_address in {f"{scheme}://{host}" for host in hosts}


def test_the_page_has_all_kinds_of_channels() -> None:
    """Mail, chats, pager and webhooks."""
    assert len(EXAMPLES) == len(TABLE.strip().splitlines()) - 2 == 10


CRITICAL = RouteTable(("a",), severities=("critical",))
SPELLINGS = ("json://u:Pw@host.test/x?b=2&a=1", "JSON://u:Pw@HOST.test/x?b=2&a=1", "json://u:Pw@host.test/x/?a=1&b=2")


@pytest.mark.parametrize(
    ("urls", "names", "routes", "expected"),
    [
        ((), ("a",), (CRITICAL,), [("critical",)]),
        ((), ("a", "b"), (CRITICAL, RouteTable(("b",), severities=("warning",))), [("critical",), ("warning",)]),
        ((), ("a", "b"), (CRITICAL,), []),
        (SPELLINGS[2:], ("a",), (CRITICAL,), []),
    ],
    ids=["one name", "two routes", "a name without a route", "in urls too"],
)
def test_the_same_address_twice_is_one_channel_that_gets_what_one_of_them_gets(
    urls: tuple[str, ...], names: tuple[str, ...], routes: tuple[RouteTable, ...], expected: list[tuple[str, ...]]
) -> None:
    """However the address is written; the first name is that of the channel."""
    tables, settings = NotifyTables(dict(zip(names, SPELLINGS, strict=False)), routes), NotifySettings(urls=urls)
    channels = open_channels(settings, tables)

    assert [channel.name for channel in channels] == ["a"]
    assert [route.severities for route in rules_of(channels, settings, tables, [])["a"].routes] == expected


def test_an_address_has_one_name_in_all_spellings_and_a_token_its_own() -> None:
    """So an outbox stays that of its receiver when somebody writes the address in another way."""
    names = {open_channels(NotifySettings(urls=(url,)), NotifyTables())[0].name for url in SPELLINGS}
    robots = NotifySettings(urls=("feishu://f1b2c3d4-0000-1111-2222-aaaa", "feishu://f1b2c3d4-0000-1111-2222-AAAA"))

    assert len(names) == 1
    assert len(open_channels(robots, NotifyTables())) == 2


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("json://user:planted[secret@host.test/x", "no address that Apprise can use"),
        ("json://user:planted@secret@host.test/x", "write %40 for @ in a password"),
    ],
)
def test_odd_characters_in_a_password_are_refused_without_showing_it(address: str, reason: str) -> None:
    """Apprise would take what stands between two @ for the host."""
    with pytest.raises(SettingsError, match=reason) as refused:
        open_channels(NotifySettings(urls=(address,)), NotifyTables())

    assert not {"planted", "secret"} & set(re.findall(r"\w+", str(refused.value)))


def test_a_receiver_that_redirects_has_not_taken_the_message() -> None:
    """Behind the redirect, the message would have no body."""
    with receiving() as receiver:
        receiver.status = HTTPStatus.FOUND
        (channel,) = open_channels(NotifySettings(urls=(receiver.url(),)), NotifyTables())
        reason = channel.send(Message("test", "key", "title", "body"))

    assert "302" in reason
    assert receiver.messages == []


def test_a_text_that_is_too_long_for_its_receiver_comes_in_pieces() -> None:
    """A refused text would be sent again and again, and keep all others back."""
    with receiving() as receiver:
        (channel,) = open_channels(NotifySettings(urls=(receiver.url(),)), NotifyTables())
        reason = channel.send(Message("test", "key", "title", "word " * 10_000))

    assert reason == ""
    assert len(receiver.messages) > 1
    assert sum(message["message"].count("word") for message in receiver.messages) == 10_000
    assert set(receiver.keys) == {"key"}


def test_a_wrong_address_is_told_without_its_token() -> None:
    """The place is named."""
    with pytest.raises(SettingsError, match=r"\[notify.channels\] ops: slack://\.\.\. is no address") as refused:
        open_channels(NotifySettings(), NotifyTables({"ops": "slack://planted"}))

    assert "planted" not in str(refused.value)


def test_a_receiver_that_nobody_reaches_is_a_reason_in_words() -> None:
    """The reason holds neither password nor path."""
    (channel,) = open_channels(
        NotifySettings(urls=("json://planted-user:planted-password@127.0.0.1:1/planted-path",)), NotifyTables()
    )
    reason = channel.send(Message("test", "key", "title", "body"))

    assert "127.0.0.1" in reason
    assert "planted" not in reason


def test_pagerduty_keeps_an_incident_for_each_firing() -> None:
    """Other channels take several firings in one message."""
    pager, webhook = open_channels(NotifySettings(urls=("pagerduty://KEY@APIKEY", "json://host.test")), NotifyTables())

    assert (pager.one_by_one, webhook.one_by_one) == (True, False)
    assert (pager.takes_pictures, webhook.takes_pictures) == (False, True)
