"""The sidecar of `packaging/kubernetes` as a pod runs it, without Kubernetes; what kustomize makes of the manifests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import orjson
import pytest
import yaml

from tests.factories import make_prediction
from tests.kubernetes_manifests import (
    BASE,
    EXAMPLE,
    containers_of,
    environment,
    generated_files,
    pod_of,
    workload,
)
from tests.stand_in import StandIn
from tests.waiting import wait_until

SIDECAR = containers_of(pod_of(workload("model-server")))["pipeline"]
EVENTS = 500


@pytest.fixture
def mounts(tmp_path: Path) -> dict[str, Path]:
    """Return a folder for each mounted volume of the sidecar; that of the pipeline is laid out as the kubelet does."""
    folders = {mount["mountPath"]: tmp_path / mount["name"] for mount in SIDECAR["volumeMounts"]}
    for folder in folders.values():
        folder.mkdir()
    volume = next(entry for entry in pod_of(workload("model-server"))["volumes"] if entry["name"] == "pipeline")
    data = tmp_path / "pipeline/..2026_11_29_10_00_00.1"
    for source in volume["projected"]["sources"]:
        files = generated_files(BASE)[source["configMap"]["name"]]
        paths = {entry["key"]: entry["path"] for entry in source["configMap"].get("items", ())}
        for key, path in files.items():
            target = data / paths.get(key, key)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    (tmp_path / "pipeline/..data").symlink_to(data.name)
    for entry in data.iterdir():
        (tmp_path / "pipeline" / entry.name).symlink_to(f"..data/{entry.name}")
    return folders


def in_folders(text: str, mounts: dict[str, Path]) -> str:
    """Return a text with the folders of the test in place of those of the pod."""
    for path, folder in mounts.items():
        if path == "/tmp":
            continue  # the folders of the test are below it
        text = text.replace(path, str(folder))
    return text


@pytest.fixture
def sidecar(mounts: dict[str, Path], stand_in: StandIn) -> Iterator[subprocess.Popen[bytes]]:
    """Yield the sidecar's process, with its command and its environment."""
    variables = {name: in_folders(value, mounts) for name, value in environment(SIDECAR).items()}
    variables |= {
        "ELASTICSEARCH_URL": stand_in.url,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-m", "monitor_agent", *SIDECAR["command"][1:]]
    with subprocess.Popen(command, env=variables, cwd=mounts["/tmp"], stderr=subprocess.DEVNULL) as process:
        yield process
        process.kill()


def is_alive(mounts: dict[str, Path]) -> bool:
    """Return what the liveness probe finds."""
    command = [in_folders(word, mounts) for word in SIDECAR["livenessProbe"]["exec"]["command"]]
    return subprocess.run(command, check=False, timeout=20, stderr=subprocess.DEVNULL).returncode == 0


def test_the_sidecar_delivers_what_the_server_wrote_last(
    sidecar: subprocess.Popen[bytes], mounts: dict[str, Path], stand_in: StandIn
) -> None:
    """It reads the ConfigMaps' links, its probe is green, and SIGTERM loses no line."""
    stand_in.faults.page = (503, "text/plain", b"down")
    statistics = mounts["/var/lib/pipeline"] / "statistics.json"
    wait_until(statistics.exists, 30)
    assert is_alive(mounts)
    template: dict[str, Any] = make_prediction()
    with (mounts["/var/log/model-server"] / "events-pod-1-1.ndjson").open("ab") as stream:
        for number in range(EVENTS):
            template["event"]["id"] = template["prediction"]["id"] = f"prediction-{number}"
            stream.write(orjson.dumps(template) + b"\n")

    sidecar.send_signal(signal.SIGTERM)
    wait_until(lambda: stand_in.answers, 30)
    stand_in.faults.page = None

    assert sidecar.wait(60) == 0
    assert len(stand_in.of("model-predictions")) == EVENTS
    os.utime(statistics, (0, 0))
    assert not is_alive(mounts)
    statistics.unlink()
    assert not is_alive(mounts)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("folder", [BASE, EXAMPLE], ids=lambda folder: folder.name)
def test_kustomize_puts_the_manifests_together(folder: Path) -> None:
    """Each object passes its schema, and each ConfigMap that a pod names exists."""
    done = subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    objects = list(yaml.safe_load_all(done.stdout))
    for entry in objects:
        kubernetes_validate.validate(entry, kubernetes_validate.latest_version(), strict=True)
    for entry in objects:
        if "template" in entry.get("spec", {}):
            assert entry["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/part-of"] == "model-monitor"
    config_maps = {entry["metadata"]["name"] for entry in objects if entry["kind"] == "ConfigMap"}
    named = {name for entry in objects for name in _config_maps_of(entry)}
    assert named == config_maps
    assert len(named) == (4 if folder == BASE else 5)


def _config_maps_of(value: Any) -> Iterator[str]:
    """Yield the names of the ConfigMaps that an object mounts or reads."""
    if isinstance(value, dict):
        for key, entry in value.items():
            if key in ("configMap", "configMapRef"):
                yield entry["name"]
            else:
                yield from _config_maps_of(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _config_maps_of(entry)
