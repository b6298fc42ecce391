"""The viewer and the reports as programs: secrets, refusals, and messages if something is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from monitor_agent.dashboards.assets import static_path
from monitor_agent.settings import environment_of
from tests.cluster import Cluster
from tests.integration.kibana_world import filled_world
from tests.viewers import RANGE, ROOT, fetch, viewer_on

DASHBOARDS = sorted(path.stem for path in (ROOT / "kibana/objects/dashboard").glob("*.json"))


@pytest.fixture(scope="module")
def world(elasticsearch: Cluster) -> Iterator[Cluster]:
    """A cluster with data for every panel."""
    with filled_world(elasticsearch):
        yield elasticsearch


@pytest.fixture(scope="module")
def viewer(world: Cluster) -> Iterator[str]:
    """A viewer of it."""
    with viewer_on(world) as url:
        yield url


def data(viewer: str, dashboard: str, **query: str) -> Any:
    """Return a dashboard's data."""
    _, _, text = fetch(f"{viewer}/dashboards/{dashboard}/data?{urlencode({**RANGE, **query})}")
    return json.loads(text)


def test_credentials_and_addresses_never_reach_a_page(world: Cluster, viewer: str) -> None:
    """No page, no data and no script names a password, a user, or where Elasticsearch is."""
    paths = ["/", "/alerts", f"{static_path()}/viewer.js", f"{static_path()}/state.js"]
    for name in DASHBOARDS:
        paths += [f"/dashboards/{name}", f"/dashboards/{name}/data?{urlencode(RANGE)}"]
    for path in paths:
        status, headers, text = fetch(viewer + path)
        assert status == 200
        assert world.users["analyst"] not in text
        assert urlsplit(world.url).netloc not in text
        assert "default-src 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_the_viewer_only_reads(viewer: str, method: str) -> None:
    """No method that writes is allowed."""
    assert fetch(f"{viewer}/dashboards/model-quality/data", method=method)[0] == 405


def test_another_host_name_is_refused(viewer: str) -> None:
    """Another site's name that leads to this machine gets no page."""
    assert fetch(f"{viewer}/", headers={"Host": "evil.example"})[0] == 421


def test_an_unknown_dashboard_or_time_is_reported(viewer: str) -> None:
    """An unknown dashboard, and a text that is no time, give one line."""
    status, _, text = fetch(f"{viewer}/dashboards/nothing")
    assert status == 404
    assert "no dashboard is called nothing" in text
    assert fetch(f"{viewer}/dashboards/nothing/data")[0] == 404
    assert data(viewer, "serving", to="tomorrow")["error"].startswith("'tomorrow' is no time")


def test_a_panel_that_cannot_be_shown_says_so(world: Cluster, tmp_path: Path) -> None:
    """An unsupported panel and a refused search give a notice in their own panel; the other panels are drawn."""
    shutil.copytree(ROOT / "kibana/objects", tmp_path / "objects")
    change(tmp_path / "objects/lens/quality-f1.json", lambda lens: lens.update(visualizationType="lnsTagcloud"))
    change(tmp_path / "objects/dashboard/model-quality.json", lambda board: board["panelsJSON"][2].update(type="map"))
    change(tmp_path / "objects/lens/quality-recall.json", sum_of_words)
    old = '{"attributes":{"title":"Old","panelsJSON":"[{}]"},"id":"old","migrationVersion":{},"type":"dashboard"}'
    files = {"old": old, "cut": '{"attributes":', "latin": "\xe9", "deep": "[" * 100_000, "list": "[]", "bare": "{}"}
    files["untitled"] = '{"attributes":{},"id":"untitled","type":"dashboard"}'
    files["wrong"] = '{"attributes":[],"id":"wrong","type":"dashboard"}'
    for name, text in files.items():
        (tmp_path / f"objects/dashboard/{name}.json").write_text(text, encoding="latin-1")
    change(tmp_path / "objects/index-pattern/model-restatements.json", lambda view: view.pop("title"))
    change(tmp_path / "objects/lens/quality-auc.json", lambda lens: lens.update(state=[]))
    change(tmp_path / "objects/dashboard/model-quality.json", lambda board: board["panelsJSON"][5].pop("type"))
    with viewer_on(world, {"KIBANA_FOLDER": str(tmp_path)}) as url:
        panels = data(url, "model-quality")["panels"]
        page = fetch(f"{url}/dashboards/model-quality")[2]
        first, refused = fetch(f"{url}/")[2], fetch(f"{url}/dashboards/untitled")

    assert panels["quality-f1"]["body"]["tone"] == "unsupported"
    assert "lens:quality-f1 uses the visualization lnsTagcloud" in panels["quality-f1"]["body"]["text"]
    assert "uses a panel of type map, which is not supported here" in page
    assert panels["quality-recall"]["body"]["tone"] == "error"
    assert "Not read: Elasticsearch refuses the search: " in panels["quality-recall"]["body"]["text"]
    assert panels["quality-ctr"]["body"]["kind"] == "tiles"
    assert "lens:quality-auc" in panels["quality-auc"]["body"]["text"]
    assert "lacks or misuses KeyError(&#39;type&#39;)" in page
    assert first.count('class="notice error"') == len(files) + 1
    for name in [
        "dashboard:old is from a Kibana before 8.8",
        "cut.json",
        "untitled",
        "index-pattern:model-restatements",
    ]:
        assert name in first
    assert first.count("<li><a ") == len(DASHBOARDS)
    assert (refused[0], "dashboard:untitled" in refused[2]) == (404, True)


