"""An export, whoever wrote it, changes files of its own folder only, and loses nothing on the way there and back."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from monitor_agent import cli
from monitor_agent.errors import DataError
from monitor_agent.kibana import folder
from monitor_agent.kibana.file_names import file_name
from monitor_agent.kibana.objects import from_document, to_document
from monitor_agent.kibana.package import gaps, pack, unpack

ROOT = Path(__file__).parents[4]
GOOD = {"type": "tag", "id": "good", "attributes": {"name": "good", "description": "", "color": "#ffffff"}}

NO_NAMES = [
    "../../../outside",
    "..",
    ".",
    "/etc/outside",
    "a/b",
    "a/../../b",
    "..\\outside",
    "C:outside",
    "C:\\outside",
    "a\0b",
    "a\nb",
    "a\x1b[2Jb",
    "a\u0085b",
    "a\u2028b",
    "a\ud800b",
    "trailing.",
    "trailing ",
    " leading",
    "\u00a0",
    "x" * 250,
    "\u00e9" * 125,
]


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder `kibana`, which the commands use."""
    path = tmp_path / "project" / "kibana"
    shutil.copytree(ROOT / "kibana", path)
    monkeypatch.setenv("KIBANA_FOLDER", str(path))
    return path


def tree(path: Path) -> dict[str, bytes]:
    """Return every file below a folder with its content."""
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def write_export(path: Path, *documents: dict[str, Any]) -> Path:
    """Write an export of these objects, with its summary."""
    summary = {"exportedCount": len(documents), "missingRefCount": 0, "missingReferences": []}
    path.write_text("".join(json.dumps(line) + "\n" for line in (*documents, summary)))
    return path


@pytest.mark.parametrize("field", ["id", "type"])
@pytest.mark.parametrize("text", NO_NAMES)
def test_an_id_or_a_type_that_is_no_file_name_is_refused(
    copy: Path, capsys: pytest.CaptureFixture[str], text: str, field: str
) -> None:
    """One line names the line and the id; nothing is written, not even the good objects, and nothing is removed."""
    root = copy.parents[1]
    bad = {**GOOD, field: text}
    export = write_export(root / "export.ndjson", GOOD, bad)
    before = tree(root)

    status = cli.main(["kibana", "unpack", str(export), "--prune"])

    (line,) = capsys.readouterr().err.splitlines()
    assert status == 1
    assert line.startswith(f"error: line 2: the {field} '")
    assert "is no file name" in line
    assert tree(root) == before


@pytest.mark.parametrize("text", ["metrics-*", "config:8.19.0", "100%", "a b", ".alerts-security", "caf\u00e9", "a#b?"])
def test_unusual_ids_of_kibana_are_files(copy: Path, text: str) -> None:
    """They are written below their own name, and read again."""
    folder.write_objects(copy, unpack(json.dumps({**GOOD, "id": text})).values())

    assert folder.read_objects(copy)[f"objects/tag/{text}.json"].id == text


@pytest.mark.parametrize("pair", [("Serving", "serving"), ("caf\u00e9", "cafe\u0301")])
def test_two_ids_that_are_one_file_elsewhere_are_refused(copy: Path, pair: tuple[str, str]) -> None:
    """On a file system that ignores case, the second would replace the first."""
    before = tree(copy)
    objects = unpack("\n".join(json.dumps({**GOOD, "id": name}) for name in pair))

    with pytest.raises(DataError, match="are one file on some file systems"):
        folder.write_objects(copy, objects.values())
    assert tree(copy) == before


