"""The compose files, which not every machine can run: every setting, and no further secret, reaches its container."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from importlib import resources
from typing import Any

import jsonschema
import pytest
import yaml

from monitor_agent.settings import Settings, info_of, load
from tests.compose_files import (
    EXAMPLE,
    FILE,
    ROOT,
    TLS_FILE,
    environment,
    filled,
    names_in,
    plain,
    resolved,
    variables_of,
    with_tls,
)

TEXT = FILE.read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = plain()["services"]
WITH_TLS = with_tls()
TLS_SERVICES: dict[str, dict[str, Any]] = WITH_TLS["services"]
ELASTIC = ("elasticsearch", "kibana", "logstash")
PROJECT_SERVICES = [name for name, service in SERVICES.items() if "build" in service]
INFORMATION = {
    info_of(entry).variable: info_of(entry) for kind in fields(Settings) for entry in fields(kind.default_factory)
}
FURTHER = {"MONITOR_CONFIG", "PROBE_URL", "PROBE_CA", "NO_PROXY", "no_proxy"}
"""Variables of the project's containers that are no settings."""

CONTAINERS_OF = {
    "elasticsearch": ("users", "setup", "kibana-setup", "agent", "dashboards"),
    "agent": ("setup", "kibana-setup", "agent"),
    "server": ("model-check", "model-server"),
    "pipeline": ("logstash",),
    "stack": ("users",),
    "kibana": ("kibana-setup",),
    "dashboards": ("dashboards",),
    "health": ("agent",),
    "security": ("model-server", "agent", "dashboards", "receive"),
    "receive": ("receive",),
    "notify": ("agent",),
}
"""The containers that read a section of the settings."""
FURTHER_CONTAINERS = {
    **dict.fromkeys(("MODEL_SERVER_LABELS", "MODEL_SERVER_NUMERIC_FEATURES"), ("setup", "kibana-setup")),
    "MODEL_SERVER_CATEGORICAL_FEATURES": ("setup", "kibana-setup"),
    "MODEL_SERVER_LOG_OTHER_FEATURES": ("logstash",),
    "KIBANA_FOLDER": ("dashboards",),
}
AGENT_ALONE = ("MONITOR_ALERTS", "MONITOR_HEALTH_HOST", "MONITOR_HEALTH_PORT")
EXACT_CONTAINERS = {
    **dict.fromkeys(AGENT_ALONE, ("agent",)),
    **dict.fromkeys(("MODEL_SERVER_HMAC_KEY", "MODEL_SERVER_HOST", "MODEL_SERVER_PORT"), ("model-server",)),
    **dict.fromkeys(("MODEL_SERVER_TLS_CERT", "MODEL_SERVER_TLS_KEY"), ("model-server",)),
}
EMBEDDED = "only the embedded runner and the embedded Elasticsearch have it"
USERS = "the containers log in with the users that `stack users` creates"
IN_NO_CONTAINER = {
    **dict.fromkeys(("ELASTICSEARCH_API_KEY", "KIBANA_API_KEY", "PIPELINE_API_KEY"), USERS),
    **dict.fromkeys(("PIPELINE_BATCH_SIZE", "PIPELINE_BATCH_DELAY", "PIPELINE_WORKERS"), EMBEDDED),
    **dict.fromkeys(("PIPELINE_PARK_AFTER", "PIPELINE_PARKED_MAX", "PIPELINE_REMOVE_AFTER"), EMBEDDED),
    **dict.fromkeys(("STACK_PROVIDER", "STACK_DATA_DIR", "STACK_CACHE_DIR", "STACK_HTTP_PORT"), EMBEDDED),
    **dict.fromkeys(("STACK_PROXY", "STACK_HEAP", "STACK_SHORT_LIVED"), EMBEDDED),
    "ELASTIC_VERSION": "it is the version of the images",
}
DECIDED = {
    *("ELASTICSEARCH_URL", "ELASTICSEARCH_USERNAME", "ELASTICSEARCH_PASSWORD", "ELASTICSEARCH_CA_CERTS"),
    *("KIBANA_URL", "KIBANA_USERNAME", "KIBANA_PASSWORD", "KIBANA_CA_CERTS"),
    *("MODEL_LOG_DIR", "PIPELINE_DATA_DIR", "PIPELINE_USERNAME"),
    *(
        f"{server}_TLS_{half}"
        for server in ("MODEL_SERVER", "MONITOR_HEALTH", "DASHBOARDS", "PIPELINE_RECEIVE")
        for half in ("CERT", "KEY")
    ),
    *(name for name in INFORMATION if name.startswith("STACK_") and name.endswith("_PASSWORD")),
}
"""Settings whose values the compose files decide."""
SECRETS = {
    "ELASTIC_PASSWORD": {"elasticsearch", "users"},
    "KIBANA_PASSWORD": {"users", "kibana"},
    "PIPELINE_PASSWORD": {"users", "logstash"},
    "PIPELINE_HTTP_PASSWORD": {"logstash"},
    "AGENT_PASSWORD": {"users", "agent"},
    "ANALYST_PASSWORD": {"users", "dashboards"},
    "SETUP_PASSWORD": {"users", "setup", "kibana-setup"},
    "DEADLETTER_READER_PASSWORD": {"users"},
    "KIBANA_ENCRYPTION_KEY": {"kibana"},
    "MODEL_SERVER_HMAC_KEY": {"model-server", "receive"},
    "MONITOR_HEALTH_TOKEN": {"agent", "prometheus"},
    "MONITOR_NOTIFY_URLS": {"agent"},
    "DASHBOARDS_TOKEN": {"dashboards"},
    "PIPELINE_RECEIVE_TOKEN": {"receive"},
    "PROMETHEUS_API_KEY": {"prometheus"},
}
"""The secrets of `.env`, and the containers that need them."""


