"""A panel from its object to its data, and the check of dashboards on literal responses of Elasticsearch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.errors import DataError
from monitor_agent.kibana.dashboard_check import check_dashboards
from monitor_agent.kibana.folder import read_objects
from monitor_agent.kibana.objects import SavedObject
from monitor_agent.kibana.panel_query import DOCUMENTS, panel_query, panel_source
from monitor_agent.kibana.saved_search import SavedSearch
from monitor_agent.kibana.searches import SearchRequest, SearchResponse
from tests.unit.monitor_agent.kibana.samples import CONTEXT, DAY, VIEWS, column, dates, make_panel

ROOT = Path(__file__).parents[4]
MIDNIGHT = 1772409600000
SEARCH = SavedSearch("search:slow", "Slow", "", "view", ("price",), (("price", "desc"),), "", ())


def response(total: int = 0, *hits: dict[str, Any], **aggregations: Any) -> dict[str, Any]:
    """Return a response with documents and aggregations."""
    return {"hits": {"total": {"value": total}, "hits": list(hits)}, "aggregations": aggregations}


def empty_responses(requests: Sequence[SearchRequest]) -> list[SearchResponse]:
    """Return responses in which no document matches."""
    return [response() for _ in requests]


@pytest.fixture(scope="module")
def objects() -> dict[str, SavedObject]:
    """The saved objects in git."""
    return read_objects(ROOT / "kibana")


def test_a_chart_is_read_with_the_length_of_its_bars() -> None:
    """A layer has its table and its interval; its bars follow the time field that the range filters."""
    panel = make_panel({"time": dates(), "count": column("count", "___records___")})
    query = panel_query(panel, VIEWS, CONTEXT)

    data = query.read([response(time={"buckets": [{"key": MIDNIGHT, "doc_count": 3}]})])

    assert [request.indices for request in query.requests] == ["model-predictions-*"]
    assert data.tables["data"].rows == ({"time": MIDNIGHT, "count": 3},)
    assert (data.intervals, data.layers_in_other_time) == ({"data": 3_600_000}, frozenset())
    assert (data.empty, data.only_zeros) == (False, False)


def test_a_layer_of_fixed_values_is_no_data() -> None:
    """A chart whose only values are those of a reference line is empty."""
    panel = make_panel({"limit": column("static_value", params={"value": "250"})})

    query = panel_query(panel, VIEWS, CONTEXT)
    data = query.read([])

    assert query.requests == []
    assert data.tables["data"].rows == ({"limit": 250.0},)
    assert (data.empty, data.only_zeros) == (True, True)


def test_a_metric_is_about_its_main_number() -> None:
    """A metric without its main number is empty, whatever its second number."""
    panel = replace(
        make_panel({"rate": column("average", "price"), "count": column("count", "___records___")}),
        visualization="lnsMetric",
        state={"layerId": "data", "metricAccessor": "rate", "secondaryMetricAccessor": "count"},
    )

    query = panel_query(panel, VIEWS, CONTEXT)

    assert query.read([response(3, rate={"value": None})]).empty
    assert not query.read([response(3, rate={"value": 0.0})]).empty


def test_a_saved_search_lists_documents() -> None:
    """Its rows are the documents; without documents it is empty."""
    query = panel_query(SEARCH, VIEWS, CONTEXT)
    hit = {"fields": {"@timestamp": ["2026-03-02T10:00:00.000Z"], "price": [7]}}

    data = query.read([response(1, hit)])

    assert data.tables[DOCUMENTS].rows == ({"@timestamp": "2026-03-02T10:00:00.000Z", "price": 7},)
    assert (data.empty, query.read([response()]).empty) == (False, True)


def test_a_saved_search_without_its_data_view_is_reported() -> None:
    """The error names the search and the data view."""
    with pytest.raises(DataError, match="search:slow reads the data view view, which does not exist"):
        panel_query(SEARCH, {}, CONTEXT)


def test_the_check_reports_a_panel_without_its_object(objects: dict[str, SavedObject]) -> None:
    """A dashboard that shows an object that does not exist is one problem; its other panels are checked, too."""
    incomplete = {path: saved for path, saved in objects.items() if path != "objects/lens/serving-p95.json"}

    problems = {problem.place: problem.message for problem in check_dashboards(incomplete, empty_responses, DAY.end)}

    assert problems["serving/serving-p95"] == "lens:serving-p95 does not exist"
    assert problems["serving/serving-response-time"].startswith("empty from ")


def test_the_check_reports_a_refused_search(objects: dict[str, SavedObject]) -> None:
    """The problem has the object and the reason of Elasticsearch."""

    def refuse(requests: Sequence[SearchRequest]) -> list[SearchResponse]:
        return [{"error": {"type": "x", "reason": "no such field"}} for _ in requests]

    problems = {problem.place: problem.message for problem in check_dashboards(objects, refuse, DAY.end)}

    assert problems["serving/serving-p95"].startswith("lens:serving-p95: Elasticsearch refuses its search")
    assert "no such field" in problems["serving/serving-p95"]


def test_all_panels_of_git_have_searches(objects: dict[str, SavedObject]) -> None:
    """A Lens panel or saved search without any search would never show data."""
    views = {saved.id: VIEWS["view"] for saved in objects.values() if saved.type == "index-pattern"}
    sources = [panel_source(saved) for saved in objects.values() if saved.type in ("lens", "search")]

    assert all(panel_query(source, views, CONTEXT).requests for source in sources)
