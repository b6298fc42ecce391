"""Which web pages may send a request: those of the server itself, and those of an operator's list (pure).

A browser inside a network carries the requests of any page into it. It says in the headers `Origin` and
`Sec-Fetch-Site` whose page that is; no script of a page can change them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

ANY = "*"
OTHER_SITES = "pages of other sites"
_OWN_SITE = "same-origin"
_NO_SITE = ("", "none")
"""No browser, an old one, or a person who has typed the address."""
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class PageOrigins:
    """The pages that may send requests that change something.

    Parameters
    ----------
    listed : origins of other sites, such as `https://shop.example.org`, or `*`.
    """

    def __init__(self, listed: Iterable[str] = ()) -> None:
        self._listed = frozenset(origin.lower() for origin in listed)

    @property
    def any(self) -> bool:
        """Return whether all pages may send requests."""
        return ANY in self._listed

    def __bool__(self) -> bool:
        """Return whether pages of other sites may send requests."""
        return bool(self._listed)

    def lists(self, origin: str) -> bool:
        """Return whether the pages of another site with this origin may send requests."""
        return self.any or origin.lower() in self._listed

    def refused_page(self, environ: Mapping[str, Any]) -> str:
        """Return whose page has sent a request that it may not send; "" if it may, or no page has sent it.

        Parameters
        ----------
        environ : the WSGI environment, after what trusted proxies say is in it.

        >>> request = {"wsgi.url_scheme": "https", "HTTP_HOST": "ml.example.org:443"}
        >>> PageOrigins().refused_page({**request, "HTTP_ORIGIN": "https://ml.example.org"})
        ''
        >>> PageOrigins().refused_page({**request, "HTTP_ORIGIN": "https://evil.example.net"})
        'pages of https://evil.example.net'
        """
        origin, site = environ.get("HTTP_ORIGIN", ""), environ.get("HTTP_SEC_FETCH_SITE", "").lower()
        if site == _OWN_SITE or self.any:
            return ""
        if origin:
            return "" if self.lists(origin) or origin.lower() == _own_origin(environ) else f"pages of {origin[:200]}"
        # A browser sends Origin with each POST of another site's page, unless something on the way removes it.
        return "" if site in _NO_SITE else OTHER_SITES


def _own_origin(environ: Mapping[str, Any]) -> str:
    """Return the origin of the address under which the client reaches this server."""
    scheme = environ["wsgi.url_scheme"]
    host = environ.get("HTTP_HOST") or f"{environ.get('SERVER_NAME', '')}:{environ.get('SERVER_PORT', '')}"
    return f"{scheme}://{host.lower().removesuffix(_DEFAULT_PORTS.get(scheme, ''))}"
