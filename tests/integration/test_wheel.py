"""The wheel, installed alone, has everything: each command that needs no checkout works in an empty folder."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from monitor_agent.files import read_address
from tests.cluster import Cluster
from tests.factories import make_feedback, make_prediction
from tests.installation import ROOT, Installation, contents_of_archive, contents_of_wheel, files_below
from tests.kibana_stand_in import kibana_stand_in
from tests.viewers import fetch
from tests.waiting import wait_until

SOURCES = {
    "kibana/": "monitor_agent/product_files/kibana/",
    "logstash/pipeline/": "monitor_agent/product_files/logstash/pipeline/",
    "logstash/config/": "monitor_agent/product_files/logstash/config/",
}
EVENTS = 26
"""20 predictions, 5 clicks, and a line that is refused."""
NOT_INSTALLED = ("Dockerfile", "kustomization.yaml")


def expected_contents() -> dict[str, bytes]:
    """Return name -> content of every file that the wheel must have: the packages, and the product's other files."""
    expected: dict[str, bytes] = {}
    for package in ("monitor_agent", "model_server"):
        files = files_below(package, without=NOT_INSTALLED)
        expected |= {name: content for name, content in files.items() if "/product_files/kibana" not in name}
    for source, place in SOURCES.items():
        for name, content in files_below(source, without=NOT_INSTALLED).items():
            expected[place + name.removeprefix(source)] = content
    return expected


def test_the_wheel_has_every_file_and_nothing_else(installation: Installation) -> None:
    """Each file of the packages, the pipeline, the saved objects and the alerts is there, byte for byte."""
    expected, actual = expected_contents(), contents_of_wheel(installation.wheel)

    assert sorted(actual) == sorted(expected)
    assert [name for name, content in expected.items() if actual[name] != content] == []
    assert len([name for name in expected if "/product_files/kibana/objects/" in name]) > 100


def test_source_archive_and_images_have_the_files_of_the_wheel(installation: Installation) -> None:
    """A wheel from the archive, and one from the folder that an image copies, are the same; the archive has no link."""
    archive, wheel = contents_of_archive(installation.archive), contents_of_wheel(installation.wheel)

    assert {name: archive.get(name) for name in wheel} == wheel
    assert contents_of_wheel(installation.wheel_of_folder) == wheel
    assert b"link" not in archive.values()


