"""Dashboards as typed values: their filters when they open, and those of the controls."""

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


def test_a_dashboard_opens_with_the_values_of_its_controls(quality: Dashboard) -> None:
    """One window size and one segment are selected, so that nothing is counted twice; all versions are included."""
    assert [control.title for control in quality.controls] == ["Model", "Version", "Scene or segment", "Window"]
    assert quality.context(DAY).filters == (
        NOT_ALL,
        {"terms": {"segment": ["all"]}},
        {"terms": {"window_size": ["1h"]}},
    )


def test_a_choice_replaces_the_selected_values(quality: Dashboard) -> None:
    """Several values are alternatives, and no value is no filter."""
    context = quality.context(DAY, {"version": ["1", "2"], "window": []})

    assert context.filters == (NOT_ALL, {"terms": {"model_version": ["1", "2"]}}, {"terms": {"segment": ["all"]}})


def test_the_controls_before_a_control_filter_its_values(quality: Dashboard, objects: dict[str, SavedObject]) -> None:
    """The versions are those of the chosen model; later controls do not matter."""
    version = quality.controls[1]

    search = quality.options(version, views_of(objects)[version.view], DAY, {"model": ["click"]})

    assert search["query"]["bool"]["filter"][1:] == [NOT_ALL, {"terms": {"model_name": ["click"]}}]
    assert search["aggs"]["options"]["terms"]["field"] == "model_version"


def test_the_first_panel_is_a_chart(objects: dict[str, SavedObject]) -> None:
    """Every dashboard begins with numbers, and links to the other dashboards."""
    for saved in objects.values():
        if saved.type == "dashboard":
            model = dashboard(saved)
            first = min(model.panels, key=lambda panel: (panel.position.y, panel.position.x))
            assert (first.kind, first.position.x, first.position.y) == ("lens", 0, 0), model.id
            assert [link for panel in model.panels for link in panel.links]


def test_a_panel_by_value_is_refused_by_name(objects: dict[str, SavedObject]) -> None:
    """A panel without a saved object is not supported; the error names the panel."""
    saved = objects["objects/dashboard/serving.json"]
    panels = [{**panel, "embeddableConfig": {"attributes": {"title": "x"}}} for panel in saved.attributes["panelsJSON"]]
    changed = SavedObject("dashboard", "serving", {**saved.attributes, "panelsJSON": panels}, saved.references)

    with pytest.raises(UnsupportedPanelError, match="`attributes` of the panel serving-p95"):
        dashboard(changed)
