"""Imports, exports and rules over HTTP, against a stand-in for Kibana."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor_agent.errors import KibanaError
from monitor_agent.kibana.api import Kibana
from monitor_agent.kibana.folder import read_alerts, read_objects
from monitor_agent.kibana.rules import CONNECTORS, rule
from monitor_agent.settings import KibanaSettings
from tests.command_line import monitor_agent
from tests.kibana_stand_in import KibanaStandIn, kibana_stand_in

ROOT = Path(__file__).parents[4]
COUNT = len(read_objects(ROOT / "kibana"))


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[KibanaStandIn]:
    """A Kibana that requires an API key, with a space; the settings name it, and a copy of `kibana/`."""
    shutil.copytree(ROOT / "kibana", tmp_path / "kibana")
    with kibana_stand_in("ApiKey secret") as server:
        monkeypatch.setenv("KIBANA_URL", server.url)
        monkeypatch.setenv("KIBANA_SPACE", "models")
        monkeypatch.setenv("KIBANA_API_KEY", "secret")
        monkeypatch.setenv("KIBANA_FOLDER", str(tmp_path / "kibana"))
        yield server


def settings_of(stand_in: KibanaStandIn, **changes: str) -> KibanaSettings:
    """Return settings that reach the stand-in."""
    return KibanaSettings(url=stand_in.url, **{"api_key": "secret", **changes})  # type: ignore[arg-type]


def test_everything_is_imported_into_the_space(stand_in: KibanaStandIn, capsys: pytest.CaptureFixture[str]) -> None:
    """One command imports all objects and reports how many."""
    assert monitor_agent("kibana", "import") == 0

    assert capsys.readouterr().out == f"{COUNT} objects imported, 0 of them replaced, 0 refused\n"
    assert set(stand_in.objects) == {"models"}
    assert len(stand_in.objects["models"]) == COUNT


@pytest.mark.usefixtures("stand_in")
def test_what_exists_is_a_conflict_until_it_may_be_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    """A second import is refused object by object, and the error names the remedy; --overwrite replaces them."""
    monitor_agent("kibana", "import")
    capsys.readouterr()

    assert monitor_agent("kibana", "import") == 1
    printed = capsys.readouterr()
    assert "dashboard:serving exists already\n" in printed.out
    assert printed.err == (
        f"error: {COUNT} of {COUNT} objects were refused: --overwrite replaces what exists;"
        " --dry-run shows how it differs\n"
    )

    assert monitor_agent("kibana", "import", "--overwrite") == 0
    assert f"{COUNT} objects imported, {COUNT} of them replaced" in capsys.readouterr().out


def test_a_dry_run_reports_the_differences_and_changes_nothing(
    stand_in: KibanaStandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    """New, different and foreign objects are reported; the only request is an export."""
    monitor_agent("kibana", "import")
    stored = stand_in.objects["models"]
    stored["lens", "serving-p95"]["attributes"]["title"] = "Changed in Kibana"
    del stored["search", "dead-letters"]
    foreign = {**stored["lens", "serving-p50"], "id": "our-own"}
    stored["lens", "our-own"] = foreign
    stand_in.requests.clear()
    capsys.readouterr()

    assert monitor_agent("kibana", "import", "--dry-run") == 0

    assert capsys.readouterr().out.splitlines() == [
        "different: lens:serving-p95",
        "new: search:dead-letters",
        "only in Kibana: lens:our-own",
        f"1 new, 1 different, {COUNT - 2} the same, 1 only in Kibana; nothing was changed",
    ]
    assert set(stand_in.requests) == {("POST", "/s/models/api/saved_objects/_export")}


def test_an_edit_made_in_kibana_comes_back_as_one_changed_file(
    stand_in: KibanaStandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    """Import, edit there, export: the one file changes."""
    monitor_agent("kibana", "import")
    stand_in.objects["models"]["lens", "serving-p95"]["attributes"]["title"] = "How slow?"
    capsys.readouterr()

    assert monitor_agent("kibana", "export") == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith(("added", "changed", "removed"))] == [
        "changed: objects/lens/serving-p95.json"
    ]


@pytest.mark.parametrize("key", [("tag", "../../../outside"), ("../../outside", "x")])
def test_an_export_writes_in_its_folder_only(
    stand_in: KibanaStandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str], key: tuple[str, str]
) -> None:
    """An id or a type of an object in Kibana that is no file name: one line, and nothing is written or removed."""
    monitor_agent("kibana", "import")
    space = stand_in.objects["models"]
    dashboard = space["dashboard", "serving"]
    dashboard["references"].append({"type": key[0], "id": key[1], "name": "tag-ref-x"})
    space[key] = {"type": key[0], "id": key[1], "attributes": {"name": "x"}, "references": []}
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    capsys.readouterr()

    status = monitor_agent("kibana", "export", "--prune")

    (line,) = capsys.readouterr().err.splitlines()
    assert (status, "is no file name" in line) == (1, True), line
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.usefixtures("stand_in")
def test_an_export_can_be_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--out writes one file, and unpack reads it."""
    monitor_agent("kibana", "import")
    out = tmp_path / "export.ndjson"

    assert monitor_agent("kibana", "export", "--out", str(out)) == 0
    assert monitor_agent("kibana", "unpack", str(out)) == 0
    assert "changed" not in capsys.readouterr().out


