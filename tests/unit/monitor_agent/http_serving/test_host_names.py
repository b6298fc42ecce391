"""Which host names a server answers to, and whose headers about a client it believes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from monitor_agent.http_serving.host_names import AllowedHosts
from monitor_agent.http_serving.proxies import TrustedProxies

ADDRESS = "10.1.2.3"


@pytest.mark.parametrize(
    ("listening_on", "patterns", "accepted", "refused"),
    [
        ("127.0.0.1", (), ["localhost:8500", "127.0.0.1", "[::1]:1", "LocalHost."], ["evil.example", "10.9.9.9", ""]),
        ("localhost", (), ["localhost", "127.0.0.1:8"], ["evil.example"]),
        ("0.0.0.0", (), ["evil.example", "10.9.9.9"], []),
        ("::", (), ["evil.example"], []),
        ("0.0.0.0", ("a.example.org",), ["A.example.org:443", "localhost", ADDRESS], ["b.example.org", "10.9.9.9"]),
        ("0.0.0.0", ("*.example.org",), ["a.example.org", "b.a.example.org."], ["example.org", "aexample.org", ".org"]),
        ("127.0.0.1", ("*",), ["evil.example"], []),
        ("monitor.example.org", ("a.example.org",), ["monitor.example.org"], ["b.example.org"]),
        ("0.0.0.0", ("[2001:db8::1]",), ["[2001:db8::1]:8500"], ["[2001:db8::2]"]),
    ],
)
def test_allowed_hosts(listening_on: str, patterns: Sequence[str], accepted: list[str], refused: list[str]) -> None:
    """On the loopback only names of this machine, elsewhere any name until names are listed."""
    hosts = AllowedHosts(listening_on, patterns)

    assert [name for name in accepted if not hosts.accept(name, lambda: ADDRESS)] == []
    assert [name for name in refused if hosts.accept(name, lambda: ADDRESS)] == []


@pytest.mark.parametrize(
    ("peer", "headers", "changes"),
    [
        ("10.0.0.1", {"FOR": "203.0.113.9"}, {"REMOTE_ADDR": "203.0.113.9"}),
        ("203.0.113.1", {"FOR": "198.51.100.1", "PROTO": "https", "HOST": "a", "PREFIX": "/b"}, {}),
        ("10.0.0.1", {"FOR": "6.6.6.6, 203.0.113.9, 10.0.0.2"}, {"REMOTE_ADDR": "203.0.113.9"}),
        ("10.0.0.1", {"FOR": "[2001:db8::1]:443"}, {"REMOTE_ADDR": "2001:db8::1"}),
        ("10.0.0.1", {"FOR": "203.0.113.9:1234"}, {"REMOTE_ADDR": "203.0.113.9"}),
        ("10.0.0.1", {"FOR": "unknown"}, {}),
        ("::ffff:10.0.0.1", {"PROTO": "https"}, {"wsgi.url_scheme": "https"}),
        ("10.0.0.1", {"PROTO": "javascript", "PREFIX": "//evil.example", "HOST": ""}, {}),
        (
            "10.0.0.1",
            {"PREFIX": "/a/b/", "HOST": "m.example.org"},
            {"SCRIPT_NAME": "/a/b", "HTTP_HOST": "m.example.org"},
        ),
        (
            "10.0.0.1",
            {"FOR": "203.0.113.9", "HOST": "evil, real.example.org"},
            {"REMOTE_ADDR": "203.0.113.9", "HTTP_HOST": "real.example.org"},
        ),
        ("not an address", {"PROTO": "https"}, {}),
    ],
)
def test_trusted_proxies(peer: str, headers: dict[str, str], changes: dict[str, str]) -> None:
    """What the nearest trusted proxies say counts; what the client has put before it does not."""
    before = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", "HTTP_HOST": "here", "SCRIPT_NAME": ""}
    environ = {
        **before,
        **{f"HTTP_X_FORWARDED_{name}": value for name, value in headers.items()},
        "HTTP_FORWARDED": "x",
    }

    TrustedProxies(["10.0.0.0/8"]).apply(environ)

    environ.pop("REMOTE_HOST", None)
    assert environ == {**before, **changes}
