"""Pseudonyms and their key."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_server.pseudonyms import KEY_FILE, Pseudonyms, load_key
from monitor_agent.errors import SettingsError


def test_a_random_key_is_made_once(tmp_path: Path) -> None:
    """Without a configured key the folder keeps one, readable by its owner only: ids stay the same after a restart."""
    folder = tmp_path / "log"
    key = load_key("", folder)

    assert len(key) == 64
    assert load_key("", folder) == key
    assert (folder / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]


def test_a_configured_key_leaves_no_file(tmp_path: Path) -> None:
    """A key from outside is used as it is."""
    assert load_key("0123456789abcdef", tmp_path) == "0123456789abcdef"
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    """Short keys, such as an empty file's, are refused with what to do."""
    with pytest.raises(SettingsError, match="MODEL_SERVER_HMAC_KEY 16 or more"):
        load_key("secret", tmp_path)
    (tmp_path / KEY_FILE).touch()
    with pytest.raises(SettingsError, match="has 0 characters"):
        load_key("", tmp_path)


def test_a_pseudonym_depends_on_text_and_key() -> None:
    """The same text gets the same pseudonym by one key, another by another key."""
    one, other = Pseudonyms("k" * 16), Pseudonyms("l" * 16)

    assert one("user-1") == one("user-1") != one("user-2")
    assert one("user-1") != other("user-1")