def test_missing_references_are_named(stand_in: KibanaStandIn) -> None:
    """An object is refused if its data view is neither in the file nor in Kibana; the refusal names the data view."""
    lens = {
        "type": "lens",
        "id": "lost",
        "attributes": {"title": "Lost"},
        "typeMigrationVersion": "8.9.0",
        "references": [{"type": "index-pattern", "id": "gone", "name": "indexpattern-datasource-layer-data"}],
    }

    result = Kibana(settings_of(stand_in)).import_objects(json.dumps(lens), overwrite=False)

    (refused,) = result.refused
    assert (refused.id, refused.reason, refused.detail) == ("lost", "missing_references", "index-pattern:gone")


def test_rules_and_connectors_are_created_then_changed(stand_in: KibanaStandIn) -> None:
    """The second request changes them, without the fields that Kibana does not let change."""
    kibana = Kibana(settings_of(stand_in))
    alert = read_alerts(ROOT / "kibana")[0]
    ((name, connector),) = CONNECTORS.items()

    assert (kibana.put_rule(alert.id, rule(alert)), kibana.put_rule(alert.id, rule(alert))) == (True, False)
    assert (kibana.put_connector(name, connector), kibana.put_connector(name, connector)) == (True, False)
    assert stand_in.rules[alert.id]["name"] == alert.title


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"api_key": "wrong"}, "answered 401 .*: check KIBANA_API_KEY"),
        ({"api_key": "", "username": "elastic", "password": "x"}, "answered 401"),
        ({"url": "http://127.0.0.1:9"}, r"no answer \(Connection refused\).*KIBANA_URL"),
        ({"url": "nonsense"}, "no answer .* host is unknown.*: check KIBANA_URL"),
    ],
)
def test_a_kibana_that_cannot_be_used_is_one_line(
    stand_in: KibanaStandIn, changes: dict[str, str], message: str
) -> None:
    """The line names the setting to check."""
    settings = KibanaSettings(**{"url": stand_in.url, "api_key": "secret", **changes})  # type: ignore[arg-type]

    with pytest.raises(KibanaError, match=message):
        Kibana(settings).export(["lens"], "model-monitoring")


def test_a_user_logs_in_by_basic_authentication() -> None:
    """User and password are sent if there is no API key."""
    login = base64.b64encode(b"elastic:secret").decode()

    with kibana_stand_in(f"Basic {login}") as stand_in:
        kibana = Kibana(settings_of(stand_in, api_key="", username="elastic", password="secret"))
        assert '"exportedCount": 0' in kibana.export(["lens"], "model-monitoring")


def test_a_newer_object_is_refused_in_kibanas_words(stand_in: KibanaStandIn) -> None:
    """The error contains Kibana's message."""
    newer = {"type": "tag", "id": "t", "attributes": {}, "references": [], "typeMigrationVersion": "99.0.0"}

    with pytest.raises(KibanaError, match=r"answered 422 .*belongs to a more recent version"):
        Kibana(settings_of(stand_in)).import_objects(json.dumps(newer), overwrite=True)
