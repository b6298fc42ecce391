"""The dashboards on a real Elasticsearch: every panel's search is taken, and every panel has something to show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from monitor_agent.es.gateway import Gateway, connect
from monitor_agent.kibana.folder import read_objects
from monitor_agent.kibana.objects import SavedObject
from monitor_agent.kibana.trial import trial
from tests.cluster import Cluster
from tests.integration.kibana_world import NOW, ROOT, ask_of, filled_world


@pytest.fixture(scope="module")
def ask(elasticsearch: Cluster) -> Iterator[Any]:
    """What answers searches, as the role analyst, of two days of events."""
    with filled_world(elasticsearch), closing(Gateway(connect(elasticsearch.settings("analyst")))) as gateway:
        yield ask_of(gateway)


@pytest.fixture(scope="module")
def objects() -> dict[str, SavedObject]:
    """The saved objects in git."""
    return read_objects(ROOT / "kibana")


def test_every_panel_has_something_to_show(objects: dict[str, SavedObject], ask: Any) -> None:
    """No panel's search is refused and none is empty, as an analyst opens the dashboards."""
    assert list(trial(objects, ask, NOW)) == []
