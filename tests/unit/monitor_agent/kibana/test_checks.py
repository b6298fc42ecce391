"""The checks of saved objects: the objects in git pass all of them, and each broken sample fails its check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.kibana.checks import CHECKS, check_objects
from monitor_agent.kibana.folder import read_objects
from monitor_agent.kibana.objects import SavedObject, from_document, to_document

ROOT = Path(__file__).parents[4]
BROKEN = Path(__file__).parent / "broken"
SAMPLES = [
    pytest.param(path.stem, sample, id=f"{path.stem}: {sample['what']}")
    for path in sorted(BROKEN.glob("*.json"))
    for sample in json.loads(path.read_text())
]


@pytest.fixture(scope="module")
def objects() -> dict[str, SavedObject]:
    """The saved objects in git."""
    return read_objects(ROOT / "kibana")


def broken(document: dict[str, Any], sample: dict[str, Any]) -> dict[str, Any]:
    """Return the document with one value set, added or removed, as the sample says."""
    *parents, leaf = sample["at"].removeprefix("/").split("/")
    node: Any = document
    for parent in parents:
        node = node[int(parent) if isinstance(node, list) else parent]
    key = int(leaf) if isinstance(node, list) else leaf
    if sample.get("remove"):
        del node[key]
    else:
        node[key] = sample["value"]
    return document


def test_the_objects_in_git_pass_every_check(objects: dict[str, SavedObject]) -> None:
    """The saved objects of the project have no findings."""
    assert check_objects(objects) == []


def test_every_check_has_a_broken_sample() -> None:
    """A check that no sample fails might find nothing."""
    assert {path.stem for path in BROKEN.glob("*.json")} == set(CHECKS)


@pytest.mark.parametrize(("check", "sample"), SAMPLES)
def test_a_broken_sample_fails_its_check(check: str, sample: dict[str, Any], objects: dict[str, SavedObject]) -> None:
    """Each sample is an object in git with one thing wrong, and its check finds it."""
    document = to_document(objects[sample["file"]], encoded=False)
    siblings = {} if check == "schemas" else objects  # a schema is about one object, and slow for all of them
    changed = {**siblings, sample["file"]: from_document(broken(document, sample))}

    assert [finding.check for finding in check_objects(changed, [check])].count(check) >= 1


def test_an_object_without_attributes_gives_findings(objects: dict[str, SavedObject]) -> None:
    """A file without the attributes of its type gives findings, no traceback."""
    nothing = SavedObject("lens", "nothing", {}, version="8.9.0")

    findings = check_objects({**objects, "objects/lens/nothing.json": nothing})

    assert {finding.file for finding in findings} == {"objects/lens/nothing.json"}
    assert {"schemas", "support", "unused"} <= {finding.check for finding in findings}