def change(path: Path, edit: Any) -> None:
    """Change the attributes of a saved object's file."""
    saved = json.loads(path.read_text(encoding="utf-8"))
    edit(saved["attributes"])
    path.write_text(json.dumps(saved), encoding="utf-8")


def sum_of_words(lens: Any) -> None:
    """Let a panel sum a field of words, which Elasticsearch refuses."""
    columns = lens["state"]["datasourceStates"]["formBased"]["layers"]["data"]["columns"]
    next(column for column in columns.values() if column["operationType"] == "sum")["sourceField"] = "model_name"


def test_a_cluster_that_does_not_answer_is_reported(world: Cluster) -> None:
    """The page gets one line instead of an empty dashboard."""
    with viewer_on(world, {"ELASTICSEARCH_URL": "http://127.0.0.1:9"}) as url:
        status, _, text = fetch(f"{url}/dashboards/serving/data")

    assert status == 502
    assert "check that Elasticsearch runs" in json.loads(text)["error"]


def test_a_port_in_use_is_reported(world: Cluster, viewer: str) -> None:
    """A second viewer on the same port exits with one line that says what to do."""
    ended = run(world, "dashboards", "--port", str(urlsplit(viewer).port))

    assert ended.returncode == 1
    assert "set DASHBOARDS_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(("suffix", "beginning"), [("html", b"<!doctype html>"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_a_report_is_one_file(world: Cluster, tmp_path: Path, suffix: str, beginning: bytes) -> None:
    """A report needs no browser and no server, loads nothing from elsewhere, and is private to its owner.

    It holds neither the password of the user who reads the data nor the id of an event.
    """
    out = tmp_path / f"report.{suffix}"
    choice = ["--dashboard", "versions-compared", "--dashboard", "drift", "--set", "window=1d"]
    ended = run(world, "report", *choice, "--from", RANGE["from"], "--to", RANGE["to"], "--out", str(out))

    assert ended.returncode == 0, ended.stderr
    content = out.read_bytes()
    assert content.startswith(beginning)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert world.users["analyst"].encode() not in content
    with world.client() as client:
        hits = client.search(index="model-predictions,model-feedback", size=500, source=False)["hits"]["hits"]
    assert hits
    assert not [hit["_id"] for hit in hits if hit["_id"].encode() in content]
    if suffix == "html":
        text = content.decode()
        assert "Mean score" in text
        assert "Window: 1d" in text
        assert "<script" not in text
        assert "http" not in text.replace("http://www.w3.org/", "")


def test_a_report_has_headings_tables_and_named_charts(world: Cluster, tmp_path: Path) -> None:
    """The page has one title, a heading for each dashboard and panel, real tables, and a text for each chart."""
    out = tmp_path / "report.html"
    choice = ["--dashboard", "model-quality", "--from", RANGE["from"], "--to", RANGE["to"]]
    ended = run(world, "report", *choice, "--out", str(out))
    text = out.read_text(encoding="utf-8")

    assert ended.returncode == 0, ended.stderr
    assert text.count("<h1>") == 1
    assert "<h2>Models</h2>" in text
    assert "<h2>Model quality</h2>" in text
    panels = re.findall(r'data-panel="model-quality/([\w-]+)" data-shows="(\w+)"', text)
    assert text.count("<table>") == [shows for _, shows in panels].count("table")
    charts = [shows for _, shows in panels].count("chart")
    assert charts
    assert text.count("<desc id=") == charts


