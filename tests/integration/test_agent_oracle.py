"""Every metrics document against a brute force that looks at each event: any order, any batching, any pauses."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given

from monitor_agent.settings import AgentSettings
from tests.cluster import Cluster
from tests.integration.agent_world import World, world_on
from tests.integration.brute_force import BruteForce, differences
from tests.integration.stories import Story, stories

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)


@pytest.fixture(scope="module")
def world(installed: Cluster) -> Iterator[World]:
    """Yield one world for all tests."""
    with world_on(installed) as made:
        yield made


def told_and_expected(world: World, story: Story) -> BruteForce:
    """Tell the agent and the brute force the same story; compare all documents after every cycle."""
    expected = BruteForce(story.rules)
    settings = {entry.name: getattr(story.settings(), entry.name) for entry in dataclasses.fields(AgentSettings)}
    for events, now in story.steps:
        world.deliver(*events)
        expected.deliver(events)
        world.cycle(now, **settings)
        expected.cycle(now)
        found = world.by_key()
        wanted = expected.documents()
        assert set(found) == set(wanted)
        wrong = {key: differences(found[key], fields) for key, fields in wanted.items()}
        assert {key: told for key, told in wrong.items() if told} == {}
        statuses = {name: each["feedback"]["status"] for name, each in world.documents("model-feedback").items()}
        fates = expected.fates()
        assert set(statuses) == set(fates)
        assert {name: status for name, status in statuses.items() if status not in fates[name]} == {}
    return expected


def check(cluster: Cluster, world: World, story: Story) -> None:
    """Compare a story; afterwards a rerun at the same moment writes nothing."""
    cluster.clean()
    told_and_expected(world, story)
    settings = {entry.name: getattr(story.settings(), entry.name) for entry in dataclasses.fields(AgentSettings)}
    before = world.documents()

    again = world.cycle(story.steps[-1][1], **settings)

    assert again.tally.written == 0
    assert world.documents() == before
    assert all(each["revision"] == each["_version"] for each in before.values())


@hypothesis.settings(max_examples=4, suppress_health_check=SLOW, phases=[Phase.generate])
@given(story=stories())
def test_documents_say_what_the_events_say(elasticsearch: Cluster, world: World, story: Story) -> None:
    """Counts, funnel, ratios, state, maturity and coverage of every window, and the fate of every feedback event."""
    check(elasticsearch, world, story)


@pytest.mark.soak
@hypothesis.settings(max_examples=400, suppress_health_check=SLOW, derandomize=False)
@given(story=stories(120))
def test_documents_say_what_the_events_say_for_long(elasticsearch: Cluster, world: World, story: Story) -> None:
    """The same over many new and longer stories."""
    check(elasticsearch, world, story)
