"""The rules of `packaging/kubernetes`, which not every machine can run."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from monitor_agent.contracts.roles import ROLES
from monitor_agent.durations import parse_duration
from monitor_agent.http_serving.server import DRAIN_SECONDS
from monitor_agent.receiving.application import HEALTH
from monitor_agent.receiving.server import DEFAULT_PORT
from monitor_agent.settings import Settings, secret_variables
from monitor_agent.settings.names import known_variables
from tests.kubernetes_manifests import (
    BASE,
    EXAMPLE,
    FOLDER,
    ROOT,
    Manifest,
    containers_of,
    documents,
    environment,
    folders_of,
    generated_files,
    kustomization,
    manifests,
    pod_of,
    shared_settings,
    workload,
)
from tests.unit.model_server.test_app import serving

WORKLOADS = ("model-server", "monitor-agent", "model-monitor-setup", "dashboards", "receiver")
CONTAINERS = [
    pytest.param(name, container, id=f"{name}/{container['name']}")
    for name in WORKLOADS
    for container in containers_of(pod_of(workload(name))).values()
]
SECRETS = {
    "model-server/pipeline": {"model-monitor-pipeline"},
    "model-server/model-server": {"model-monitor-server"},
    "receiver/pipeline": {"model-monitor-pipeline"},
    "receiver/receiver": {"model-monitor-receiver", "model-monitor-server"},
    "monitor-agent/monitor-agent": {"model-monitor-agent"},
    "model-monitor-setup/setup": {"model-monitor-setup"},
    "dashboards/dashboards": {"model-monitor-people"},
    "model-monitor-setup/users": {
        *("model-monitor-superuser", "model-monitor-people"),
        *("model-monitor-pipeline", "model-monitor-agent", "model-monitor-setup"),
    },
}
"""Which container reads which secrets."""
OLDEST = "1.29"
"""The first Kubernetes that starts sidecars without a switch."""


def label(manifest: Manifest) -> str:
    """Return the kind and the name of a manifest."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def secret_entries(container: Manifest) -> list[tuple[str, dict[str, Any]]]:
    """Return the variables of a container that come from secrets."""
    entries = container.get("env", ())
    return [(entry["name"], entry["valueFrom"]["secretKeyRef"]) for entry in entries if "valueFrom" in entry]


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("manifest", [*manifests(EXAMPLE), *documents(FOLDER / "secrets.example.yaml")], ids=label)
def test_a_manifest_passes_its_schema(manifest: Manifest, version: str) -> None:
    """The published schema of the oldest and of the newest Kubernetes has each field."""
    kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("folder", [BASE, EXAMPLE], ids=lambda folder: folder.name)
def test_a_kustomization_names_files_that_exist_and_leaves_none_out(folder: Path) -> None:
    """Every manifest is a resource or a patch; kustomize reads files below the folder of a kustomization only."""
    for place in folders_of(folder):
        entries = kustomization(place)
        names = [*entries.get("resources", ()), *entries.get("components", ())]
        names += [patch["path"] for patch in entries.get("patches", ()) if "path" in patch]
        for generator in entries.get("configMapGenerator", ()):
            files = [*generator.get("files", ()), *generator.get("envs", ())]
            assert all((place / name).resolve().is_relative_to(place.resolve()) for name in files)
            names += files

        assert [name for name in names if not (place / name).exists()] == []
        if place.is_relative_to(FOLDER):
            present = {path.name for path in place.glob("*") if path.is_file()} - {"kustomization.yaml"}
            assert present <= set(names)


def test_the_config_maps_have_the_files_of_the_product() -> None:
    """The pipeline and the alerts are there once, in the folders that the other ways of running use."""
    files = generated_files(BASE)
    pipeline = ROOT / "logstash/pipeline"

    assert set(files["model-monitor-pipeline"].values()) == set(pipeline.glob("*.conf"))
    assert set(files["model-monitor-pipeline-http"].values()) == set((pipeline / "http-on").glob("*.conf"))
    assert files["model-monitor-alerts"] == {"alerts.toml": ROOT / "kibana/alerts.toml"}


