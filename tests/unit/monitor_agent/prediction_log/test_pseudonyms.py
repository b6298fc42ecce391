"""Pseudonyms and their key."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor_agent.errors import SettingsError
from monitor_agent.prediction_log.pseudonyms import KEY_FILE, Pseudonyms, load_key


def test_a_random_key_is_created_once(tmp_path: Path) -> None:
    """Without a configured key a key file is created, for its owner only: ids stay the same after a restart."""
    folder = tmp_path / "log"
    key = load_key("", folder)

    assert len(key) == 64
    assert load_key("", folder) == key
    assert (folder / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]


def test_a_configured_key_leaves_no_file(tmp_path: Path) -> None:
    """A configured key is used unchanged."""
    assert load_key("0123456789abcdef", tmp_path) == "0123456789abcdef"
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    """A short key, such as that of an empty file, is refused; the error says what to do."""
    with pytest.raises(SettingsError, match="give one of at least 16 characters"):
        load_key("secret", tmp_path)
    (tmp_path / KEY_FILE).touch()
    with pytest.raises(SettingsError, match="has 0 characters"):
        load_key("", tmp_path)


def test_a_pseudonym_depends_on_text_and_key() -> None:
    """The same text has the same pseudonym with the same key, and another pseudonym with another key."""
    first, second = Pseudonyms("k" * 16), Pseudonyms("l" * 16)

    assert first("user-1") == first("user-1") != first("user-2")
    assert first("user-1") != second("user-1")
