"""The saved objects of the viewer: one that cannot be read does not hide the others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.dashboards.library import read_library
from monitor_agent.errors import DataError, MonitorError

ROOT = Path(__file__).parents[4]
OLD_PANEL = {"gridData": {"x": 0, "y": 0, "w": 24, "h": 15, "i": "1"}, "panelIndex": "1", "panelRefName": "panel_0"}
SEARCH = {"kibanaSavedObjectMeta": {"searchSourceJSON": {"query": {"query": ""}, "filter": []}}}


def dashboard(name: str, **attributes: Any) -> str:
    """Return the text of a dashboard's file."""
    return json.dumps({"attributes": {**SEARCH, **attributes}, "id": name, "type": "dashboard"})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"attributes":', "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("\xe9", "cannot be read"),
        ("[]", "holds no JSON object"),
        ("{}", "type, id or attributes are missing"),
        ('{"attributes": [], "id": "bad", "type": "dashboard"}', "attributes an object"),
        ('{"attributes": {}, "id": 7, "type": "dashboard"}', "type and id must be texts"),
        (dashboard("bad"), "'title'"),
        (dashboard("bad", title="Bad", panelsJSON=7), "is missing or wrong"),
        (dashboard("bad", title="Bad", panelsJSON="[{"), "is not JSON"),
        (dashboard("bad", title="Bad", panelsJSON=[{**OLD_PANEL, "gridData": {"x": "a"}}]), "is missing or wrong"),
        (dashboard("bad", title="Bad", panelsJSON=[], controlGroupInput={"panelsJSON": [1]}), "bad"),
    ],
)
def test_a_broken_dashboard_is_told_and_the_others_are_shown(tmp_path: Path, text: str, reason: str) -> None:
    """Asking for it gives the reason in one line."""
    shutil.copytree(ROOT / "kibana/objects", tmp_path / "objects")
    expected = list(read_library(tmp_path).dashboards)
    (tmp_path / "objects/dashboard/bad.json").write_text(text, encoding="latin-1")

    library = read_library(tmp_path)

    (error,) = library.broken.values()
    assert list(library.dashboards) == expected
    assert reason in str(error)
    assert "\n" not in str(error)
    with pytest.raises(MonitorError) as raised:
        library.dashboard("bad")
    assert raised.value is error


def test_a_panel_of_an_old_form_is_told_in_its_place(tmp_path: Path) -> None:
    """An earlier release unpacked it without its version: the dashboard is there, and the panel says what is wrong."""
    shutil.copytree(ROOT / "kibana/objects", tmp_path / "objects")
    panels = [{**OLD_PANEL, "embeddableConfig": {}}]
    (tmp_path / "objects/dashboard/old.json").write_text(dashboard("old", title="Old", panelsJSON=panels))

    library = read_library(tmp_path)

    (panel,) = library.dashboard("old").panels
    assert panel.kind == "unsupported"
    assert "'type'" in panel.text
    assert not library.broken


def test_a_folder_without_dashboards_is_refused(tmp_path: Path) -> None:
    """There would be nothing to show."""
    (tmp_path / "objects").mkdir()

    with pytest.raises(DataError, match="holds no dashboard"):
        read_library(tmp_path)