@pytest.mark.parametrize("link", ["objects/tag", "objects", "objects/tag/linked.json"])
def test_links_out_of_the_folder_are_not_followed(copy: Path, tmp_path: Path, link: str) -> None:
    """Nothing is written or removed behind a link, and nothing is read there."""
    outside = tmp_path / "outside"
    if link.endswith(".json"):
        outside.write_text(json.dumps({**GOOD, "id": "linked"}))
    else:
        shutil.copytree(copy / link, outside)
        shutil.rmtree(copy / link)
    (copy / link).symlink_to(outside)
    before = tree(tmp_path)

    with pytest.raises(DataError, match="by a link"):
        folder.write_objects(copy, unpack(json.dumps({**GOOD, "id": "linked"})).values(), prune=True)
    with pytest.raises(DataError, match="by a link"):
        folder.read_objects(copy)

    assert tree(tmp_path) == before


def test_links_inside_the_folder_are_followed(copy: Path) -> None:
    """As a ConfigMap of Kubernetes has them."""
    (copy / "objects").rename(copy / "..data")
    (copy / "objects").symlink_to("..data")

    assert folder.stale(copy) == []


def test_an_alert_whose_name_is_no_file_name_is_refused(copy: Path) -> None:
    """`pack` writes a watch and a rule of each alert."""
    alerts = copy / "alerts.toml"
    text = alerts.read_text()
    first = text[text.index("\n[") + 2 : text.index("]", text.index("\n["))]
    alerts.write_text(text.replace(f"[{first}]", '["../../outside"]', 1))
    before = tree(copy.parents[1])

    with pytest.raises(DataError, match=r"'\.\./\.\./outside' is no id of an alert"):
        folder.pack(copy)
    assert tree(copy.parents[1]) == before


def test_a_pipe_among_the_files_stops_nothing(copy: Path) -> None:
    """A reader of a named pipe would wait for ever."""
    os.mkfifo(copy / "objects" / "tag" / "pipe.json")

    _, broken = folder.readable_objects(copy)
    assert "objects/tag/pipe.json" in broken


def test_every_version_of_an_object_comes_back() -> None:
    """The files keep what Kibana reads; what differs at every export, and no import uses, is left out."""
    stored_fields = {
        "coreMigrationVersion": "8.8.0",
        "typeMigrationVersion": "10.2.0",
        "originId": "first",
        "managed": True,
    }
    volatile = {"version": "WzEsMV0=", "created_at": "x", "created_by": "u", "updated_at": "x", "namespaces": ["a"]}
    line = {**GOOD, "references": [], **stored_fields}

    (saved,) = unpack(json.dumps({**line, **volatile})).values()

    assert json.loads(pack([saved]).split("\n")[0]) == line
    assert from_document(to_document(saved, encoded=False)).further == {"originId": "first", "managed": True}


def test_an_object_without_a_version_gets_none() -> None:
    """Kibana then runs all its migrations."""
    (saved,) = unpack(json.dumps(GOOD)).values()

    assert json.loads(pack([saved]).split("\n")[0]) == {**GOOD, "references": [], "managed": False}


