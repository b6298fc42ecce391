"""The agent while Elasticsearch misbehaves or the agent is killed.

Nothing partial is ever told as the whole, and in the end all documents are those of an undisturbed cycle.
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
from monitor_agent.es.gateway import Gateway, connect
from monitor_agent.es.install import install
from monitor_agent.es.retry import Backoff
from monitor_agent.settings import AgentSettings, ElasticsearchSettings, environment_of
from tests.cluster import Cluster
from tests.factories import START, Document, make_error, make_feedback, make_prediction
from tests.integration.agent_world import World, world_on
from tests.integration.unruly_proxy import FAULTS, Rule, UnrulyProxy

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FINAL = START + timedelta(days=2)
SETTINGS = AgentSettings(base_window=15 * MINUTE, larger_windows=(HOUR,), retention=False, page_size=8)
KEPT = ("model_performance", "model-restatements", "model-predictions", "model-feedback")


def events(seed: int = 7) -> list[Document]:
    """Return predictions of an hour, most kinds of feedback on them, and an error.

    Scores and losses are fractions of 64, so that their sums are the same in whatever order a search adds them.
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
    clicks = [make_feedback(each, timedelta(seconds=dice.randint(-200, 2400))) for each in predictions[:24]]
    # More than one page of feedback.
    again = [make_feedback(each, timedelta(seconds=dice.randint(1, 900))) for each in predictions[:5] * 6]
    lost = make_feedback(make_prediction(START + MINUTE))
    return [*predictions, *clicks, *again, lost, make_error(START + MINUTE)]


def snapshot(world: World) -> dict[str, dict[str, Any]]:
    """Return everything that the agent has written, byte for byte."""
    return {name: world.documents(name) for name in KEPT}


def without_versions(documents: dict[str, Any]) -> dict[str, Any]:
    """Return documents without the index's own count of writes: a write that is repeated after a fault adds to it."""
    return {name: {key: each[key] for key in each if key != "_version"} for name, each in documents.items()}


class Trial:
    """One set of events, and what an undisturbed agent makes of it."""

    def __init__(self, cluster: Cluster, world: World, proxy: UnrulyProxy) -> None:
        self.cluster, self.world, self.proxy = cluster, world, proxy
        self.events = events()
        self.begin()
        self.reached = ElasticsearchSettings(
            url=(proxy.url,), username="monitor_agent", password=cluster.users["monitor_agent"]
        )
        proxy.obey()
        self.cycle(tries=1)
        self.calls = proxy.requests
        self.whole = snapshot(world)
        assert {each["revision"] for each in self.whole["model_performance"].values()} == {1}

    def begin(self) -> None:
        """Start from nothing but the events."""
        self.cluster.clean()
        self.world.deliver(*self.events)

    def cycle(self, tries: int) -> bool:
        """Run a cycle through the proxy; return whether it ended well."""
        client = connect(self.reached)
        try:
            gateway = Gateway(client, Backoff(tries, first=0.01, longest=0.05))
            Agent(gateway, SETTINGS, FixedClock(FINAL)).cycle()
        except ElasticsearchError:
            return False
        finally:
            client.close()
        return True

    def check_nothing_partial(self) -> None:
        """Every metrics document that is there says what it says in the end."""
        found = self.world.documents()
        assert found == {name: self.whole["model_performance"][name] for name in found}

    def check_whole(self) -> None:
        """Everything is as after an undisturbed cycle."""
        found = snapshot(self.world)
        assert found["model_performance"] == self.whole["model_performance"]
        assert found["model-restatements"] == {}
        for name in ("model-predictions", "model-feedback"):
            assert without_versions(found[name]) == without_versions(self.whole[name])


@pytest.fixture(scope="module")
def trial(elasticsearch: Cluster) -> Iterator[Trial]:
    """Yield the trial behind a proxy."""
    elasticsearch.clean()
    with world_on(elasticsearch) as world, UnrulyProxy(elasticsearch.url).serving() as proxy:
        install(Gateway(world.admin), AgentSettings())
        yield Trial(elasticsearch, world, proxy)


def fail_once(number: int, fault: str) -> Rule:
    """Return the rule that spoils one request."""
    return lambda number_asked, _asked: fault if number_asked == number else ""


def fail_all_once(fault: str) -> Rule:
    """Return the rule that spoils every request when it is made first."""
    seen: set[bytes] = set()

    def rule(_number: int, asked: bytes) -> str:
        new = asked not in seen
        seen.add(asked)
        return fault if new else ""

    return rule


def fail_often(seed: int, share: float) -> Rule:
    """Return the rule that spoils that share of all requests, each in another way."""
    dice = random.Random(seed)
    return lambda _number, _asked: dice.choice(FAULTS) if dice.random() < share else ""


