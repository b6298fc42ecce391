"""Alerts as the agent looks for them, on a real Elasticsearch: one firing each, through crashes, races and outages."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.alerting.definitions import load_alerts
from monitor_agent.alerting.evaluator import AlertEvaluator
from monitor_agent.alerting.firings import Firing
from monitor_agent.contracts.agent_state import AGENT_STATE
from monitor_agent.contracts.alert import ALERTS
from monitor_agent.contracts.cycle import CYCLES
from monitor_agent.errors import DataError, ElasticsearchError
from monitor_agent.es.gateway import Gateway, connect
from monitor_agent.es.retry import Backoff
from monitor_agent.settings import ElasticsearchSettings
from tests.cluster import Cluster
from tests.command_line import monitor_agent
from tests.factories import START, Document, iso, make_feedback, make_prediction
from tests.integration.agent_world import World
from tests.integration.test_service import address_in, asked, environ_of, running, until

MINUTE, SECOND, HOUR = timedelta(minutes=1), timedelta(seconds=1), timedelta(hours=1)
LAG = [alert for alert in load_alerts() if alert.id == "pipeline-lag"]


def lagging(world: World, minutes: int, lag: float = 400.0) -> None:
    """Index the documents of that many cycles."""
    cycle = {**CYCLES.sample, "lag_seconds": lag}
    for minute in range(minutes):
        at = START + minute * MINUTE
        world.admin.index(index=CYCLES.index_for(at), id=str(minute), document={**cycle, "@timestamp": iso(at)})
    world.admin.indices.refresh(index=CYCLES.pattern)


def look(world: World, minute: float, alerting: AlertEvaluator | None = None) -> None:
    """Look for alerts some minutes after the start; searches see what was written."""
    (alerting or AlertEvaluator(Gateway(world.agent), LAG)).evaluate(START + minute * MINUTE)
    visible(world)


def visible(world: World) -> None:
    """Let searches see everything."""
    world.admin.indices.refresh(index=f"{ALERTS.pattern},{AGENT_STATE.name}", ignore_unavailable=True)


def firings(world: World) -> list[Document]:
    """Return the documents of all firings, oldest first."""
    found = world.documents(ALERTS.alias).values()
    return sorted(found, key=lambda each: (each["@timestamp"], str(each["rule"])))


def test_a_firing_is_one_document_from_pending_to_recovered(world: World) -> None:
    """Two looks make it active, and no new document; looks that find the same write nothing."""
    lagging(world, 10)
    gateway = Gateway(world.agent)
    alerting = AlertEvaluator(gateway, LAG)

    states = []
    for minute in (2, 3, 4, 5, 6):
        look(world, minute, alerting)
        states.append([each["state"] for each in firings(world)])
    (steady,) = firings(world)
    requests = gateway.requests
    look(world, 7, alerting)
    asked_for_nothing_new = gateway.requests - requests
    for minute in range(20, 25):
        look(world, minute)

    (recovered,) = firings(world)
    assert states == [["pending"], *[["active"]] * 4]
    assert (steady["looks"], steady["value"], steady["limit"], steady["measure"]) == (
        "xxxxx",
        400.0,
        300.0,
        "lag_seconds",
    )
    assert asked_for_nothing_new == 1
    assert (recovered["state"], recovered["event"]["end"]) == ("recovered", "2026-03-02T10:24:00Z")
    assert recovered["_version"] == recovered["revision"]


def test_agents_that_look_at_the_same_moment_tell_one_firing(clean_indices: Cluster, world: World) -> None:
    """Whoever is slower changes nothing, also where searches do not see yet what the other one wrote."""
    lagging(world, 10)

    def looks(agent: int) -> None:
        with clean_indices.client("monitor_agent") as client:
            alerting = AlertEvaluator(Gateway(client), LAG)
            for number in range(8):
                alerting.evaluate(START + 2 * MINUTE + (8 * agent + number) * timedelta(seconds=7))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(looks, range(4)))
    visible(world)
    look(world, 9)

    (only,) = firings(world)
    assert only["state"] == "active"


def test_a_crash_between_the_list_and_the_documents_loses_no_alert(world: World) -> None:
    """The next look writes the documents that were left behind, whether the firing goes on or has recovered."""
    lagging(world, 10)
    look(world, 2)
    look(world, 3)
    world.admin.indices.delete(index=ALERTS.index_for(START))
    look(world, 4)
    (active,) = firings(world)
    for minute in range(20, 25):
        look(world, minute)
    (recovered,) = firings(world)
    world.admin.indices.delete(index=ALERTS.index_for(START))
    identifier = Firing.from_document(recovered).id
    behind = {name: value for name, value in active.items() if name != "_version"}
    world.admin.index(index=ALERTS.index_for(START), id=identifier, document=behind)
    visible(world)
    look(world, 25)

    assert (active["state"], recovered["state"]) == ("active", "recovered")
    assert [each | {"_version": 0} for each in firings(world)] == [recovered | {"_version": 0}]


def test_a_lost_list_is_made_from_the_documents(world: World) -> None:
    """Firings go on where somebody has deleted what the agents remember."""
    lagging(world, 10)
    look(world, 2)
    look(world, 3)
    world.admin.indices.delete(index=AGENT_STATE.name)
    look(world, 4)
    look(world, 30)

    (only,) = firings(world)
    assert (only["state"], only["looks"][-1]) == ("active", ".")


def test_without_elasticsearch_no_alert_changes(world: World) -> None:
    """A look that fails says nothing: neither that the trouble goes on, nor that it is over."""
    lagging(world, 10)
    look(world, 2)
    before = firings(world)
    nowhere = ElasticsearchSettings(url=("http://127.0.0.1:1",))
    with closing(Gateway(connect(nowhere), Backoff(tries=1))) as gateway:
        for minute in (3, 30, 60):
            with pytest.raises(ElasticsearchError):
                AlertEvaluator(gateway, LAG).evaluate(START + minute * MINUTE)

    look(world, 3)

    (after,) = firings(world)
    assert before[0]["state"] == "pending"
    assert (after["state"], after["looks"], after["event"]) == ("active", "xx", before[0]["event"])


def test_a_list_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """One line, with the setting, before anything runs."""
    with pytest.raises(
        DataError, match=r"nothing\.toml cannot be read \(No such file or directory\): see MONITOR_ALERTS"
    ):
        load_alerts(str(tmp_path / "nothing.toml"))


def test_a_replay_raises_no_alert(
    world: World,
    clean_indices: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """`once --now` and `backfill` compute the past; only a cycle of today looks for alerts."""
    settings = clean_indices.settings("monitor_agent")
    monkeypatch.setenv("ELASTICSEARCH_URL", settings.url[0])
    monkeypatch.setenv("ELASTICSEARCH_USERNAME", settings.username)
    monkeypatch.setenv("ELASTICSEARCH_PASSWORD", settings.password)
    world.deliver(make_prediction(START))

    assert monitor_agent("once", "--now", iso(START + HOUR)) == 0
    assert monitor_agent("backfill", "--from", iso(START), "--to", iso(START + HOUR)) == 0
    assert not world.admin.indices.exists(index=ALERTS.pattern, allow_no_indices=False)
    assert monitor_agent("alerts") == 0
    assert "no alert is pending or active, and none has recovered within a day" in capsys.readouterr().out
    world.deliver(*served("1", right=2, missed=60, wrong=40))
    monkeypatch.setenv("MONITOR_ALERTS", str(quick_list(tmp_path)))
    assert monitor_agent("once") == 0
    visible(world)
    assert [each["rule"]["name"] for each in firings(world)] == ["quality-below-threshold"]


def hour_before_last() -> datetime:
    """Return the start of a whole hour whose windows are final."""
    return (datetime.now(timezone.utc) - 3 * HOUR).replace(minute=0, second=0, microsecond=0)


def served(version: str, right: int, missed: int, wrong: int) -> list[Document]:
    """Return predictions that have just been ingested, and the clicks on them."""
    hour = hour_before_last()
    found: list[Document] = []
    for number in range(right + missed + wrong):
        score = 0.25 if right <= number < right + missed else 0.75
        prediction = make_prediction(hour + MINUTE + number * timedelta(milliseconds=10), score, version=version)
        found.append(prediction)
        if number < right + missed:
            found.append(make_feedback(prediction))
    return just_ingested(found)


def just_ingested(documents: list[Document]) -> list[Document]:
    """Return the documents as of now, predictions first."""
    now = iso(datetime.now(timezone.utc))
    for each in documents:
        each["event"]["ingested"] = now
    return sorted(documents, key=lambda each: str(each["event"]["dataset"]), reverse=True)


def orphans() -> list[Document]:
    """Return clicks whose predictions never come."""
    hour = hour_before_last()
    lost = [make_prediction(hour + MINUTE + number * SECOND) for number in range(30)]
    return just_ingested([make_feedback(each) for each in lost])


def quick_list(folder: Path) -> Path:
    """Return the list of alerts with a look a second, and long enough looks back for any minute of an hour."""
    path = folder / "alerts.toml"
    lines = (Path(__file__).parents[2] / "kibana" / "alerts.toml").read_text().splitlines()
    quick = {"every": '"1s"', "at_least": "1"}
    changed = [f"{line.split(' = ')[0]} = {quick[line.split(' = ')[0]]}" if line.split(" = ")[0] in quick else line
               for line in lines]  # fmt: skip
    path.write_text("\n".join(changed).replace('look_back = "3h"', 'look_back = "6h"'))
    return path


class Told:
    """What an operator sees of alerts."""

    def __init__(self, world: World) -> None:
        self._world = world

    def of(self, rule: str, version: str | None = None) -> Any:
        """Return the only firing of a rule, and version; None where there is none."""
        found = [
            each
            for each in firings(self._world)
            if each["rule"]["name"] == rule and each.get("model_version") == version
        ]
        assert len(found) <= 1, found
        return found[0] if found else None

    def is_(self, state: str, rule: str, version: str | None = None, held: tuple[str, ...] = ()) -> bool:
        """Return whether that firing is in a state, held back by those."""
        found = self.of(rule, version)
        return found is not None and (found["state"], tuple(found["inhibited_by"])) == (state, held)


def test_agents_that_are_killed_follow_one_firing_from_bad_to_good(
    world: World, clean_indices: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """A bad version is told; while orphans rise another is held back; afterwards all recover; each is one firing."""
    told, bad = Told(world), "quality-below-threshold"
    more = {"MONITOR_ALERTS": str(quick_list(tmp_path)), "MONITOR_ORPHAN_HORIZON": "1s", "MONITOR_LEASE": "1s"}
    environ = environ_of(clean_indices, **more)
    for name, value in environ.items():
        if name.startswith(("ELASTICSEARCH", "MONITOR")):
            monkeypatch.setenv(name, value)
    with running(environ, tmp_path / "1") as agent:
        world.deliver(*served("1", right=2, missed=60, wrong=40))
        until(lambda: told.of(bad, "1"), "a pending alert")
        agent.kill()
    with running(environ, tmp_path / "2") as agent:
        until(lambda: told.is_("active", bad, "1"), "an active alert")
        address = address_in(tmp_path / "2")
        health = until(lambda: json.loads(asked(f"{address}/healthz")[1])["alerts"], "health that tells it")
        metrics = asked(f"{address}/metrics")[1].splitlines()
        assert monitor_agent("alerts") == 1
        assert "Model quality below its threshold: see the dashboard model-quality" in capsys.readouterr().out
        world.deliver(*orphans())
        until(lambda: told.is_("active", bad, "1", ("orphan-rate",)), "held back")
        world.deliver(*served("2", right=2, missed=60, wrong=40))
        until(lambda: told.is_("pending", bad, "2", ("orphan-rate",)), "held back from the start")
        until(lambda: told.is_("active", "orphan-rate"), "the cause")
        agent.kill()
    with running(environ, tmp_path / "3"):
        world.deliver(*served("1", right=900, missed=0, wrong=0), *served("2", right=900, missed=0, wrong=0))
        until(lambda: told.is_("recovered", "orphan-rate"), "few orphans")
        until(lambda: told.is_("recovered", bad, "1") and told.is_("recovered", bad, "2"), "good versions")
    first, second = told.of(bad, "1"), told.of(bad, "2")

    (shown,) = health
    assert (shown["alert"], shown["model_version"], shown["limit"]) == (bad, "1", 0.2)
    assert f'monitor_agent_alerts_active{{alert="{bad}"}} 1.0' in metrics
    assert 'monitor_agent_alerts_active{alert="orphan-rate"} 0.0' in metrics
    assert first["value"] < 0.2
    assert (first["active_since"] is not None, second["active_since"]) == (True, None)
    logs = "".join((tmp_path / name).read_text() for name in "123")
    assert logs.count('"message":"alert recovered"') == 3
    assert "Traceback" not in logs
    assert monitor_agent("alerts") == 0
    shown_lately = capsys.readouterr().out
    assert bad in shown_lately
    assert "click/1" in shown_lately
    assert "click/2" not in shown_lately
    assert monitor_agent("alerts", "--all", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 3
