"""Misspelt names are worth a warning; what Kubernetes sets is recognised."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monitor_agent import settings
from monitor_agent.cli import main
from monitor_agent.errors import SettingsError
from monitor_agent.logstash.language.variables import pipeline_variables
from monitor_agent.settings import name_warnings

ADDRESS = "10.0.0.1"


def links(service: str, port: int) -> dict[str, str]:
    """Return what Kubernetes sets in each pod for a service with one port."""
    prefix = service.upper().replace("-", "_")
    url = f"tcp://{ADDRESS}:{port}"
    return {
        f"{prefix}_SERVICE_HOST": ADDRESS,
        f"{prefix}_SERVICE_PORT": str(port),
        f"{prefix}_SERVICE_PORT_HTTP": str(port),
        f"{prefix}_PORT": url,
        f"{prefix}_PORT_{port}_TCP": url,
        f"{prefix}_PORT_{port}_TCP_PROTO": "tcp",
        f"{prefix}_PORT_{port}_TCP_PORT": str(port),
        f"{prefix}_PORT_{port}_TCP_ADDR": ADDRESS,
    }


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("MONITOR_ATTRIBUTION_WINDWO", "MONITOR_ATTRIBUTION_WINDOW"),
        ("MONITOR_SEGMENT", "MONITOR_SEGMENTS"),
        ("MONITOR_TIMEZONE", "MONITOR_TIME_ZONE"),
        ("MONITR_PERIOD", "MONITOR_PERIOD"),
        ("MODEL_SERVER_LABEL", "MODEL_SERVER_LABELS"),
        ("MODEL_LOGDIR", "MODEL_LOG_DIR"),
        ("KIBNA_SPACE", "KIBANA_SPACE"),
        ("PIPELINE_WORKER", "PIPELINE_WORKERS"),
        ("PIPELINE_PASSWD", "PIPELINE_PASSWORD"),
        ("STACK_PROVIDR", "STACK_PROVIDER"),
        ("ELASTICSEARCH_PASWORD", "ELASTICSEARCH_PASSWORD"),
        ("KIBANA_SPAC", "KIBANA_SPACE"),
    ],
)
def test_a_misspelt_name_is_a_warning_with_the_nearest_name(name: str, meant: str) -> None:
    """The setting keeps its default; nothing is refused."""
    (warning,) = name_warnings({name: "5m", "HOME": "/root"})

    assert warning.finding == f"{name} is no setting; the nearest one is {meant}"
    assert settings.load({name: "5m"}) == settings.load({})


@pytest.mark.parametrize("name", ["MODEL_PORT", "MONITOR_KEEP", "STACK_COLOUR", "PIPELINE_DELAY"])
def test_a_name_that_is_like_no_setting_is_a_warning_without_a_guess(name: str) -> None:
    """A wrong guess would lead astray: the page of all settings says more."""
    (warning,) = name_warnings({name: "1"})

    assert warning.finding == f"{name} is no setting"
    assert "docs/settings.md" in warning.remedy


def test_names_of_other_software_cause_no_warning() -> None:
    """These words are shared: `MONITORING`, Elasticsearch's and Kibana's own variables."""
    names = ("PATH", "MONITORING_URL", "MODELSCOPE_CACHE", "ELASTIC_PASSWORD", "ELASTICSEARCH_HOSTS", "KIBANA_HOME")

    assert name_warnings(dict.fromkeys(names, "a")) == []
    assert name_warnings({"MONITOR_CONFIG": "monitor.toml", "MONITOR_PERIOD": "1m"}) == []


@pytest.mark.parametrize("service", ["monitor-agent", "pipeline", "stack", "model-monitor", "kibana", "model"])
def test_what_kubernetes_derives_from_a_service_is_no_misspelt_name(service: str) -> None:
    """None of these names is a setting's."""
    assert name_warnings(links(service, 8500)) == []


@pytest.mark.parametrize(
    ("service", "name"),
    [
        ("model-server", "MODEL_SERVER_PORT"),
        ("monitor-health", "MONITOR_HEALTH_PORT"),
        ("pipeline-http", "PIPELINE_HTTP_PORT"),
        ("stack-http", "STACK_HTTP_PORT"),
        ("dashboards", "DASHBOARDS_PORT"),
    ],
)
def test_a_port_from_kubernetes_is_no_setting(service: str, name: str) -> None:
    """The default holds, and one line names the cause and the remedy; a port that somebody set is used."""
    (warning,) = name_warnings(links(service, 8500))

    assert warning.variable == name
    assert f"{name}=tcp://{ADDRESS}:8500 comes from Kubernetes, for a service called {service}" in warning.finding
    assert "enableServiceLinks: false" in warning.remedy
    assert settings.load(links(service, 8500)) == settings.load({})
    assert name_warnings(links(service, 8500) | {name: "8123"}) == []


def test_a_configuration_gets_no_port_from_kubernetes() -> None:
    """`${PIPELINE_HTTP_PORT}` is the setting; a variable of the configuration's own is the environment's."""
    environ = {**links("pipeline-http", 80), **links("shop", 80)}
    variables = pipeline_variables(settings.load(environ), environ)

    assert (variables["PIPELINE_HTTP_PORT"], variables["SHOP_PORT"]) == ("8501", f"tcp://{ADDRESS}:80")


def test_names_in_the_configuration_of_the_pipeline_are_known() -> None:
    """A configuration may read variables of its own; a misspelt one that is not set is worth a warning."""
    assert name_warnings({"PIPELINE_TOPIC": "clicks"}, {"PIPELINE_TOPIC", "PIPELINE_OTHER"}) == []

    (warning,) = name_warnings({}, {"PIPELINE_HTTP_PROT"})
    assert "reads PIPELINE_HTTP_PROT, which is not set; the nearest setting is PIPELINE_HTTP_PORT" in warning.finding


def test_each_name_is_logged_once_and_standard_output_stays_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A command logs the warning; its JSON is as without it."""
    monkeypatch.setenv("MONITOR_PERIOT", "5m")
    monkeypatch.setenv("MODEL_SERVER_PORT", f"tcp://{ADDRESS}:8500")

    main(["stack", "status", "--json", "--data", str(tmp_path)])
    out, err = capfd.readouterr()

    assert isinstance(json.loads(out), list)
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["log.level"] for line in lines] == ["warning", "warning"]
    assert "enableServiceLinks" in lines[0]["message"]
    assert "MONITOR_PERIOD" in lines[1]["message"]


@pytest.mark.parametrize("command", ["once", "run", "pipeline stats", "setup", "dashboards", "alerts"])
def test_every_command_refuses_a_contradiction_in_the_same_way(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on standard error, status 1."""
    monkeypatch.setenv("MONITOR_ATTRIBUTION_WINDOW", "90d")

    assert main(command.split()) == 1
    assert capsys.readouterr().err.startswith("error: MONITOR_ATTRIBUTION_WINDOW=90d, MONITOR_INGEST_GRACE=2m and ")


def test_a_wrong_key_of_the_file_is_refused_with_the_nearest_key(tmp_path: Path) -> None:
    """Nobody else writes into this file."""
    path = tmp_path / "monitor.toml"
    path.write_text('[agent]\npriod = "1m"\n')

    with pytest.raises(SettingsError, match=r"agent\.priod is unknown: did you mean period\?"):
        settings.load({}, path)
