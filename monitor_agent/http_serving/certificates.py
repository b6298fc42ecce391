"""A server's certificate: read again when its files change, and kept while the new files cannot be used."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from monitor_agent.errors import SettingsError

RETRY_SECONDS = 5.0
"""Files that cannot be used are tried again after this time, even if they have not changed."""
_log = structlog.get_logger()
_FileState = tuple[int, ...]


class Certificates:
    """The TLS context with the certificate and the key that the two files hold now; for one thread.

    Parameters
    ----------
    cert, key : the files (PEM).
    prefix : the first part of the settings that name them, such as `MODEL_SERVER`.

    Raises
    ------
    SettingsError
        If the files cannot be used.
    """

    def __init__(self, cert: str, key: str, prefix: str) -> None:
        self._files = (cert, key)
        self._prefix = prefix
        self._state = self._states()
        self._context = _load(cert, key, prefix)
        self._refused: Sequence[_FileState] = ()
        self._retry_at = 0.0
        self._reported = ""

    def context(self) -> ssl.SSLContext:
        """Return the context for a new connection; read the files before if they have changed."""
        self.refresh()
        return self._context

    def refresh(self) -> None:
        """Read the files again if they have changed; if they cannot be used, keep the old ones and say so once."""
        state, now = self._states(), time.monotonic()
        if state == self._state or (state == self._refused and now < self._retry_at):
            return
        try:
            self._context = _load(*self._files, self._prefix)
        except SettingsError as error:
            self._refused, self._retry_at = state, now + RETRY_SECONDS
            if str(error) != self._reported:
                self._reported = str(error)
                _log.warning(f"the new certificate cannot be used, the server keeps the old one: {error}")
            return
        self._state, self._refused, self._reported = state, (), ""
        _log.info("the server uses the new certificate", file=self._files[0])

    def _states(self) -> Sequence[_FileState]:
        return tuple(_state(path) for path in self._files)


def _state(path: str) -> _FileState:
    """Return what changes when a file, or the file behind a link, is written or replaced; () if it is not there."""
    try:
        status = Path(path).stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _load(cert: str, key: str, prefix: str) -> ssl.SSLContext:
    """Return a context with a certificate and its key: TLS 1.2 or newer, HTTP/1.1."""
    cert_setting, key_setting = f"{prefix}_TLS_CERT={cert}", f"{prefix}_TLS_KEY={key}"
    if b"-----BEGIN CERTIFICATE-----" not in _content(cert, cert_setting):
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
    return context


def _content(path: str, setting: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError(
            f"{setting} cannot be read ({reason})", "correct the path, or let the server's account read the file"
        ) from error