def containers_of(section: str, variable: str) -> tuple[str, ...]:
    """Return the containers that a setting must reach."""
    if variable in EXACT_CONTAINERS:
        return EXACT_CONTAINERS[variable]
    return (*CONTAINERS_OF[section], *FURTHER_CONTAINERS.get(variable, ()))


def text_of(service: dict[str, Any]) -> str:
    """Return all that belongs to a service: its entries, and the files that it gets."""
    files = [WITH_TLS["configs"][config["source"]] for config in service.get("configs", ())]
    return yaml.safe_dump([service, *files])


@pytest.mark.parametrize("file", [FILE, TLS_FILE], ids=lambda path: path.name)
def test_a_file_is_valid(file: Any) -> None:
    """It passes the schema of the Compose Specification."""
    path = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = jsonschema.Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))

    errors = list(schema.iter_errors(yaml.safe_load(file.read_text(encoding="utf-8"))))

    assert [(error.json_path, error.message) for error in errors] == []
    wrong = {"services": {"agent": {"image": "a", "read_onyl": True}}}
    assert not schema.is_valid(wrong)


@pytest.mark.parametrize("section", [entry.name for entry in fields(Settings)])
def test_every_setting_reaches_its_containers(section: str) -> None:
    """Each setting of `.env` gets to each container that reads it, or the compose files decide its value."""
    missing = []
    for entry in fields(getattr(Settings(), section)):
        variable = info_of(entry).variable
        if variable in IN_NO_CONTAINER:
            assert variable in ("STACK_CACHE_DIR", "ELASTIC_VERSION") or f"{variable}:" not in TEXT
            continue
        for name in containers_of(section, variable):
            entries = TLS_SERVICES[name]["environment"]
            by_env = variable in entries and (entries[variable] is None or variable in DECIDED)
            if not by_env and variable not in names_in(text_of(TLS_SERVICES[name])):
                missing.append((variable, name))

    assert missing == []


