"""Alerts on a real Elasticsearch: the agent evaluates each of them, and its watch and its rule fire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import helpers

from monitor_agent.alerting.definitions import Alert
from monitor_agent.alerting.evaluator import AlertEvaluator
from monitor_agent.contracts.agent_state import AGENT_STATE
from monitor_agent.contracts.alert import ALERTS
from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.contracts.cycle import CYCLES
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.contracts.release import RELEASES
from monitor_agent.contracts.verdict import MEASURES, VERDICTS
from monitor_agent.es.connection import connect
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.watcher import put_watch, why_without
from monitor_agent.kibana.folder import read_alerts, read_objects
from monitor_agent.kibana.rules import rule
from monitor_agent.kibana.watches import fires, search_of, watch
from monitor_agent.metrics import WindowState
from monitor_agent.pipeline.documents import CountedState, MetricsKey, metrics_document
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings, ElasticsearchSettings
from tests.cluster import Cluster
from tests.command_line import monitor_agent
from tests.factories import START, Document, iso
from tests.integration.agent_world import World, world_on
from tests.kibana_stand_in import kibana_stand_in
from tests.unit.monitor_agent.es.answers import Answer, serving

ROOT = Path(__file__).parents[2]
LISTED = {alert.id: alert for alert in read_alerts(ROOT / "kibana")}
DUE = START + timedelta(hours=2)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
LATER = DUE + 2 * SECOND

HEALTHY_CYCLE = {**CYCLES.sample, "outcome": "done", "lost_lines": 0, "lag_seconds": 0.0, "silent_seconds": 1.0}
HEALTHY_CYCLE |= {"delivery_seconds": 0.3}
HEALTHY_MINUTE = {
    **{name: PERFORMANCE.sample[name] for name in ("state", "revision", "maturity", "coverage")},
    "window_size": "1m",
    "is_base_window": True,
    "model_name": "click",
    "model_version": "all",
    "segment": "all",
    "requests": 100,
    "response_time_p95": 40.0,
    "error_rate_low": 0.0,
}
HEALTHY_HOUR = {
    **HEALTHY_MINUTE,
    "window_size": "1h",
    "is_base_window": False,
    "model_version": "1",
    "alertable": True,
    "f1_high": 0.7,
    "orphan_rate_low": 0.0,
}

HEALTHY_VERDICT = {
    **VERDICTS.sample,
    "drift_share": 0.25,
    "broken_features": 0,
    **{f"{measure}_{name}": value for measure in MEASURES for name, value in (("fall", 0.0), ("evidence", 0.4))},
}

HEALTHY_RELEASE = {
    "source": "server",
    "event.action": "version-loaded",
    "event.outcome": "success",
    "model_name": "click",
    "model_version": "1",
}

TROUBLE: dict[str, Document] = {
    "quality-below-threshold": {"f1_high": 0.15},
    "worse-version": {"version:answered_fall": 0.2},
    "worse-segment": {"segment:auc_fall": 0.3},
    "quality-drop": {"all:auc_fall": 0.1},
    "ctr-drop": {"all:rate_fall": 0.3},
    "drift": {"version:drift_share": 0.75},
    "data-quality": {"version:broken_features": 3},
    "orphan-rate": {"orphan_rate_low": 0.08},
    "response-time": {"response_time_p95": 400.0},
    "error-rate": {"error_rate_low": 0.03},
    "no-data": {"silent_seconds": 900.0},
    "pipeline-lag": {"lag_seconds": 400.0},
    "lost-lines": {"lost_lines": 3},
    "notifications-fail": {"channels_failing": 1},
    "version-refused": {"event.outcome": "failure"},
    "agent-silent": {"outcome": "failed"},
    **{
        f"slo-{name}-{kind}": {f"all:{name}_{end}": value for end, value in {"slo": 0.99, **fields}.items()}
        for name in ("availability", "latency")
        for kind, fields in {
            "burn": {"burn_1h": 20.0, "burn_5m": 20.0, "bad_1h": 9},
            "slow-burn": {"burn_3d": 2.0, "burn_6h": 2.0, "bad_3d": 9},
        }.items()
    },
}
"""The condition of each alert: the fields that differ from a healthy day; of verdicts, with whom they are about."""


@pytest.fixture(scope="module")
def world(installed: Cluster) -> Iterator[World]:
    """Yield one world for all tests."""
    with world_on(installed) as module_world:
        yield module_world


def fill(world: World, **trouble: Any) -> None:
    """Index documents like the agent's, over those of the last test; some fields differ in the last minutes."""
    forget(world, ALERTS, AGENT_STATE)
    documents: list[Document] = []
    for minute in range(90, 120):
        at = START + timedelta(minutes=minute)
        changes = trouble if minute >= 105 else {}
        documents += [
            operation(CYCLES, at, HEALTHY_CYCLE, changes),
            operation(PERFORMANCE, at, HEALTHY_MINUTE, changes),
            operation(RELEASES, at, HEALTHY_RELEASE, changes),
        ]
        documents += [
            operation(VERDICTS, at, {**HEALTHY_VERDICT, **about}, of(whom, changes)) for whom, about in JUDGED.items()
        ]
    for hour in range(2):
        at = START + timedelta(hours=hour)
        documents += [
            operation(PERFORMANCE, at, {**HEALTHY_HOUR, "model_version": version}, trouble) for version in ("1", "all")
        ]
    helpers.bulk(world.admin, documents, refresh=True)


