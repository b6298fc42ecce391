"""The file of API keys: it holds no key, survives two commands at once, and is read again when it changes."""

from __future__ import annotations

import hashlib
import io
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import pytest

from model_server import cli
from model_server.api_keys import ADMIN, FEEDBACK, PREDICT, ApiKeys, add_key, parse_rights, read_keys, remove_key
from monitor_agent.errors import SettingsError

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=timezone.utc)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets" / "keys.json"


def test_the_file_holds_hashes_only_and_is_private(path: Path) -> None:
    """Whoever reads the file cannot send requests."""
    key = add_key(path, "shop", [PREDICT], NOW)

    assert key not in path.read_text()
    assert hashlib.sha256(key.encode()).hexdigest() in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [(stored.name, stored.rights) for stored in read_keys(path)] == [("shop", (PREDICT,))]


def test_each_key_has_its_owner(path: Path) -> None:
    """A key that differs in one character, an empty one and one beyond ASCII have none."""
    keys = {name: add_key(path, name, [FEEDBACK], NOW) for name in ("shop", "app")}
    stored = ApiKeys(path)

    for name, key in keys.items():
        owner = stored.owner(key)
        assert owner is not None
        assert owner.name == name
    assert [stored.owner(key) for key in (keys["shop"][:-1], keys["shop"] + "x", "", "é\udce9")] == [None] * 4


def test_a_removed_and_a_replaced_key_end_without_a_restart(path: Path) -> None:
    """The running server looks at the file again."""
    moments = iter(range(0, 1000, 10))
    first, second = add_key(path, "shop", [PREDICT], NOW), add_key(path, "app", [PREDICT], NOW)
    stored = ApiKeys(path, lambda: float(next(moments)))
    assert stored.owner(first) is not None

    remove_key(path, "shop")
    third = add_key(path, "app", [PREDICT, ADMIN], NOW, replace=True)

    assert (stored.owner(first), stored.owner(second)) == (None, None)
    assert stored.owner(third) is not None


def test_a_broken_file_changes_nothing_and_is_reported_once(path: Path, service_log: io.StringIO) -> None:
    """An editor that writes half a file locks nobody out."""
    moments = iter(range(0, 1000, 10))
    key = add_key(path, "shop", [PREDICT], NOW)
    stored = ApiKeys(path, lambda: float(next(moments)))

    path.write_text("{")

    assert stored.owner(key) is not None
    assert stored.owner(key) is not None
    assert service_log.getvalue().count("the keys before stay") == 1


def test_commands_at_once_lose_no_key(path: Path) -> None:
    """Each waits for the file."""
    names = [f"client-{number}" for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: add_key(path, name, [PREDICT], NOW), names))

    assert sorted(stored.name for stored in read_keys(path)) == sorted(names)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "`keys` is missing"),
        ('{"keys": [{"name": "a b", "rights": ["predict"], "sha256": "0"}]}', "valid name"),
        ('{"keys": [{"name": "a", "rights": ["all"], "sha256": "0"}]}', "rights of a"),
        ('{"keys": [{"name": "a", "rights": ["predict"], "sha256": "plain"}]}', "no SHA-256"),
    ],
)
def test_a_file_that_is_none_is_refused(path: Path, content: str, reason: str) -> None:
    """The server does not start with it."""
    path.parent.mkdir()
    path.write_text(content)

    with pytest.raises(SettingsError, match=reason):
        ApiKeys(path)


def test_a_missing_file_names_the_command(path: Path) -> None:
    """A server without its file must not be open."""
    with pytest.raises(SettingsError, match="model-server keys add NAME"):
        ApiKeys(path)


def test_a_file_that_others_read_causes_a_warning(path: Path, service_log: io.StringIO) -> None:
    """The hashes are no secret, but whoever writes the file makes keys."""
    add_key(path, "shop", [PREDICT], NOW)
    path.chmod(0o644)
    ApiKeys(path)

    assert "chmod 600" in service_log.getvalue()


@pytest.mark.parametrize("text", ["", ",", "predict,write", "PREDICT"])
def test_unknown_rights_are_refused(text: str) -> None:
    """The line names the rights that there are."""
    with pytest.raises(SettingsError, match="predict, feedback, admin"):
        parse_rights(text)


def test_the_commands(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`add` prints the key alone on its standard output; `list` prints no key; errors are one line."""
    monkeypatch.setenv("MODEL_SERVER_API_KEYS", str(path))

    assert cli.main(["keys", "add", "shop", "--rights", "predict,feedback,admin"]) == 0
    key = capsys.readouterr().out.strip()
    assert ApiKeys(path).owner(key) is not None
    assert cli.main(["keys", "add", "shop"]) == 1
    assert "error: there is a key shop already: use --replace" in capsys.readouterr().err
    assert cli.main(["keys", "list", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["name"], entry["rights"]) == ("shop", [PREDICT, FEEDBACK, ADMIN])
    assert cli.main(["keys", "remove", "other"]) == 1
    assert "there are: shop" in capsys.readouterr().err
    assert cli.main(["keys", "remove", "shop"]) == 0
    assert read_keys(path) == []
    monkeypatch.delenv("MODEL_SERVER_API_KEYS")
    assert cli.main(["keys", "list"]) == 1
    assert "MODEL_SERVER_API_KEYS names no file" in capsys.readouterr().err
