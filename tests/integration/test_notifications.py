"""Notifications of a running agent: each firing is told once as active and once as recovered, whatever happens."""

from __future__ import annotations

import json
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone
from http import HTTPStatus
from pathlib import Path

import pytest

from monitor_agent.contracts.cycle import CYCLES
from tests.cluster import Cluster
from tests.command_line import run_with
from tests.factories import Document, iso
from tests.integration.agent_world import World
from tests.integration.test_service import PATIENCE, address_in, environ_of, fetch, running, store_settings, until
from tests.notification_receiver import Receiver, receiving

KILLS, OVERLAP = 50, 5
TROUBLE = "lag-{}"
SENT = re.compile(r'notifications_total\{channel="json-\w+",outcome="sent"\} \d')
_ALERT = """
[lag-{0}]
title = "Feedback waits"
message = "feedback waits for longer than 5 min"
index = "monitor-agent-cycles-*"
where = "agent: {0} and lag_seconds > 300"
values = ["lag_seconds"]
look_back = "1d"
at_least = 1
every = "1s"
looks = [1, 1]
quiet = 1
throttle = "1h"
severity = "critical"
dashboard = "pipeline-health"
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Yield a receiver that answers."""
    with receiving() as receiver:
        yield receiver


def alerts_in(folder: Path, count: int) -> str:
    """Write a list of alerts, `lag-0` and so on; return its path."""
    path = folder / "alerts.toml"
    path.write_text("".join(_ALERT.format(number) for number in range(count)), encoding="utf-8")
    return str(path)


def begin_trouble(world: World, number: int) -> None:
    """Let the condition of an alert be met."""
    document = {**CYCLES.sample, "@timestamp": iso(datetime.now(timezone.utc)), "agent": str(number)}
    index = CYCLES.index_for(datetime.now(timezone.utc))
    world.admin.index(index=index, id=f"trouble-{number}", document={**document, "lag_seconds": 400.0}, refresh=True)


def end_trouble(world: World, number: int) -> None:
    """Let the condition not be met any more."""
    index = CYCLES.index_for(datetime.now(timezone.utc))
    world.admin.delete(index=index, id=f"trouble-{number}", refresh=True)


def environ(cluster: Cluster, folder: Path, *urls: str, alerts: int = 1, **more: str) -> dict[str, str]:
    """Return the environment of an agent that runs every second and tells these addresses."""
    store_settings(cluster)
    return environ_of(cluster, MONITOR_ALERTS=alerts_in(folder, alerts), MONITOR_NOTIFY_URLS=",".join(urls), **more)


def test_two_agents_tell_of_a_firing_once_over_a_restart(
    world: World, clean_indices: Cluster, tmp_path: Path, receiver: Receiver
) -> None:
    """One active and one recovered message; the same address twice is one channel; no log holds the password."""
    settings = environ(clean_indices, tmp_path, receiver.url(), receiver.url(), MONITOR_DASHBOARDS_URL="http://d.test/")
    logs = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    with running(settings, logs[0]) as first, running(settings, logs[1]):
        begin_trouble(world, 0)
        until(lambda: receipts(world), "the receipt of the message")
        first.kill()
        first.wait()
        with running(settings, logs[2]) as third:
            until(lambda: "the health page" in logs[2].read_text(), "the start")
            end_trouble(world, 0)
            until(lambda: len(receiver.messages) == 2, "the recovery")
            until(lambda: any(SENT.search(fetch(address_in(log) + "/metrics")[1]) for log in logs[1:]), "the count")
            third.send_signal(signal.SIGTERM)
            third.wait(timeout=PATIENCE)

    active, recovered = receiver.messages
    assert receiver.about("lag-0") == ["ACTIVE", "RECOVERED"]
    assert active["title"] == "[ACTIVE] Feedback waits"
    assert active["type"] == "failure"
    assert recovered["type"] == "success"
    assert "lag_seconds 400, limit 300" in active["message"]
    assert "http://d.test/dashboards/pipeline-health?from=" in active["message"]
    assert len(set(receiver.keys)) == 2
    written = " ".join(log.read_text() for log in logs) + json.dumps(state_documents(world))
    assert "planted" not in written
    assert f'"address":"json://127.0.0.1:{receiver.port}"' in written


def receipts(world: World) -> list[dict[str, str]]:
    """Return what the channels have got."""
    outboxes = [document["content"] for document in state_documents(world) if document["kind"] == "outbox"]
    return [receipt for outbox in outboxes for receipt in outbox["receipts"].values()]


