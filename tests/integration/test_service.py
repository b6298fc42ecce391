"""A running agent: shared work, health, lost lines, releases, an interrupted backfill."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import ApiError

from monitor_agent.agent.backfill import BackfillProgress
from monitor_agent.agent.cycle import Agent
from monitor_agent.agent.health import Health
from monitor_agent.agent.service import Service
from monitor_agent.clock import FixedClock
from monitor_agent.contracts.release import SOURCE_COMMAND
from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.leases import Leases
from monitor_agent.es.model_settings_store import ModelSettingsStore
from monitor_agent.es.release_store import ReleaseStore
from monitor_agent.es.state_store import StateStore
from monitor_agent.pipeline.lease_table import Assignment
from monitor_agent.pipeline.model_history import ModelHistory
from monitor_agent.pipeline.releases import Release
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import ModelSettings
from monitor_agent.settings.model_tables import plain
from tests.cluster import Cluster
from tests.factories import START, Document, iso, make_error, make_feedback, make_prediction, make_release
from tests.integration.agent_world import BASE, World
from tests.waiting import wait_until

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DEFAULTS = ModelSettings()
NODE = "web-1:42:1"
PATIENCE = 180.0
LEASE = 3.0


def until(condition: Callable[[], Any], expected: str) -> Any:
    """Return the first true value of the condition; fail if there is none in time."""

    def answered() -> Any:
        try:
            return condition()
        except ApiError as error:
            # An index that is just being created answers no search.
            if error.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
            return None

    return wait_until(answered, PATIENCE, 0.05, expected)


@contextlib.contextmanager
def running(cluster_environ: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a running agent; kill it afterwards."""
    with log.open("wb") as out:
        agent = subprocess.Popen([sys.executable, "-m", "monitor_agent", "run"], env=cluster_environ, stderr=out)
    try:
        yield agent
    finally:
        agent.kill()
        agent.wait()


def store_settings(cluster: Cluster, settings: ModelSettings = DEFAULTS) -> None:
    """Write these settings of models, as the set-up of an empty cluster does."""
    with cluster.client() as admin:
        store = ModelSettingsStore(Gateway(admin))
        history = ModelHistory().with_change({"default": plain(settings)}, START)
        store.write(store.read(), history)


def environ_of(cluster: Cluster, **more: str) -> dict[str, str]:
    """Return the environment of an agent that runs every second."""
    user = "monitor_agent" if "monitor_agent" in cluster.users else cluster.admin
    return {
        **os.environ,
        "ELASTICSEARCH_URL": cluster.url,
        "ELASTICSEARCH_USERNAME": user,
        "ELASTICSEARCH_PASSWORD": cluster.users[user],
        "STACK_SETUP_PASSWORD": cluster.users.get("monitor_setup", ""),
        "MONITOR_PERIOD": "1s",
        "MONITOR_LEASE": f"{LEASE:g}s",
        "MONITOR_HEALTH_PORT": "0",
        **more,
    }


def address_in(log: Path) -> str:
    """Return the address of the health page, once it is in the log."""
    match = until(lambda: re.search(r'"address":"([^"]+)"', log.read_text()), "the address")
    return str(match[1])


