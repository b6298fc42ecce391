"""The settings that every HTTP server of the product has; each server has its own variables for them."""

from __future__ import annotations

import dataclasses
import inspect
import ipaddress
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from monitor_agent.durations import format_duration
from monitor_agent.errors import SettingsError
from monitor_agent.settings.setting_info import info_of, setting

_HOST = re.compile(r"\*|(?:\*\.)?[A-Za-z0-9_.-]+|\[?[0-9A-Fa-f:.]+\]?")
LEAST_CONNECTIONS = 8


@dataclass(frozen=True)
class HttpSettings:
    """The settings of a server: TLS, allowed hosts, proxies and limits.

    A section of a server inherits them: `class ServerSettings(HttpSettings, prefix="MODEL_SERVER")`. Its variables
    are those below with that prefix. A section with `__post_init__` calls this one.
    """

    prefix: ClassVar[str] = ""

    tls_cert: str = setting(
        "",
        "TLS_CERT",
        "file with the certificate (PEM), with the certificates between it and its authority: the server then speaks "
        "https; it is read again when it changes",
    )
    tls_key: str = setting("", "TLS_KEY", "file with the certificate's private key (PEM, not encrypted)")
    allowed_hosts: tuple[str, ...] = setting(
        (),
        "ALLOWED_HOSTS",
        "host names that requests may use, such as `monitor.example.org`, `*.example.org`, or `*` for any; empty = "
        "any, but only this machine's names if the server listens on the loopback. Health probes may always use "
        "`localhost` and the address that they connect to",
    )
    trusted_proxies: tuple[str, ...] = setting(
        (),
        "TRUSTED_PROXIES",
        "addresses or networks of proxies whose `X-Forwarded-For`, `-Proto`, `-Host` and `-Prefix` are believed; "
        "empty = none",
    )
    max_connections: int = setting(
        1000,
        "MAX_CONNECTIONS",
        "most open connections; beyond it, the one that has waited longest without a complete request is closed",
    )
    header_timeout: timedelta = setting(
        timedelta(seconds=10), "HEADER_TIMEOUT", "longest wait for a TLS handshake, and for the header of a request"
    )
    body_timeout: timedelta = setting(
        timedelta(seconds=20),
        "BODY_TIMEOUT",
        "longest wait for the body of a request; a body that comes gets one second more for each 1000 bytes",
    )
    idle_timeout: timedelta = setting(
        timedelta(minutes=2), "IDLE_TIMEOUT", "how long a connection stays open without a further request"
    )
    answer_timeout: timedelta = setting(
        timedelta(seconds=30),
        "ANSWER_TIMEOUT",
        "longest wait for a client to take an answer; one that takes it gets one second more for each 1000 bytes",
    )

    def __init_subclass__(cls, *, prefix: str) -> None:
        """Give the section its own variables."""
        super().__init_subclass__()
        cls.prefix = prefix
        annotations = dict(inspect.get_annotations(cls))
        for entry in dataclasses.fields(HttpSettings):
            info = info_of(entry)
            annotations[entry.name] = entry.type
            setattr(cls, entry.name, setting(entry.default, f"{prefix}_{info.variable}", info.help, unit=info.unit))
        cls.__annotations__ = annotations

    def __post_init__(self) -> None:
        """Refuse half a certificate, times and numbers that are none, and malformed names of hosts and proxies."""
        if bool(self.tls_cert) != bool(self.tls_key):
            half, other = ("CERT", "KEY") if self.tls_cert else ("KEY", "CERT")
            raise SettingsError(
                f"{self.prefix}_TLS_{half} is set and {self.prefix}_TLS_{other} is not", "set both or none"
            )
        for name in ("header_timeout", "body_timeout", "idle_timeout", "answer_timeout"):
            length: timedelta = getattr(self, name)
            if length <= timedelta():
                variable = f"{self.prefix}_{name.upper()}"
                raise SettingsError(f"{variable}={format_duration(length)} is no length of time", "give more than 0s")
        if self.max_connections < LEAST_CONNECTIONS:
            raise SettingsError(
                f"{self.prefix}_MAX_CONNECTIONS={self.max_connections} is too small",
                f"set it to {LEAST_CONNECTIONS} or more",
            )
        for name in self.allowed_hosts:
            if not _HOST.fullmatch(name):
                raise SettingsError(
                    f"{self.prefix}_ALLOWED_HOSTS: {name!r} is no host name",
                    "give names such as monitor.example.org or *.example.org, without scheme and port",
                )
        for text in self.trusted_proxies:
            try:
                ipaddress.ip_network(text, strict=False)
            except ValueError as error:
                raise SettingsError(
                    f"{self.prefix}_TRUSTED_PROXIES: {text!r} is neither an address nor a network",
                    "write 10.0.0.7 or 10.0.0.0/8",
                ) from error
