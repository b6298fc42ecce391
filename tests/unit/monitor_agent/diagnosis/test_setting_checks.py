"""`monitor-agent check` shows settings that contradict each other, or the configuration of the pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monitor_agent import settings
from monitor_agent.cli import main
from monitor_agent.diagnosis import setting_checks
from monitor_agent.diagnosis.check_result import FAILED, OK, SKIPPED, WARNING, CheckResult

OWN_FILES = """
input { file { path => "/var/log/other/*.ndjson" } }
filter { if [a] { mutate { id => "x" } } }
output { if [b] { elasticsearch { hosts => ["${SEARCH_URL:http://search:9200}"] } } }
"""


def rows(environ: dict[str, str]) -> dict[str, CheckResult]:
    """Return the rows about settings by name, the last one of each name."""
    return {row.check: row for row in setting_checks.check_settings(settings.read(environ), environ)}


def test_the_defaults_agree_with_the_configuration_of_the_pipeline() -> None:
    """The rows name what is the same on both sides."""
    results = rows({"MODEL_LOG_DIR": "/var/log/server", "ELASTICSEARCH_URL": "https://es.example:9243"})

    assert {row.state for row in results.values()} == {OK}
    assert "/var/log/server" in results["folder of event files"].finding
    assert (
        results["address of the pipeline"].finding
        == "the pipeline writes to https://es.example:9243, as the agent does"
    )


def test_a_configuration_that_reads_and_writes_elsewhere_fails(tmp_path: Path) -> None:
    """The model server writes to a folder that nobody reads; the agent reads a cluster that nobody writes to."""
    path = tmp_path / "own.conf"
    path.write_text(OWN_FILES)
    results = rows({"PIPELINE_CONFIG": str(path), "MODEL_LOG_DIR": "/var/log/server"})

    assert results["folder of event files"].state == FAILED
    assert "/var/log/server (MODEL_LOG_DIR), and the pipeline reads /var/log/other/*.ndjson" in (
        results["folder of event files"].finding
    )
    assert results["address of the pipeline"].state == FAILED
    assert "http://search:9200" in results["address of the pipeline"].finding
    assert "ELASTICSEARCH_URL" in results["address of the pipeline"].remedy
    assert results["indices of the pipeline"].state == FAILED
    assert "does not name model-predictions, model-feedback" in results["indices of the pipeline"].finding


def test_an_address_of_the_pipeline_that_is_none_stops_no_check(tmp_path: Path) -> None:
    """The row says what is wrong with it."""
    path = tmp_path / "own.conf"
    path.write_text(OWN_FILES.replace("http://search:9200", "http://search:port"))

    assert "'port' is no port" in rows({"PIPELINE_CONFIG": str(path)})["address of the pipeline"].finding


def test_a_configuration_that_cannot_be_read_is_skipped(tmp_path: Path) -> None:
    """The row says why."""
    result = rows({"PIPELINE_CONFIG": str(tmp_path / "none")})["folder of event files"]

    assert (result.state, "there is no pipeline configuration" in result.finding) == (SKIPPED, True)


def test_labels_ports_and_limits_that_do_not_fit_are_warnings() -> None:
    """Each row names the settings with their values."""
    results = rows(
        {
            "MONITOR_SEGMENTS": "scene,shop",
            "MONITOR_HEALTH_PORT": "8500",
            "MONITOR_ATTRIBUTION_WINDOW": "25d",
            "MODEL_SERVER_LABEL": "shop",
        }
    )

    assert {name: results[name].state for name in ("labels and segments", "ports of settings", "settings")} == (
        dict.fromkeys(("labels and segments", "ports of settings", "settings"), WARNING)
    )
    assert "splits metrics by shop, which the model server refuses" in results["labels and segments"].finding
    assert results["ports of settings"].finding == "MODEL_SERVER_PORT and MONITOR_HEALTH_PORT are both 8500"
    assert "33d after its predictions" in results["settings"].finding
    assert results["names of settings"].finding.endswith("the nearest one is MODEL_SERVER_LABELS")


@pytest.mark.parametrize(
    ("name", "value", "finding"),
    [
        ("MONITOR_ATTRIBUTION_WINDOW", "90d", "MONITOR_RETENTION_EVENTS=30d"),
        ("MONITOR_PERIOD", "soon", "MONITOR_PERIOD='soon' is malformed"),
    ],
)
def test_wrong_settings_are_a_row_in_the_table(
    name: str, value: str, finding: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`check` itself is never refused; standard output stays JSON."""
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(
        "monitor_agent.cli.check.diagnose",
        lambda loaded, environ, *_rest: setting_checks.check_settings(loaded, environ),
    )

    assert main(["check", "--json"]) == 1
    out, err = capfd.readouterr()

    (row, *_) = [row for row in json.loads(out) if row["check"] == "settings"]
    assert row["state"] == FAILED
    assert finding in row["finding"]
    assert row["remedy"]
    assert err == ""