def test_what_an_export_lacks_is_told(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Missing references, objects that Kibana left out, and lines that were cut off, each in one line."""
    summary = {
        "exportedCount": 3,
        "missingReferences": [{"type": "lens", "id": "gone"}],
        "excludedObjects": [{"type": "alert", "id": "secret", "reason": "excluded"}],
    }
    export = copy.parent / "export.ndjson"
    export.write_text(f"{json.dumps(GOOD)}\n{json.dumps(summary)}\n")

    assert cli.main(["kibana", "unpack", str(export)]) == 0

    assert capsys.readouterr().err.splitlines() == [
        "warning: lens:gone is missing",
        "warning: alert:secret is left out by Kibana (excluded)",
        "warning: the summary of the export counts 3 objects, and the export holds 1",
    ]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085", "\x0b", "\x1c", "\ufeff", "\ud800"])
def test_only_a_line_feed_ends_a_line(copy: Path, separator: str) -> None:
    """Any text of an object survives export, files and import file; a byte order mark before the file is ignored."""
    title = f"{separator}a{separator}b"
    line = {**GOOD, "attributes": {**GOOD["attributes"], "name": title}}  # type: ignore[dict-item]
    raw = json.dumps(line, ensure_ascii=separator < " " or separator > "\ud7ff")
    export = copy.parent / "export.ndjson"
    export.write_bytes(b"\xef\xbb\xbf" + raw.encode() + b"\r\n")

    assert cli.main(["kibana", "unpack", str(export)]) == 0

    saved = folder.read_objects(copy)["objects/tag/good.json"]
    packed = pack([saved])
    assert saved.attributes["name"] == title
    assert len(packed.splitlines()) == 2  # for tools that take other characters for line ends
    assert unpack(packed)["tag", "good"] == saved


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_that_json_lacks_are_refused(number: str) -> None:
    """Kibana would refuse the whole import file."""
    with pytest.raises(DataError, match="line 1 is not JSON"):
        unpack(json.dumps(GOOD).replace('"#ffffff"', number))


@pytest.mark.parametrize("depth", [90, 600, 100_000])
def test_deeply_nested_objects_are_kept_or_refused(copy: Path, depth: int) -> None:
    """They never end in the middle of the work."""
    before = tree(copy)
    nested = json.dumps(GOOD).replace('"#ffffff"', "[" * depth + "]" * depth)
    try:
        folder.write_objects(copy, unpack(nested).values())
    except DataError:
        assert tree(copy) == before
    else:
        assert unpack(pack([folder.read_objects(copy)["objects/tag/good.json"]]))


TEXTS = st.text(st.characters(codec=None), max_size=20) | st.sampled_from(["\u2028", "\u0085", "\ufeff", '"', "null"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


NUMBERS = st.integers(9, 99)
VERSIONS = st.fixed_dictionaries(
    {},
    optional={
        "coreMigrationVersion": st.builds("{}.{}.{}".format, NUMBERS, NUMBERS, NUMBERS),
        "typeMigrationVersion": st.builds("{}.{}.{}".format, NUMBERS, NUMBERS, NUMBERS),
        "managed": st.booleans(),
    },
)


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(value=VALUES, title=TEXTS, origin=TEXTS, versions=VERSIONS)
def test_any_json_comes_back(value: Any, title: str, origin: str, versions: dict[str, Any]) -> None:
    """From Kibana into a file, into the import file, and back: the same attributes, in JSON strings as well.

    Each field of versions that the object has comes back, and no other one.
    """
    line = {
        "type": "dashboard",
        "id": "any",
        "originId": origin,
        **versions,
        "attributes": {"title": title, "panelsJSON": json.dumps(value), "other": value, "optionsJSON": ""},
        "references": [{"type": "lens", "id": "a", "name": title}],
    }

    (saved,) = unpack("\ufeff" + json.dumps(line)).values()
    (again,) = unpack(pack([from_document(json.loads(json.dumps(to_document(saved, encoded=False))))])).values()
    encoded = to_document(again, encoded=True)

    assert json.loads(encoded["attributes"].pop("panelsJSON")) == json.loads(json.dumps(value))
    assert encoded["attributes"] == {"title": title, "other": json.loads(json.dumps(value)), "optionsJSON": ""}
    assert (encoded["originId"], encoded["references"]) == (origin, line["references"])
    names = ("coreMigrationVersion", "typeMigrationVersion", "managed")
    assert {name: encoded[name] for name in names if name in encoded} == {"managed": False, **versions}


@hypothesis.settings(max_examples=200, deadline=None)
@hypothesis.given(text=st.text(st.characters(codec=None), max_size=12))
def test_a_file_name_never_leaves_its_folder(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Each name that is taken is one file in the folder."""
    try:
        name = file_name(text, "id")
    except DataError:
        return
    root = tmp_path_factory.getbasetemp()
    path = root / name
    path.write_text("")
    assert path in list(root.iterdir())
    path.unlink()


def test_an_export_without_a_summary_has_no_gaps() -> None:
    """The summary is optional."""
    assert gaps(json.dumps(GOOD)) == []
