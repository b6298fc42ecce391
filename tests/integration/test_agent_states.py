"""A walk through the life of windows: whatever happens in whatever order, some things never do."""

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
    with world_on(installed) as made:
        yield made


class WindowLife(RuleBasedStateMachine):
    """Events arrive, time passes, one or two agents look; after each look the documents are compared with the last."""

    def __init__(self, cluster: Cluster, world: World, restated: list[str]) -> None:
        super().__init__()
        cluster.clean()
        self.world = world
        self.restated = restated
        self.now = START + MINUTE
        self.predictions: list[Document] = []
        self.dice = random.Random(1)
        self.seen: dict[str, dict[str, Any]] = {}
        self.said: dict[tuple[str, int], dict[str, Any]] = {}
        self.looked = False

    @initialize()
    def windows_of_all_ages_are_there(self) -> None:
        """A final one, a provisional one, an open one."""
        for minutes in (-100, -30, -1):
            self.predictions_arrive(minutes, 40, 1, look=False)
        self.an_agent_looks()

    @rule(minutes=st.integers(-150, 50), score=st.integers(0, 64), count=st.integers(1, 3), look=st.booleans())
    def predictions_arrive(self, minutes: int, score: int, count: int, look: bool) -> None:
        """In time, late, or from a clock that is ahead."""
        at = self.now + minutes * MINUTE
        made = [make_prediction(at + n * MINUTE, score / 64, log_loss_1=1.5, log_loss_0=0.5) for n in range(count)]
        self.predictions += made
        self.happens(*made, look=look)

    @rule(
        number=st.integers(0, 99),
        seconds=st.integers(-400, 2200),
        kind=st.sampled_from(["click", "purchase"]),
        look=st.booleans(),
    )
    def feedback_arrives(self, number: int, seconds: int, kind: str, look: bool) -> None:
        """On any prediction so far: soon, or when its windows have long been final."""
        prediction = self.predictions[number % len(self.predictions)]
        self.happens(make_feedback(prediction, timedelta(seconds=seconds), kind), look=look)

    @rule(minutes=st.integers(-150, 0), look=st.booleans())
    def a_request_fails(self, minutes: int, look: bool) -> None:
        """Somebody sends nonsense; its event comes soon or late."""
        self.happens(make_error(self.now + minutes * MINUTE), look=look)

    @rule(pause=st.sampled_from([MINUTE, 15 * MINUTE, 40 * MINUTE, 2 * HOUR, 26 * HOUR, 8 * DAY]), look=st.booleans())
    def time_passes(self, pause: timedelta, look: bool) -> None:
        """A little or a lot."""
        self.now += pause
        self.happens(look=look)

    def happens(self, *events: Document, look: bool) -> None:
        """Deliver events; perhaps an agent looks at once."""
        self.world.deliver(*events)
        self.looked = False
        if look:
            self.an_agent_looks()

    @rule()
    def an_agent_looks(self) -> None:
        """One cycle."""
        self.world.cycle(self.now, **WINDOWS)
        self.compare()

    @rule()
    def two_agents_look(self) -> None:
        """Two at the same moment."""
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(self.world.cycle, self.now, **WINDOWS) for _ in range(2)]:
                done.result()
        self.compare()

    @precondition(lambda self: self.looked)
    @rule(skew=st.sampled_from([timedelta(), -MINUTE, -3 * HOUR]))
    def an_agent_looks_again(self, skew: timedelta) -> None:
        """A rerun writes nothing, nor does an agent whose clock is behind."""
        again = self.world.cycle(self.now + skew, **WINDOWS)
        assert again.tally.written == 0
        assert self.world.documents() == self.seen

    def compare(self) -> None:
        """Compare all documents with what they said before."""
        found = self.world.documents()
        assert set(self.seen) <= set(found)
        for identifier, document in found.items():
            before = self.seen.get(identifier)
            assert document["revision"] == document["_version"]
            if before is not None:
                self.moved_forward(before, document)
                if document != before and AGE[before["state"]] >= AGE["final"]:
                    self.said[identifier, before["revision"]] = before
                    self.restated.append(identifier)
        self.seen, self.looked = found, True

    def moved_forward(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        """A state never goes back; a revision grows exactly when something is said otherwise."""
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
    def restatements_hold_what_was_said(self) -> None:
        """Every final document that was replaced is kept as it was."""
        if not self.looked:
            return
        kept = {
            (each["metrics_id"], each["revision"]): each["document"]
            for each in self.world.documents("model-restatements").values()
        }
        for place, document in self.said.items():
            assert kept[place] == {name: value for name, value in document.items() if name != "_version"}


def walk(cluster: Cluster, world: World, settings: hypothesis.settings) -> None:
    """Walk through many lives, some of which must have been restated."""
    restated: list[str] = []
    quiet = hypothesis.settings(settings, suppress_health_check=list(hypothesis.HealthCheck))
    run_state_machine_as_test(lambda: WindowLife(cluster, world, restated), settings=quiet)
    assert restated


def test_windows_only_move_forward(elasticsearch: Cluster, world: World) -> None:
    """States, revisions and restatements over a few lives."""
    generate = [hypothesis.Phase.generate]
    walk(elasticsearch, world, hypothesis.settings(max_examples=4, stateful_step_count=10, phases=generate))


@pytest.mark.soak
def test_windows_only_move_forward_for_long(elasticsearch: Cluster, world: World) -> None:
    """The same over many."""
    walk(elasticsearch, world, hypothesis.settings(max_examples=150, stateful_step_count=40, derandomize=False))
