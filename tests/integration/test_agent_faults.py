"""The agent while Elasticsearch answers wrongly, or while the agent is killed.

No document is ever computed from partial answers, and in the end all documents are those of an undisturbed cycle.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from monitor_agent.agent.cycle import Agent
from monitor_agent.clock import FixedClock
from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.connection import connect
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.install import install
from monitor_agent.es.operations import Operation
from monitor_agent.es.retry import Backoff
from monitor_agent.settings import AgentSettings, ElasticsearchSettings, environment_of
from tests.cluster import Cluster
from tests.factories import START, Document, iso, make_error, make_feedback, make_prediction
from tests.integration.agent_world import World, world_on
from tests.integration.test_service import store_settings
from tests.integration.unruly_proxy import FAULTS, Rule, UnrulyProxy

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FINAL = START + timedelta(days=2)
SETTINGS = AgentSettings(base_window=15 * MINUTE, larger_windows=(HOUR,), retention=False, page_size=8)
WRITTEN = ("model_performance", "model-restatements", "model-predictions", "model-feedback")


def events(seed: int = 7) -> list[Document]:
    """Return predictions of an hour, most types of feedback on them, also such as waits or has no time, and an error.

    Scores and losses are fractions of 64, so that their sums do not depend on the order in which a search adds them.
    """
    dice = random.Random(seed)
    predictions = [
        make_prediction(
            START + HOUR * dice.random(),
            score / 64,
            version=dice.choice("12"),
            log_loss_1=score / 64,
            log_loss_0=1.5,
        )
        for score in dice.choices(range(65), k=30)
    ]
    for number, prediction in enumerate(predictions[::4]):
        prediction["event"]["id"] = prediction["prediction"]["id"] = f"order-{number}"
    clicks = [make_feedback(prediction, timedelta(seconds=dice.randint(-200, 2400))) for prediction in predictions[:24]]
    # So there is more than one page of feedback.
    more_clicks = [
        make_feedback(prediction, timedelta(seconds=dice.randint(1, 900))) for prediction in predictions[:5] * 6
    ]
    for click in more_clicks[::2]:
        click["feedback"] |= {"status": "waiting", "waiting_since": iso(FINAL - MINUTE)}
    orphan = make_feedback(make_prediction(START + MINUTE))
    for event in (*clicks[::3], *more_clicks[::3], orphan):
        del event["prediction"]["timestamp"]
    return [*predictions, *clicks, *more_clicks, orphan, make_error(START + MINUTE)]


def snapshot(world: World) -> dict[str, dict[str, Any]]:
    """Return all documents that the agent has written."""
    return {name: world.documents(name) for name in WRITTEN}


def without_versions(documents: dict[str, Any]) -> dict[str, Any]:
    """Return documents without the index's count of writes: a write that is repeated after a fault increases it."""
    return {
        name: {key: value for key, value in document.items() if key != "_version"}
        for name, document in documents.items()
    }


class FaultTest:
    """One set of events, and the documents that an undisturbed agent writes for it."""

    def __init__(self, cluster: Cluster, world: World, proxy: UnrulyProxy) -> None:
        self.cluster, self.world, self.proxy = cluster, world, proxy
        self.events = events()
        self.begin()
        self.settings = ElasticsearchSettings(
            url=(proxy.url,), username="monitor_agent", password=cluster.users["monitor_agent"]
        )
        proxy.obey()
        self.cycle(tries=1)
        self.calls = proxy.requests
        self.expected = snapshot(world)
        assert {document["revision"] for document in self.expected["model_performance"].values()} == {1}

    def begin(self) -> None:
        """Delete all documents and deliver the events again."""
        self.cluster.clean()
        store_settings(self.cluster, SETTINGS)
        self.world.deliver(*self.events)

    def cycle(self, tries: int) -> bool:
        """Run a cycle through the proxy; return whether it succeeded."""
        client = connect(self.settings)
        try:
            gateway = Gateway(client, Backoff(tries, first=0.01, longest=0.05))
            Agent(gateway, SETTINGS, FixedClock(FINAL)).cycle()
        except ElasticsearchError:
            return False
        finally:
            client.close()
        return True

    def check_nothing_partial(self) -> None:
        """Check that every metrics document is as it will be in the end."""
        documents = self.world.documents()
        assert documents == {name: self.expected["model_performance"][name] for name in documents}

    def check_whole(self) -> None:
        """Check that all documents are as after an undisturbed cycle."""
        documents = snapshot(self.world)
        assert documents["model_performance"] == self.expected["model_performance"]
        assert documents["model-restatements"] == {}
        for name in ("model-predictions", "model-feedback"):
            assert without_versions(documents[name]) == without_versions(self.expected[name])


