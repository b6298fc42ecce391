"""Passwords are generated once, and only their owner can read them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from monitor_agent.contracts.roles import ROLES
from monitor_agent.errors import StackError
from monitor_agent.stack.embedded import users


def test_passwords_are_generated_once_and_private(tmp_path: Path) -> None:
    """The same folder gives the same passwords; the file is for its owner only; all are different."""
    first = users.passwords(tmp_path)

    assert users.passwords(tmp_path) == first
    assert (tmp_path / users.PASSWORDS_FILE).stat().st_mode & 0o777 == 0o600
    assert len(set(first.values())) == len(first) == len(ROLES) + 2


def test_a_new_role_gets_a_password_and_the_old_ones_stay(tmp_path: Path) -> None:
    """Stored passwords stay if a user is added."""
    (tmp_path / users.PASSWORDS_FILE).write_text('{"admin": "kept"}')

    assert users.passwords(tmp_path)["admin"] == "kept"
    assert set(users.passwords(tmp_path)) == {"admin", "viewer", *ROLES}


def test_a_damaged_password_file_is_one_line(tmp_path: Path) -> None:
    """A file that is no JSON is a StackError with a hint."""
    (tmp_path / users.PASSWORDS_FILE).write_text("{")

    with pytest.raises(StackError, match="delete it to get new passwords"):
        users.passwords(tmp_path)


def test_the_roles_file_equals_the_roles() -> None:
    """`roles.yml`, read as YAML, holds the roles of the contracts."""
    assert yaml.safe_load(users.roles_yaml(ROLES)) == ROLES