def state_documents(world: World) -> list[Document]:
    """Return all documents of the agents' state."""
    if not world.admin.indices.exists(index="monitor-agent-state"):
        return []
    world.admin.indices.refresh(index="monitor-agent-state")
    return [dict(hit["_source"]) for hit in world.admin.search(index="monitor-agent-state", size=100)["hits"]["hits"]]


def test_a_channel_that_is_down_gets_its_messages_later_and_the_others_are_told(
    world: World, clean_indices: Cluster, tmp_path: Path, receiver: Receiver
) -> None:
    """The health page and the metrics name the channel; another channel gets everything at once."""
    with receiving() as broken:
        broken.status = HTTPStatus.SERVICE_UNAVAILABLE
        settings = environ(clean_indices, tmp_path, receiver.url(), broken.url())
        log = tmp_path / "log"
        with running(settings, log):
            begin_trouble(world, 0)
            until(lambda: receiver.messages and broken.refused, "the message and the failure")
            address = address_in(log)
            reason = until(lambda: reasons_in(address), "the reason")[0]
            metrics = fetch(address + "/metrics")[1]
            broken.status = HTTPStatus.OK
            until(lambda: broken.messages, "the message after the failure")
            until(lambda: not reasons_in(address), "no reason any more")
    assert "503" in reason
    assert 'monitor_agent_channel_failing{channel="json-' in metrics
    assert "planted" not in reason + metrics + log.read_text()
    assert [receiver.about("lag-0"), broken.about("lag-0")] == [["ACTIVE"]] * 2
    assert [row["channels_failing"] for row in channel_counts(world)][-1] == 0
    assert max(row["channels_failing"] for row in channel_counts(world)) == 1


def reasons_in(address: str) -> list[str]:
    """Return what the health page says about channels."""
    reasons = json.loads(fetch(address + "/healthz")[1])["reasons"]
    return [reason for reason in reasons if "takes no notifications" in reason]


def channel_counts(world: World) -> list[dict[str, object]]:
    """Return the documents of cycles that count failing channels, oldest first."""
    world.admin.indices.refresh(index=CYCLES.pattern)
    hits = world.admin.search(
        index=CYCLES.alias, query={"exists": {"field": "channels_failing"}}, sort="@timestamp", size=1000
    )["hits"]["hits"]
    return [dict(hit["_source"]) for hit in hits]


def test_one_cycle_sends_before_it_ends_and_a_replay_sends_nothing(
    world: World, clean_indices: Cluster, tmp_path: Path, receiver: Receiver
) -> None:
    """`once` tells at once what it finds; `once --now` tells nobody."""
    settings = environ(clean_indices, tmp_path, receiver.url())
    begin_trouble(world, 0)
    replayed = run_with(settings, "once", "--now", iso(datetime.now(timezone.utc)))
    sent = list(receiver.messages)
    done = run_with(settings, "once")

    assert (replayed.returncode, done.returncode) == (0, 0), done.stderr
    assert sent == []
    assert receiver.about("lag-0") == ["ACTIVE"]


def test_people_silence_and_acknowledge(
    world: World, clean_indices: Cluster, tmp_path: Path, receiver: Receiver
) -> None:
    """A silenced firing is told at the end of the silence; `show` says what is known; `test --send` sends a sample."""
    settings = environ(clean_indices, tmp_path, receiver.url())
    password = clean_indices.users["alert_operator"]
    operator = {**settings, "ELASTICSEARCH_USERNAME": "alert_operator", "ELASTICSEARCH_PASSWORD": password}
    begin_trouble(world, 0)
    silence = output_of(
        operator, "alerts", "silence", "--alert", "lag-*", "--until", "now+1h", "--reason", "a test", "--author", "kim"
    )
    run_with(settings, "once")
    silenced = list(receiver.messages)
    listed = run_with(operator, "alerts")
    firing = json.loads(run_with(operator, "alerts", "--json").stdout)[0]
    identifier = firing["id"]
    table = output_of(operator, "alerts", "test", "--alert", "lag-0")
    silence_id = silence.split()[1]
    output_of(operator, "alerts", "unsilence", silence_id)
    run_with(settings, "once")
    acknowledged = output_of(operator, "alerts", "ack", identifier[:12], "--author", "kim")
    page = output_of(operator, "alerts", "show", identifier)
    run = run_with(operator, "alerts", "test", "--alert", "lag-0", "--send")

    assert silence.endswith(", by kim: a test\n")
    assert silenced == []
    assert listed.returncode == 1
    assert f"silence {silence_id} until" in listed.stdout
    assert identifier[:12] in listed.stdout
    assert (firing["state"], firing["id"]) == ("active", identifier)
    assert f"waits: silence {silence_id} until" in table
    assert receiver.about("lag-0") == ["ACTIVE", "TEST"]
    assert "kim has acknowledged lag-0" in acknowledged
    assert "lag_seconds 400, limit 300" in page
    assert re.search(r"acknowledged by kim at 20[\d-]+T[\d:]+Z\n", page)
    assert (run.returncode, "sent" in run.stdout) == (0, True)


