"""The addresses of channels: every example of the documentation works, and nothing shows a token."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor_agent.errors import SettingsError
from monitor_agent.notifying.assembly import rules_of
from monitor_agent.notifying.channels import open_channels
from monitor_agent.notifying.messages import Message
from monitor_agent.settings import NotifySettings, NotifyTables, RouteTable

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


def test_the_same_address_twice_is_one_channel_with_the_routes_of_both_names() -> None:
    """Also if one is in `urls`; its name is the first one."""
    tables = NotifyTables(
        {"a": "json://host.test", "b": "json://host.test"}, (RouteTable(("b",), severities=("critical",)),)
    )
    settings = NotifySettings(urls=("json://host.test/", "json://other.test"))
    channels = open_channels(settings, tables)
    rules = rules_of(channels, settings, tables, [])

    assert [channel.name.partition("-")[0] for channel in channels] == ["a", "json"]
    assert [route.severities for route in rules["a"].routes] == [("critical",)]
    assert rules[channels[1].name].routes == ()


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
