"""The scenario `bad-release`, small and whole: real lines through the real pipeline, agent and alerts."""

from __future__ import annotations

import io
import re
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from rich.console import Console

from monitor_agent.demo.bad_release.findings import Findings, troubles_table, verdict_lines
from monitor_agent.demo.bad_release.plans import FORTNIGHT, Plan
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
from tests.notification_receiver import receiving
from tests.replay_audience import Audience, audience_of, told_in_time

PAGE = Path(__file__).parents[2] / "docs/scenarios/bad-release.md"
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


def replayed(plan: Plan, cluster: Cluster, folder: Path, now: datetime | None = None) -> tuple[Findings, Audience]:
    """Replay a plan on an empty cluster; return what was found, and what people were told."""
    settings = as_own_users(scenario_settings(Settings(), folder, agent_settings()), cluster.url, cluster.users)
    with closing(open_gateway(cluster.settings("monitor_setup"))) as gateway:
        install(gateway, settings.agent, server=settings.server)
    with (
        closing(open_gateway(settings.elasticsearch)) as gateway,
        receiving() as receiver,
        audience_of(settings, cluster.settings("viewer"), receiver) as audience,
    ):
        notifier = audience.notifier(gateway)
        replay = BadRelease(plan, settings, gateway, folder / "log", display(), now, notifier)
        return replay.run(), audience


def test_the_fall_of_a_broken_version_is_dated_measured_and_alerted(clean_indices: Cluster, tmp_path: Path) -> None:
    """All lines arrive; the verdict names version, hour and size, and the alert names the version."""
    findings, audience = replayed(SMALL, clean_indices, tmp_path, NOW)

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
    told_in_time(audience, findings)
    words = "\n".join(verdict_lines(findings))
    assert "Version 2 of the model search fell" in words
    assert f"{release:%Y-%m-%d %H:%M} UTC, its first hour" in words
    assert "worse-version, active since" in words
    console = Console(file=io.StringIO(), width=140)
    console.print(troubles_table(findings))
    assert "not fired" not in console.file.getvalue()  # type: ignore[attr-defined]


@dataclass(frozen=True)
class StatedAlert:
    """A row of the tables in `docs/scenarios/bad-release.md`.

    Attributes
    ----------
    from_hour : begin of the trouble, hours from the start of the world.
    minutes : from the begin of the trouble until the alert is active.
    recovers : minutes from the end of the trouble until it recovers; None = it does not.
    """

    alert: str
    from_hour: int
    minutes: int
    recovers: int | None


def stated_alerts() -> list[StatedAlert]:
    """Return what the page of the scenario promises."""
    rows = [line.split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if " | hour " in line]
    return [
        StatedAlert(
            alert.strip("`"),
            int(start.removeprefix("hour ")),
            int(minutes),
            int(match[1]) if (match := re.match(r"yes, (\d+) minutes after the end", recovers)) else None,
        )
        for _, start, alert, minutes, recovers, *_ in rows
    ]


@pytest.mark.soak
def test_the_fortnight_is_told_as_its_page_promises(clean_indices: Cluster, tmp_path: Path) -> None:
    """Each planted trouble is an alert, a message and on the start page, in its stated time; and nothing else is."""
    findings, audience = replayed(FORTNIGHT, clean_indices, tmp_path)

    start, troubles = findings.world.start, findings.world.troubles
    assert findings.predictions == pytest.approx(300_000, rel=0.05)
    assert findings.lost == 180
    assert findings.fall is not None
    assert findings.fall.since == findings.world.rollout_start
    told_in_time(audience, findings)
    stated = {row.alert: row for row in stated_alerts()}
    assert {firing.rule for firing in findings.firings} == stated.keys()
    assert {trouble.alert for trouble in troubles} <= stated.keys()
    ends = {trouble.alert: trouble.end(start) for trouble in troubles}
    for firing in findings.firings:
        row = stated[firing.rule]
        assert firing.active_since is not None
        until_active = firing.active_since - start - timedelta(hours=row.from_hour)
        recovered = None if firing.end is None else firing.end - ends[firing.rule]
        expected = None if row.recovers is None else timedelta(minutes=row.recovers)
        assert (firing.rule, until_active, recovered) == (firing.rule, timedelta(minutes=row.minutes), expected)
