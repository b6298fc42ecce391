"""The file of API keys: names, rights and hashes; it never holds a key.

A key has 256 random bits, so a plain SHA-256 is enough: nobody can try all keys, as somebody may try all passwords.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from monitor_agent.errors import SettingsError
from monitor_agent.files import FileLock, ReloadedFiles, replace_file

PREDICT, FEEDBACK, ADMIN = "predict", "feedback", "admin"
RIGHTS = (PREDICT, FEEDBACK, ADMIN)
DEFAULT_RIGHTS = (PREDICT, FEEDBACK)
VARIABLE = "MODEL_SERVER_API_KEYS"
PREFIX = "mmk_"
"""How every key begins, so that scanners for secrets, and people, recognise it."""
SECRET_BYTES = 32
PRIVATE = 0o600
OTHER_ACCOUNTS = 0o077
RELOAD_SECONDS = 1.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")
_log = structlog.get_logger()


@dataclass(frozen=True)
class ApiKey:
    """What is stored of a key.

    Attributes
    ----------
    rights : of `RIGHTS`.
    created : when it was made, RFC 3339, UTC.
    sha256 : the hash of the key, 64 hexadecimal digits.
    """

    name: str
    rights: tuple[str, ...]
    created: str
    sha256: str

    def document(self) -> dict[str, Any]:
        """Return the entry of the file."""
        return {"name": self.name, "rights": list(self.rights), "created": self.created, "sha256": self.sha256}


def parse_rights(text: str) -> tuple[str, ...]:
    """Return the rights that a text names, in the order of `RIGHTS`.

    Raises
    ------
    SettingsError
        If it names none, or one that does not exist.

    >>> parse_rights("feedback, predict")
    ('predict', 'feedback')
    """
    names = {name.strip() for name in text.split(",") if name.strip()}
    if not names or not names <= set(RIGHTS):
        wrong = ", ".join(sorted(names - set(RIGHTS)))
        raise SettingsError(f"--rights: {wrong or 'nothing'} is no right", f"give some of {', '.join(RIGHTS)}")
    return tuple(right for right in RIGHTS if right in names)


def add_key(path: Path, name: str, rights: Sequence[str], now: datetime, *, replace: bool = False) -> str:
    """Make a key, store its hash, and return the key: it cannot be read again.

    Parameters
    ----------
    replace : whether a key that has this name ends.

    Raises
    ------
    SettingsError
        If the name is malformed or taken, or the file cannot be used.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{name!r} is no name of a key", "use up to 64 letters, digits, dots, hyphens")
    key = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    with _changing(path) as keys:
        if any(stored.name == name for stored in keys):
            if not replace:
                raise SettingsError(f"there is a key {name} already", "use --replace: the old key ends then")
            keys[:] = [stored for stored in keys if stored.name != name]
        keys.append(ApiKey(name, tuple(rights), now.isoformat(timespec="seconds"), digest(key)))
    return key


def remove_key(path: Path, name: str) -> None:
    """Remove a key.

    Raises
    ------
    SettingsError
        If there is no such key, or the file cannot be used.
    """
    with _changing(path) as keys:
        left = [stored for stored in keys if stored.name != name]
        if len(left) == len(keys):
            names = ", ".join(stored.name for stored in keys) or "none"
            raise SettingsError(f"there is no key {name!r}", f"there are: {names}")
        keys[:] = left


def read_keys(path: Path) -> list[ApiKey]:
    """Return the keys of a file.

    Raises
    ------
    SettingsError
        If the file cannot be read, or is no file of keys.
    """
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        problem = f"{VARIABLE}={path} cannot be read ({error.strerror or error})"
        is_missing = isinstance(error, FileNotFoundError)
        remedy = "make it by `model-server keys add NAME`" if is_missing else "name a file that this account can read"
        raise SettingsError(problem, remedy) from error
    except (ValueError, RecursionError) as error:
        raise _broken(path, "it is not JSON") from error
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise _broken(path, "the list `keys` is missing")
    keys = [_key(path, entry) for entry in entries]
    if len({key.name for key in keys}) < len(keys):
        raise _broken(path, "two keys have the same name")
    return keys


def digest(key: str) -> str:
    """Return the hash of a key, 64 hexadecimal digits."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


class ApiKeys:
    """The keys of a file, read again when the file changes; safe for threads.

    A file that becomes unreadable or broken changes nothing: the keys before stay, and one warning says why.

    Raises
    ------
    SettingsError
        If the file cannot be used now.
    """

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._keys = ReloadedFiles([path], lambda: read_keys(path), _report_unusable, RELOAD_SECONDS, monotonic)
        if path.stat().st_mode & OTHER_ACCOUNTS:
            _log.warning(f"{VARIABLE}={path} can be read or written by other accounts: run `chmod 600 {path}`")

    def owner(self, key: str) -> ApiKey | None:
        """Return what is stored of a key, in a time that does not depend on the key; None if it is unknown."""
        if self._keys.refresh():
            _log.info("API keys read", keys=len(self._keys.value))
        presented, owner = digest(key), None
        for stored in self._keys.value:
            if hmac.compare_digest(stored.sha256, presented):
                owner = stored
        return owner


def _report_unusable(error: SettingsError) -> None:
    _log.warning(f"the changed API keys are not used, the keys before stay: {error}")


def _key(path: Path, entry: Any) -> ApiKey:
    stored = entry if isinstance(entry, dict) else {}
    name, rights, sha256 = stored.get("name"), stored.get("rights"), stored.get("sha256")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _broken(path, "a key has no valid name")
    if not isinstance(rights, list) or not rights or any(right not in RIGHTS for right in rights):
        raise _broken(path, f"the rights of {name} are not some of {', '.join(RIGHTS)}")
    if not isinstance(sha256, str) or not _HASH.fullmatch(sha256):
        raise _broken(path, f"{name} has no SHA-256")
    return ApiKey(name, tuple(rights), str(stored.get("created", "")), sha256)


def _broken(path: Path, reason: str) -> SettingsError:
    return SettingsError(f"{VARIABLE}={path} is no file of keys: {reason}", "correct it, or make it anew")


@contextmanager
def _changing(path: Path) -> Iterator[list[ApiKey]]:
    """Yield the keys of a file to be changed, and write them; another process that changes them waits."""
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock.acquire(wait=True)
        try:
            keys = read_keys(path) if path.exists() else []
            yield keys
            document = {"keys": [key.document() for key in keys]}
            replace_file(path, json.dumps(document, indent=2) + "\n", sync=True, mode=PRIVATE)
        finally:
            lock.release()
    except OSError as error:
        reason = error.strerror or str(error)
        problem = f"{VARIABLE}={path} cannot be written ({reason})"
        raise SettingsError(problem, "name a file in another folder") from error
