"""The scenario `bad-release`, small and whole: real lines through the real pipeline, agent and alerts."""

from __future__ import annotations

import dataclasses
import io
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from rich.console import Console

from monitor_agent.demo.bad_release.findings import troubles_table, verdict_lines
from monitor_agent.demo.bad_release.plans import Plan
from monitor_agent.demo.bad_release.report import run_fortnight
from monitor_agent.demo.bad_release.scenario import BadRelease, agent_settings
from monitor_agent.demo.bad_release.troubles import Trouble
from monitor_agent.demo.bad_release.world import Rollout, TrafficOfModel
from monitor_agent.demo.display import Display
from monitor_agent.demo.stage import scenario_settings
from monitor_agent.es.connection import open_gateway
from monitor_agent.es.install import install
from monitor_agent.settings import Settings
from monitor_agent.stack.read_access import as_own_users
from tests.cluster import Cluster
from tests.factories import Document

NOW = datetime(2026, 3, 2, 14, 40, tzinfo=timezone.utc)
RELEASE_HOUR = 2
SMALL = Plan(
    hours=6,
    live=((4, 6),),
    rollout=Rollout("search", "2", RELEASE_HOUR, share=0.5),
    troubles=(Trouble("swapped-features", RELEASE_HOUR, 100, "worse-version", model="search", version="2"),),
    models=(TrafficOfModel("search", "1", 800.0, ("search", "category"), 18.0),),
)


def display() -> Display:
    """Return an output that nobody reads."""
    return Display(Console(file=io.StringIO()))


def documents(cluster: Cluster, index: str) -> list[Document]:
    """Return the content of every document of an alias."""
    with cluster.client() as client:
        client.indices.refresh(index="model-*")
        hits = client.search(index=index, size=10_000, ignore_unavailable=True)["hits"]["hits"]
    return [hit["_source"] for hit in hits]


def test_the_fall_of_a_broken_version_is_dated_measured_and_alerted(clean_indices: Cluster, tmp_path: Path) -> None:
    """All lines arrive; the verdict names version, hour and size, and the alert names the version."""
    settings = as_own_users(
        scenario_settings(Settings(), tmp_path, agent_settings()), clean_indices.url, clean_indices.users
    )
    with closing(open_gateway(clean_indices.settings("monitor_setup"))) as gateway:
        install(gateway, settings.agent, server=settings.server)
    with closing(open_gateway(settings.elasticsearch)) as gateway:
        findings = BadRelease(SMALL, settings, gateway, tmp_path / "log", display(), NOW).run()

    release = findings.world.start + timedelta(hours=RELEASE_HOUR)
    written = [page for hour in range(SMALL.hours + 1) for page in findings.world.pages(hour)]
    feedback = documents(clean_indices, "model-feedback")
    windows = [
        document
        for document in documents(clean_indices, "model_performance")
        if (document["window_size"], document["segment"], document["model_version"]) == ("1h", "all", "all")
    ]
    assert findings.predictions == sum(len(page.items) for page in written)
    end = findings.world.end + findings.world.tail
    clicks = [page.moment + delay for page in written for _, delay in page.clicks]
    assert findings.clicks == len(feedback) == sum(moment < end for moment in clicks)
    assert {click["feedback"]["status"] for click in feedback} == {"matched"}
    assert sum(window["n"] for window in windows if window["state"] == "final") == sum(
        len(page.items) for page in written if page.moment < findings.world.end
    )
    assert documents(clean_indices, "model-deadletters") == []
    assert findings.fall is not None
    assert (findings.fall.since, findings.fall.from_start) == (release, True)
    assert {row.verdict for row in findings.fall.rows} == {"worse"}
    firing = findings.firing_of(SMALL.troubles[0])
    assert firing is not None
    assert dict(firing.group) == {"model_name": "search", "model_version": "2"}
    words = "\n".join(verdict_lines(findings))
    assert "Version 2 of the model search fell" in words
    assert f"{release:%Y-%m-%d %H:%M} UTC, its first hour" in words
    assert "worse-version, active since" in words
    console = Console(file=io.StringIO(), width=140)
    console.print(troubles_table(findings))
    assert "not fired" not in console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.soak
def test_every_planted_trouble_of_the_fortnight_raises_its_alert(tmp_path: Path) -> None:
    """The whole scenario: 300,000 predictions, every alert in the table, and the fall in its hour."""
    tmp_path.chmod(0o711)
    settings = dataclasses.replace(Settings(), stack=dataclasses.replace(Settings().stack, provider="embedded"))

    findings = run_fortnight(settings, tmp_path / "out", display())

    assert findings.predictions == pytest.approx(300_000, rel=0.05)
    assert findings.lost == 180
    assert findings.fall is not None
    assert findings.fall.since == findings.world.rollout_start
    firings = {trouble.kind: findings.firing_of(trouble) for trouble in findings.world.troubles}
    assert [kind for kind, firing in firings.items() if firing is None] == []
    assert {kind for kind, firing in firings.items() if firing and firing.open} == {"swapped-features", "lost-lines"}
