"""The containers of the compose files: least rights, limits, log rotation, health checks and TLS."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.compose_files import ROOT, environment, filled, plain, resolved, with_tls

PLAIN, WITH_TLS = plain(), with_tls()
SERVICES: dict[str, dict[str, Any]] = PLAIN["services"]
TLS_SERVICES: dict[str, dict[str, Any]] = WITH_TLS["services"]
WRITABLE_ROOT = {"elasticsearch"}
"""At its start the image writes into the folder that holds files of its own."""
SERVERS = ("elasticsearch", "kibana", "model-server", "agent", "dashboards", "receive")
INSIDE = {"logstash", "prometheus"}
"""Their probes ask a page that only they themselves use."""


@pytest.mark.parametrize("name", TLS_SERVICES)
def test_a_container_has_the_least_rights(name: str) -> None:
    """No capability, no further privilege by a program of the image, no writable root, and rotated logs."""
    service = TLS_SERVICES[name]

    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is (name not in WRITABLE_ROOT)
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    assert not {"privileged", "network_mode", "pid", "devices"} & set(service)
    assert ("cap_add" in service) == ("user" in service) == (name == "certificates")


@pytest.mark.parametrize("name", TLS_SERVICES)
def test_a_container_has_limits(name: str) -> None:
    """Of processor, memory and processes; a variable changes the first two. Twice the heap of Java fits."""
    limits = TLS_SERVICES[name]["deploy"]["resources"]["limits"]
    cpus, memory = resolved(limits["cpus"], {}), resolved(limits["memory"], {})

    assert float(cpus) >= 0
    assert limits["pids"] > 0
    heap = re.search(r"-Xmx(\w+)", str(environment(SERVICES.get(name, {}), filled())))
    assert heap is None or size(memory) >= 2 * size(heap[1])


@pytest.mark.parametrize("name", TLS_SERVICES)
def test_a_container_changes_nothing_of_this_machine(name: str) -> None:
    """Folders and files of this machine cannot be written; only the certificates are made there."""
    for volume in TLS_SERVICES[name].get("volumes", ()):
        if isinstance(volume, dict):
            assert volume["type"] == "bind"
            assert volume.get("read_only", False) is (name != "certificates")
        elif volume.startswith("."):
            assert volume.endswith(":ro")
    sources = [config["source"] for config in TLS_SERVICES[name].get("configs", ())]
    assert all((ROOT / resolved(WITH_TLS["configs"][source]["file"], {})).is_file() for source in sources)


def test_every_named_volume_is_declared() -> None:
    """And used."""
    volumes = [volume for service in SERVICES.values() for volume in service.get("volumes", ())]
    named = {volume.split(":")[0] for volume in volumes if isinstance(volume, str) and not volume.startswith(".")}

    assert named == set(PLAIN["volumes"])


@pytest.mark.parametrize("name", TLS_SERVICES)
def test_a_port_is_open_only_on_this_machine(name: str) -> None:
    """Unless a variable says otherwise."""
    assert all(resolved(port, {}).startswith("127.0.0.1:") for port in TLS_SERVICES[name].get("ports", ()))


def test_security_is_on() -> None:
    """Elasticsearch asks for a password."""
    assert SERVICES["elasticsearch"]["environment"]["xpack.security.enabled"] == "true"


@pytest.mark.parametrize("name", TLS_SERVICES)
def test_a_service_has_a_health_check(name: str) -> None:
    """A service is probed and started again, or runs once."""
    service = TLS_SERVICES[name]

    if service["restart"] == "no":
        assert "healthcheck" not in service
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


@pytest.mark.parametrize("name", sorted(set(TLS_SERVICES) - INSIDE))
def test_with_tls_every_connection_is_encrypted(name: str) -> None:
    """Each address is https, with the authority for it; each server and its probe have a certificate."""
    service = TLS_SERVICES[name]
    environ = environment(service, filled())
    addresses = [value for value in environ.values() if re.match(r"https?://", value)]
    mounts = [volume for volume in service.get("volumes", ()) if isinstance(volume, dict)]
    folders = {mount["source"].rpartition("/")[2] for mount in mounts if "CERTIFICATES_DIR" in mount["source"]}

    assert all(address.startswith("https://") for address in addresses)
    assert "http://" not in str(service.get("healthcheck", {}))
    if "ELASTICSEARCH_URL" in environ:
        assert environ["ELASTICSEARCH_CA_CERTS"] == "/etc/certificates/ca.crt"
    if name in SERVERS:
        assert folders == {name}
        assert any(value.endswith("/tls.key") for value in environ.values())
    elif name not in ("certificates", "model-check"):
        assert folders == {"clients"}


def test_logstash_trusts_the_authority() -> None:
    """Java's trust store holds it; the variable is the one of the configuration."""
    service = TLS_SERVICES["logstash"]
    environ = environment(service, {**filled(), "LOGSTASH_HEAP": "1g"})

    assert environ["ELASTICSEARCH_URL"] == "https://elasticsearch:9200"
    assert "-Xmx1g " in environ["LS_JAVA_OPTS"]
    store = re.search(r"-Djavax\.net\.ssl\.trustStore=(\S+)", environ["LS_JAVA_OPTS"])
    assert store is not None
    assert f"-keystore {store[1]} " in service["command"][0]
    assert "-file /etc/certificates/ca.crt " in service["command"][0]


def test_prometheus_scrapes_the_agent_and_the_model_server() -> None:
    """Their ports inside the network; with TLS by https and with the authority."""
    for content, scheme in ((PLAIN, "http"), (WITH_TLS, "https")):
        jobs = yaml.safe_load((ROOT / content["configs"]["prometheus"]["file"]).read_text("utf-8"))["scrape_configs"]
        assert [job["static_configs"][0]["targets"] for job in jobs] == [["agent:8600"], ["model-server:8500"]]
        assert {job.get("scheme", "http") for job in jobs} == {scheme}
        command = content["services"]["prometheus"]["command"][0]
        for job in jobs:
            assert f">{job['authorization']['credentials_file']}\n" in command
            assert job.get("tls_config", {}).get("ca_file") == (
                "/etc/certificates/ca.crt" if scheme == "https" else None
            )
        for name in ("agent", "model-server"):
            assert content["services"][name]["environment"]["PROBE_URL"].startswith(f"{scheme}://localhost:")


def size(text: str) -> int:
    """Return a size such as 512m in bytes."""
    return int(text[:-1]) * {"m": 2**20, "g": 2**30}[text[-1]]