@pytest.mark.parametrize("services", [SERVICES, TLS_SERVICES], ids=["plain", "tls"])
@pytest.mark.parametrize("name", PROJECT_SERVICES)
def test_a_container_understands_its_settings(name: str, services: dict[str, dict[str, Any]]) -> None:
    """Each variable is a setting with a value that is accepted; what is not set keeps its default."""
    variables = {**filled(), "MONITOR_PERIOD": "5m", "MODEL_SERVER_THRESHOLD": "0.25"}
    environ = environment(services[name], variables)

    settings = load(environ, ROOT / "packaging/compose/monitor.toml")

    assert set(environ) <= {*INFORMATION, *FURTHER}
    assert settings.agent.period.total_seconds() == (300 if "MONITOR_PERIOD" in environ else 60)
    assert settings.server.threshold == (0.25 if name.startswith("model-") else None)
    assert (ROOT / services[name]["build"]["dockerfile"]).is_file()


def test_an_address_of_the_settings_is_the_one_on_this_machine() -> None:
    """Host and port of `.env` decide where a port is published; inside the containers they are fixed."""
    variables = {"MODEL_SERVER_HOST": "0.0.0.0", "MODEL_SERVER_PORT": "80"}

    assert [resolved(port, variables) for port in SERVICES["model-server"]["ports"]] == ["0.0.0.0:80:8500"]
    assert environment(SERVICES["model-server"], {**filled(), **variables})["MODEL_SERVER_PORT"] == "8500"


@pytest.mark.parametrize("services", [SERVICES, TLS_SERVICES], ids=["plain", "tls"])
def test_a_secret_reaches_only_its_containers(services: dict[str, dict[str, Any]]) -> None:
    """A container holds no secret that it does not need: only two know the superuser's password."""
    variables = {name: f"secret-{name}-{'x' * 32}" for name in SECRETS} | {"ELASTIC_VERSION": "9.5.0"}
    holders: dict[str, set[str]] = {name: set() for name in SECRETS}
    for name, service in services.items():
        values = environment(service, variables).values()
        for secret in SECRETS:
            if any(variables[secret] in value for value in values):
                holders[secret].add(name)
            elsewhere = {key: value for key, value in service.items() if key != "environment"}
            assert secret not in names_in(yaml.safe_dump(elsewhere))

    assert holders == SECRETS


def test_every_secret_is_in_the_table() -> None:
    """A new variable of the example, or a new secret setting in a container, needs its place in the table above."""
    in_example = {name for name, value in variables_of(EXAMPLE).items() if not value}
    passed_on = {
        name
        for service in TLS_SERVICES.values()
        for name, value in service.get("environment", {}).items()
        if value is None and name in INFORMATION and INFORMATION[name].secret
    }

    assert in_example | passed_on <= set(SECRETS)
    for service in TLS_SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|ENCRYPTIONKEY|HMAC_KEY", name):
                assert value is None or re.fullmatch(r"\$\{\w+:\?\}", value)


def test_every_variable_has_a_value() -> None:
    """`.env.example` holds exactly the variables without a default; all others have one."""
    text = TEXT + TLS_FILE.read_text(encoding="utf-8")
    required = set(re.findall(r"\$\{(\w+):\?\}", text))

    assert required == set(variables_of(EXAMPLE))
    assert re.findall(r"(?<!\$)\$\{\w+\}", text) == []
    for name in [*SERVICES, "certificates"]:
        resolved(text_of(TLS_SERVICES[name]), filled())


@pytest.mark.parametrize("name", ELASTIC)
def test_one_version_for_all_of_the_elastic_stack(name: str) -> None:
    """Elasticsearch, Logstash and Kibana are official images by their short names, in one version."""
    assert SERVICES[name]["image"] == f"{name}:${{ELASTIC_VERSION:?}}"


@pytest.mark.parametrize("name", TLS_SERVICES)
def test_a_service_waits_for_its_dependencies(name: str) -> None:
    """Each dependency exists, and the service waits for a condition that it can meet."""
    for needed, wish in TLS_SERVICES[name].get("depends_on", {}).items():
        runs_once = TLS_SERVICES[needed]["restart"] == "no"
        assert wish["condition"] in (
            {"service_completed_successfully", "service_started"} if runs_once else {"service_healthy"}
        )