JUDGED = {
    "version": {"model_version": "1"},
    "all": {"model_version": "all"},
    "segment": {"model_version": "1", "segment": "labels.scene=search"},
}
"""Whom verdicts are about."""


def of(whom: str, changes: Document) -> Document:
    """Return the changes of the verdicts about somebody."""
    return {name.removeprefix(f"{whom}:"): value for name, value in changes.items() if name.startswith(f"{whom}:")}


def forget(world: World, *contracts: IndexContract) -> None:
    """Delete the indices of these contracts."""
    names = [contract.index_for(START) for contract in contracts]
    world.admin.indices.delete(index=names, ignore_unavailable=True)


def operation(contract: IndexContract, at: datetime, document: Document, changes: Document) -> Document:
    """Return the operation that indexes a document with those changed fields that its index has."""
    changed_fields = {name: value for name, value in changes.items() if name in contract.fields}
    length = {"1m": timedelta(minutes=1), "1h": timedelta(hours=1)}.get(document.get("window_size", ""))
    end = {} if length is None else {"window_end": iso(at + length)}
    about = [document.get(name) for name in ("window_size", "model_version", "segment")]
    identifier = f"{iso(at)} {about}"
    return {
        "_index": contract.index_for(at),
        "_id": identifier,
        "_source": {**document, "@timestamp": iso(at), **end, **changed_fields},
    }


def firing(world: World) -> set[str]:
    """Return the alerts whose watch fires when it is due, after two evaluations by the agent."""
    evaluator = AlertEvaluator(Gateway(world.agent), [replace(alert, interval="1s") for alert in LISTED.values()])
    for number in range(2):
        evaluator.evaluate(DUE + number * SECOND)
        world.admin.indices.refresh(index=f"{ALERTS.pattern},{AGENT_STATE.name}", ignore_unavailable=True)
    fired = set()
    for name, alert in LISTED.items():
        index, body = search_of(watch(alert), iso(LATER))
        if fires(watch(alert), world.admin.search(index=index, body=body).body):
            fired.add(name)
    return fired


def test_all_alerts_have_a_test() -> None:
    """A new alert needs its trouble in this module."""
    assert set(TROUBLE) == set(LISTED)


def test_nothing_fires_on_a_healthy_day(world: World) -> None:
    """No alert fires, and Elasticsearch accepts every search."""
    fill(world)

    assert firing(world) == set()


@pytest.mark.parametrize("name", TROUBLE)
def test_only_the_watch_of_the_trouble_fires(name: str, world: World) -> None:
    """The agent, the search of the watch and the query of the rule come to the same groups, and count as much."""
    fill(world, **TROUBLE[name])

    assert firing(world) == {name}
    assert counted_by_the_rule(world, LISTED[name]) == counted_by_the_watch(world, LISTED[name])
    if LISTED[name].agent:
        groups = groups_of_the_agent(world, LISTED[name])
        assert groups
        assert groups_of_the_rule(world, LISTED[name]) == groups_of_the_watch(world, LISTED[name]) == groups


Groups = set[tuple[str, ...]]


