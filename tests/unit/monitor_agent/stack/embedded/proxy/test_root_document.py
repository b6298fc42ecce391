"""The answer to `GET /` and its parameters; the expected texts of `filter_path` are those of a real node."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.stack.embedded.proxy.root_document import rendered, root_document

DOCUMENT: dict[str, Any] = {"name": "n", "cluster_name": "c", "version": {"number": "9", "name": "v"}, "tagline": "ü"}


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ("name", {"name": "n"}),
        ("**.name", {"version": {"name": "v"}}),
        ("*name", {"name": "n", "cluster_name": "c"}),
        ("version", {"version": {"number": "9", "name": "v"}}),
        ("version.n*,-version.name", {"version": {"number": "9"}}),
        ("version.**", {"version": {"number": "9", "name": "v"}}),
        ("-version,-tagline", {"name": "n", "cluster_name": "c"}),
        ("-version.*", {"name": "n", "cluster_name": "c", "tagline": "ü"}),
        ("**", DOCUMENT),
        ("", DOCUMENT),
        ("version.number.x", {}),
        ("other", {}),
    ],
)
def test_filter_path_chooses_fields(patterns: str, expected: dict[str, Any]) -> None:
    """As `filter_path` does in every other answer."""
    assert json.loads(rendered(DOCUMENT, f"pretty=false&filter_path={patterns}")) == expected


def test_the_answer_is_pretty_unless_it_must_not() -> None:
    """The root is pretty by default."""
    assert rendered({"a": 1}, "") == rendered({"a": 1}, "pretty") == b'{\n  "a" : 1\n}\n'
    assert rendered({"a": 1, "b": "é"}, "pretty=false") == '{"a":1,"b":"é"}'.encode()
    assert rendered({}, "filter_path=x") == b"{ }\n"


def test_the_build_is_the_one_of_the_server(tmp_path: Path) -> None:
    """Hash, date and the version of Lucene stand in the server's own archive."""
    (tmp_path / "lib").mkdir()
    with zipfile.ZipFile(tmp_path / "lib" / "elasticsearch-8.19.21.jar", "w") as jar:
        jar.writestr(
            "META-INF/MANIFEST.MF",
            "Manifest-Version: 1.0\r\nChange: abc\r\nBuild-Date: 2026-01-01T00:00:00Z\r\n"
            "X-Compile-Lucene-Version: 9.12.2\r\nX-Compile-Elasticsearch-Snapshot: false\r\n",
        )
    document = root_document(tmp_path, "8.19.21", "node-1", "cluster")
    assert document["version"] == {
        "number": "8.19.21",
        "build_flavor": "default",
        "build_type": "zip",
        "build_hash": "abc",
        "build_date": "2026-01-01T00:00:00Z",
        "build_snapshot": False,
        "lucene_version": "9.12.2",
        "minimum_wire_compatibility_version": "7.17.0",
        "minimum_index_compatibility_version": "7.0.0",
    }
