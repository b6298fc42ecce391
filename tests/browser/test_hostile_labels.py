"""Labels, versions and models of any characters: every panel is drawn, in the page and in the reports."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from monitor_agent.dashboards.reports import ReportContent, report
from monitor_agent.es.connection import connect
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.install import install
from tests.browser.conftest import HEIGHT, PATIENCE_MILLISECONDS, WIDTH, Reader
from tests.browser.test_dashboards import DASHBOARDS, show_all
from tests.cluster import Cluster
from tests.factories import START, make_feedback, make_prediction
from tests.hostile_texts import HOSTILE_TEXTS
from tests.integration.agent_world import world_on
from tests.integration.kibana_world import NOW, SETTINGS
from tests.viewers import RANGE, ROOT, viewer_on

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def hostile_world(elasticsearch: Cluster) -> Iterator[Cluster]:
    """A cluster with clicks on predictions of every hostile scene, version and host."""
    elasticsearch.clean()
    with world_on(elasticsearch) as world:
        install(Gateway(world.admin), SETTINGS)
        events = []
        for number, text in enumerate(HOSTILE_TEXTS):
            for hour in range(3):
                at = START + hour * HOUR + timedelta(minutes=number)
                prediction = make_prediction(at, 0.04 * number, scene=text, version=text[:200] if number % 3 else "1")
                prediction |= {"host": {"name": text}, "ranking": {"id": str(number), "rank": 1, "size": 1}}
                prediction["item"] = {"id": text, "position": 1}
                events += [prediction, *([make_feedback(prediction)] if number % 2 else [])]
        world.deliver(*events)
        changes = {entry.name: getattr(SETTINGS, entry.name) for entry in dataclasses.fields(SETTINGS)}
        world.cycle(NOW, **changes)
        world.admin.indices.refresh(index="model*")
        yield elasticsearch


def test_labels_of_any_characters_are_drawn(hostile_world: Cluster, browser: Browser, tmp_path: Path) -> None:
    """No panel shows an error, no console complains, no script of a label runs, and reports are made."""
    with viewer_on(hostile_world) as url, browser.new_page() as page:
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        reader = Reader(page, url)
        for name in DASHBOARDS:
            page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
            reader.open(name, **{"c.window": "1h"})
            show_all(page)

            assert reader.complaints == [], name
            assert page.locator(".notice.error").all_inner_texts() == [], name
            assert page.locator("b[onmouseover]").count() == 0, name
    with connect(hostile_world.settings("analyst")) as client:
        for suffix, names in (("png", ("model-quality", "search-and-ranking")), ("pdf", DASHBOARDS)):
            out = tmp_path / f"report.{suffix}"
            content = ReportContent(tuple(names), RANGE["from"], RANGE["to"], {"window": ("1h",)})
            report(Gateway(client), ROOT / "kibana", out, NOW, content)
            assert out.stat().st_size > 50_000