@pytest.mark.parametrize(("name", "container"), CONTAINERS)
def test_a_container_has_settings_that_exist(name: str, container: Manifest) -> None:
    """Each variable is a setting; a secret comes from a secret, and its folders are mounted."""
    variables = environment(container)
    secrets = {variable for variable, _ in secret_entries(container)}
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    volumes = {volume["name"] for volume in pod_of(workload(name))["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in workload(name)["spec"].get("volumeClaimTemplates", ())}

    assert variables.keys() <= known_variables()
    assert {variable for variable in variables if variable in secret_variables() and "URL" not in variable} <= secrets
    assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    for value in variables.values():
        if value.startswith("/"):
            assert any(Path(value).is_relative_to(mount) for mount in mounts), value


@pytest.mark.parametrize(("name", "container"), CONTAINERS)
def test_a_secret_reaches_only_the_container_that_needs_it(name: str, container: Manifest) -> None:
    """Only the creation of users knows the superuser's password; the example has each secret, without a value."""
    examples = {entry["metadata"]["name"]: entry for entry in documents(FOLDER / "secrets.example.yaml")}

    assert {entry["name"] for _, entry in secret_entries(container)} == SECRETS[f"{name}/{container['name']}"]
    for _, entry in secret_entries(container):
        assert examples[entry["name"]]["stringData"][entry["key"]] in ("", "elastic")
    assert set().union(*SECRETS.values()) == examples.keys()


@pytest.mark.parametrize(("name", "container"), CONTAINERS)
def test_a_container_is_restricted(name: str, container: Manifest) -> None:
    """It fulfils the Pod Security Standard `restricted`, cannot write its image, and has limits."""
    pod = pod_of(workload(name))

    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    assert not pod["enableServiceLinks"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]
    assert "hostPath" not in str(pod)


@pytest.mark.parametrize("name", WORKLOADS)
def test_an_image_has_a_dockerfile_and_the_account_of_the_pod(name: str) -> None:
    """The images are those of this repository, in one version, and run as the account that the Dockerfile makes."""
    pod = pod_of(workload(name))
    for container in containers_of(pod).values():
        image, _, version = container["image"].rpartition(":")
        program = image.removeprefix("model-monitor/")
        dockerfile = (ROOT / program.replace("-", "_") / "Dockerfile").read_text(encoding="utf-8")

        assert container["command"][0] == program
        assert f"useradd --uid {pod['securityContext']['runAsUser']} " in dockerfile
        assert f"version = {version}\n" in (ROOT / "setup.cfg").read_text(encoding="utf-8")
        assert image in {entry["name"] for entry in kustomization(EXAMPLE)["images"]}


def test_the_users_are_those_of_the_roles() -> None:
    """Each container logs in as the user with the least rights."""
    users = {
        f"{name}/{container['name']}": variables.get("PIPELINE_USERNAME") or variables.get("ELASTICSEARCH_USERNAME")
        for name in WORKLOADS
        for container in containers_of(pod_of(workload(name))).values()
        for variables in [environment(container)]
    }

    assert users == {
        "model-server/pipeline": "pipeline_writer",
        "model-server/model-server": None,
        "monitor-agent/monitor-agent": "monitor_agent",
        "model-monitor-setup/users": "***",
        "model-monitor-setup/setup": "monitor_setup",
        "dashboards/dashboards": "analyst",
        "receiver/pipeline": "pipeline_writer",
        "receiver/receiver": None,
    }
    assert {user for user in users.values() if user and user != "***"} <= ROLES.keys()


@pytest.mark.parametrize("name", ["model-server", "receiver"])
def test_the_pipeline_reads_to_the_end_what_the_server_writes(name: str) -> None:
    """It is a sidecar, which ends after the server; both see one folder, and all steps of the stop have their time."""
    pod = pod_of(workload(name))
    sidecar, server = containers_of(pod)["pipeline"], containers_of(pod)[name]
    drain = parse_duration(sidecar["command"][sidecar["command"].index("--drain") + 1]).total_seconds()
    pause = float(server["lifecycle"]["preStop"]["exec"]["command"][1])

    assert sidecar in pod["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    for container in (sidecar, server):
        folder = environment(container)["MODEL_LOG_DIR"]
        assert {"name": "event-files", "mountPath": folder} in container["volumeMounts"]
    assert pod["terminationGracePeriodSeconds"] >= pause + DRAIN_SECONDS + drain + 10
    assert environment(sidecar)["PIPELINE_REMOVE_AFTER"] != "0s"
    assert environment(sidecar)["PIPELINE_CONFIG"] in {mount["mountPath"] for mount in sidecar["volumeMounts"]}


def test_ports_and_paths_of_the_probes_are_those_of_the_servers(tmp_path: Path) -> None:
    """Ports are the defaults of the settings; the paths exist, and no restart depends on Elasticsearch."""
    server = containers_of(pod_of(workload("model-server")))["model-server"]
    agent = containers_of(pod_of(workload("monitor-agent")))["monitor-agent"]
    viewer = containers_of(pod_of(workload("dashboards")))["dashboards"]
    receiver = containers_of(pod_of(workload("receiver")))["receiver"]
    settings = Settings()

    assert receiver["ports"] == [{"name": "http", "containerPort": DEFAULT_PORT}]
    assert receiver["readinessProbe"]["httpGet"] == {"path": HEALTH, "port": "http"}
    assert viewer["ports"] == [{"name": "http", "containerPort": settings.dashboards.port}]
    assert server["ports"] == [{"name": "http", "containerPort": settings.server.port}]
    assert agent["ports"] == [{"name": "health", "containerPort": settings.agent.health_port}]
    for container in (server, agent, viewer):
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["port"] == container["ports"][0]["name"]
    with serving(tmp_path) as world:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert world.client.get(server[probe]["httpGet"]["path"]).status_code == 200
    assert agent["livenessProbe"]["httpGet"]["path"] == agent["startupProbe"]["httpGet"]["path"] == "/livez"
    assert agent["readinessProbe"]["httpGet"]["path"] == "/healthz"
    for name, container in (("model-server", server), ("monitor-agent", agent)):
        annotations = workload(name)["spec"]["template"]["metadata"]["annotations"]
        assert annotations["prometheus.io/port"] == str(container["ports"][0]["containerPort"])
        assert annotations["prometheus.io/path"] == "/metrics"


def test_selectors_choose_pods() -> None:
    """Each Deployment, Service, budget and policy chooses the pods of a workload; two agents run."""
    pods = {name: workload(name)["spec"]["template"]["metadata"]["labels"] for name in WORKLOADS}
    for name in set(pods) - {"dashboards", "receiver"}:
        pods[name]["app.kubernetes.io/part-of"] = kustomization(BASE)["labels"][0]["pairs"]["app.kubernetes.io/part-of"]
    chosen: Counter[str] = Counter()
    for manifest in manifests(EXAMPLE):
        spec = manifest.get("spec", {})
        selector = spec.get("selector") or spec.get("podSelector")
        if selector:
            labels = selector.get("matchLabels", selector).items()
            names = [name for name, pod in pods.items() if labels <= pod.items()]
            assert names, manifest["metadata"]["name"]
            chosen.update(f"{manifest['kind']}/{name}" for name in names)

    assert chosen["NetworkPolicy/model-monitor-setup"] == 1
    assert chosen["NetworkPolicy/model-server"] == chosen["NetworkPolicy/monitor-agent"] == 2
    assert chosen["NetworkPolicy/dashboards"] == chosen["NetworkPolicy/receiver"] == 2
    assert chosen["PodDisruptionBudget/model-server"] == chosen["PodDisruptionBudget/monitor-agent"] == 1
    assert chosen["Service/model-server"] == chosen["Service/receiver"] == 1
    assert workload("monitor-agent")["spec"]["replicas"] >= 2


def test_the_shared_settings_hold_no_secret() -> None:
    """The ConfigMap is no place for passwords."""
    assert not {name for name in shared_settings() if name in secret_variables()} - {"ELASTICSEARCH_URL"}
    assert "@" not in shared_settings()["ELASTICSEARCH_URL"]


def test_the_page_names_what_is_there() -> None:
    """All secrets, the sidecar and the folders are explained."""
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    names = {entry["metadata"]["name"] for entry in documents(FOLDER / "secrets.example.yaml")}

    assert [name for name in (*names, *WORKLOADS) if f"`{name}`" not in page] == []
    assert OLDEST in page
    assert re.findall(r"-k ([\w/]+)", page)