def fetch(url: str) -> tuple[int, str]:
    """Return the status and the body of a page."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def holders(world: World) -> dict[str, str]:
    """Return the holder of each lease; nothing before the first lease is written."""
    if not world.admin.indices.exists(index="monitor-agent-state"):
        return {}
    doc = world.admin.options(ignore_status=(404, 503), max_retries=0).get(index="monitor-agent-state", id="leases")
    return dict(doc["_source"]["content"]["holders"]) if doc.get("found") else {}


def test_agents_share_the_models_and_take_over_after_a_death(
    world: World, clean_indices: Cluster, tmp_path: Path
) -> None:
    """Two agents hold one lease each; after one is killed, the other soon holds both; a stopped agent releases them."""
    world.deliver(make_prediction(START))
    store_settings(clean_indices)
    environ, logs = environ_of(clean_indices), [tmp_path / "a", tmp_path / "b"]
    with running(environ, logs[0]) as first:
        until(lambda: set(holders(world)) == {"", "click"}, "a lease of the model")
        with running(environ, logs[1]) as second:
            until(lambda: len(set(holders(world).values())) == 2, "shared work")
            second.kill()
            second.wait()
            died = time.monotonic()
            until(lambda: len(set(holders(world).values())) == 1, "the take-over")
            took = time.monotonic() - died
            status, body = fetch(address_in(logs[0]) + "/healthz")
            metrics = fetch(address_in(logs[0]) + "/metrics")[1]
        first.send_signal(signal.SIGTERM)
        assert first.wait(timeout=PATIENCE) == 0
    assert took < 2 * LEASE + 10
    assert (status, json.loads(body)["status"]) == (200, "green")
    assert "monitor_agent_healthy 1.0" in metrics.splitlines()
    assert 'monitor_agent_cycles_total{outcome="failed"}' not in metrics
    assert set(holders(world).values()) == {""}
    assert world.window("1d")["predictions"] == 1
    assert {document["outcome"] for document in cycles(world)} == {"done"}
    assert sum(document["windows"] for document in cycles(world)) >= 1


def test_agents_that_renew_at_the_same_moment_hold_different_leases(world: World) -> None:
    """If two writes conflict, one is refused and repeated on top of the other."""
    leases = [Leases(StateStore(Gateway(world.agent), name), name, MINUTE, FixedClock(START)) for name in "abc"]
    with ThreadPoolExecutor(3) as pool:
        for _ in range(4):
            list(pool.map(lambda lease: lease.renew(["click", "rank", "ads"]), leases))

    assignments = [lease.assignment() for lease in leases]

    names = [name for assignment in assignments if assignment for name in assignment.lease_names]
    assert sorted(names) == ["", "ads", "click", "rank"]
    leases[0].release()
    leases[1].renew()
    leases[2].renew()
    assert leases[0].assignment() is None
    assert len([name for lease in leases[1:] for name in (lease.assignment() or Assignment()).lease_names]) == 4


def test_without_elasticsearch_the_agent_is_red_and_stops_at_once(tmp_path: Path) -> None:
    """Health shows the reason, the process continues, and a signal ends it during its waits."""
    nowhere = Cluster("http://127.0.0.1:1", {"monitor_agent": "secret"}, "")
    log = tmp_path / "log"
    with running(environ_of(nowhere, MONITOR_PERIOD="1h"), log) as agent:
        address = address_in(log)
        until(lambda: fetch(address + "/healthz")[0] == 503, "red")
        status, body = fetch(address + "/healthz")
        assert (status, fetch(address + "/livez")[0]) == (503, 200)
        assert "elasticsearch is in trouble" in json.loads(body)["reasons"][0]
        assert "monitor_agent_healthy 0.0" in fetch(address + "/metrics")[1]
        agent.send_signal(signal.SIGTERM)
        stopped = time.monotonic()
        assert agent.wait(timeout=PATIENCE) == 0
        assert time.monotonic() - stopped < 10
    assert "Traceback" not in log.read_text()


def test_a_health_port_in_use_is_reported_in_one_line(tmp_path: Path) -> None:
    """The line names the setting."""
    nowhere = Cluster("http://127.0.0.1:1", {"monitor_agent": "secret"}, "")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        log = tmp_path / "log"
        with running(environ_of(nowhere, MONITOR_HEALTH_PORT=str(port)), log) as agent:
            assert agent.wait(timeout=PATIENCE) == 1
    (line,) = log.read_text().splitlines()
    assert f"127.0.0.1:{port}" in line
    assert "MONITOR_HEALTH_PORT" in line


def service(world: World, minutes: float) -> Service:
    """Return a service whose clock stands some minutes after the start."""
    gateway, clock = Gateway(world.agent), FixedClock(START + minutes * MINUTE)
    return Service(gateway, BASE, clock, Health(BASE.period, lambda: ""), Agent(gateway, BASE, clock))


def numbered(document: Document, sequence: int) -> Document:
    """Return an event as the line with that number of a writer."""
    document["event"] |= {"sequence": sequence, "created": iso(START), "ingested": iso(START)}
    return {**document, "service": {"node": {"name": NODE}}, "log": {"file": {"path": "/log/events.ndjson"}}}


def cycles(world: World) -> list[dict[str, Any]]:
    """Return the cycles' documents, oldest first."""
    world.admin.indices.refresh(index="monitor-agent-cycles")
    return sorted(world.documents("monitor-agent-cycles").values(), key=lambda document: str(document["@timestamp"]))


def newest_cycle(world: World) -> dict[str, Any]:
    """Return the newest document of a cycle."""
    return cycles(world)[-1]


def test_lines_that_never_arrive_are_lost_after_the_grace(world: World) -> None:
    """Gaps in a writer's numbers are pending, then lost; lost lines inhibit quality alerts until they arrive."""
    click = make_feedback(make_prediction())
    lines = [numbered(make_prediction(START + timedelta(seconds=i)), i) for i in range(1, 9)]
    lines += [numbered(click, 9), numbered(make_error(START), 10), numbered(make_release(START), 11)]
    late = lines[3:5]
    world.deliver(*lines[:3], *lines[5:])

    service(world, 1).cycle()
    cycle = newest_cycle(world)
    assert (cycle["pending_lines"], cycle["lost_lines"], cycle["quality_inhibited"]) == (2, 0, False)

    service(world, 4).cycle()
    cycle = newest_cycle(world)
    assert (cycle["pending_lines"], cycle["lost_lines"], cycle["quality_inhibited"]) == (0, 2, False)
    service(world, 5).cycle()
    assert {document["lost_lines"] for document in world.documents().values()} == {2}

    world.deliver(*late)
    service(world, 6).cycle()
    cycle = newest_cycle(world)
    assert (cycle["pending_lines"], cycle["lost_lines"], cycle["quality_inhibited"]) == (0, 0, False)
    service(world, 7).cycle()
    assert {document["lost_lines"] for document in world.documents().values()} == {0}
    assert world.window("1d")["predictions"] == 8


