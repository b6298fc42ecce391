"""All metrics documents against a brute force that reads every event: any order, any batches, any pauses."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase

from monitor_agent.settings import AgentSettings
from tests.cluster import Cluster
from tests.integration.agent_world import World, world_on
from tests.integration.brute_force import BruteForce, differences
from tests.integration.stories import Story, stories

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)


@pytest.fixture(scope="module")
def world(installed: Cluster) -> Iterator[World]:
    """Yield one world for all tests."""
    with world_on(installed) as module_world:
        yield module_world


def play(world: World, story: Story) -> BruteForce:
    """Play the story to the agent and to the brute force; compare all documents after every cycle."""
    expected = BruteForce(story.rules)
    settings = {entry.name: getattr(story.settings(), entry.name) for entry in dataclasses.fields(AgentSettings)}
    for events, now in story.steps:
        world.deliver(*events)
        expected.deliver(events)
        world.cycle(now, **settings)
        expected.cycle(now)
        documents = world.by_key()
        expected_documents = expected.documents()
        assert set(documents) == set(expected_documents)
        messages = {key: differences(documents[key], fields) for key, fields in expected_documents.items()}
        assert {key: texts for key, texts in messages.items() if texts} == {}
        feedback = world.documents("model-feedback").values()
        statuses = {
            (document["event"]["id"], document["prediction"]["id"]): document["feedback"]["status"]
            for document in feedback
        }
        possible = expected.possible_statuses()
        assert set(statuses) == set(possible)
        assert {name: status for name, status in statuses.items() if status not in possible[name]} == {}
    return expected


def check(cluster: Cluster, world: World, story: Story) -> None:
    """Compare a story; afterwards a rerun at the same moment writes nothing."""
    cluster.clean()
    play(world, story)
    settings = {entry.name: getattr(story.settings(), entry.name) for entry in dataclasses.fields(AgentSettings)}
    before = world.documents()

    again = world.cycle(story.steps[-1][1], **settings)

    assert again.tally.written == 0
    assert world.documents() == before
    assert all(document["revision"] == document["_version"] for document in before.values())


@hypothesis.settings(max_examples=4, suppress_health_check=SLOW, phases=[Phase.generate])
@hypothesis.given(story=stories())
def test_documents_agree_with_the_events(elasticsearch: Cluster, world: World, story: Story) -> None:
    """Counts, funnel, ratios, state, maturity and coverage of all windows, and the status of all feedback."""
    check(elasticsearch, world, story)


@pytest.mark.soak
@hypothesis.settings(max_examples=400, suppress_health_check=SLOW, derandomize=False)
@hypothesis.given(story=stories(120))
def test_documents_agree_with_the_events_in_long_stories(elasticsearch: Cluster, world: World, story: Story) -> None:
    """Many new and longer stories."""
    check(elasticsearch, world, story)
