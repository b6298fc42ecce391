"""Host names: which ones a server answers to, and which addresses only this machine can reach (pure).

A page of somebody else can point a name of its own at 127.0.0.1 and then read what a server there answers
("DNS rebinding"). The browser sends that name in the header `Host`, so an unknown name is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from monitor_agent.http_client.address import is_loopback

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
ANY = "*"


def host_of(header: str) -> str:
    """Return the host of a header `Host`, in small letters, without port and brackets.

    >>> [host_of(header) for header in ("Example.org:8500", "[::1]:8500", "10.0.0.1", "example.org.", "::1")]
    ['example.org', '::1', '10.0.0.1', 'example.org', '::1']
    """
    text = header.strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    name = text.rpartition(":")[0] if text.count(":") == 1 else text
    return name.rstrip(".")


class AllowedHosts:
    """The host names that a server answers to.

    Parameters
    ----------
    listening_on : the address that the server listens on.
    patterns : names, names such as `*.example.org`, or `*`; empty = any name, but only names of this machine if
        nobody else reaches the server.
    """

    def __init__(self, listening_on: str, patterns: Iterable[str]) -> None:
        names = [pattern.lower().rstrip(".") for pattern in patterns]
        self._any = ANY in names or (not names and not is_loopback(listening_on))
        self._names = {
            *LOOPBACK_NAMES,
            host_of(listening_on),
            *(host_of(name) for name in names if name[:2] != "*."),
        }
        self._ends = tuple(pattern[1:] for pattern in names if pattern.startswith("*."))

    def accept(self, header: str, own_address: Callable[[], str]) -> bool:
        """Return whether the server answers to a header `Host`.

        Parameters
        ----------
        own_address : returns the address to which the client is connected: a probe may use it as the name.

        >>> AllowedHosts("0.0.0.0", ["*.example.org"]).accept("a.example.org:8500", lambda: "10.0.0.1")
        True
        """
        if self._any:
            return True
        host = host_of(header)
        return host in self._names or host.endswith(self._ends or "\0") or host == own_address()
