"""The rows of a set-up in which all is well, or nothing is set; docs/troubleshooting.md has the mistakes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from model_server.api_keys import add_key
from monitor_agent.clock import SystemClock
from monitor_agent.diagnosis import diagnose, folders, machine, serving, web
from monitor_agent.diagnosis.check_result import OK, SKIPPED, WARNING
from monitor_agent.settings import KibanaSettings, ServerSettings, load
from tests.kibana_stand_in import kibana_stand_in


def test_the_model_is_named_without_tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a folder of models, `up` serves the demo's: that is no fault."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    version = tmp_path / "models" / "3"
    version.mkdir(parents=True)
    (version / "saved_model.pb").touch()
    (version / "model.json").write_text(json.dumps({"name": "click", "threshold": 0.5}), encoding="utf-8")

    served = serving.check_model(ServerSettings(model_dir=str(tmp_path / "models")))

    assert (served.state, served.finding) == (OK, f"click 3 in {version}")
    assert serving.check_model(ServerSettings()).state == SKIPPED
    assert serving.check_limits(ServerSettings()).state == OK


def test_a_file_of_keys_that_others_can_read_is_a_warning(tmp_path: Path) -> None:
    """A private one is fine; without one, the server wants no key."""
    path = tmp_path / "keys.json"
    add_key(path, "shop", ("predict",), SystemClock().now())
    settings = ServerSettings(api_keys=str(path))

    assert serving.check_keys(settings).state == OK
    path.chmod(0o644)
    assert serving.check_keys(settings).remedy == f"run `chmod 600 {path}`"
    assert serving.check_keys(ServerSettings()).state == SKIPPED


def test_kibana_is_named_with_its_version() -> None:
    """It is skipped if nobody has configured one."""
    with kibana_stand_in("ApiKey secret") as server:
        row = web.check_kibana(KibanaSettings(url=server.url, api_key="secret"))

        assert row.state == OK
        assert row.finding.startswith(f"{server.url}: version 9.")
    assert web.check_kibana(KibanaSettings(folder="elsewhere")).state == SKIPPED


def test_proxies_are_shown_without_their_passwords() -> None:
    """Small letters count, as for all programs; without a proxy, the row is skipped."""
    (row,) = web.check_proxies({"https_proxy": "http://me:hunter2@proxy:3128"})
    (none,) = web.check_proxies({"NO_PROXY": "*"})

    assert (row.state, "hunter2" in row.finding, "proxy:3128" in row.finding) == (OK, False, True)
    assert none.state == SKIPPED


def test_default_folders_that_cannot_be_made_are_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine may run components that do not need them; a folder that somebody has set must be usable."""
    monkeypatch.chdir(tmp_path)
    assert [row.state for row in folders.check_folders(load({}))] == [OK]

    (tmp_path / "var").touch()

    assert {row.state for row in folders.check_folders(load({}))} == {WARNING}


def test_extras_that_are_installed_are_fine() -> None:
    """The tests run with all of them."""
    assert [row.state for row in machine.check_extras()] == [OK, OK, OK, OK]


@pytest.mark.parametrize("error", [KeyError("nodes"), OSError("gone"), RecursionError()])
def test_a_check_that_fails_itself_hides_no_other_row(error: Exception) -> None:
    """Its row says so in one line."""

    def fail() -> list[object]:
        raise error

    check: Callable[[], list[object]] = fail
    (row,) = diagnose._safely("disk space", check)  # type: ignore[arg-type]

    assert (row.check, row.state) == ("disk space", WARNING)
    assert row.finding.startswith("it cannot be checked (")
