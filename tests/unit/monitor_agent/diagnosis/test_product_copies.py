"""Which files `monitor-agent check` says are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor_agent import cli
from monitor_agent.diagnosis.product_copies import check_copies
from monitor_agent.settings import load

ROOT = Path(__file__).parents[4]


def rows(here: Path, **environ: str) -> list[tuple[str, str, str]]:
    """Return state, finding and remedy of each row."""
    return [(row.state, row.finding, row.remedy) for row in check_copies(load(environ), here)]


def test_the_files_of_the_product_are_used_without_a_setting(tmp_path: Path) -> None:
    """An empty folder, and the folder of the repository, give no warning."""
    expected = [
        ("ok", f"{variable} is not set: the files that come with the product are used", "")
        for variable in ("PIPELINE_CONFIG", "KIBANA_FOLDER")
    ]

    assert rows(tmp_path) == expected
    assert rows(ROOT) == expected


def test_files_in_the_working_folder_that_are_not_used_are_named(tmp_path: Path) -> None:
    """Who upgrades from a release that looked there learns which setting to write."""
    (tmp_path / "logstash" / "pipeline").mkdir(parents=True)

    assert rows(tmp_path)[0] == (
        "warning",
        "logstash/pipeline in this folder is not used: PIPELINE_CONFIG is not set",
        "set PIPELINE_CONFIG=logstash/pipeline to use it, or ignore this",
    )


def test_copies_are_compared_with_this_release(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An edited copy is fine; the row says what differs, and another list of alerts is a warning."""
    cli.main(["pipeline", "files", "--out", str(tmp_path / "p")])
    cli.main(["kibana", "files", "--out", str(tmp_path / "k")])
    capsys.readouterr()
    pipeline, kibana = tmp_path / "p" / "pipeline", tmp_path / "k"
    settings = {"PIPELINE_CONFIG": str(pipeline), "KIBANA_FOLDER": str(kibana)}
    equal = rows(tmp_path, **settings)
    (pipeline / "30-check.conf").write_text("filter { }\n")
    (pipeline / "40-route.conf").unlink()
    (pipeline / "99-mine.conf").write_text("filter { }\n")
    (kibana / "alerts.toml").write_text("# none\n")
    edited = rows(tmp_path, **settings)
    agreed = rows(tmp_path, **settings, MONITOR_ALERTS=str(kibana / "alerts.toml"))

    assert [finding for _, finding, _ in equal] == [
        f"PIPELINE_CONFIG={pipeline}: the same files as those that come with the product",
        f"KIBANA_FOLDER={kibana}: the same files as those that come with the product",
    ]
    assert edited[0][:2] == (
        "ok",
        f"PIPELINE_CONFIG={pipeline}: changed: 30-check.conf; missing: 40-route.conf; "
        "not from this release: 99-mine.conf",
    )
    assert [state for state, _, _ in edited] == ["ok", "ok", "warning"]
    assert edited[2][2] == f"set MONITOR_ALERTS={kibana}/alerts.toml, or use one KIBANA_FOLDER with one list"
    assert [state for state, _, _ in agreed] == ["ok", "ok"]
