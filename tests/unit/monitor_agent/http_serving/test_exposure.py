"""What a server lacks that other machines can reach, and the settings of servers that are refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from monitor_agent.errors import SettingsError
from monitor_agent.http_client.address import is_loopback
from monitor_agent.http_serving.exposure import check_exposure
from monitor_agent.settings import load

TLS = "DASHBOARDS_TLS_CERT and DASHBOARDS_TLS_KEY"


@pytest.mark.parametrize(
    ("host", "authenticated", "tls", "words"),
    [
        ("127.0.0.1", False, TLS, []),
        ("127.1.2.3", False, TLS, []),
        ("localhost", False, TLS, []),
        ("::1", False, TLS, []),
        ("0.0.0.0", True, "", []),
        ("0.0.0.0", False, TLS, ["0.0.0.0", "answers everybody", "in clear", "DASHBOARDS_AUTH", TLS]),
        ("::", False, "", ["answers everybody", "DASHBOARDS_AUTH"]),
        ("", False, "", ["every address", "DASHBOARDS_AUTH"]),
        ("viewer.example.org", True, TLS, ["viewer.example.org", "in clear", TLS]),
    ],
)
def test_one_line_names_all_that_is_missing(host: str, authenticated: bool, tls: str, words: list[str]) -> None:
    """It names the settings; a server that only this machine reaches lacks nothing."""
    exposure = check_exposure(
        "the viewer", host, "DASHBOARDS_AUTH", authenticated=authenticated, tls=tls, require=False
    )

    warning = str(exposure or "")
    assert bool(warning) == bool(words)
    assert [word for word in words if word not in warning] == []
    assert "\n" not in warning


def test_a_server_without_a_login_is_refused_where_logins_are_required() -> None:
    """The loopback needs none; a server with a login and without TLS starts."""
    for host in ("0.0.0.0", "::", "server"):
        with pytest.raises(SettingsError, match="REQUIRE_AUTH=true forbids that: set KEYS"):
            check_exposure("it", host, "KEYS", authenticated=False, tls="", require=True)
    assert check_exposure("it", "127.0.0.1", "KEYS", authenticated=False, tls="TLS", require=True) is None
    assert "TLS" in str(check_exposure("it", "0.0.0.0", "KEYS", authenticated=True, tls="TLS", require=True))


@pytest.mark.parametrize("host", ["127.0.0.1.example.org", "localhost.example.org", "10.0.0.1", "::ffff:10.0.0.1"])
def test_a_name_that_only_begins_like_the_loopback_is_no_loopback(host: str) -> None:
    """Other machines may reach it."""
    assert not is_loopback(host)


@pytest.mark.parametrize("prefix", ["MODEL_SERVER", "DASHBOARDS", "MONITOR_HEALTH"])
@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"TLS_CERT": "a.pem"}, "TLS_CERT is set and {}_TLS_KEY is not"),
        ({"TLS_KEY": "a.pem"}, "TLS_KEY is set and {}_TLS_CERT is not"),
        ({"HEADER_TIMEOUT": "0s"}, "HEADER_TIMEOUT=0s is no length of time"),
        ({"BODY_TIMEOUT": "soon"}, "BODY_TIMEOUT='soon' is malformed"),
        ({"MAX_CONNECTIONS": "1"}, "MAX_CONNECTIONS=1 is too small"),
        ({"ALLOWED_HOSTS": "https://a.example.org"}, "ALLOWED_HOSTS: 'https://a.example.org' is no host name"),
        ({"ALLOWED_HOSTS": "a.*.org"}, "ALLOWED_HOSTS: 'a.*.org' is no host name"),
        ({"TRUSTED_PROXIES": "10.0.0.0/8, proxy"}, "TRUSTED_PROXIES: 'proxy' is neither an address nor a network"),
    ],
)
def test_wrong_settings_of_a_server_are_refused_in_one_line(prefix: str, values: Mapping[str, str], line: str) -> None:
    """The line begins with the variable of that server."""
    with pytest.raises(SettingsError) as refused:
        load({f"{prefix}_{name}": value for name, value in values.items()})

    assert str(refused.value).startswith(f"{prefix}_{line.format(prefix)}")
