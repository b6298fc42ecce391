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
        for number, text in enumerate(HOSTILE_TEXTS):
            for hour in range(3):
                at = START + hour * HOUR + timedelta(minutes=number)
                prediction = make_prediction(at, 0.04 * number, scene=text, version=text[:200] if number % 3 else "1")
                prediction |= {"host": {"name": text}, "ranking": {"id": str(number), "rank": 1, "size": 1}}
                prediction["item"] = {"id": text, "position": 1}
                world.deliver(prediction, *([make_feedback(prediction)] if number % 2 else []))
        changes = {entry.name: getattr(SETTINGS, entry.name) for entry in dataclasses.fields(SETTINGS)}
        world.cycle(NOW, **changes)
        world.admin.indices.refresh(index="model*")
        yield elasticsearch


def test_labels_of_any_characters_are_drawn(hostile_world: Cluster, browser: Browser, tmp_path: Path) -> None:
    """No panel shows an error, no console complains, no script of a label runs, and reports are made."""
    with viewer_on(hostile_world) as url:
        for name in DASHBOARDS:
            context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
            context.set_default_timeout(PATIENCE_MILLISECONDS)
            reader = Reader(context.new_page(), url)
            page = reader.open(name, **{"c.window": "1h"})
            show_all(page)
            page.screenshot(path=tmp_path / f"{name}.png")

            assert reader.complaints == []
            assert page.locator(".notice.error").all_inner_texts() == []
            assert page.locator("b[onmouseover]").count() == 0
            context.close()
    with connect(hostile_world.settings("analyst")) as client:
        for suffix in ("png", "pdf"):
            out = tmp_path / f"report.{suffix}"
            content = ReportContent(tuple(DASHBOARDS), RANGE["from"], RANGE["to"], {"window": ("1h",)})
            report(Gateway(client), ROOT / "kibana", out, NOW, content)
            assert out.stat().st_size > 50_000