def test_both_images_are_built_from_the_same_folders() -> None:
    """What the image of the agent copies for the wheel, the image of the model server copies, too."""
    agent, server = (
        [line for line in (ROOT / package / "Dockerfile").read_text(encoding="utf-8").splitlines() if "COPY" in line]
        for package in ("monitor_agent", "model_server")
    )

    assert [line for line in agent if "requirements" not in line] == [
        line for line in server if "requirements" not in line
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the empty folder that all commands run in."""
    return tmp_path_factory.mktemp("empty")


def test_the_checkout_is_invisible(installation: Installation, folder: Path) -> None:
    """What is imported lies in the installation; its version is the wheel's."""
    code = "import monitor_agent, model_server; print(monitor_agent.__file__, model_server.__file__)"
    done = subprocess.run(
        [installation.python, "-c", code], cwd=folder, env=installation.environ(), capture_output=True, text=True
    )
    version = installation.run("monitor-agent", "--version", cwd=folder).stdout

    assert all(str(installation.folder) in path for path in done.stdout.split())
    assert version.split()[-1] in installation.wheel.name


@pytest.mark.parametrize(
    "words",
    [
        ("monitor-agent", "--help"),
        ("monitor-agent", "completion", "bash"),
        ("model-server", "--help"),
        ("model-server", "--version"),
        ("model-server", "completion", "zsh"),
        ("monitor-agent", "kibana", "check", "--offline"),
        ("monitor-agent", "kibana", "pack"),
    ],
    ids=" ".join,
)
def test_a_command_that_needs_nothing(installation: Installation, folder: Path, words: tuple[str, ...]) -> None:
    """It succeeds in an empty folder."""
    installation.run(*words, cwd=folder)


def test_a_command_that_writes_the_installation_is_refused(installation: Installation, folder: Path) -> None:
    """Files of an installation are not edited: the line says how to get a copy, and the copy can be changed."""
    packed = contents_of_wheel(installation.wheel)["monitor_agent/product_files/kibana/model-monitoring.ndjson"]
    (folder / "export.ndjson").write_bytes(packed.replace(b"Model quality", b"Quality of models"))

    refused = installation.run("monitor-agent", "kibana", "unpack", "export.ndjson", cwd=folder, status=1)
    copied = installation.run("monitor-agent", "kibana", "files", "--out", "copy", cwd=folder)
    exported = settings_of(copied.stdout)
    unpacked = installation.run("monitor-agent", "kibana", "unpack", "export.ndjson", cwd=folder, environ=exported)

    assert re.fullmatch(
        r"error: .*/product_files/kibana belongs to the installed product and is not changed: copy it with "
        r"`monitor-agent kibana files --out FOLDER`, then set KIBANA_FOLDER=FOLDER\n",
        refused.stderr,
    )
    assert exported["KIBANA_FOLDER"] == str(folder / "copy")
    assert "changed: objects/dashboard/model-quality.json" in unpacked.stdout
    assert "Quality of models" in (folder / "copy" / "objects" / "dashboard" / "model-quality.json").read_text()


def settings_of(printed: str) -> dict[str, str]:
    """Return the settings that `files` prints, as a shell would read them."""
    lines = [line.strip().removeprefix("export ") for line in printed.splitlines() if line.startswith("  export ")]
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture(scope="module")
def events(folder: Path) -> Path:
    """Return an event file with predictions, clicks and a line that is refused."""
    path = folder / "log" / "events.ndjson"
    path.parent.mkdir()
    start = datetime.now(timezone.utc) - timedelta(minutes=50)
    predictions = [make_prediction(start + timedelta(seconds=second), score=second / 20) for second in range(20)]
    clicks = [make_feedback(prediction) for prediction in predictions[::4]]
    path.write_text("".join(json.dumps(event) + "\n" for event in [*predictions, *clicks, {"no": "event"}]))
    return path


def test_files_are_validated_without_elasticsearch(installation: Installation, folder: Path, events: Path) -> None:
    """`pipeline validate` uses the pipeline of the wheel, and an edited copy of it if the setting names one."""
    validated = installation.run("monitor-agent", "pipeline", "validate", "--json", str(events), cwd=folder, status=1)
    copied = installation.run("monitor-agent", "pipeline", "files", "--out", "edited", cwd=folder)
    settings = {**settings_of(copied.stdout), "PIPELINE_PASSWORD": "not used"}
    (folder / "edited" / "pipeline" / "99-nothing.conf").write_text("filter { drop { } }\n")
    edited = installation.run("monitor-agent", "pipeline", "check", cwd=folder, environ=settings)

    totals = json.loads(validated.stdout)["totals"]
    assert (totals["accepted"], totals["refused"]) == (25, 1)
    assert edited.stdout.startswith(f"{folder}/edited/pipeline is fine: ")
    assert edited.stdout.rstrip().endswith("files read: 8")


@pytest.fixture(scope="module")
def access(elasticsearch: Cluster, folder: Path) -> Iterator[dict[str, dict[str, str]]]:
    """Return, by user, the settings of an empty cluster on which the wheel's `setup` has run."""
    elasticsearch.clean()
    shared = {"ELASTICSEARCH_URL": elasticsearch.url, "MODEL_LOG_DIR": str(folder / "log"), "MONITOR_HEALTH_PORT": ""}
    yield {
        user: {**shared, "ELASTICSEARCH_USERNAME": user, "ELASTICSEARCH_PASSWORD": password}
        for user, password in elasticsearch.users.items()
    }
    elasticsearch.clean()


@pytest.mark.usefixtures("events")
def test_a_cluster_of_your_own(
    installation: Installation, folder: Path, access: dict[str, dict[str, str]], elasticsearch: Cluster
) -> None:
    """The commands of the README, in their order: set-up, pipeline, agent, numbers, alerts, dashboards, check."""

    def monitor(user: str, *words: str, **more: str) -> str:
        return installation.run("monitor-agent", *words, cwd=folder, environ={**access[user], **more}).stdout

    with kibana_stand_in() as kibana:
        assert "saved objects: 183 imported" in monitor("monitor_setup", "setup", "--kibana", KIBANA_URL=kibana.url)
        assert len(kibana.objects["default"]) == 183
        assert len(kibana.rules) == 20
    writer = {"PIPELINE_USERNAME": "pipeline_writer", "PIPELINE_PASSWORD": elasticsearch.users["pipeline_writer"]}
    deliver(installation, folder, {**access["monitor_agent"], **writer}, elasticsearch)
    monitor("monitor_agent", "once")
    totals = json.loads(monitor("analyst", "totals", "--json", "--from", "now-1d/d", "--to", "now"))
    assert [(row["predictions"], row["tp"] + row["fn"]) for row in totals["totals"]] == [(20, 5)]
    assert json.loads(monitor("analyst", "alerts", "--json", "--all")) == []
    assert list(json.loads(monitor("deadletter_reader", "deadletters", "list", "--json"))["reasons"].values()) == [1]
    monitor("analyst", "report", "--out", "report.html")
    assert "<svg" in (folder / "report.html").read_text(encoding="utf-8")
    # The port of Elasticsearch here is not the one of the settings.
    checked = json.loads(monitor("monitor_agent", "check", "--json", STACK_PROVIDER="external", **writer))
    assert [row for row in checked if row["state"] == "failed"] == []


def deliver(installation: Installation, folder: Path, environ: Mapping[str, str], elasticsearch: Cluster) -> None:
    """Run the pipeline of the wheel until all events, and the dead letter, are in Elasticsearch."""
    command = installation.command("monitor-agent", "pipeline", "run")
    process = subprocess.Popen(command, cwd=folder, env=installation.environ(environ), stderr=subprocess.PIPE)
    try:
        with elasticsearch.client() as client:
            client = client.options(ignore_status=503)  # the shards of a new index are not ready yet
            wait_until(lambda: client.indices.refresh(index="model-*") and count_of(client) == EVENTS, 120)
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
    assert process.returncode == 0, log.decode()[-3000:]


def count_of(client: Elasticsearch) -> int:
    """Return how many events and dead letters Elasticsearch has."""
    return int(client.count(index="model-*,-model-settings").get("count", 0))


def test_the_viewer_draws_the_dashboards(
    installation: Installation, folder: Path, access: dict[str, dict[str, str]]
) -> None:
    """`dashboards` serves the dashboards of the wheel, with styles and scripts."""
    address = folder / "address"
    command = installation.command("monitor-agent", "dashboards", "--port", "0", "--address-file", str(address))
    environ = installation.environ(access["viewer"])
    process = subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.PIPE)
    try:
        wait_until(address.exists, 60)
        url = read_address(address)
        _, _, index = fetch(url)
        style = re.search(r'href="(/static/[^"]+/viewer.css)"', index)
        assert style is not None
        status, _, _ = fetch(url + style[1])
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert status == 200
    assert all(f"/dashboards/{path.stem}" in index for path in (ROOT / "kibana/objects/dashboard").glob("*.json"))
