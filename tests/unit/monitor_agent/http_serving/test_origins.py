"""Which pages may send what changes something: one rule for the model server and the viewer."""

from __future__ import annotations

import pytest

from monitor_agent.http_serving.origins import PageOrigins

HERE = {"wsgi.url_scheme": "https", "HTTP_HOST": "ml.example.org"}


@pytest.mark.parametrize(
    ("listed", "headers", "allowed"),
    [
        ((), {}, True),
        ((), {"HTTP_SEC_FETCH_SITE": "none"}, True),
        ((), {"HTTP_ORIGIN": "https://ml.example.org"}, True),
        ((), {"HTTP_ORIGIN": "https://ML.example.org", "HTTP_HOST": "ML.example.org:443"}, True),
        ((), {"HTTP_ORIGIN": "http://ml", "wsgi.url_scheme": "http", "HTTP_HOST": "ml:80"}, True),
        ((), {"HTTP_ORIGIN": "https://ml.example.org", "HTTP_HOST": "ml.example.org:8443"}, False),
        ((), {"HTTP_ORIGIN": "http://ml.example.org"}, False),
        # The browser knows the address that a proxy has replaced.
        ((), {"HTTP_ORIGIN": "https://monitor.example.org", "HTTP_SEC_FETCH_SITE": "same-origin"}, True),
        ((), {"HTTP_ORIGIN": "https://evil.example.net"}, False),
        ((), {"HTTP_ORIGIN": "https://evil.example.net", "HTTP_SEC_FETCH_SITE": "cross-site"}, False),
        ((), {"HTTP_ORIGIN": "null"}, False),
        ((), {"HTTP_SEC_FETCH_SITE": "cross-site"}, False),
        ((), {"HTTP_SEC_FETCH_SITE": "same-site"}, False),
        ((), {"HTTP_SEC_FETCH_SITE": "something new"}, False),
        (("https://shop.example.org",), {"HTTP_ORIGIN": "https://SHOP.example.org"}, True),
        (("https://shop.example.org",), {"HTTP_ORIGIN": "https://evil.example.net"}, False),
        (("https://shop.example.org",), {"HTTP_SEC_FETCH_SITE": "cross-site"}, False),
        (("*",), {"HTTP_ORIGIN": "null", "HTTP_SEC_FETCH_SITE": "cross-site"}, True),
    ],
)
def test_who_may_send(listed: tuple[str, ...], headers: dict[str, str], allowed: bool) -> None:
    """The server's own pages, pages of the list, and all that is no page."""
    refused = PageOrigins(listed).refused_page({**HERE, **headers})

    assert (refused == "") == allowed


def test_the_answer_names_the_page_in_few_words() -> None:
    """An operator reads it in a log; it may be of any length."""
    refused = PageOrigins().refused_page({**HERE, "HTTP_ORIGIN": "https://" + "x" * 5000})

    assert refused.startswith("pages of https://xxx")
    assert len(refused) < 250