@pytest.fixture(scope="module")
def fault_test(elasticsearch: Cluster) -> Iterator[FaultTest]:
    """Yield the test's events and its proxy."""
    elasticsearch.clean()
    with world_on(elasticsearch) as world, UnrulyProxy(elasticsearch.url).serving() as proxy:
        install(Gateway(world.admin), AgentSettings())
        yield FaultTest(elasticsearch, world, proxy)


def fail_once(number: int, fault: str) -> Rule:
    """Return the rule that makes one request fail."""
    return lambda request_number, _request: fault if request_number == number else ""


def fail_all_once(fault: str) -> Rule:
    """Return the rule that makes every request fail the first time."""
    failed: set[bytes] = set()

    def rule(_number: int, request: bytes) -> str:
        is_new = request not in failed
        failed.add(request)
        return fault if is_new else ""

    return rule


def fail_often(seed: int, share: float) -> Rule:
    """Return the rule that makes a share of all requests fail, with random faults."""
    dice = random.Random(seed)
    return lambda _number, _request: dice.choice(FAULTS) if dice.random() < share else ""


def check_faults_often(fault_test: FaultTest, seed: int) -> None:
    """Run cycles with faults until one succeeds; check the documents after each cycle and in the end."""
    fault_test.begin()
    for attempt in range(20):
        fault_test.proxy.obey(fail_often(seed + attempt, 0.15))
        well = fault_test.cycle(tries=3)
        fault_test.check_nothing_partial()
        if well:
            break
    fault_test.proxy.obey()
    assert fault_test.cycle(tries=1)
    fault_test.check_whole()


def check_fault_at(fault_test: FaultTest, number: int, fault: str) -> None:
    """Let one request of an agent without retries fail; check the documents, also after the next cycle."""
    fault_test.begin()
    fault_test.proxy.obey(fail_once(number, fault))
    fault_test.cycle(tries=1)
    fault_test.check_nothing_partial()
    fault_test.proxy.obey()
    assert fault_test.cycle(tries=1)
    fault_test.check_whole()


def check_kill_at(fault_test: FaultTest, number: int, fault: str) -> None:
    """Kill an agent before or after a request takes effect; check the documents, also after the next cycle."""
    fault_test.begin()
    started: list[subprocess.Popen[bytes]] = []

    def kill(request_number: int, _request: bytes) -> str:
        if request_number != number:
            return ""
        started[0].kill()
        started[0].wait()
        return fault

    fault_test.proxy.obey(kill)
    started.append(once(fault_test))
    assert started[0].wait() == -signal.SIGKILL
    fault_test.check_nothing_partial()
    fault_test.proxy.obey()
    # A request of the dead agent may still be in progress, such as the creation of an index: the retries wait for it.
    assert fault_test.cycle(tries=12)
    fault_test.check_whole()


def once(fault_test: FaultTest) -> subprocess.Popen[bytes]:
    """Return a started `monitor-agent once`."""
    environ = {**os.environ, **environment_of(fault_test.settings), **environment_of(SETTINGS)}
    argv = [sys.executable, "-m", "monitor_agent", "once", "--now", FINAL.isoformat()]
    return subprocess.Popen(argv, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "429"])
