"""Models with settings of their own, which change: every document is the oracle's under the revision that it names."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

from monitor_agent.agent.cycle import Agent
from monitor_agent.durations import format_duration
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.model_settings_store import ModelSettingsStore
from monitor_agent.pipeline.model_history import ModelHistory, Revision
from monitor_agent.settings.model_tables import settings_of
from tests.cluster import Cluster
from tests.factories import Document, iso
from tests.integration.agent_world import BASE, World, world_on
from tests.integration.brute_force import BruteForce, Rules, differences, prediction_time, time_of
from tests.integration.stories import EVENING, Story, rules, stories
from tests.integration.test_service import environ_of

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)
MODELS = ("click", "conversion")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Tables = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Plan:
    """A story in which the settings of two models change.

    Attributes
    ----------
    story : the events and the moments of the cycles.
    zones : the time zone of each model.
    changes : the rules of each model before the first cycle, and after some of the cycles.
    """

    story: Story
    zones: dict[str, str]
    changes: list[tuple[int, dict[str, Rules]]] = field(default_factory=list)


@st.composite
def plans(draw: st.DrawFn, most: int = 40) -> Plan:
    """Return a plan; no event belongs to a ranked list, which may lie in two revisions, and none comes too early."""
    story = in_time(draw(stories(most)))
    zones = {"click": "UTC", "conversion": draw(st.sampled_from(["Europe/Berlin", "UTC"]))}
    attributions = st.sampled_from([timedelta(minutes=30), timedelta(hours=2), DAY])
    rules_of_model = st.builds(lambda entry, attribution: replace(entry, attribution=attribution), rules, attributions)
    of_models = st.fixed_dictionaries(dict.fromkeys(MODELS, rules_of_model))
    steps = [-1, *draw(st.lists(st.integers(0, len(story.steps) - 1), min_size=1, max_size=3, unique=True).map(sorted))]
    return Plan(story, zones, [(step, draw(of_models)) for step in steps])


def in_time(story: Story) -> Story:
    """Return a story whose events come no earlier than their own time and that of their prediction."""
    steps: list[tuple[list[Document], datetime]] = []
    waiting: list[Document] = []
    for events, now in [*story.steps, ([], story.steps[-1][1] + DAY)]:
        waiting += events
        steps.append(([event for event in waiting if latest(event) <= now], now))
        waiting = [event for event in waiting if latest(event) > now]
    for event in [event for events, _ in steps for event in events]:
        event.pop("ranking", None)
    return Story(story.rules, steps)


def latest(event: Document) -> datetime:
    """Return the latest time that an event names."""
    return max(time_of(event), prediction_time(event) if "feedback" in event else time_of(event))


def tables(plan: Plan, rules_by_model: dict[str, Rules]) -> Tables:
    """Return the rules of both models as tables: those of `click` are `default`."""
    by_table = {"default": rules_by_model["click"], "conv*": rules_by_model["conversion"]}
    zones = {"default": plan.zones["click"], "conv*": plan.zones["conversion"]}
    return {
        name: {
            "base_window": entry.base,
            "larger_windows": ",".join(entry.larger),
            "time_zone": zones[name],
            "feedback_type": entry.judged_by,
            "impressions": entry.impressions,
            "absent_feedback": entry.silence,
            "attribution_window": format_duration(entry.attribution),
        }
        for name, entry in by_table.items()
    }


def rules_of(revision: Revision) -> Rules:
    """Return the rules of a revision."""
    settings = revision.settings
    return Rules(
        base=format_duration(settings.base_window),
        larger=tuple(map(format_duration, settings.larger_windows)),
        zone=settings.time_zone,
        judged_by=settings.feedback_type,
        impressions=settings.impressions,
        silence=settings.absent_feedback,
        attribution=settings.attribution_window,
    )


class Oracle:
    """One brute force for each revision of each model, which gets the events that the revision decides."""

    def __init__(self, history: ModelHistory, events: Sequence[Document]) -> None:
        self._predictions = {
            event["event"]["id"]: event for event in events if event["event"]["dataset"] == "model.prediction"
        }
        self._entries = [
            (model, revision, BruteForce(rules_of(revision)))
            for model in MODELS
            for revision in history.revisions(model, 1)
        ]

    def deliver(self, events: Sequence[Document]) -> None:
        """Give each event to the brute force that its model and its prediction's time belong to."""
        for event in events:
            of_prediction = event
            moment = time_of(event)
            if event["event"]["dataset"] == "model.feedback":
                of_prediction = self._predictions.get(event["prediction"]["id"], event)
                moment = prediction_time(event) if of_prediction is event else time_of(of_prediction)
            for model, revision, force in self._entries:
                if of_prediction["model"]["name"] == model and revision.holds_moment(moment):
                    force.deliver([event])

    def cycle(self, now: datetime) -> None:
        """Do the work of an agent at `now`."""
        for _, _, force in self._entries:
            force.cycle(now)

    def documents(self) -> dict[tuple[str, ...], dict[str, object]]:
        """Return the fields of every document, with its revision, by its key."""
        documents: dict[tuple[str, ...], dict[str, object]] = {}
        for model, revision, force in self._entries:
            for key, fields in force.documents().items():
                end = rules_of(revision).window(key[3], datetime.fromisoformat(key[4]))[1]
                assert key[0] == model
                if revision.holds_moment(datetime.fromisoformat(key[4])) and (
                    revision.end is None or end <= revision.end
                ):
                    documents[key] = {**fields, "settings_revision": revision.number}
        return documents


