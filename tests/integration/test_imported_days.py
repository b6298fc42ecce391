"""Imported days in a cluster with lifecycle policies: they are retained from the time of their import there, too."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.es.connection import connect
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.imported_days import ImportedDays
from monitor_agent.es.index_expiry import IndexExpiry
from monitor_agent.es.install import install
from monitor_agent.pipeline import instants
from monitor_agent.settings import AgentSettings
from tests.cluster import Cluster
from tests.lifecycle_proxy import Lifecycles, lifecycles_before

NOW = datetime(2026, 11, 25, 12, tzinfo=timezone.utc)
PRESENT, NEW = NOW - timedelta(days=90), NOW - timedelta(days=89)
DAY = timedelta(days=1)


@pytest.fixture
def proxy(clean_indices: Cluster) -> Iterator[Lifecycles]:
    """Yield the proxy before a cluster that has the templates."""
    with clean_indices.client("monitor_setup") as client:
        install(Gateway(client), AgentSettings())
    with lifecycles_before(clean_indices.url) as proxy:
        yield proxy


@pytest.fixture
def gateway(clean_indices: Cluster, proxy: Lifecycles) -> Iterator[Gateway]:
    """Yield the agent's gateway to the proxy."""
    access = replace(clean_indices.settings("monitor_agent"), url=(proxy.url,))
    with contextlib.closing(Gateway(connect(access))) as gateway:
        yield gateway


def test_an_imported_day_is_taken_out_of_its_policy_or_counted_from_its_import(
    clean_indices: Cluster, proxy: Lifecycles, gateway: Gateway
) -> None:
    """An index that is there is left to the agent; a new one is as old as its import, and left to the policy."""
    present, new = PREDICTIONS.index_for(PRESENT), PREDICTIONS.index_for(NEW)
    with clean_indices.client() as admin:
        admin.indices.create(index=present)
    proxy.managed.add(present)

    ImportedDays(gateway).note([PRESENT, NEW], NOW)

    assert proxy.managed & {present, new} == {new}
    assert proxy.origins[new] == instants.milliseconds(NOW)
    expiry = IndexExpiry(gateway, AgentSettings())
    assert expiry.apply(NOW + 29 * DAY) == []
    assert expiry.apply(NOW + 33 * DAY) == [present]
    assert proxy.managed & {present, new} == {new}


def test_a_second_import_of_a_day_begins_its_time_anew(proxy: Lifecycles, gateway: Gateway) -> None:
    """Also if its index was made by the first one, with an age of its own: the agent takes it over."""
    name = PREDICTIONS.index_for(NEW)
    ImportedDays(gateway).note([NEW], NOW)
    assert name in proxy.managed

    ImportedDays(gateway).note([NEW], NOW + 20 * DAY)

    assert name not in proxy.managed
    expiry = IndexExpiry(gateway, AgentSettings())
    assert name not in expiry.apply(NOW + 45 * DAY)
    assert name in expiry.apply(NOW + 53 * DAY)
