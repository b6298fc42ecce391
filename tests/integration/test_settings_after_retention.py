"""Settings that change after retention has deleted a part of a larger window: the window keeps its good numbers."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta, timezone

import pytest

from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.install import install
from monitor_agent.es.model_settings_store import ModelSettingsStore
from tests.cluster import Cluster
from tests.factories import iso, make_prediction
from tests.integration.agent_world import BASE, world_on

MONDAY = datetime(2026, 11, 16, tzinfo=timezone.utc)
DAY = timedelta(days=1)
NOW = MONDAY + 9 * DAY
TABLE = {"base_window": "6h", "larger_windows": "1d,1w", "feedback_type": "click"}


def settings_change(cluster: Cluster, recompute_from: datetime, **changed: str) -> None:
    """Give all models other settings from a moment on."""
    with cluster.client("monitor_setup") as client, contextlib.closing(Gateway(client)) as gateway:
        store = ModelSettingsStore(gateway)
        before = store.read()
        tables = {"default": {**TABLE, **changed}}
        store.write(before, before.history.with_change(tables, NOW - DAY, recompute_from if before.version else None))


@pytest.mark.parametrize("changed", [{"attribution_window": "2h"}, {"base_window": "12h"}], ids=str)
def test_a_week_whose_first_days_are_deleted_is_not_restated(clean_indices: Cluster, changed: dict[str, str]) -> None:
    """The days that are there are restated, the week stays as it is, and a further cycle has nothing to do."""
    with clean_indices.client("monitor_setup") as client:
        install(Gateway(client), BASE)
    settings_change(clean_indices, MONDAY)
    with world_on(clean_indices) as world:
        moments = [MONDAY + number * timedelta(hours=6) for number in range(28)]
        world.deliver(*(make_prediction(moment, number % 2 / 2 + 0.2) for number, moment in enumerate(moments)))
        world.cycle(NOW)
        before = world.window("7d")
        assert before["predictions"] == len(moments)
        world.admin.indices.delete(index=[PREDICTIONS.index_for(MONDAY), PREDICTIONS.index_for(MONDAY + DAY)])

        settings_change(clean_indices, MONDAY, **changed)
        report = world.cycle(NOW)

        assert world.window("7d") == before
        assert report.tally.unrestated
        days = {key[-1]: document for key, document in world.by_key().items() if key[1:4] == ("all", "all", "1d")}
        assert [document["settings_revision"] for _, document in sorted(days.items())] == [1, 1, 2, 2, 2, 2, 2]
        assert {document["predictions"] for document in days.values()} == {4}
        assert world.cycle(NOW).tally.written == 0


def test_a_week_with_days_without_traffic_is_restated(clean_indices: Cluster) -> None:
    """A day that has no index because nothing happened on it is no reason to keep old numbers."""
    with clean_indices.client("monitor_setup") as client:
        install(Gateway(client), BASE)
    settings_change(clean_indices, MONDAY)
    with world_on(clean_indices) as world:
        world.deliver(*(make_prediction(MONDAY + number * DAY + timedelta(hours=3), 0.7) for number in (2, 3, 5)))
        world.cycle(NOW)
        assert world.window("7d")["settings_revision"] == 1

        settings_change(clean_indices, MONDAY, attribution_window="2h")
        report = world.cycle(NOW)

        assert (world.window("7d")["settings_revision"], world.window("7d")["predictions"]) == (2, 3)
        assert report.tally.unrestated == 0


def test_an_open_window_of_a_size_that_is_gone_does_not_stay_open(clean_indices: Cluster) -> None:
    """Its week goes on, so days of it have no index yet: its document is removed all the same."""
    with clean_indices.client("monitor_setup") as client:
        install(Gateway(client), BASE)
    settings_change(clean_indices, MONDAY)
    wednesday = MONDAY + 2 * DAY + timedelta(hours=12)
    with world_on(clean_indices) as world:
        world.deliver(*(make_prediction(MONDAY + number * DAY, 0.7) for number in range(3)))
        world.cycle(wednesday)
        assert world.window("7d")["state"] == "open"

        settings_change(clean_indices, MONDAY, larger_windows="1d")
        world.cycle(wednesday)

        assert {document["window_size"] for document in world.documents().values()} == {"6h", "1d"}


@pytest.mark.parametrize(("changed", "ratio"), [({"gate_positives": "5"}, 2.0), ({"attribution_window": "2h"}, None)])
def test_a_change_that_leaves_the_numbers_as_they_are_does_not_pause_the_weekly_comparison(
    clean_indices: Cluster, changed: dict[str, str], ratio: float | None
) -> None:
    """A new gate changes no number of the week before; a longer attribution window does."""
    with clean_indices.client("monitor_setup") as client:
        install(Gateway(client), BASE)
    settings_change(clean_indices, MONDAY, larger_windows="1d")
    with world_on(clean_indices) as world:
        moments = [MONDAY, MONDAY + 7 * DAY, MONDAY + 7 * DAY + timedelta(hours=1)]
        world.deliver(*(make_prediction(moment, 0.7) for moment in moments))
        world.cycle(MONDAY + DAY)
        settings_change(clean_indices, MONDAY + 7 * DAY, larger_windows="1d", **changed)
        world.cycle(NOW)

        later = world.window("1d", iso(MONDAY + 7 * DAY)[:10])
        assert (later["settings_revision"], later["predictions_vs_last_week"]) == (2, ratio)
