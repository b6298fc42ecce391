"""Addresses of Elasticsearch and Kibana: one meaning of a text everywhere, and one form in which it is shown.

The meaning is that of Logstash's `hosts`: without a scheme it is http, and without a port it is the product's own port,
with https as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import quote, unquote

from monitor_agent.errors import SettingsError

ELASTICSEARCH_PORT = 9200
KIBANA_PORT = 5601
LARGEST_PORT = 65_535
_SCHEMES = ("http", "https")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?", re.IGNORECASE)
_QUERY = re.compile(r"\?[^,\s]+")
_LOGIN_IN_TEXT = re.compile(r"(?<=//)(?:[^/\s\"'<>]*@|[^/@\s\"'<>]*:[^/@\s\"'<>]*/[^@\s\"'<>]*@)")
_TOKEN_IN_TEXT = re.compile(r"([?&](?:[a-z_-]*(?:token|key|password|secret))=)[^&\s\"'<>]+", re.IGNORECASE)
_BROKEN_SCHEME = re.compile(r"(https?:/?|[a-z]+//)", re.IGNORECASE)
_QUOTES = "\"'`"
_PATH = "/%:@!$&'()*+,;=~-._"


@dataclass(frozen=True)
class HttpAddress:
    """An address of a server.

    Attributes
    ----------
    scheme : `http` or `https`.
    host : a name or an IP address, without brackets.
    path : what every request's path begins with, without a slash at its end; mostly empty.
    username, password : the user that the address names; empty if it names none.
    """

    scheme: str
    host: str
    port: int
    path: str = ""
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """The address without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Return whether a name or an IP address is this machine's own.

    >>> [is_loopback(host) for host in ("127.0.0.2", "::1", "localhost", "0.0.0.0", "::", "", "server.example.org")]
    [True, True, True, False, False, False, False]
    """
    name = host.strip("[]").lower()
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name.rstrip(".") == "localhost"


def without_credentials(text: str) -> str:
    """Return an address, right or wrong, without the user and the password that it may name.

    >>> without_credentials("https://user:secret@es-1:9200/path"), without_credentials("user:s@cret@es-1:9200")
    ('https://es-1:9200/path', 'es-1:9200')
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    return _QUERY.sub("?***", f"{scheme}{separator}{rest.rpartition('@')[2]}")


def with_user(url: str, username: str, password: str) -> str:
    """Return an address that names a user.

    >>> with_user("https://es-1:9200", "me", "p@ss/w")
    'https://me:p%40ss%2Fw@es-1:9200'
    """
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{quote(username, safe='')}:{quote(password, safe='')}@{rest}"


def mask_credentials(text: str) -> str:
    """Return a text with `***` in the place of each user, password and token of an address in it.

    >>> mask_credentials("no answer of http://user:secret@es-1:9200 (refused)")
    'no answer of http://***@es-1:9200 (refused)'
    """
    return _TOKEN_IN_TEXT.sub(r"\1***", _LOGIN_IN_TEXT.sub("***@", text))


def parse_address(text: str, name: str, default_port: int = ELASTICSEARCH_PORT) -> HttpAddress:
    """Return the address that a text means.

    Parameters
    ----------
    text : such as `https://es-1:9200`, `es-1`, `https://user:password@es-1/path`; `%40` in a user or a password is `@`.
    name : the setting that holds the text, for messages.
    default_port : the port if the text names none.

    Raises
    ------
    SettingsError
        If the text is no address; the message holds no user and no password.

    >>> parse_address("es-1", "ELASTICSEARCH_URL").url, parse_address("https://[::1]/es/", "ELASTICSEARCH_URL").url
    ('http://es-1:9200', 'https://[::1]:9200/es')
    """
    try:
        return _parsed(text, default_port)
    except _MistakeError as mistake:
        stated = f"{name}={without_credentials(text)!r}" if text.strip() else name
        form = f"write http://host:{default_port} or https://host:{default_port}"
        raise SettingsError(f"{stated}: {mistake}", mistake.hint or form) from None


class _MistakeError(Exception):
    """What is wrong with an address, and how to write it; without a hint the usual form is the answer."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


def _parsed(text: str, default_port: int) -> HttpAddress:
    stripped = text.strip()
    if not stripped:
        raise _MistakeError("there is no address")
    if stripped[0] in _QUOTES or stripped[-1] in _QUOTES:
        raise _MistakeError("there are quotation marks around the address", "remove them")
    if re.search(r"[\s\x00-\x1f\x7f]", stripped):
        raise _MistakeError("there is a blank in the address", "separate several addresses by commas")
    scheme, separator, rest = stripped.partition("://")
    if not separator:
        if _BROKEN_SCHEME.match(stripped):
            raise _MistakeError("the address begins neither with http:// nor with https://")
        scheme, rest = "http", stripped
    if scheme.lower() not in _SCHEMES:
        raise _MistakeError(f"{scheme}:// is neither http:// nor https://")
    authority, _, path = rest.partition("/")
    credentials, at_sign, place = authority.rpartition("@")
    if re.search(r"[?#]", rest):
        raise _MistakeError("there is ? or # in the address", "write ? and # of a password as %3F and %23")
    if "@" in path and not at_sign:
        raise _MistakeError("there is a / before the @", "write / of a password as %2F")
    username, password = _user(credentials) if at_sign else ("", "")
    host, port = _host_and_port(place)
    base = f"/{path}".rstrip("/")
    return HttpAddress(scheme.lower(), host, port or default_port, quote(base, safe=_PATH), username, password)


def _user(credentials: str) -> tuple[str, str]:
    username, _, password = credentials.partition(":")
    if not username or not password:
        raise _MistakeError("the address names no user with a password", "write user:password@ before the host")
    try:
        return unquote(username, errors="strict"), unquote(password, errors="strict")
    except UnicodeDecodeError as error:
        raise _MistakeError("user or password is not UTF-8", "write it as %XX of its UTF-8 bytes") from error


def _host_and_port(place: str) -> tuple[str, int]:
    """Return host and port of `host:port`; the port is 0 if there is none."""
    if "%" in place and ":" in place.partition("%")[0]:
        raise _MistakeError(
            "an IPv6 address with a zone (%) is not supported", "write an address without it, or a name"
        )
    if place.startswith("["):
        inner, bracket, port = place[1:].partition("]")
        if not bracket or not _is_ipv6(inner) or (port and not port.startswith(":")):
            raise _MistakeError("there is no IPv6 address in the brackets", f"write http://[::1]:{ELASTICSEARCH_PORT}")
        return inner, _port(port[1:]) if port else 0
    if _is_ipv6(place):
        raise _MistakeError("an IPv6 address stands in brackets", f"write http://[{place}]:{ELASTICSEARCH_PORT}")
    host, colon, port = place.partition(":")
    try:
        ascii_host = host.encode("idna").decode("ascii")
    except UnicodeError:
        ascii_host = ""
    if not _HOST.fullmatch(ascii_host):
        raise _MistakeError(f"{host!r} is no name of a host" if host else "there is no host in the address")
    return ascii_host, _port(port) if colon else 0


def _is_ipv6(text: str) -> bool:
    try:
        return ip_address(text).version == 6
    except ValueError:
        return False


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= LARGEST_PORT:
        raise _MistakeError(f"{text!r} is no port", f"give a number from 1 to {LARGEST_PORT}")
    return int(text)