def test_a_fault_of_every_request_changes_nothing(fault_test: FaultTest, fault: str) -> None:
    """The agent repeats each request until its answer is complete."""
    fault_test.begin()
    fault_test.proxy.obey(fail_all_once(fault))

    assert fault_test.cycle(tries=12)

    # How many requests a cycle needs depends a little on what its searches see already.
    assert fault_test.proxy.requests >= 0.9 * fault_test.calls
    fault_test.check_whole()


def test_faults_of_all_kinds_leave_nothing_partial(fault_test: FaultTest) -> None:
    """One of seven requests fails, with random faults; some cycles end early."""
    check_faults_often(fault_test, 100)


@pytest.mark.parametrize("seed", range(3))
def test_the_next_cycle_repairs_a_fault_at_any_request(fault_test: FaultTest, seed: int) -> None:
    """The request and the fault are random."""
    dice = random.Random(seed)
    check_fault_at(fault_test, dice.randint(1, fault_test.calls), dice.choice(FAULTS))


@pytest.mark.parametrize("seed", range(2))
def test_the_next_agent_finishes_the_work_of_a_killed_one(fault_test: FaultTest, seed: int) -> None:
    """The agent is killed at a random request; in the end all documents are those of one undisturbed cycle."""
    dice = random.Random(40 + seed)
    check_kill_at(fault_test, dice.randint(1, fault_test.calls), dice.choice(["dropped before", "dropped after"]))


def test_labels_that_an_agent_wrote_before_it_died_are_counted(fault_test: FaultTest) -> None:
    """They are stored, but searches do not show them yet: the next agent refreshes, although it writes no label."""
    fault_test.begin()
    fault_test.world.admin.indices.put_settings(index="model-predictions-*", settings={"refresh_interval": "-1"})
    fault_test.proxy.obey(
        lambda _number, request: "dropped before" if b"/_refresh" in request and b"predict" in request else ""
    )
    assert not fault_test.cycle(tries=1)
    fault_test.proxy.obey()

    assert fault_test.cycle(tries=1)

    fault_test.check_whole()


def test_two_agents_with_faults_write_the_same_as_one(fault_test: FaultTest) -> None:
    """Both compute the same windows while requests fail; only Elasticsearch coordinates them."""
    fault_test.begin()
    fault_test.proxy.obey(fail_often(5, 0.05))
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            for done in [pool.submit(fault_test.cycle, 4) for _ in range(2)]:
                done.result()
            fault_test.check_nothing_partial()
    fault_test.proxy.obey()
    assert fault_test.cycle(tries=1)
    fault_test.check_whole()


@pytest.mark.soak
def test_every_fault_at_every_request(fault_test: FaultTest) -> None:
    """Check each request of a cycle with each fault, and a kill at each request."""
    for number in range(1, fault_test.calls + 1):
        for fault in FAULTS:
            check_fault_at(fault_test, number, fault)
        for when in ("dropped before", "dropped after"):
            check_kill_at(fault_test, number, when)


@pytest.mark.soak
def test_faults_for_long(fault_test: FaultTest) -> None:
    """Run many cycles with random faults."""
    for seed in range(1000, 40_000, 1000):
        check_faults_often(fault_test, seed)


@pytest.mark.parametrize(("body", "remedy"), [("write", "remove index.blocks.write by PUT"), ("", "open it by POST")])
def test_an_index_that_takes_nothing_is_no_missing_privilege(cluster: Cluster, body: str, remedy: str) -> None:
    """A block or a closed index is named with the command that repairs it, and no document counts as malformed."""
    index = "model-performance-2026.03"
    malformed: list[str] = []
    with cluster.client() as client:
        client.indices.create(index=index)
        if body:
            client.indices.put_settings(index=index, settings={f"index.blocks.{body}": True})
        else:
            client.indices.close(index=index)
    operation = Operation("index", index, "1", {"@timestamp": "2026-03-02T10:00:00Z"})
    with cluster.client("monitor_agent") as client:
        gateway = Gateway(client)
        with pytest.raises(ElasticsearchError) as caught:
            gateway.bulk([operation], lambda _operation, reason: malformed.append(reason))

    assert remedy in caught.value.hint
    assert index in caught.value.hint
    assert malformed == []