def test_a_report_prints_on_a4(world: Cluster, tmp_path: Path) -> None:
    """A document has A4 pages with the verdict first and numbered pages; a summary has one page."""
    if shutil.which("pdftotext") is None and "CI" not in os.environ:
        pytest.skip("no reader of PDF: install poppler-utils")
    times = ["--from", RANGE["from"], "--to", RANGE["to"]]
    for arguments, number, title in (
        (["--dashboard", "model-quality", *times], range(2, 6), "Model monitoring report"),
        (["--summary", *times], range(1, 2), "Model monitoring summary"),
    ):
        out = tmp_path / "report.pdf"
        ended = run(world, "report", *arguments, "--out", str(out))
        facts = subprocess.run(["pdfinfo", out], capture_output=True, text=True, check=True).stdout
        pages = subprocess.run(["pdftotext", out, "-"], capture_output=True, text=True, check=True).stdout.split("\f")

        assert ended.returncode == 0, ended.stderr
        assert int(re.search(r"Pages: +(\d+)", facts)[1]) in number
        assert "(A4)" in facts
        assert re.search(rf"Title: +{title}", facts)
        assert "click" in pages[0]
        assert "predictions; CTR" in pages[0]
        assert "No alert was active in this time." in pages[0]
        if "--summary" not in arguments:
            assert "Model quality" in pages[1]
            assert f"page 2 of {len(pages) - 1}" in pages[1]


def test_one_old_dashboard_stops_no_report(world: Cluster, tmp_path: Path) -> None:
    """A dashboard as Kibana 7.11 exports it cannot be read; the report of another one is made."""
    shutil.copytree(ROOT / "kibana/objects", tmp_path / "objects")
    old = {"type": "dashboard", "id": "old", "attributes": {"title": "Old", "panelsJSON": '[{"version":"7.11.0"}]'}}
    text = json.dumps({**old, "migrationVersion": {"dashboard": "7.11.0"}, "references": []})
    (tmp_path / "objects/dashboard/old.json").write_text(text)
    out = tmp_path / "report.html"

    first = run(world, "report", "--dashboard", "serving", "--out", str(out), environ={"KIBANA_FOLDER": str(tmp_path)})
    second = run(world, "report", "--dashboard", "old", "--out", str(out), environ={"KIBANA_FOLDER": str(tmp_path)})

    assert first.returncode == 0, first.stderr
    assert out.read_text().startswith("<!doctype html>")
    assert second.returncode == 1
    assert "dashboard:old is from a Kibana before 8.8" in second.stderr
    assert second.stderr.count("\n") == 1


def test_a_report_that_cannot_be_made_says_why(world: Cluster, tmp_path: Path) -> None:
    """Unknown dashboards, controls and kinds of files give one line each."""
    for arguments, message in (
        (["--dashboard", "nothing", "--out", "a.pdf"], "no dashboard is called nothing"),
        (["--set", "color=red", "--out", "a.pdf"], "no control is called color"),
        (["--out", "report.docx"], "use one of .html, .png, .pdf, .svg"),
        (["--summary", "--out", "a.html"], "a summary is a .pdf"),
        (["--summary", "--dashboard", "drift", "--out", "a.pdf"], "a summary has no dashboards"),
        (["--data", str(tmp_path), "--out", "a.pdf"], "holds no data of an embedded Elasticsearch"),
    ):
        ended = run(world, "report", *arguments)
        assert ended.returncode == 1
        assert message in ended.stderr
        assert ended.stderr.count("\n") == 1


def run(
    cluster: Cluster, *arguments: str, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command as the analyst would."""
    variables = {**environment_of(cluster.settings("analyst")), "PATH": "/usr/bin:/bin", **(environ or {})}
    argv = [sys.executable, "-m", "monitor_agent", *arguments]
    return subprocess.run(argv, env=variables, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