def output_of(environ: dict[str, str], *words: str) -> str:
    """Return the output of a command that succeeds."""
    done = run_with(environ, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("slack://planted-token", "MONITOR_NOTIFY_URLS, address 1: slack://... is no address that Apprise can use"),
        ("planted-token", "MONITOR_NOTIFY_URLS, address 1: it is no address that Apprise can use"),
    ],
)
def test_a_wrong_address_is_one_line_at_the_start(clean_indices: Cluster, tmp_path: Path, url: str, line: str) -> None:
    """The line names the place, and nothing of the address."""
    log = tmp_path / "log"
    with running(environ(clean_indices, tmp_path, url), log) as agent:
        assert agent.wait(timeout=PATIENCE) == 1

    assert log.read_text() == f"error: {line}: see docs/notifications.md for examples\n"


def is_active(world: World, number: int) -> bool:
    """Return whether an alert has a firing that is active."""
    world.admin.indices.refresh(index="model-alerts", ignore_unavailable=True)
    terms = [{"term": {"rule.name": TROUBLE.format(number)}}, {"term": {"state": "active"}}]
    query = {"bool": {"filter": terms}}
    return bool(world.admin.count(index="model-alerts", query=query, ignore_unavailable=True)["count"])


@pytest.mark.soak
def test_no_message_is_lost_by_fifty_kills(
    world: World, clean_indices: Cluster, tmp_path: Path, receiver: Receiver
) -> None:
    """Two agents, one of which is killed again and again: at most one message comes twice, with the same key."""
    settings = environ(clean_indices, tmp_path, receiver.url(), alerts=KILLS)
    agents = [running(settings, tmp_path / f"log-{number}") for number in range(2)]
    processes = [agent.__enter__() for agent in agents]
    chance = random.Random(20261130)
    try:
        for number in range(KILLS):
            victim, log = number % 2, tmp_path / f"log-{number}"
            until(lambda log=log: "cycle done" in log.read_text(), "a cycle of the agent")
            begin_trouble(world, number)
            if number >= OVERLAP:
                until(lambda ended=number - OVERLAP: is_active(world, ended), "an active firing")
                end_trouble(world, number - OVERLAP)
            time.sleep(chance.uniform(0.0, 2.0))
            processes[victim].kill()
            agents[victim].__exit__(None, None, None)
            agents[victim] = running(settings, tmp_path / f"log-{number + 2}")
            processes[victim] = agents[victim].__enter__()
        for number in range(KILLS - OVERLAP, KILLS):
            until(lambda number=number: is_active(world, number), "an active firing")
            end_trouble(world, number)
        expected = ["ACTIVE", "RECOVERED"]
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and any(
            set(receiver.about(TROUBLE.format(number))) != set(expected) for number in range(KILLS)
        ):
            time.sleep(0.5)
    finally:
        for agent in agents:
            agent.__exit__(None, None, None)

    titles_of = {TROUBLE.format(number): receiver.about(TROUBLE.format(number)) for number in range(KILLS)}
    assert {alert: titles for alert, titles in titles_of.items() if set(titles) != set(expected)} == {}
    twice = {key: count for key, count in Counter(receiver.keys).items() if count > 1}
    repeated = {alert: titles for alert, titles in titles_of.items() if len(titles) != 2}
    summary = {"messages": len(receiver.messages), "sent twice": twice, "repeated": repeated}
    (tmp_path / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    assert sum(count - 1 for count in twice.values()) <= 1
    assert len(receiver.messages) - len(set(receiver.keys)) == sum(count - 1 for count in twice.values())
    assert not repeated or twice