def groups_of_the_agent(world: World, alert: Alert) -> Groups:
    """Return the groups of the active firings."""
    documents = world.documents(ALERTS.alias).values()
    active = (row for row in documents if (row["rule"]["name"], row["state"]) == (alert.id, "active"))
    return {tuple(str(row[field]) for field in alert.group_by) for row in active}


def groups_of_the_watch(world: World, alert: Alert) -> Groups:
    """Return the groups of the search of a watch that meet its condition."""
    index, body = search_of(watch(alert), iso(LATER))
    answer = world.admin.search(index=index, body=body).body

    def innermost(values: Document, depth: int) -> Groups:
        if depth == 0:
            return {()}
        return {
            (bucket["key"], *keys)
            for bucket in values["groups"]["buckets"]
            if bucket["doc_count"] >= 1
            for keys in innermost(bucket, depth - 1)
        }

    return innermost(answer.get("aggregations", {}), len(alert.group_by))


def groups_of_the_rule(world: World, alert: Alert) -> Groups:
    """Return the groups of the documents that the query of a rule counts."""
    params, query = query_of_the_rule(alert)
    hits = world.admin.search(index=params["index"], query=query, size=1000)["hits"]["hits"]
    return {tuple(str(hit["_source"][field]) for field in alert.group_by) for hit in hits}


def counted_by_the_watch(world: World, alert: Alert) -> int:
    """Return the number of documents that the search of a watch counts."""
    index, body = search_of(watch(alert), iso(LATER))
    return int(world.admin.search(index=index, body=body)["hits"]["total"]["value"])


def counted_by_the_rule(world: World, alert: Alert) -> int:
    """Return the number of documents that the query of a rule counts."""
    params, query = query_of_the_rule(alert)
    return int(world.admin.count(index=params["index"], query=query)["count"])


def query_of_the_rule(alert: Alert) -> tuple[Document, Document]:
    """Return the parameters of a rule, and its query within its window."""
    params = rule(alert)["params"]
    unit = {"m": "minutes", "h": "hours", "d": "days"}[params["timeWindowUnit"]]
    window = timedelta(**{unit: params["timeWindowSize"]})
    within = {"range": {"@timestamp": {"gte": iso(LATER - window), "lte": iso(LATER)}}}
    return params, {"bool": {"filter": [within, json.loads(params["esQuery"])["query"]]}}


@pytest.mark.parametrize("inhibitor", ["no-data", "pipeline-lag", "orphan-rate"])
@pytest.mark.parametrize("quality", ["quality-below-threshold", "worse-version", "ctr-drop"])
def test_trouble_of_the_pipeline_inhibits_alerts_on_quality(quality: str, inhibitor: str, world: World) -> None:
    """Only the alert on the trouble fires; the alert on quality is pending and names it."""
    fill(world, **TROUBLE[quality], **TROUBLE[inhibitor])

    assert firing(world) == {inhibitor}
    documents = world.documents(ALERTS.alias).values()
    (inhibited,) = (document for document in documents if document["rule"]["name"] == quality)
    assert (inhibited["state"], inhibited["inhibited_by"]) == ("pending", [inhibitor])


BAD = WindowState(predictions=1000, impressions=1000, mature=1000, tp=5, fn=95, fp=100, tn=800)
"""An F1 of 0.05, from enough labels."""


@pytest.mark.parametrize(
    ("state", "lost", "fired"),
    [
        (BAD, 0, True),
        (replace(BAD, tp=1, fn=28, tn=871), 0, False),
        (replace(BAD, mature=940, tn=740), 0, False),
        (replace(BAD, tn=690), 0, False),
        (BAD, 200, False),
        (replace(BAD, tp=18, fn=82, fp=87, tn=813), 0, False),
    ],
    ids=["all gates", "29 positives", "immature", "low coverage", "lost lines", "the interval holds the limit"],
)
def test_quality_alerts_need_enough_labels(state: WindowState, lost: int, fired: bool, world: World) -> None:
    """The gates and the interval decide, in the document that the agent writes for a window."""
    fill(world)
    for hour in range(2):
        key = MetricsKey("click", "3", "all", Calendar(AgentSettings()).window("1h", START + timedelta(hours=hour)))
        document = metrics_document(CountedState(key, state, lost), "final", AgentSettings())
        assert document["f1"] < 0.2
        world.admin.index(index=key.index, id=key.id, document=document, refresh=True)

    try:
        assert firing(world) == ({"quality-below-threshold"} if fired else set())
    finally:
        world.admin.delete(index=key.index, id=key.id)


