"""Saved objects as files, as one import file, and back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from monitor_agent.errors import DataError
from monitor_agent.kibana import folder
from monitor_agent.kibana.objects import SavedObject, file_text, from_document, to_document
from monitor_agent.kibana.package import pack, unpack

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def objects() -> dict[str, SavedObject]:
    """The saved objects in git."""
    return folder.read_objects(ROOT / "kibana")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the folder `kibana`."""
    return Path(shutil.copytree(ROOT / "kibana", tmp_path / "kibana"))


def as_exported(package: str) -> str:
    """Return an import file as Kibana exports it again: in another order, with keys that differ at every export."""
    lines = [json.loads(line) for line in package.splitlines()]
    volatile = {"created_at": "2026-03-02T10:00:00Z", "updated_at": "2026-03-02T10:00:00Z", "version": "WzEsMV0="}
    exported = [{**line, **volatile} if "type" in line else line for line in reversed(lines)]
    return "\n".join(json.dumps(line) for line in exported) + "\n"


def test_the_generated_files_are_up_to_date() -> None:
    """The import file, the watches and the rules in git are those of the objects and alerts in git."""
    assert folder.stale(ROOT / "kibana") == []


def test_no_panel_asks_for_a_length_of_windows_that_a_model_may_not_have(objects: dict[str, SavedObject]) -> None:
    """A model may have base windows of any length: a panel takes those, or follows the control of its dashboard."""
    fixed = [
        path for path, saved in objects.items() if "/lens/" in path and "window_size: " in json.dumps(saved.attributes)
    ]

    assert fixed == []


def test_packing_is_deterministic(objects: dict[str, SavedObject]) -> None:
    """The order in which files are read does not matter."""
    assert pack(objects.values()) == pack(reversed(objects.values()))


def test_the_import_file_holds_json_in_strings_as_kibana_stores_it(objects: dict[str, SavedObject]) -> None:
    """Panels are a string, Lens states are not; data views come first and dashboards last."""
    lines = [json.loads(line) for line in pack(objects.values()).splitlines()]

    types = [line["type"] for line in lines[:-1]]
    dashboard = next(line for line in lines if line.get("id") == "serving")
    lens = next(line for line in lines if line.get("id") == "serving-p95")
    assert types == sorted(types, key=["index-pattern", "tag", "search", "lens", "dashboard"].index)
    assert isinstance(json.loads(dashboard["attributes"]["panelsJSON"]), list)
    assert isinstance(lens["attributes"]["state"], dict)
    assert lines[-1]["exportedCount"] == len(objects)


def test_an_export_gives_the_same_files_again(copy: Path, objects: dict[str, SavedObject]) -> None:
    """Pack, import, export and unpack change no file: people edit in Kibana, and only their edit is a difference."""
    exported = as_exported(pack(objects.values()))

    done = folder.write_objects(copy, unpack(exported).values(), prune=True)

    assert (done.added, done.changed, done.removed) == ((), (), ())


def test_an_edit_in_kibana_is_one_difference(copy: Path, objects: dict[str, SavedObject]) -> None:
    """Exactly the edited file changes, and the packed file is out of date until it is packed again."""
    edited = {saved.key: saved for saved in objects.values()}
    edited["lens:serving-p95"].attributes["title"] = "How slow is it?"
    try:
        done = folder.write_objects(copy, edited.values())
    finally:
        edited["lens:serving-p95"].attributes["title"] = "Response time p95"

    assert done.changed == ("objects/lens/serving-p95.json",)
    assert folder.stale(copy) == [folder.PACKAGE]
    assert folder.pack(copy) == [folder.PACKAGE]
    assert folder.stale(copy) == []


def test_files_that_an_export_lacks_stay_unless_pruned(copy: Path, objects: dict[str, SavedObject]) -> None:
    """An export of some objects does not delete the others."""
    some = [saved for saved in objects.values() if saved.type != "search"]

    changes = folder.write_objects(copy, some)
    assert len(changes.unlisted) == len(objects) - len(some)
    pruned = folder.write_objects(copy, some, prune=True)

    assert pruned.removed == changes.unlisted
    assert not list((copy / "objects" / "search").glob("*.json"))


def test_a_watch_that_has_no_alert_any_more_is_out_of_date(copy: Path) -> None:
    """Packing removes files without a source."""
    (copy / "watches" / "old.json").write_text("{}")

    assert folder.stale(copy) == ["watches/old.json"]
    folder.pack(copy)
    assert not (copy / "watches" / "old.json").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{broken", "line 1 is not JSON"),
        ('{"type": "lens"}', "line 1: not a saved object"),
        ('{"type": "dashboard", "id": "a", "attributes": {"panelsJSON": "[{"}}', "dashboard:a panelsJSON is not JSON"),
        ('{"type": "tag", "id": "a", "attributes": {}}\n' * 2, "line 2: tag:a occurs twice"),
        ('{"type": "tag", "id": "a", "attributes": {}, "references": [{"id": "b"}]}', "tag:a: a reference lacks"),
    ],
)
def test_a_broken_export_is_refused_with_its_line(text: str, message: str) -> None:
    """The error names the line or the object, and the problem."""
    with pytest.raises(DataError, match=message):
        unpack(text)


def test_a_broken_file_is_named(copy: Path) -> None:
    """The error names the file."""
    (copy / "objects" / "lens" / "serving-p95.json").write_text("{")

    with pytest.raises(DataError, match=r"serving-p95\.json"):
        folder.read_objects(copy)


def test_decoding_and_encoding_are_each_others_reverse() -> None:
    """A JSON string that Kibana holds is read as JSON and written as a string again, empty ones too."""
    line = {
        "type": "search",
        "id": "s",
        "attributes": {"kibanaSavedObjectMeta": {"searchSourceJSON": '{"filter":[],"query":{}}'}, "title": "S"},
        "references": [],
    }

    saved = from_document(line)

    assert saved.attributes["kibanaSavedObjectMeta"]["searchSourceJSON"] == {"filter": [], "query": {}}
    assert to_document(saved, encoded=True)["attributes"] == line["attributes"]
    assert file_text({"b": 1, "a": "é"}) == '{\n  "a": "é",\n  "b": 1\n}\n'


def test_an_object_of_an_old_kibana_is_refused() -> None:
    """Its panels have another form: unpacked without its version, nothing could read it any more."""
    line = {"type": "dashboard", "id": "old", "attributes": {}, "migrationVersion": {"dashboard": "7.11.0"}}

    with pytest.raises(DataError, match=r"line 1: dashboard:old is from a Kibana before 8\.8: .* export it there"):
        unpack(json.dumps(line))
