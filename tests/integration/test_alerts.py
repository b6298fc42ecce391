"""The evaluation of alerts on a real Elasticsearch: one firing each, through crashes, races and outages."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import BadRequestError

from monitor_agent.alerting.definitions import load_alerts
from monitor_agent.alerting.evaluator import AlertEvaluator
from monitor_agent.alerting.firings import Firing
from monitor_agent.contracts.agent_state import AGENT_STATE
from monitor_agent.contracts.alert import ALERTS
from monitor_agent.contracts.cycle import CYCLES
from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.connection import connect
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.install import install
from monitor_agent.es.retry import Backoff
from monitor_agent.es.state_store import StateStore, StoredState
from monitor_agent.settings import AgentSettings, ElasticsearchSettings, ModelSettings
from tests.cluster import Cluster
from tests.command_line import monitor_agent
from tests.factories import START, Document, iso, make_feedback, make_prediction
from tests.integration.agent_world import World
from tests.integration.test_service import (
    address_in,
    environ_of,
    fetch,
    newest_cycle,
    running,
    service,
    store_settings,
    until,
)

MINUTE, SECOND, HOUR = timedelta(minutes=1), timedelta(seconds=1), timedelta(hours=1)
LAG = [alert for alert in load_alerts() if alert.id == "pipeline-lag"]


def lagging(world: World, minutes: int, lag: float = 400.0) -> None:
    """Index the documents of cycles with a lag, one a minute."""
    cycle = {**CYCLES.sample, "lag_seconds": lag}
    for minute in range(minutes):
        at = START + minute * MINUTE
        world.admin.index(index=CYCLES.index_for(at), id=str(minute), document={**cycle, "@timestamp": iso(at)})
    world.admin.indices.refresh(index=CYCLES.pattern)


def evaluate_alerts(world: World, minute: float, evaluator: AlertEvaluator | None = None) -> None:
    """Evaluate the alerts some minutes after the start; then refresh."""
    (evaluator or AlertEvaluator(Gateway(world.agent), LAG)).evaluate(START + minute * MINUTE)
    visible(world)


def visible(world: World) -> None:
    """Make everything that was written visible to searches."""
    world.admin.indices.refresh(index=f"{ALERTS.pattern},{AGENT_STATE.name}", ignore_unavailable=True)


def firings(world: World) -> list[Document]:
    """Return the documents of all firings, oldest first."""
    documents = world.documents(ALERTS.alias).values()
    return sorted(documents, key=lambda document: (document["@timestamp"], str(document["rule"])))


def test_a_firing_is_one_document_from_pending_to_recovered(world: World) -> None:
    """Two evaluations make it active, without a new document; an evaluation that changes nothing writes nothing."""
    lagging(world, 10)
    gateway = Gateway(world.agent)
    evaluator = AlertEvaluator(gateway, LAG)

    states = []
    for minute in (2, 3, 4, 5, 6):
        evaluate_alerts(world, minute, evaluator)
        states.append([firing["state"] for firing in firings(world)])
    (steady,) = firings(world)
    requests = gateway.requests
    evaluate_alerts(world, 7, evaluator)
    requests_without_change = gateway.requests - requests
    for minute in range(20, 25):
        evaluate_alerts(world, minute)

    (recovered,) = firings(world)
    assert states == [["pending"], *[["active"]] * 4]
    assert (steady["looks"], steady["value"], steady["limit"], steady["measure"]) == (
        "xxxxx",
        400.0,
        300.0,
        "lag_seconds",
    )
    assert requests_without_change == 2
    assert (recovered["state"], recovered["event"]["end"]) == ("recovered", "2026-03-02T10:24:00Z")
    assert recovered["_version"] == recovered["revision"]


def test_each_evaluation_counts_before_a_search_shows_the_one_before(world: World) -> None:
    """Elasticsearch refreshes once in a second: an agent that is faster loses no evaluation by that."""
    lagging(world, 10)
    evaluate_alerts(world, 1)
    evaluator = AlertEvaluator(Gateway(world.agent), LAG)
    for minute in (2, 3, 4, 5):
        evaluator.evaluate(START + minute * MINUTE)
    visible(world)

    (only,) = firings(world)
    assert (only["state"], only["active_since"], only["looks"]) == ("active", "2026-03-02T10:02:00Z", "xxxxx")


def test_agents_that_evaluate_at_the_same_moment_write_one_firing(clean_indices: Cluster, world: World) -> None:
    """The slower agent changes nothing, even if searches do not show yet what the other agent wrote."""
    lagging(world, 10)

    def evaluate_often(agent: int) -> None:
        with clean_indices.client("monitor_agent") as client:
            evaluator = AlertEvaluator(Gateway(client), LAG)
            for number in range(8):
                evaluator.evaluate(START + 2 * MINUTE + (8 * agent + number) * timedelta(seconds=7))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(evaluate_often, range(4)))
    visible(world)
    evaluate_alerts(world, 9)

    (only,) = firings(world)
    assert only["state"] == "active"


def test_a_crash_between_the_list_and_the_documents_loses_no_alert(world: World) -> None:
    """The next evaluation writes the documents behind the list, of open and of recovered firings."""
    lagging(world, 10)
    evaluate_alerts(world, 2)
    evaluate_alerts(world, 3)
    world.admin.indices.delete(index=ALERTS.index_for(START))
    evaluate_alerts(world, 4)
    (active,) = firings(world)
    for minute in range(20, 25):
        evaluate_alerts(world, minute)
    (recovered,) = firings(world)
    world.admin.indices.delete(index=ALERTS.index_for(START))
    identifier = Firing.from_document(recovered).id
    behind = {name: value for name, value in active.items() if name != "_version"}
    world.admin.index(index=ALERTS.index_for(START), id=identifier, document=behind)
    visible(world)
    evaluate_alerts(world, 25)

    assert (active["state"], recovered["state"]) == ("active", "recovered")
    assert [firing | {"_version": 0} for firing in firings(world)] == [recovered | {"_version": 0}]


def test_a_deleted_list_is_restored_from_the_documents(world: World) -> None:
    """Firings go on after somebody has deleted the agents' state."""
    lagging(world, 10)
    evaluate_alerts(world, 2)
    evaluate_alerts(world, 3)
    world.admin.indices.delete(index=AGENT_STATE.name)
    evaluate_alerts(world, 4)
    evaluate_alerts(world, 30)

    (only,) = firings(world)
    assert (only["state"], only["looks"][-1]) == ("active", ".")


