"""Random walks through the life of windows: in any order of events, the documents only move forward."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.cluster import Cluster
from tests.factories import START, Document, make_error, make_feedback, make_prediction
from tests.integration.agent_world import World, world_on

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WINDOWS: dict[str, Any] = {"base_window": 15 * MINUTE, "larger_windows": (HOUR,)}
AGE = {"open": 0, "provisional": 1, "final": 2, "restated": 3}
CONTENT = {"state", "revision", "_version"}


@pytest.fixture(scope="module")
def world(installed: Cluster) -> Iterator[World]:
    """Yield one world for all tests."""
    with world_on(installed) as module_world:
        yield module_world


class WindowLife(RuleBasedStateMachine):
    """Events arrive, time passes, one or two agents run; after each cycle the documents are compared with the last."""

    def __init__(self, cluster: Cluster, world: World, restated: list[str]) -> None:
        super().__init__()
        cluster.clean()
        self.world = world
        self.restated = restated
        self.now = START + MINUTE
        self.predictions: list[Document] = []
        self.dice = random.Random(1)
        self.documents: dict[str, dict[str, Any]] = {}
        self.replaced: dict[tuple[str, int], dict[str, Any]] = {}
        self.is_current = False

    @initialize()
    def windows_of_all_ages_are_there(self) -> None:
        """There are a final, a provisional and an open window."""
        for minutes in (-100, -30, -1):
            self.predictions_arrive(minutes, 40, 1, with_cycle=False)
        self.an_agent_runs()

    @rule(minutes=st.integers(-150, 50), score=st.integers(0, 64), count=st.integers(1, 3), with_cycle=st.booleans())
    def predictions_arrive(self, minutes: int, score: int, count: int, with_cycle: bool) -> None:
        """Predictions arrive in time, late, or from a clock that is ahead."""
        at = self.now + minutes * MINUTE
        predictions = [
            make_prediction(at + n * MINUTE, score / 64, log_loss_1=1.5, log_loss_0=0.5) for n in range(count)
        ]
        self.predictions += predictions
        self.deliver(*predictions, with_cycle=with_cycle)

    @rule(
        number=st.integers(0, 99),
        seconds=st.integers(-400, 2200),
        kind=st.sampled_from(["click", "purchase"]),
        with_cycle=st.booleans(),
    )
    def feedback_arrives(self, number: int, seconds: int, kind: str, with_cycle: bool) -> None:
        """Feedback on any prediction so far arrives soon, or long after its windows are final."""
        prediction = self.predictions[number % len(self.predictions)]
        self.deliver(make_feedback(prediction, timedelta(seconds=seconds), kind), with_cycle=with_cycle)

    @rule(minutes=st.integers(-150, 0), with_cycle=st.booleans())
    def a_request_fails(self, minutes: int, with_cycle: bool) -> None:
        """The event of a refused request arrives soon or late."""
        self.deliver(make_error(self.now + minutes * MINUTE), with_cycle=with_cycle)

    @rule(
        pause=st.sampled_from([MINUTE, 15 * MINUTE, 40 * MINUTE, 2 * HOUR, 26 * HOUR, 8 * DAY]),
        with_cycle=st.booleans(),
    )
    def time_passes(self, pause: timedelta, with_cycle: bool) -> None:
        """Time passes, a little or a lot."""
        self.now += pause
        self.deliver(with_cycle=with_cycle)

    def deliver(self, *events: Document, with_cycle: bool) -> None:
        """Deliver events; run an agent at once if `with_cycle` is set."""
        self.world.deliver(*events)
        self.is_current = False
        if with_cycle:
            self.an_agent_runs()

    @rule()
    def an_agent_runs(self) -> None:
        """An agent runs one cycle."""
        self.world.cycle(self.now, **WINDOWS)
        self.compare()

    @rule()
    def two_agents_run(self) -> None:
        """Two agents run at the same moment."""
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(self.world.cycle, self.now, **WINDOWS) for _ in range(2)]:
                done.result()
        self.compare()

    @precondition(lambda self: self.is_current)
    @rule(skew=st.sampled_from([timedelta(), -MINUTE, -3 * HOUR]))
    def an_agent_runs_again(self, skew: timedelta) -> None:
        """A rerun writes nothing, and neither does an agent whose clock is behind."""
        again = self.world.cycle(self.now + skew, **WINDOWS)
        assert again.tally.written == 0
        assert self.world.documents() == self.documents

    def compare(self) -> None:
        """Compare all documents with those of the last cycle."""
        documents = self.world.documents()
        assert set(self.documents) <= set(documents)
        for identifier, document in documents.items():
            before = self.documents.get(identifier)
            assert document["revision"] == document["_version"]
            if before is not None:
                self.moved_forward(before, document)
                if document != before and AGE[before["state"]] >= AGE["final"]:
                    self.replaced[identifier, before["revision"]] = before
                    self.restated.append(identifier)
        self.documents, self.is_current = documents, True

    def moved_forward(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        """A state never goes back; a revision grows exactly when the content changes."""
        assert AGE[after["state"]] >= AGE[before["state"]]
        otherwise = {name for name in after if name not in CONTENT and after[name] != before.get(name)}
        if after["revision"] == before["revision"]:
            assert after == before
        else:
            assert after["revision"] > before["revision"]
            assert otherwise or after["state"] != before["state"]
        assert (after["state"] == "restated") == (
            before["state"] == "restated" or (AGE[before["state"]] == 2 and bool(otherwise))
        )

    @invariant()
    def restatements_hold_the_replaced_documents(self) -> None:
        """Every final document that was replaced is stored unchanged."""
        if not self.is_current:
            return
        restated = {
            (restatement["metrics_id"], restatement["revision"]): restatement["document"]
            for restatement in self.world.documents("model-restatements").values()
        }
        for place, document in self.replaced.items():
            assert restated[place] == {name: value for name, value in document.items() if name != "_version"}


def walk(cluster: Cluster, world: World, settings: hypothesis.settings) -> None:
    """Walk through many lives; some documents must have been restated."""
    restated: list[str] = []
    quiet = hypothesis.settings(settings, suppress_health_check=list(hypothesis.HealthCheck))
    run_state_machine_as_test(lambda: WindowLife(cluster, world, restated), settings=quiet)
    assert restated


def test_windows_only_move_forward(elasticsearch: Cluster, world: World) -> None:
    """Check states, revisions and restatements over a few lives."""
    generate = [hypothesis.Phase.generate]
    walk(elasticsearch, world, hypothesis.settings(max_examples=4, stateful_step_count=10, phases=generate))


@pytest.mark.soak
def test_windows_only_move_forward_for_long(elasticsearch: Cluster, world: World) -> None:
    """Check them over many lives."""
    walk(elasticsearch, world, hypothesis.settings(max_examples=150, stateful_step_count=40, derandomize=False))