@dataclass
class StoryClock:
    """A clock that the story sets."""

    moment: datetime = EVENING

    def now(self) -> datetime:
        """Return the moment of the story."""
        return self.moment


def change_settings(world: World, plan: Plan, rules_by_model: dict[str, Rules], now: datetime) -> ModelHistory:
    """Change the settings as `models apply` does; return their history."""
    store = ModelSettingsStore(Gateway(world.admin))
    store.meet(MODELS, 1, now)
    stored = store.read()
    history = stored.history.with_change(tables(plan, rules_by_model), now)
    store.write(stored, history)
    return history


def planned_history(plan: Plan) -> ModelHistory:
    """Return the history after all changes of a plan."""
    history = ModelHistory()
    for step, rules_by_model in plan.changes:
        now = EVENING if step < 0 else plan.story.steps[step][1]
        history = history.with_change(tables(plan, rules_by_model), now)
    return history


def play(world: World, plan: Plan, cycle: Callable[[datetime], None]) -> Oracle:
    """Play a plan to the agents and to the oracle; compare all documents after every cycle."""
    changes = dict(plan.changes)
    expected = Oracle(planned_history(plan), [event for events, _ in plan.story.steps for event in events])
    change_settings(world, plan, changes[-1], EVENING)
    for step, (events, now) in enumerate(plan.story.steps):
        world.deliver(*events)
        expected.deliver(events)
        cycle(now)
        expected.cycle(now)
        compare(world, expected)
        if step in changes:
            change_settings(world, plan, changes[step], now)
    return expected


def compare(world: World, expected: Oracle) -> None:
    """Compare every document with the oracle under the revision that it names."""
    documents, expected_documents = world.by_key(), expected.documents()
    assert set(documents) == set(expected_documents)
    messages = {key: differences(documents[key], fields) for key, fields in expected_documents.items()}
    assert {key: texts for key, texts in messages.items() if texts} == {}


@pytest.fixture(scope="module")
def world(installed: Cluster) -> Iterator[World]:
    """Yield one world for all tests."""
    with world_on(installed) as module_world:
        yield module_world


@hypothesis.settings(max_examples=3, suppress_health_check=SLOW, phases=[Phase.generate])
@hypothesis.given(plan=plans(), dice=st.randoms(use_true_random=False))
def test_two_models_with_settings_that_change_have_the_documents_of_their_revisions(
    elasticsearch: Cluster, world: World, plan: Plan, dice: random.Random
) -> None:
    """Three agents share the work in any order; each reads what the settings are."""
    elasticsearch.clean()
    clock = StoryClock()
    agents = [Agent(Gateway(world.agent), BASE, clock) for _ in range(3)]

    def cycle(now: datetime) -> None:
        clock.moment = now
        for agent in dice.sample(agents, dice.randint(1, 3)):
            agent.cycle()

    play(world, plan, cycle)
    before = world.documents()
    agents[0].cycle()

    assert world.documents() == before


@pytest.mark.soak
@hypothesis.settings(max_examples=60, suppress_health_check=SLOW, derandomize=False)
@hypothesis.given(plan=plans(80), dice=st.randoms(use_true_random=False))
def test_agents_that_are_killed_at_random_leave_the_documents_of_the_revisions(
    elasticsearch: Cluster, world: World, plan: Plan, dice: random.Random
) -> None:
    """Three processes work at the same time and are killed at random moments; the next ones end the work."""
    elasticsearch.clean()
    environ = {**os.environ, **environ_of(elasticsearch, MONITOR_RETENTION="false", MONITOR_PAGE_SIZE="8")}

    def cycle(now: datetime) -> None:
        command = [sys.executable, "-m", "monitor_agent", "once", "--now", iso(now)]
        for killed in (True, False):
            agents = [
                subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                for _ in range(3 if killed else 1)
            ]
            if killed:
                time.sleep(dice.uniform(0.5, 4.0))
                for agent in agents:
                    agent.kill()
            statuses = [agent.wait() for agent in agents]
        assert statuses == [0]

    play(world, plan, cycle)


def test_the_tables_of_a_plan_are_its_rules() -> None:
    """The oracle and the agents get the same rules from the history."""
    first = {"click": Rules(), "conversion": Rules(base="1h", larger=("1d",), attribution=DAY)}
    plan = Plan(Story(Rules()), dict.fromkeys(MODELS, "UTC"), [(-1, first)])
    stored = planned_history(plan)

    assert [rules_of(stored.revisions(model, 1)[0]) for model in MODELS] == list(first.values())
    assert settings_of(stored.tables, "conversion").base_window == HOUR
