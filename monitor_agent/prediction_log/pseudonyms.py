"""Pseudonyms of people's ids and queries: HMAC-SHA256, so that logs can match the same person, but not name them."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from monitor_agent.errors import SettingsError
from monitor_agent.files import GROUP_FOLDER, private_folder

KEY_FILE = "hmac.key"
MIN_KEY_LENGTH = 16


class Pseudonyms:
    """Turns texts into pseudonyms with a key."""

    def __init__(self, key: str) -> None:
        self._keyed = hmac.new(key.encode(), digestmod=hashlib.sha256)

    def __call__(self, text: str) -> str:
        """Return the HMAC-SHA256 of a text, 64 hexadecimal digits.

        >>> Pseudonyms("0123456789abcdef")("user-1")[:16]
        '9671a70114c638ee'
        """
        keyed = self._keyed.copy()
        keyed.update(text.encode())
        return keyed.hexdigest()


def load_key(configured: str, folder: Path) -> str:
    """Return the configured key; if it is empty, the random key in the file of `folder`, which is created once.

    Raises
    ------
    SettingsError
        If the key is too short, or cannot be read or written.
    """
    path = folder / KEY_FILE
    if not configured:
        try:
            _create_key(path)
            configured = path.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise SettingsError(f"{path} cannot be read or written ({error})", "give a key") from error
    if len(configured) < MIN_KEY_LENGTH:
        raise SettingsError(
            f"the key for ids has {len(configured)} characters",
            f"give one of at least {MIN_KEY_LENGTH} characters, or leave it empty and remove {path}",
        )
    return configured


def _create_key(path: Path) -> None:
    """Write a random key that only this account can read, unless the file exists; a reader never sees half a key."""
    if path.exists():
        return
    private_folder(path.parent, GROUP_FOLDER)  # the event log tightens it, unless its group may read the events
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(secrets.token_hex(32) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its key counts
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
