"""The manifests of `packaging/kubernetes`, as kustomize puts them together: without kustomize, so on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "packaging/kubernetes"
BASE = FOLDER / "base"
EXAMPLE = FOLDER / "overlays/example"

Manifest = dict[str, Any]


def documents(path: Path) -> list[Any]:
    """Return the YAML documents of a file."""
    text = path.read_text(encoding="utf-8")
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]


def kustomization(folder: Path) -> Manifest:
    """Return the kustomization of a folder."""
    (document,) = documents(folder / "kustomization.yaml")
    return dict(document)


def folders_of(folder: Path) -> Iterator[Path]:
    """Yield a folder with a kustomization, and all those that it includes."""
    yield folder
    entries = kustomization(folder)
    for name in (*entries.get("resources", ()), *entries.get("components", ())):
        target = (folder / name).resolve()
        if target.is_dir():
            yield from folders_of(target)


def manifests(folder: Path) -> list[Manifest]:
    """Return the manifests of a kustomization and of those that it includes; generated ones are not among them."""
    paths = [
        (place / name).resolve() for place in folders_of(folder) for name in kustomization(place).get("resources", ())
    ]
    return [document for path in paths if path.is_file() for document in documents(path)]


def generated_files(folder: Path) -> dict[str, dict[str, Path]]:
    """Return the files of each generated ConfigMap, by its name and their keys."""
    generators = [
        (place, entry) for place in folders_of(folder) for entry in kustomization(place).get("configMapGenerator", ())
    ]
    return {
        entry["name"]: {Path(name).name: (place / name).resolve() for name in entry["files"]}
        for place, entry in generators
        if "files" in entry
    }


def shared_settings() -> dict[str, str]:
    """Return the settings that all containers share."""
    lines = (BASE / "settings.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def workload(name: str) -> Manifest:
    """Return the Deployment or Job of this name."""
    (manifest,) = [
        entry
        for entry in manifests(EXAMPLE)
        if entry["metadata"]["name"] == name and "template" in entry.get("spec", {})
    ]
    return manifest


def pod_of(manifest: Manifest) -> Manifest:
    """Return the specification of a workload's pods."""
    return dict(manifest["spec"]["template"]["spec"])


def containers_of(pod: Manifest) -> dict[str, Manifest]:
    """Return the containers of a pod, those that start first among them, by name."""
    return {entry["name"]: entry for entry in (*pod.get("initContainers", ()), *pod["containers"])}


def environment(container: Manifest) -> dict[str, str]:
    """Return the variables of a container; `***` in place of a secret."""
    direct = {entry["name"]: entry.get("value", "***") for entry in container.get("env", ())}
    return {**shared_settings(), **direct}
