"""The users and roles of the embedded Elasticsearch, as the files that its file realm reads.

There is one user for each role of `monitor_agent.contracts.roles`, named like it, and `admin` with the built-in role
`superuser` for setting up. Passwords are generated once and kept in the data folder, readable by its owner only.
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

from monitor_agent.contracts.roles import ROLES
from monitor_agent.errors import StackError
from monitor_agent.files import replace_file

ADMIN = "admin"
PASSWORDS_FILE = "passwords.json"
# The number that Elasticsearch's own `pbkdf2` algorithm takes by default; the passwords are random, 144 bits each.
ITERATIONS = 10_000
SALT_BYTES = 32
KEY_BYTES = 32
PASSWORD_BYTES = 18


def roles_by_user() -> dict[str, str]:
    """Return the role of each user, `admin` first."""
    return {ADMIN: "superuser", **{role: role for role in ROLES}}


def passwords(folder: Path) -> dict[str, str]:
    """Return the password of every user, generating (and keeping in `folder`, mode 0600) those that are missing."""
    path = folder / PASSWORDS_FILE
    known = read_passwords(folder)
    wanted = {user: known.get(user) or secrets.token_urlsafe(PASSWORD_BYTES) for user in roles_by_user()}
    if wanted != known:
        replace_file(path, json.dumps(wanted, indent=2), sync=True, mode=0o600)
    return wanted


def read_passwords(folder: Path) -> dict[str, str]:
    """Return the passwords kept in `folder`; empty when there are none yet."""
    path = folder / PASSWORDS_FILE
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StackError(
            f"{path} cannot be read ({error})", "mend its permissions, or delete it for new ones"
        ) from error
    return {str(user): str(password) for user, password in stored.items()}


def hashed(password: str, salt: bytes) -> str:
    """Return `password` as a line of the `users` file holds it: PBKDF2 with HMAC-SHA512.

    Parameters
    ----------
    password : any text.
    salt : 32 random bytes.

    >>> hashed("secret", bytes(32))[:59]
    '{PBKDF2}10000$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=$'
    """
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS, KEY_BYTES)
    return f"{{PBKDF2}}{ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def realm_files(passwords_by_user: Mapping[str, str]) -> dict[str, str]:
    """Return the text of each file of the realm by its name: `users`, `users_roles`, `roles.yml`."""
    users = [f"{user}:{hashed(password, os.urandom(SALT_BYTES))}" for user, password in passwords_by_user.items()]
    roles = [f"{role}:{user}" for user, role in roles_by_user().items()]
    return {
        "users": "\n".join(users) + "\n",
        "users_roles": "\n".join(roles) + "\n",
        "roles.yml": roles_yaml(ROLES),
    }


def roles_yaml(roles: Mapping[str, Mapping[str, Any]]) -> str:
    """Return `roles.yml`: one role a line, its body in JSON, which is YAML too."""
    return "".join(f"{name}: {json.dumps(body)}\n" for name, body in roles.items())
