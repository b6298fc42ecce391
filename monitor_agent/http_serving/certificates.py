"""A server's certificate: read again when its files change, and kept while the new files cannot be used."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import structlog

from monitor_agent.errors import SettingsError
from monitor_agent.files import ReloadedFiles
from monitor_agent.http_serving.expiry import end_of, expiry_warning
from monitor_agent.http_serving.server_warning import ServerWarning

REMINDER_SECONDS = 86_400.0
_log = structlog.get_logger()


@dataclass(frozen=True)
class _Loaded:
    context: ssl.SSLContext
    end: datetime | None


class Certificates:
    """The TLS context with the certificate and the key that the two files hold now; for one thread.

    Parameters
    ----------
    cert, key : the files (PEM).
    prefix : the first part of the settings that name them, such as `MODEL_SERVER`.
    now : returns the time, UTC.

    Raises
    ------
    SettingsError
        If the files cannot be used.
    """

    def __init__(
        self,
        cert: str,
        key: str,
        prefix: str,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._setting = f"{prefix}_TLS_CERT={cert}"
        self._cert = cert
        self._now = now
        self._monotonic = monotonic
        self._next_reminder = 0.0
        self._files = ReloadedFiles(
            [Path(cert), Path(key)], lambda: _load(cert, key, prefix), _report_unusable, monotonic=monotonic
        )

    @property
    def warning(self) -> ServerWarning | None:
        """Return what to say about the end of the certificate; None if that is far away."""
        return expiry_warning(self._files.value.end, self._setting, self._now())

    def context(self) -> ssl.SSLContext:
        """Return the context for a new connection; read the files before if they have changed."""
        self.refresh()
        return self._files.value.context

    def refresh(self) -> None:
        """Read the files again if they have changed; if they cannot be used, keep the old ones and say so once.

        At the first call, for each new certificate and then once a day, a certificate that ends soon is told.
        """
        monotonic = self._monotonic()
        if self._files.refresh():
            _log.info("the server uses the new certificate", file=self._cert)
        elif monotonic < self._next_reminder:
            return
        self._next_reminder = monotonic + REMINDER_SECONDS
        warning = self.warning
        if warning is not None:
            _log.warning(str(warning))


def _report_unusable(error: SettingsError) -> None:
    _log.warning(f"the new certificate cannot be used, the server keeps the old one: {error}")


def _load(cert: str, key: str, prefix: str) -> _Loaded:
    """Return a context with a certificate and its key: TLS 1.2 or newer, HTTP/1.1; and when the certificate ends."""
    cert_setting, key_setting = f"{prefix}_TLS_CERT={cert}", f"{prefix}_TLS_KEY={key}"
    certificate = _content(cert, cert_setting)
    if b"-----BEGIN CERTIFICATE-----" not in certificate:
        raise SettingsError(f"{cert_setting} holds no certificate", "name a file in PEM form")
    text = _content(key, key_setting)
    if b"PRIVATE KEY-----" not in text:
        raise SettingsError(f"{key_setting} holds no private key", "name a file in PEM form")
    if b"ENCRYPTED" in text:
        raise SettingsError(
            f"{key_setting} is encrypted, and the server asks nobody for its password",
            "decrypt it (`openssl pkey -in FILE -out FILE`) and let only the server's account read it",
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise SettingsError(
                f"{key_setting} is not the key of the certificate in {cert}", "name the two files of one certificate"
            ) from error
        reason = (error.reason or str(error)).lower().replace("_", " ")
        raise SettingsError(f"{cert_setting} and {key_setting} cannot be used ({reason})", "renew them") from error
    except OSError as error:
        raise SettingsError(
            f"{cert_setting} and {key_setting} cannot be read ({error.strerror})", "correct the files"
        ) from error
    return _Loaded(context, end_of(certificate))


def _content(path: str, setting: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError(
            f"{setting} cannot be read ({reason})", "correct the path, or let the server's account read the file"
        ) from error
