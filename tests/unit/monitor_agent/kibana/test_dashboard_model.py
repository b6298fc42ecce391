"""Dashboards as typed values: what opens, and what controls narrow."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor_agent.errors import UnsupportedPanelError
from monitor_agent.kibana.dashboard_check import views_of
from monitor_agent.kibana.dashboard_model import Dashboard, dashboard
from monitor_agent.kibana.folder import read_objects
from monitor_agent.kibana.objects import SavedObject
from tests.unit.monitor_agent.kibana.samples import DAY

ROOT = Path(__file__).parents[4]
NOT_ALL = {"bool": {"must_not": [{"match_phrase": {"model_version": "all"}}]}}


@pytest.fixture(scope="module")
def objects() -> dict[str, SavedObject]:
    """The saved objects in git."""
    return read_objects(ROOT / "kibana")


@pytest.fixture
def quality(objects: dict[str, SavedObject]) -> Dashboard:
    """The dashboard of the model's quality."""
    return dashboard(objects["objects/dashboard/model-quality.json"])


def test_a_dashboard_opens_with_what_its_controls_have_chosen(quality: Dashboard) -> None:
    """One window size and one segment are chosen, so that nothing is counted twice; all versions are shown."""
    assert [control.title for control in quality.controls] == ["Model", "Version", "Scene or segment", "Window"]
    assert quality.context(DAY).filters == (
        NOT_ALL,
        {"terms": {"segment": ["all"]}},
        {"terms": {"window_size": ["1h"]}},
    )


def test_a_choice_replaces_what_was_chosen(quality: Dashboard) -> None:
    """Several values are alternatives, and no value is no filter."""
    context = quality.context(DAY, {"version": ["1", "2"], "window": []})

    assert context.filters == (NOT_ALL, {"terms": {"model_version": ["1", "2"]}}, {"terms": {"segment": ["all"]}})


def test_a_control_offers_what_the_ones_before_it_leave(quality: Dashboard, objects: dict[str, SavedObject]) -> None:
    """The versions offered are those of the chosen model; later controls do not matter."""
    version = quality.controls[1]

    asked = quality.options(version, views_of(objects)[version.view], DAY, {"model": ["click"]})

    assert asked["query"]["bool"]["filter"][1:] == [NOT_ALL, {"terms": {"model_name": ["click"]}}]
    assert asked["aggs"]["options"]["terms"]["field"] == "model_version"


def test_the_answer_is_at_the_top_left(objects: dict[str, SavedObject]) -> None:
    """Every dashboard begins with numbers, and shows how to get to the others."""
    for saved in objects.values():
        if saved.type == "dashboard":
            found = dashboard(saved)
            first = min(found.panels, key=lambda panel: (panel.position.y, panel.position.x))
            assert (first.kind, first.position.x, first.position.y) == ("lens", 0, 0), found.id
            assert [link for panel in found.panels for link in panel.links]


def test_a_panel_by_value_is_refused_by_name(objects: dict[str, SavedObject]) -> None:
    """Our panels are objects of their own; the error names the panel that is not."""
    saved = objects["objects/dashboard/serving.json"]
    panels = [{**panel, "embeddableConfig": {"attributes": {"title": "x"}}} for panel in saved.attributes["panelsJSON"]]
    changed = SavedObject("dashboard", "serving", {**saved.attributes, "panelsJSON": panels}, saved.references)

    with pytest.raises(UnsupportedPanelError, match="`attributes` of the panel serving-p95"):
        dashboard(changed)
