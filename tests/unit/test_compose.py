"""The rules of `docker-compose.yml`, which not every machine can run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor_agent.cli import _reference_pages as reference
from monitor_agent.stack.compose import write_environment

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
VOLUMES: dict[str, Any] = yaml.safe_load(TEXT)["volumes"]
ELASTIC = ("elasticsearch", "kibana", "logstash")
ONE_SHOT = {"setup"}
PROJECT_SERVICES = ("setup", "model-server", "agent")


def variables_of(path: Path) -> dict[str, str]:
    """Return the variables of an environment file."""
    lines = (line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize("name", ELASTIC)
def test_one_version_for_all_of_the_elastic_stack(name: str) -> None:
    """Elasticsearch, Logstash and Kibana are official images by their short names, in one version."""
    assert SERVICES[name]["image"] == f"{name}:${{ELASTIC_VERSION:?}}"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_health_check(name: str) -> None:
    """A service has a health check, or runs once and is not started again."""
    if name in ONE_SHOT:
        assert SERVICES[name]["restart"] == "no"
    else:
        assert SERVICES[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_for_its_dependencies(name: str) -> None:
    """Each dependency exists, and the service waits for a condition that it can meet."""
    for needed, wish in SERVICES[name].get("depends_on", {}).items():
        condition = wish["condition"]
        assert needed in SERVICES
        assert condition in ("service_healthy", "service_completed_successfully", "service_started")
        assert (condition == "service_completed_successfully") == (needed in ONE_SHOT)


def test_the_set_up_comes_first() -> None:
    """A service that logs in to Elasticsearch with a user of its own starts after the users exist."""
    users = [
        name for name in SERVICES if "elasticsearch:9200" in str(SERVICES[name].get("environment")) and name != "setup"
    ]

    assert sorted(users) == ["agent", "kibana", "logstash"]
    assert all(SERVICES[name]["depends_on"]["setup"] for name in users)
    assert SERVICES["setup"]["depends_on"]["elasticsearch"]["condition"] == "service_healthy"


def test_every_variable_has_a_value() -> None:
    """`.env.example` holds exactly the variables without a default."""
    required = set(re.findall(r"\$\{(\w+):\?\}", TEXT))

    assert required == set(variables_of(ROOT / ".env.example"))


def test_secrets_come_from_the_environment() -> None:
    """No password or key is written in the file."""
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|KEY", name):
                assert re.fullmatch(r"\$\{\w+:\?\}", value)


def test_generated_secrets_fill_the_example_once(tmp_path: Path) -> None:
    """`.env` gets a value for each variable, long enough for Kibana's key, private to its owner, and keeps it."""
    target = tmp_path / ".env"

    assert write_environment(ROOT / ".env.example", target)
    first = variables_of(target)
    assert not write_environment(ROOT / ".env.example", target)

    assert variables_of(target) == first
    assert all(first.values())
    assert len(first["KIBANA_ENCRYPTION_KEY"]) >= 32
    assert target.stat().st_mode & 0o777 == 0o600


def test_security_is_on() -> None:
    """Elasticsearch asks for a password, and no port is open beyond this machine."""
    assert SERVICES["elasticsearch"]["environment"]["xpack.security.enabled"] == "true"
    for service in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_every_volume_is_declared() -> None:
    """Every named volume is declared and used."""
    mounted = [
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", ())
        if "$" not in volume
    ]
    named = {source for source in mounted if not source.startswith(".")}

    assert named == set(VOLUMES)


def test_logstash_reads_what_the_server_writes() -> None:
    """The server's log folder is one volume, mounted where both expect it."""
    for name in ("model-server", "logstash"):
        folder = SERVICES[name]["environment"]["MODEL_LOG_DIR"]
        assert any(volume.startswith(f"model-logs:{folder}") for volume in SERVICES[name]["volumes"])


@pytest.mark.parametrize("name", PROJECT_SERVICES)
def test_the_projects_services_have_settings_that_exist(name: str) -> None:
    """Each variable of the project's services is a setting, and their images are built from files of the project."""
    settings = set(re.findall(r"`([A-Z_]+)`", reference.settings_page()))

    assert set(SERVICES[name]["environment"]) <= settings
    assert (ROOT / SERVICES[name]["build"]["dockerfile"]).is_file()


def test_a_front_end_reaches_the_http_input_once_it_is_on() -> None:
    """Off unless `.env` turns it on; every variable of the input is set, and its port is published."""
    environ = SERVICES["logstash"]["environment"]
    needed = re.findall(r"\$\{(\w+)", (ROOT / "logstash/pipeline/http-on/15-http.conf").read_text(encoding="utf-8"))

    assert set(needed) <= set(environ)
    assert environ["PIPELINE_HTTP"] == "${PIPELINE_HTTP:-off}"
    (port,) = SERVICES["logstash"]["ports"]
    assert port.endswith(f":{environ['PIPELINE_HTTP_PORT']}")