def check_faults_often(trial: Trial, seed: int) -> None:
    """Cycles among faults until one ends well; nothing partial after any; in the end everything is whole."""
    trial.begin()
    for attempt in range(20):
        trial.proxy.obey(fail_often(seed + attempt, 0.15))
        well = trial.cycle(tries=3)
        trial.check_nothing_partial()
        if well:
            break
    trial.proxy.obey()
    assert trial.cycle(tries=1)
    trial.check_whole()


def check_fault_at(trial: Trial, number: int, fault: str) -> None:
    """One request of an agent that does not try again fails; nothing partial is there, and the next cycle mends it."""
    trial.begin()
    trial.proxy.obey(fail_once(number, fault))
    trial.cycle(tries=1)
    trial.check_nothing_partial()
    trial.proxy.obey()
    assert trial.cycle(tries=1)
    trial.check_whole()


def check_kill_at(trial: Trial, number: int, fault: str) -> None:
    """A process is killed while one of its requests is under way, or has taken effect; the next one mends all."""
    trial.begin()
    started: list[subprocess.Popen[bytes]] = []

    def kill(number_asked: int, _asked: bytes) -> str:
        if number_asked != number:
            return ""
        started[0].kill()
        started[0].wait()
        return fault

    trial.proxy.obey(kill)
    started.append(once(trial))
    assert started[0].wait() == -signal.SIGKILL
    trial.check_nothing_partial()
    trial.proxy.obey()
    # What the dead one asked may still be under way, such as an index that it makes: that is waited for.
    assert trial.cycle(tries=12)
    trial.check_whole()


def once(trial: Trial) -> subprocess.Popen[bytes]:
    """Return a started `monitor-agent once`."""
    environ = {**os.environ, **environment_of(trial.reached), **environment_of(SETTINGS)}
    argv = [sys.executable, "-m", "monitor_agent", "once", "--now", FINAL.isoformat()]
    return subprocess.Popen(argv, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "429"])
def test_a_fault_of_every_request_changes_nothing(trial: Trial, fault: str) -> None:
    """Each is made again until it is answered whole."""
    trial.begin()
    trial.proxy.obey(fail_all_once(fault))

    assert trial.cycle(tries=12)

    assert trial.proxy.requests >= trial.calls
    trial.check_whole()


def test_faults_of_all_kinds_leave_nothing_partial(trial: Trial) -> None:
    """A seventh of all requests goes wrong, each in another way; some cycles end early."""
    check_faults_often(trial, 100)


@pytest.mark.parametrize("seed", range(3))
def test_a_fault_at_any_request_is_mended_by_the_next_cycle(trial: Trial, seed: int) -> None:
    """Whichever request of a cycle fails, in whichever way."""
    dice = random.Random(seed)
    check_fault_at(trial, dice.randint(1, trial.calls), dice.choice(FAULTS))


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_agent_leaves_work_that_the_next_one_finishes(trial: Trial, seed: int) -> None:
    """`kill -9` at a random request, before or after it took effect; then all documents are those of one good cycle."""
    dice = random.Random(40 + seed)
    check_kill_at(trial, dice.randint(1, trial.calls), dice.choice(["dropped before", "dropped after"]))


def test_labels_that_an_agent_wrote_before_it_died_are_counted(trial: Trial) -> None:
    """They are stored, but no search sees them yet: the next agent, which has none of them to write, waits for that."""
    trial.begin()
    trial.world.admin.indices.put_settings(index="model-predictions-*", settings={"refresh_interval": "-1"})
    trial.proxy.obey(lambda _number, asked: "dropped before" if b"/_refresh" in asked and b"predict" in asked else "")
    assert not trial.cycle(tries=1)
    trial.proxy.obey()

    assert trial.cycle(tries=1)

    trial.check_whole()


def test_two_agents_among_faults_write_what_one_writes(trial: Trial) -> None:
    """They fight over the same windows while requests fail; nobody coordinates them but Elasticsearch."""
    trial.begin()
    trial.proxy.obey(fail_often(5, 0.05))
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            for done in [pool.submit(trial.cycle, 4) for _ in range(2)]:
                done.result()
            trial.check_nothing_partial()
    trial.proxy.obey()
    assert trial.cycle(tries=1)
    trial.check_whole()


@pytest.mark.soak
def test_every_fault_at_every_request(trial: Trial) -> None:
    """The whole table: each request of a cycle times each fault, and a kill at each request."""
    for number in range(1, trial.calls + 1):
        for fault in FAULTS:
            check_fault_at(trial, number, fault)
        for when in ("dropped before", "dropped after"):
            check_kill_at(trial, number, when)


@pytest.mark.soak
def test_faults_for_long(trial: Trial) -> None:
    """Many cycles among random faults."""
    for seed in range(1000, 40_000, 1000):
        check_faults_often(trial, seed)