def test_a_dead_letter_is_not_a_lost_line(world: World) -> None:
    """A refused line is stored with its reason, so it is not lost; another missing line is."""
    lines = [numbered(make_prediction(START + timedelta(seconds=i)), i) for i in range(1, 7)]
    world.deliver(lines[0], lines[2], lines[5])
    letter = {
        "@timestamp": iso(START),
        "log": {"file": {"path": "/log/events.ndjson"}},
        "message": json.dumps({"event": {"sequence": 2}}),
    }
    world.admin.index(index="model-deadletters-2026.03.02", document=letter, refresh=True)
    service(world, 1).cycle()

    service(world, 4).cycle()

    assert newest_cycle(world)["lost_lines"] == 2


def test_a_cycle_measures_how_events_flow(world: World) -> None:
    """Delivery is the median time from writing to ingestion, silence the time since; the backlog is empty."""
    lines = [numbered(make_prediction(START), 1), numbered(make_prediction(START), 2)]
    for line in lines:
        line["event"]["ingested"] = iso(START + timedelta(seconds=3))
    world.deliver(*lines)

    service(world, 10).cycle()

    cycle = newest_cycle(world)
    assert (cycle["delivery_seconds"], cycle["silent_seconds"]) == (3.0, 597.0)
    assert (cycle["backlog"], cycle["lag_seconds"], cycle["writers"]) == (0, 0.0, 1)
    assert (cycle["windows"], cycle["status"], cycle["overrun"]) == (1, "green", False)


def test_an_interrupted_backfill_skips_its_finished_days(world: World) -> None:
    """The next run of the range skips the finished days; a run after that computes all days again."""
    world.deliver(*[make_prediction(START + day * DAY) for day in range(3)])
    agent = world.make_agent(START + 9 * DAY)

    def stop_on_the_second_day(step: BackfillProgress) -> None:
        if step.done == 1 and step.windows:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        agent.backfill(START, START + 2 * DAY + HOUR, stop_on_the_second_day)
    steps: list[BackfillProgress] = []
    rest = agent.backfill(START, START + 2 * DAY + HOUR, steps.append)
    again = agent.backfill(START, START + 2 * DAY + HOUR)

    assert (steps[0].before, steps[0].done, steps[0].days) == (1, 1, 3)
    assert (rest.tally.windows, again.tally.windows) == (2, 3)
    assert again.tally.written == 0
    days = [document for document in world.documents().values() if document["window_size"] == "1d"]
    assert [
        document["predictions"] for document in days if document["model_version"] == document["segment"] == "all"
    ] == [1, 1, 1]


def test_the_first_prediction_of_a_version_is_a_release(world: World) -> None:
    """Its time is that of the first prediction; a release that a person records replaces it."""
    world.deliver(make_prediction(START + timedelta(seconds=7)), make_prediction(START + DAY, version="2"))
    world.cycle(START + 2 * DAY)
    releases = ReleaseStore(Gateway(world.agent), Calendar(BASE), 100)
    assert [(release.version, release.at, release.source) for release in releases.all()] == [
        ("1", START + timedelta(seconds=7), "seen"),
        ("2", START + DAY, "seen"),
    ]

    release = Release("click", "2", START + HOUR, SOURCE_COMMAND, "trained on February")
    assert releases.record(release)
    assert not releases.record(release)
    world.deliver(make_prediction(START + DAY + HOUR, version="2"))
    world.cycle(START + 3 * DAY)

    assert releases.all()[1] == release


def test_a_cycle_that_cannot_be_recorded_is_red_and_counted_once(world: World) -> None:
    """Its work is done, but its own document was refused."""
    health = Health(MINUTE, lambda: "")
    service_with_health = Service(Gateway(world.agent), BASE, FixedClock(START), health, world.make_agent(START))
    service_with_health.cycle()
    world.admin.indices.put_settings(index="monitor-agent-cycles-*", settings={"index.blocks.write": True})

    with pytest.raises(ElasticsearchError):
        service_with_health.cycle()

    assert health.document()["cycles"] == {"done": 2}
    assert "the last cycle failed" in health.reasons()[0]


def test_an_agent_leaves_other_agents_models_alone(world: World) -> None:
    """An agent that holds one model computes only its windows and joins only its feedback."""
    click, rank = make_prediction(START), make_prediction(START, model="rank")
    world.deliver(click, rank, make_feedback(click), make_feedback(rank))
    leased = frozenset({"click", "rank"})
    world.make_agent(START + DAY).cycle(assignment=Assignment(frozenset({"click"}), False, leased))
    assert {document["model_name"] for document in world.documents().values()} == {"click"}
    assert world.statuses() == ["matched", "new"]

    world.make_agent(START + DAY).cycle(assignment=Assignment(frozenset({"rank"}), True, leased))

    assert {document["model_name"] for document in world.documents().values()} == {"click", "rank"}
    assert world.statuses() == ["matched", "matched"]
    other_settings = dataclasses.replace(BASE, page_size=10)
    assert Agent(Gateway(world.agent), other_settings, FixedClock(START + DAY)).cycle().tally.written == 0