def test_a_model_with_windows_of_a_day_has_alerts_on_quality(world: World) -> None:
    """Its days are judged in place of hours; bad hours of another model are forgotten as soon as without it."""
    fill(world)
    today = START.replace(hour=0, minute=0, second=0, microsecond=0)
    for name, length, window in (("daily", DAY, "1d"), ("hourly", timedelta(hours=1), "1h")):
        for number in (1, 2):
            at = today - number * (DAY if name == "daily" else timedelta(hours=12))
            keys = {"model_name": name, "window_size": window, "is_base_window": name == "daily", "f1_high": 0.1}
            source = {**HEALTHY_HOUR, **keys, "@timestamp": iso(at), "window_end": iso(at + length)}
            world.admin.index(index=PERFORMANCE.index_for(at), id=f"{name}{number}", document=source, refresh=True)

    settings = [AgentSettings(), AgentSettings(base_window=DAY)]
    AlertEvaluator(Gateway(world.agent), list(LISTED.values())).evaluate(DUE, settings)

    world.admin.indices.refresh(index=ALERTS.pattern)
    (firing,) = world.documents(ALERTS.alias).values()
    facts = (firing["rule"]["name"], firing["model_name"], firing["state"])
    assert facts == ("quality-below-threshold", "daily", "active")


def test_the_alert_on_a_silent_agent_fires_without_an_index(world: World) -> None:
    """An agent that never ran is silent too."""
    forget(world, CYCLES)

    index, body = search_of(watch(LISTED["agent-silent"]), iso(DUE))

    answer = world.admin.search(index=index, body=body, ignore_unavailable=True, allow_no_indices=True)
    assert fires(watch(LISTED["agent-silent"]), answer.body)


def test_setup_installs_dashboards_and_rules_without_watcher(
    elasticsearch: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The embedded cluster has no Watcher: setup reports it, and installs rules."""
    settings = elasticsearch.settings("monitor_setup")
    with kibana_stand_in() as kibana:
        monkeypatch.setenv("KIBANA_URL", kibana.url)
        monkeypatch.setenv("KIBANA_FOLDER", str(ROOT / "kibana"))
        monkeypatch.setenv("ELASTICSEARCH_URL", settings.url[0])
        monkeypatch.setenv("ELASTICSEARCH_USERNAME", settings.username)
        monkeypatch.setenv("ELASTICSEARCH_PASSWORD", settings.password)

        assert monitor_agent("setup", "--kibana") == 0
        assert monitor_agent("setup", "--kibana") == 0

    output = capsys.readouterr().out
    count = len(read_objects(ROOT / "kibana"))
    assert all(contract.name in output for contract in CONTRACTS)
    assert f"saved objects: {count} imported, 0 of them replaced, 0 refused" in output
    assert f"saved objects: {count} imported, {count} of them replaced, 0 refused" in output
    assert "watches skipped: this cluster has no Watcher" in output
    assert set(kibana.rules) == set(LISTED)
    assert set(kibana.connectors) == {"model-monitoring-log"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer({"watcher_state": "started"}), ""),
        (Answer({"error": "no handler found for uri"}, status=400), "this cluster has no Watcher"),
        (
            Answer({"error": {"type": "security_exception", "reason": "license is non-compliant"}}, status=403),
            "the cluster's licence does not include Watcher",
        ),
        (
            Answer({"error": {"type": "security_exception", "reason": "is unauthorized"}}, status=403),
            "this user may not manage them (privilege manage_watcher)",
        ),
    ],
)
def test_setup_reports_why_there_are_no_watches(answer: Answer, reason: str) -> None:
    """A licence, a privilege and a missing module have messages of their own."""
    with serving(answer) as server, closing(Gateway(connect(ElasticsearchSettings(url=(server.url,))))) as gateway:
        assert why_without(gateway) == reason


def test_a_watch_is_put_by_its_id() -> None:
    """The body is the watch itself, and it is active."""
    alert = LISTED["lost-lines"]
    with serving(Answer({"created": True})) as server:
        with closing(Gateway(connect(ElasticsearchSettings(url=(server.url,))))) as gateway:
            put_watch(gateway, alert.id, watch(alert))

        assert server.requests == [("PUT", "/_watcher/watch/lost-lines?active=true", [watch(alert)])]
