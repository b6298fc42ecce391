"""The users and roles of the embedded Elasticsearch, as the files that its file realm reads.

There is one user for each role of `monitor_agent.contracts.roles`, named like it. `viewer` has the roles for all that
the dashboards show, and `admin` the built-in role `superuser`. Passwords are generated once and kept in the data
folder, readable by its owner only.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monitor_agent.contracts.role_names import ANALYST, DEADLETTER_READER
from monitor_agent.contracts.roles import ROLES
from monitor_agent.errors import StackError
from monitor_agent.files import replace_file

ADMIN = "admin"
VIEWER = "viewer"
PASSWORDS_FILE = "passwords.json"
# The default of Elasticsearch's own `pbkdf2` algorithm; the passwords are random, 144 bits each.
ITERATIONS = 10_000
SALT_BYTES = 32
KEY_BYTES = 32
PASSWORD_BYTES = 18


def roles_by_user() -> dict[str, tuple[str, ...]]:
    """Return the roles of each user, `admin` first."""
    return {ADMIN: ("superuser",), **{role: (role,) for role in ROLES}, VIEWER: (ANALYST, DEADLETTER_READER)}


def passwords(folder: Path) -> dict[str, str]:
    """Return the password of every user, generating (and keeping in `folder`, mode 0600) those that are missing."""
    path = folder / PASSWORDS_FILE
    stored = read_passwords(folder)
    complete = {user: stored.get(user) or secrets.token_urlsafe(PASSWORD_BYTES) for user in roles_by_user()}
    if complete != stored:
        replace_file(path, json.dumps(complete, indent=2), sync=True, mode=0o600)
    return complete


def read_passwords(folder: Path) -> dict[str, str]:
    """Return the passwords kept in `folder`; empty if there are none yet.

    Raises
    ------
    StackError
        If the file cannot be read.
    """
    path = folder / PASSWORDS_FILE
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StackError(
            f"{path} cannot be read ({error})", "correct its permissions, or delete it to get new passwords"
        ) from error
    return {str(user): str(password) for user, password in stored.items()}


def hash_password(password: str, salt: bytes) -> str:
    """Return the hash of `password` for a line of the `users` file: PBKDF2 with HMAC-SHA512.

    Parameters
    ----------
    password : any text.
    salt : 32 random bytes.

    >>> hash_password("secret", bytes(32))[:59]
    '{PBKDF2}10000$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=$'
    """
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS, KEY_BYTES)
    return f"{{PBKDF2}}{ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def realm_files(passwords_by_user: Mapping[str, str]) -> dict[str, str]:
    """Return the text of each file of the realm by its name: `users`, `users_roles`, `roles.yml`."""
    users = [
        f"{user}:{hash_password(password, os.urandom(SALT_BYTES))}" for user, password in passwords_by_user.items()
    ]
    users_by_role: dict[str, list[str]] = {}
    for user, roles in roles_by_user().items():
        for role in roles:
            users_by_role.setdefault(role, []).append(user)
    lines = [f"{role}:{','.join(names)}" for role, names in users_by_role.items()]
    return {
        "users": "\n".join(users) + "\n",
        "users_roles": "\n".join(lines) + "\n",
        "roles.yml": roles_yaml(ROLES),
    }


def roles_yaml(roles: Mapping[str, Mapping[str, Any]]) -> str:
    """Return `roles.yml`: one role a line, its body in JSON, which is YAML too."""
    return "".join(f"{name}: {json.dumps(body)}\n" for name, body in roles.items())
