"""The answer of Elasticsearch to `GET /`: its fields, `filter_path` and `pretty`.

The archive from which the embedded server comes lacks the module that answers this request.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

COMPATIBLE = {"8": ("7.17.0", "7.0.0"), "9": ("8.19.0", "8.0.0")}
"""By major version: the oldest nodes that it talks to, and the oldest indices that it reads."""

UNSET_UUID = "_na_"


def root_document(server: Path, version: str, node_name: str, cluster_name: str) -> dict[str, Any]:
    """Return the document of a node; `cluster_uuid` is the one of a cluster that has not formed yet.

    Parameters
    ----------
    server : the folder of the unpacked server, whose own archive states the build.
    version : of the server.
    node_name, cluster_name : of the node.
    """
    build = _manifest(server / "lib" / f"elasticsearch-{version}.jar")
    wire, index = COMPATIBLE[version.partition(".")[0]]
    return {
        "name": node_name,
        "cluster_name": cluster_name,
        "cluster_uuid": UNSET_UUID,
        "version": {
            "number": version,
            "build_flavor": "default",
            "build_type": "zip",
            "build_hash": build["Change"],
            "build_date": build["Build-Date"],
            "build_snapshot": build["X-Compile-Elasticsearch-Snapshot"] == "true",
            "lucene_version": build["X-Compile-Lucene-Version"],
            "minimum_wire_compatibility_version": wire,
            "minimum_index_compatibility_version": index,
        },
        "tagline": "You Know, for Search",
    }


def rendered(document: dict[str, Any], query: str) -> bytes:
    """Return the document as the parameters of the request ask for it: pretty unless they say `pretty=false`."""
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    patterns = [pattern for pattern in parameters.get("filter_path", "").split(",") if pattern]
    if patterns:
        document = filtered(document, patterns)
    if parameters.get("pretty") == "false":
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    text = json.dumps(document, ensure_ascii=False, indent=2, separators=(",", " : ")) if document else "{ }"
    return text.encode() + b"\n"


def filtered(document: dict[str, Any], patterns: Sequence[str]) -> dict[str, Any]:
    """Return the fields that `filter_path` chooses; a pattern that begins with `-` takes fields out.

    >>> filtered({"a": 1, "b": {"c": 2, "d": 3}}, ["b.*", "-b.d"])
    {'b': {'c': 2}}
    >>> filtered({"a": 1, "b": {"a": 2}}, ["**.a"])
    {'b': {'a': 2}}
    """
    wanted_paths = [_path_pattern(pattern) for pattern in patterns if not pattern.startswith("-")]
    unwanted_paths = [_path_pattern(pattern[1:]) for pattern in patterns if pattern.startswith("-")]
    return _chosen(document, "", wanted_paths, unwanted_paths)


def _chosen(
    document: dict[str, Any], prefix: str, wanted_paths: list[re.Pattern[str]], unwanted_paths: list[re.Pattern[str]]
) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for name, value in document.items():
        path = prefix + name
        if any(pattern.fullmatch(path) for pattern in unwanted_paths):
            continue
        whole = not wanted_paths or any(pattern.fullmatch(path) for pattern in wanted_paths)
        if isinstance(value, dict):
            inner = _chosen(value, path + ".", [] if whole else wanted_paths, unwanted_paths)
            if inner:
                chosen[name] = inner
        elif whole:
            chosen[name] = value
    return chosen


def _path_pattern(pattern: str) -> re.Pattern[str]:
    steps = [
        r"[^.]+(?:\.[^.]+)*" if step == "**" else re.escape(step).replace(r"\*", "[^.]*") for step in pattern.split(".")
    ]
    return re.compile(r"\.".join(steps))


def _manifest(archive: Path) -> dict[str, str]:
    with zipfile.ZipFile(archive) as jar:
        text = jar.read("META-INF/MANIFEST.MF").decode()
    return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