def test_without_elasticsearch_no_alert_changes(world: World) -> None:
    """An evaluation that fails counts neither as a breach nor as a recovery."""
    lagging(world, 10)
    evaluate_alerts(world, 2)
    before = firings(world)
    nowhere = ElasticsearchSettings(url=("http://127.0.0.1:1",))
    with closing(Gateway(connect(nowhere), Backoff(tries=1))) as gateway:
        for minute in (3, 30, 60):
            with pytest.raises(ElasticsearchError):
                AlertEvaluator(gateway, LAG).evaluate(START + minute * MINUTE)

    evaluate_alerts(world, 3)

    (after,) = firings(world)
    assert before[0]["state"] == "pending"
    assert (after["state"], after["looks"], after["event"]) == ("active", "xx", before[0]["event"])


def earlier(names: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document, or the properties of a mapping, with the field names of earlier versions."""
    former = {"inhibited_by": "held_back_by", "quality_inhibited": "quality_held_back"}
    return {former.get(name, name): value for name, value in names.items()}


@contextmanager
def indices_of_an_earlier_version(world: World) -> Iterator[None]:
    """Create the indices of firings and cycles with the mappings of an earlier version; afterwards run the setup."""
    for contract in (ALERTS, CYCLES):
        template = contract.template()
        mappings = template["template"]["mappings"]
        mappings["properties"] = earlier(mappings["properties"])
        world.admin.indices.put_index_template(name=contract.name, body=template)
        world.admin.indices.create(index=contract.index_for(START))
    try:
        yield
    finally:
        install(Gateway(world.admin), AgentSettings())


def test_firings_of_an_earlier_version_go_on_after_setup(world: World) -> None:
    """Setup extends the strict mappings; a stored firing with `held_back_by` keeps its state, start and revision."""
    inhibited_alert = replace(LAG[0], id="inhibited", inhibited_by=("pipeline-lag",))
    free_alert = replace(LAG[0], id="free")
    stored = {
        alert.id: Firing(
            rule=alert.id, group=(), start=START - MINUTE, title=alert.title, message=alert.message,
            severity=alert.severity, dashboard=alert.dashboard, state="active", active_since=START, evaluations="xx",
            evaluated=START, measure="lag_seconds", value=500.0, limit=300.0, revision=2,
        )
        for alert in (inhibited_alert, free_alert)
    }  # fmt: skip
    evaluator = AlertEvaluator(Gateway(world.agent), [*LAG, inhibited_alert, free_alert])
    with indices_of_an_earlier_version(world):
        for firing in stored.values():
            document = earlier(firing.document())
            world.admin.index(index=ALERTS.index_for(START), id=firing.id, document=document)
        state = {"alerts": [earlier(firing.document()) for firing in stored.values()]}
        assert StateStore(Gateway(world.admin)).write(StoredState("alerts"), state, START)
        for minute in range(5):
            cycle = earlier({**CYCLES.sample, "@timestamp": iso(START + minute * MINUTE), "lag_seconds": 400.0})
            world.admin.index(index=CYCLES.index_for(START), document=cycle, refresh=True)
        with pytest.raises(BadRequestError, match="strict_dynamic_mapping_exception"):
            world.admin.index(index=CYCLES.index_for(START), document=CYCLES.sample)
    visible(world)

    evaluate_alerts(world, 4, evaluator)
    service(world, 4).cycle()

    documents = {document["rule"]["name"]: document for document in firings(world)}
    inhibited = documents["inhibited"]
    assert (inhibited["state"], inhibited["inhibited_by"], inhibited["revision"]) == ("active", ["pipeline-lag"], 3)
    assert inhibited["event"]["start"] == "2026-03-02T09:59:00Z"
    assert "held_back_by" not in inhibited
    assert (documents["free"]["state"], documents["free"]["looks"]) == ("active", "xxx")
    assert documents["pipeline-lag"]["state"] == "pending"
    assert newest_cycle(world)["quality_inhibited"] is False
    for contract, name in ((ALERTS, "inhibited_by"), (CYCLES, "quality_inhibited")):
        mapping = world.admin.indices.get_mapping(index=contract.index_for(START))[contract.index_for(START)]
        assert {name, *earlier({name: None})} <= mapping["mappings"]["properties"].keys()


def test_a_replay_raises_no_alert(
    world: World,
    clean_indices: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """`once --now` and `backfill` compute the past; only a cycle of today evaluates alerts."""
    settings = clean_indices.settings("monitor_agent")
    monkeypatch.setenv("ELASTICSEARCH_URL", settings.url[0])
    monkeypatch.setenv("ELASTICSEARCH_USERNAME", settings.username)
    monkeypatch.setenv("ELASTICSEARCH_PASSWORD", settings.password)
    store_settings(clean_indices)
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
    assert [firing["rule"]["name"] for firing in firings(world)] == ["quality-below-threshold"]


@functools.cache
def hour_before_last() -> datetime:
    """Return the start of a whole hour whose windows are final: the same hour in all steps of a test."""
    return (datetime.now(timezone.utc) - 3 * HOUR).replace(minute=0, second=0, microsecond=0)


def served(version: str, right: int, missed: int, wrong: int, *, earlier_by: timedelta = 0 * HOUR) -> list[Document]:
    """Return predictions that have just been ingested, and the clicks on them."""
    hour = hour_before_last() - earlier_by
    events: list[Document] = []
    for number in range(right + missed + wrong):
        score = 0.25 if right <= number < right + missed else 0.75
        prediction = make_prediction(hour + MINUTE + number * timedelta(milliseconds=10), score, version=version)
        events.append(prediction)
        if number < right + missed:
            events.append(make_feedback(prediction))
    return just_ingested(events)


def just_ingested(documents: list[Document]) -> list[Document]:
    """Return the documents as of now, predictions first."""
    now = iso(datetime.now(timezone.utc))
    for event in documents:
        event["event"]["ingested"] = now
    return sorted(documents, key=lambda document: str(document["event"]["dataset"]), reverse=True)


def orphans() -> list[Document]:
    """Return clicks, in two successive hours, whose predictions never come."""
    hour = hour_before_last()
    lost = [make_prediction(hour + MINUTE + number * SECOND - hours * HOUR) for number in range(30) for hours in (0, 1)]
    return just_ingested([make_feedback(prediction) for prediction in lost])


def quick_list(folder: Path) -> Path:
    """Return a list of alerts that are evaluated every second, and look back far enough at any minute of an hour."""
    path = folder / "alerts.toml"
    lines = (Path(__file__).parents[2] / "kibana" / "alerts.toml").read_text().splitlines()
    quick = {"every": '"1s"', "at_least": "1"}
    changed = [f"{line.split(' = ')[0]} = {quick[line.split(' = ')[0]]}" if line.split(" = ")[0] in quick else line
               for line in lines]  # fmt: skip
    path.write_text("\n".join(changed).replace('look_back = "4h"', 'look_back = "8h"'))
    return path


class OperatorView:
    """The firings as an operator reads them."""

    def __init__(self, world: World) -> None:
        self._world = world

    def of(self, rule: str, version: str | None = None) -> Any:
        """Return the only firing of an alert and a version; None if there is none."""
        matches = [
            firing
            for firing in firings(self._world)
            if firing["rule"]["name"] == rule and firing.get("model_version") == version
        ]
        assert len(matches) <= 1, matches
        return matches[0] if matches else None

    def is_(self, state: str, rule: str, version: str | None = None, inhibited_by: tuple[str, ...] = ()) -> bool:
        """Return whether that firing is in a state and inhibited by these alerts."""
        firing = self.of(rule, version)
        return firing is not None and (firing["state"], tuple(firing["inhibited_by"])) == (state, inhibited_by)


def test_agents_that_are_killed_follow_one_firing_from_bad_to_good(
    world: World, clean_indices: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """A bad version fires; while orphans rise, the next one is inhibited; in the end all firings recover."""
    operator, bad = OperatorView(world), "quality-below-threshold"
    more = {"MONITOR_ALERTS": str(quick_list(tmp_path)), "MONITOR_LEASE": "1s"}
    store_settings(clean_indices, ModelSettings(orphan_horizon=SECOND))
    environ = environ_of(clean_indices, **more)
    for name, value in environ.items():
        if name.startswith(("ELASTICSEARCH", "MONITOR")):
            monkeypatch.setenv(name, value)
    with running(environ, tmp_path / "1") as agent:
        world.deliver(*served("1", right=2, missed=60, wrong=40))
        until(lambda: operator.of(bad, "1"), "a pending alert")
        agent.kill()
    with running(environ, tmp_path / "2") as agent:
        address = address_in(tmp_path / "2")
        cycles = until(lambda: json.loads(fetch(f"{address}/healthz")[1])["cycles"].get("done"), "a cycle")
        until(lambda: json.loads(fetch(f"{address}/healthz")[1])["cycles"]["done"] > cycles + 2, "two more cycles")
        assert operator.is_("pending", bad, "1"), "one bad window stays one, however often it is evaluated"
        world.deliver(*served("1", right=2, missed=60, wrong=40, earlier_by=HOUR))
        until(lambda: operator.is_("active", bad, "1"), "an active alert")
        health = until(lambda: json.loads(fetch(f"{address}/healthz")[1])["alerts"], "the firing on the health page")
        metrics = fetch(f"{address}/metrics")[1].splitlines()
        assert monitor_agent("alerts") == 1
        assert "Model quality below its threshold: see the dashboard model-quality" in capsys.readouterr().out
        world.deliver(*orphans())
        until(lambda: operator.is_("active", bad, "1", ("orphan-rate",)), "an inhibited firing")
        world.deliver(*served("2", right=2, missed=60, wrong=40))
        until(lambda: operator.is_("pending", bad, "2", ("orphan-rate",)), "a firing that is inhibited from the start")
        until(lambda: operator.is_("active", "orphan-rate"), "the cause")
        agent.kill()
    with running(environ, tmp_path / "3"):
        good = [served("1", right=900, missed=0, wrong=0, earlier_by=hours * HOUR) for hours in (0, 1)]
        world.deliver(*good[0], *good[1], *served("2", right=900, missed=0, wrong=0))
        until(lambda: operator.is_("recovered", "orphan-rate"), "few orphans")
        until(lambda: operator.is_("recovered", bad, "1") and operator.is_("recovered", bad, "2"), "good versions")
    first, second = operator.of(bad, "1"), operator.of(bad, "2")

    (firing_on_page,) = health
    assert (firing_on_page["alert"], firing_on_page["model_version"], firing_on_page["limit"]) == (bad, "1", 0.2)
    assert f'monitor_agent_alerts_active{{alert="{bad}"}} 1.0' in metrics
    assert 'monitor_agent_alerts_active{alert="orphan-rate"} 0.0' in metrics
    assert first["value"] < 0.2
    assert (first["active_since"] is not None, second["active_since"]) == (True, None)
    logs = "".join((tmp_path / name).read_text() for name in "123")
    assert logs.count('"message":"alert recovered"') == 3
    assert "Traceback" not in logs
    assert monitor_agent("alerts") == 0
    recent_output = capsys.readouterr().out
    assert bad in recent_output
    assert "click/1" in recent_output
    assert "click/2" not in recent_output
    assert monitor_agent("alerts", "--all", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 3