def test_the_set_up_comes_first() -> None:
    """A service that logs in to Elasticsearch with a user of its own starts after the users exist."""

    def before(name: str) -> set[str]:
        needed = SERVICES[name].get("depends_on", {})
        return {*needed, *(earlier for entry in needed for earlier in before(entry))}

    logged_in = [name for name in SERVICES if "http://elasticsearch:9200" in str(SERVICES[name].get("environment"))]

    assert {"setup", "kibana", "kibana-setup", "logstash", "agent", "dashboards"} == {*logged_in} - {"users"}
    assert all("users" in before(name) for name in logged_in if name != "users")
    assert all("setup" in before(name) for name in ("kibana-setup", "logstash", "agent", "dashboards"))


def test_kibana_comes_up_filled() -> None:
    """Once Kibana is healthy, a container imports the objects and the rules as the user of the set-up, and ends."""
    service = SERVICES["kibana-setup"]
    environ = environment(service, filled())

    assert service["command"] == ["monitor-agent", "setup", "--kibana"]
    assert service["depends_on"]["kibana"]["condition"] == "service_healthy"
    assert environ["KIBANA_USERNAME"] == environ["ELASTICSEARCH_USERNAME"] == "monitor_setup"
    (mount,) = service["volumes"]
    assert (mount["target"], mount["read_only"]) == (environ["KIBANA_FOLDER"], True)
    assert (ROOT / resolved(mount["source"], {}) / "objects").is_dir()


def test_a_folder_without_a_model_is_reported_once() -> None:
    """A check with the same folder and settings comes before the server: no restart repeats the failure."""
    check, server = SERVICES["model-check"], SERVICES["model-server"]

    assert check["command"] == ["model-server", "check"]
    assert (check["restart"], check["volumes"]) == ("no", server["volumes"])
    assert server["depends_on"] == {"model-check": {"condition": "service_completed_successfully"}}
    assert set(check["environment"].items()) <= set(server["environment"].items())


def test_people_log_in_to_the_viewer() -> None:
    """The viewer reads as the analyst, and asks for a user of Elasticsearch unless `.env` says otherwise."""
    environ = environment(SERVICES["dashboards"], filled())

    assert (environ["ELASTICSEARCH_USERNAME"], environ["DASHBOARDS_AUTH"]) == ("analyst", "elasticsearch")
    assert SERVICES["dashboards"]["profiles"] == ["dashboards"]


def test_logstash_gets_what_its_configuration_reads() -> None:
    """Each variable of the pipeline is set if it has no default, and no other one of Logstash's settings is changed.

    The image of Logstash writes a variable that is named like a setting into its file, which cannot be written here.
    """
    paths = [*(ROOT / "logstash/pipeline").rglob("*.conf"), *(ROOT / "logstash/config").glob("*.yml")]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    read = {match for text in texts for match in re.findall(r"\$\{(\w+)(?::[^}]*)?\}", text)}
    environ = SERVICES["logstash"]["environment"]

    assert read - set(environ) == {"LOGSTASH_PIPELINE_DIR"}
    assert set(environ) - read == {"LS_JAVA_OPTS"}
    assert not {"PIPELINE_WORKERS", "PIPELINE_BATCH_SIZE", "PIPELINE_BATCH_DELAY"} & set(environ)


def test_logstash_reads_what_the_server_writes() -> None:
    """The server's log folder is one volume, mounted where both expect it."""
    for name in ("model-server", "receive", "logstash"):
        folder = SERVICES[name]["environment"]["MODEL_LOG_DIR"]
        assert any(str(volume).startswith(f"model-logs:{folder}") for volume in SERVICES[name]["volumes"])


def test_a_front_end_reaches_the_http_input_once_it_is_on() -> None:
    """Off unless `.env` turns it on; its port is published."""
    environ = environment(SERVICES["logstash"], filled())

    assert environ["PIPELINE_HTTP"] == "off"
    (port,) = SERVICES["logstash"]["ports"]
    assert port.endswith(f":{environ['PIPELINE_HTTP_PORT']}")
