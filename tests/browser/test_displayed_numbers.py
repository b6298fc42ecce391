"""Ten numbers of every dashboard, as a person reads them, against queries that this test makes itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from elasticsearch import Elasticsearch, helpers
from playwright.sync_api import Page
from sklearn import metrics as sk

from monitor_agent.contracts.alert import ALERTS
from tests.browser.conftest import PATIENCE_MILLISECONDS, Reader
from tests.browser.test_dashboards import DASHBOARDS, show_all
from tests.cluster import Cluster
from tests.factories import START, iso
from tests.integration.kibana_world import HOURS, NOW, SETTINGS, filled_world
from tests.integration.kinds_world import PRICE, SHOES, events_of_kinds
from tests.viewers import viewer_on

RANGE = {"range": {"@timestamp": {"gte": iso(START), "lte": iso(NOW)}}}
FIRINGS = [
    *([("active", "critical", "quality")] * 2 + [("active", "warning", "drift")] * 3),
    *([("pending", "warning", "drift")] + [("recovered", "critical", "quality")] * 4),
]
"""State, severity and name of each firing."""
Document = Mapping[str, Any]
Numbers = dict[tuple[str, ...], float]
"""(panel, `model/version`) for a tile, (panel, cells that name a row, head of a column) for a table -> its number."""


@pytest.fixture(scope="module")
def world(elasticsearch: Cluster) -> Iterator[Cluster]:
    """A cluster with a click model, a multiclass model and a regression, and with firings of two alerts."""
    with filled_world(elasticsearch, events_of_kinds(START)) as filled:
        for number, (state, severity, name) in enumerate(FIRINGS):
            at = iso(START + timedelta(minutes=40 * number))
            firing = {
                **ALERTS.sample,
                "@timestamp": at,
                "state": state,
                "severity": severity,
                "value": 0.1 + number / 100,
            }
            firing |= {"active_since": None if state == "pending" else at, "rule": {"name": name, "description": name}}
            filled.admin.index(index=ALERTS.index_for(START), id=f"firing-{number}", document=firing, refresh=True)
        yield elasticsearch


@pytest.fixture(scope="module")
def viewer(world: Cluster) -> Iterator[str]:
    """The address of a viewer on the world."""
    with viewer_on(world) as url:
        yield url


def stored(client: Elasticsearch, index: str, *filters: Document) -> list[Any]:
    """Return the documents of an index in the time shown."""
    query = {"query": {"bool": {"filter": [RANGE, *filters]}}}
    return [hit["_source"] for hit in helpers.scan(client, index=f"{index}-*", query=query)]


def aggregated(client: Elasticsearch, index: str, aggregation: Document, *filters: Document) -> Any:
    """Return one aggregation over the time shown."""
    query = {"bool": {"filter": [RANGE, *filters]}}
    return client.search(index=f"{index}-*", size=0, query=query, aggs={"a": aggregation})["aggregations"]["a"]


def of(model: str, version: str) -> list[Document]:
    """Return the filter for one version of a model."""
    return [{"term": {"model_name": model}}, {"term": {"model_version": version}}]


def hours(client: Elasticsearch, *filters: Document) -> list[Any]:
    """Return the hourly windows of click/1 over all segments, or of other filters."""
    return stored(
        client,
        "model-performance",
        {"term": {"window_size": "1h"}},
        {"term": {"segment": "all"}},
        *(filters or of("click", "1")),
    )


def total(documents: list[Any], *names: str) -> float:
    """Return the sum of some fields."""
    return float(sum(document.get(name) or 0 for document in documents for name in names))


def rates(client: Elasticsearch) -> dict[str, float]:
    """Return the sums of the windows of click/1, and what follows from them."""
    windows = hours(client)
    tp, fp, tn, fn = (total(windows, name) for name in ("tp", "fp", "tn", "fn"))
    n, clicked, z = tp + fp + tn + fn, tp + fn, 1.959964
    middle, half = clicked + z * z / 2, z * math.sqrt(clicked * (n - clicked) / n + z * z / 4)
    counts = {"tp": tp, "fp": fp, "fn": fn, "n": n, "ctr": clicked / n, "predictions": total(windows, "predictions")}
    ends = {"low": (middle - half) / (n + z * z), "high": (middle + half) / (n + z * z)}
    shares = {"precision": tp / (tp + fp), "recall": tp / (tp + fn), "accuracy": (tp + tn) / n}
    return {
        **counts,
        **ends,
        **shares,
        "f1": 2 * tp / (2 * tp + fp + fn),
        "coverage": n / total(windows, "mature", "judged_early"),
    }


def judged(client: Elasticsearch) -> list[tuple[Any, int]]:
    """Return the predictions of click/1 whose label is known, with it: no click until the end of its time is a 0."""
    known_until = {"range": {"@timestamp": {"lte": iso(NOW - SETTINGS.attribution_window)}}}
    documents = stored(client, "model-predictions", *of("click", "1"), known_until)
    return [(document, int(document.get("feedback", {}).get("label") == 1)) for document in documents]


def auc(client: Elasticsearch) -> float:
    """Return the AUC of the labelled predictions of click/1."""
    labels = [label for _, label in judged(client)]
    return float(sk.roc_auc_score(labels, [document["prediction"]["score"] for document, _ in judged(client)]))


def model_quality(client: Elasticsearch) -> Numbers:
    """Tiles, the confusion matrix and the table of versions."""
    rate = rates(client)
    tiles = {f"quality-{name}": rate[name] for name in ("ctr", "f1", "precision", "recall", "accuracy")}
    cells = {"Labelled": rate["n"], "F1": rate["f1"], "Coverage": rate["coverage"]}
    return {
        **{(panel, "click/1"): value for panel, value in tiles.items()},
        ("quality-auc", "click/1"): auc(client),
        ("confusion-tp", "click/1"): rate["tp"],
        ("confusion-fp", "click/1"): rate["fp"],
        **{("quality-by-version", "click|1", head): value for head, value in cells.items()},
    }


def versions_compared(client: Elasticsearch) -> Numbers:
    """The table of versions, and the intervals."""
    rate, shadow = rates(client), hours(client, *of("click", "3"))
    first = {
        "Predictions": rate["predictions"],
        "Labelled": rate["n"],
        "CTR": rate["ctr"],
        "F1": rate["f1"],
        "AUC": auc(client),
    }
    return {
        **{("versions-table", "click|1", head): value for head, value in first.items()},
        ("versions-table", "click|1", "lower end"): rate["low"],
        ("versions-table", "click|1", "upper end"): rate["high"],
        ("versions-table", "click|3", "Predictions"): total(shadow, "predictions"),
        ("versions-table", "click|3", "In shadow"): 1.0,
        ("versions-ctr-interval", "click/1", "CTR"): rate["ctr"],
    }


def serving(client: Elasticsearch) -> Numbers:
    """Response times, requests and errors."""
    first = [*of("click", "1"), {"term": {"prediction.rank": 1}}]
    percents = aggregated(
        client, "model-predictions", {"percentiles": {"field": "event.duration", "percents": [50, 95, 99]}}, *first
    )
    p50, p95, p99 = (percents["values"][name] / 1e6 for name in ("50.0", "95.0", "99.0"))
    requests = len(stored(client, "model-predictions", *first))
    errors = len(stored(client, "model-errors", *of("click", "1")))
    numbers = {"Requests": requests, "p50": p50, "p95": p95, "Error rate": errors / (errors + requests)}
    return {
        ("serving-p50", "click/1"): p50,
        ("serving-p95", "click/1"): p95,
        ("serving-p99", "click/1"): p99,
        ("serving-error-rate", "click/1"): errors / (errors + requests),
        ("serving-requests", "click/1"): requests,
        ("serving-predictions", "click/1"): len(stored(client, "model-predictions", *of("click", "1"))),
        **{("serving-by-version", "click|1", head): float(value) for head, value in numbers.items()},
    }


def drift(client: Elasticsearch) -> Numbers:
    """Scores, and the distances of a feature."""
    scored = stored(client, "model-predictions", *of("click", "1"))
    scores = [document["prediction"]["score"] for document in scored]
    clicks = sum(document.get("feedback", {}).get("label") == 1 for document in scored)
    distances = stored(client, "model-drift")
    measured = [document for document in distances if document["drifted"] is not None]
    alarms = sum(document["drifted"] for document in measured)
    feature = "click|1|1h|categorical.category"
    return {
        ("drift-score-mean", "click/1"): sum(scores) / len(scores),
        ("drift-positive-rate", "click/1"): sum(document["prediction"]["label"] for document in scored) / len(scored),
        ("drift-calibration", "click/1"): sum(scores) / clicks,
        ("drift-share", "click/1/1h"): float(alarms > 0),
        ("drift-features", feature, "Windows"): len(distances),
        ("drift-features", feature, "Measured windows"): len(measured),
        ("drift-features", feature, "Drifted windows"): alarms,
        ("drift-features", feature, "PSI (highest)"): max(document["psi"] for document in distances),
        ("drift-features", feature, "Jensen-Shannon (highest)"): max(
            document["jensenshannon"] for document in distances
        ),
        ("drift-features", feature, "Values"): total(distances, "n"),
    }


def search_and_ranking(client: Elasticsearch) -> Numbers:
    """CTR by position, and the tables of scenes and items."""
    predictions = stored(client, "model-predictions", *of("click", "1"))
    first = [document for document in predictions if document["item"]["position"] == 1]
    below = [document for document in predictions if document["item"]["position"] > 1]
    scene = [document for document in predictions if document["labels"]["scene"] == "search"]

    def clicks(documents: list[Any]) -> int:
        return sum(document.get("feedback", {}).get("label") == 1 for document in documents)

    def mean_score(documents: list[Any]) -> float:
        return sum(document["prediction"]["score"] for document in documents) / len(documents)

    return {
        ("ranking-first-position", "click/1"): clicks(first) / len(first),
        ("ranking-other-positions", "click/1"): clicks(below) / len(below),
        ("ranking-by-scene", "click|1|search", "Predictions"): len(scene),
        ("ranking-by-scene", "click|1|search", "Clicks"): clicks(scene),
        ("ranking-by-scene", "click|1|search", "CTR"): clicks(scene) / len(scene),
        ("ranking-by-scene", "click|1|search", "Mean score"): mean_score(scene),
        ("ranking-ctr-by-position", "1", "click/1"): clicks(first) / len(first),
        ("ranking-shown-by-position", "1", "click/1 · Predictions"): len(first),
        ("ranking-shown-by-position", "1", "click/1 · Clicks"): clicks(first),
        ("ranking-without-click", "click/1"): requests_without_click(judged(client)),
    }


def requests_without_click(predictions: list[tuple[Any, int]]) -> float:
    """Return the share of the requests of several items none of which was clicked."""
    requests: dict[str, list[int]] = {}
    for document, label in predictions:
        requests.setdefault(document["ranking"]["id"], []).append(label)
    return sum(not any(labels) for labels in requests.values()) / len(requests)


def pipeline_health(client: Elasticsearch) -> Numbers:
    """Feedback, the agent, and the writers of events."""
    feedback = stored(client, "model-feedback")
    cycles = sorted(stored(client, "monitor-agent-cycles"), key=lambda document: str(document["@timestamp"]))
    late, orphans = (
        sum(document["feedback"]["status"] == name for document in feedback) for name in ("too_late", "orphan")
    )
    written = [*stored(client, "model-predictions"), *feedback, *stored(client, "model-errors")]
    of_writer = [event for event in written if event.get("service", {}).get("node", {}).get("name") == "web-0:42:1"]
    windows = hours(client)
    return {
        ("agent-lag", ""): cycles[-1]["lag_seconds"],
        ("agent-lost-lines", ""): cycles[-1]["lost_lines"],
        ("health-orphan-rate", ""): orphans / len(feedback),
        ("health-too-late", ""): late / len(feedback),
        ("health-dead-letters", ""): len(stored(client, "model-deadletters")),
        ("health-restatements", ""): len(stored(client, "model-restatements")),
        ("health-writers", "web-0:42:1", "Events"): len(of_writer),
        ("health-funnel", "click/1", "Predictions"): total(windows, "predictions"),
        ("health-funnel", "click/1", "Labelled"): total(windows, "n"),
        ("agent-table", str(cycles[-1]["agent"]), "Cycles"): len(cycles),
    }


def multiclass(client: Elasticsearch) -> Numbers:
    """Metrics of all classes, and the table of classes."""
    judged = stored(client, "model-predictions", *of(SHOES, "1"), {"exists": {"field": "feedback.class"}})
    true, predicted = (
        [document["feedback"]["class"] for document in judged],
        [document["prediction"]["class"] for document in judged],
    )
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        true, predicted, labels=["boots"], zero_division=0
    )
    row = {"Predictions": support[0], "Precision": precision[0], "Recall": recall[0], "F1": f1[0]}
    other = stored(client, "model-predictions", *of(SHOES, "2"), {"exists": {"field": "feedback.class"}})
    right = [document["feedback"]["class"] == document["prediction"]["class"] for document in other]
    return {
        ("multiclass-accuracy", f"{SHOES}/1"): sk.accuracy_score(true, predicted),
        ("multiclass-accuracy", f"{SHOES}/2"): sum(right) / len(right),
        ("multiclass-balanced-accuracy", f"{SHOES}/1"): sk.recall_score(
            true, predicted, labels=sorted(set(true)), average="macro"
        ),
        ("multiclass-f1-macro", f"{SHOES}/1"): sk.f1_score(true, predicted, average="macro", zero_division=0),
        **{("multiclass-classes", f"{SHOES}|1|boots", head): float(value) for head, value in row.items()},
        ("multiclass-classes", f"{SHOES}|1|sandals", "Predictions"): true.count("sandals"),
        ("multiclass-classes", f"{SHOES}|2|socks", "Predictions"): sum(
            document["feedback"]["class"] == "socks" for document in other
        ),
    }


def regression(client: Elasticsearch) -> Numbers:
    """Errors of numbers, in all and in the first hours."""

    def errors(*hours_after: int) -> tuple[list[float], list[float]]:
        start, end = (START + timedelta(hours=hour) for hour in (min(hours_after), max(hours_after) + 1))
        within = {"range": {"@timestamp": {"gte": iso(start), "lt": iso(end)}}}
        judged = stored(client, "model-predictions", *of(PRICE, "1"), within, {"exists": {"field": "feedback.truth"}})
        return [event["feedback"]["truth"] for event in judged], [event["prediction"]["value"] for event in judged]

    truth, value = errors(0, HOURS)
    name, numbers = f"{PRICE}/1", {}
    for hour in (0, 1):
        true, predicted = errors(hour)
        at = f"{START + timedelta(hours=hour):%Y-%m-%d %H:%M}"
        numbers[("regression-means", at, f"{name} \N{MIDDLE DOT} True")] = sum(true) / len(true)
        numbers[("regression-mae-over-time", at, name)] = sk.mean_absolute_error(true, predicted)
        numbers[("regression-r2-over-time", at, name)] = sk.r2_score(true, predicted)
    return {
        **numbers,
        ("regression-mae", name): sk.mean_absolute_error(truth, value),
        ("regression-rmse", name): math.sqrt(sk.mean_squared_error(truth, value)),
        ("regression-bias", name): sum(value) / len(value) - sum(truth) / len(truth),
        ("regression-r2", name): sk.r2_score(truth, value),
    }


def counts_of_firings(client: Elasticsearch) -> Numbers:
    """Tiles of the firings by state."""
    states = aggregated(client, "model-alerts", {"terms": {"field": "state"}})
    numbers = {f"alerts-{bucket['key']}": bucket["doc_count"] for bucket in states["buckets"]}
    critical = len(stored(client, "model-alerts", {"term": {"state": "active"}}, {"term": {"severity": "critical"}}))
    return {**{(panel, ""): count for panel, count in numbers.items()}, ("alerts-critical", ""): critical}


def overview(client: Elasticsearch) -> Numbers:
    """Firings, and the table of models and versions."""
    rate, price = rates(client), hours(client, *of(PRICE, "1"))
    first = {"Predictions": rate["predictions"], "Labelled": rate["n"], "CTR": rate["ctr"], "F1": rate["f1"]}
    return {
        **counts_of_firings(client),
        **{("overview-models", "click|1", head): value for head, value in first.items()},
        ("overview-models", f"{PRICE}|1", "Predictions"): total(price, "predictions"),
        ("overview-models", f"{PRICE}|1", "Labelled"): total(price, "n"),
    }


def alerts(client: Elasticsearch) -> Numbers:
    """Firings by state and by alert."""
    numbers = counts_of_firings(client)
    for name in ("quality", "drift"):
        firings = stored(client, "model-alerts", {"term": {"rule.name": name}}, {"exists": {"field": "active_since"}})
        at_start = f"{START:%Y-%m-%d %H:%M}"
        numbers[("alerts-by-name", name, "Firings")] = len(firings)
        numbers[("alerts-by-name", name, "Active now")] = sum(firing["state"] == "active" for firing in firings)
    first = stored(client, "model-alerts", {"ids": {"values": ["firing-0"]}})[0]
    row = f"{at_start}|active|critical|quality"
    numbers[("alerts", row, "Worst value")], numbers[("alerts", row, "Limit")] = first["value"], first["limit"]
    return numbers


QUERIES: dict[str, Callable[[Elasticsearch], Numbers]] = {
    "alerts": alerts,
    "overview": overview,
    "model-quality": model_quality,
    "versions-compared": versions_compared,
    "serving": serving,
    "drift": drift,
    "search-and-ranking": search_and_ranking,
    "pipeline-health": pipeline_health,
    "multiclass": multiclass,
    "regression": regression,
}


def displayed(page: Page, place: tuple[str, ...]) -> str:
    """Return the text of a number: in a tile, in a cell of a table, or in the table of a chart."""
    panel = page.locator(f"#panel-{place[0]}")
    if len(place) == 2:
        tile = (
            panel.locator(".tile").filter(has=page.get_by_text(place[1], exact=True))
            if place[1]
            else panel.locator(".tile")
        )
        return tile.locator(".value").inner_text()
    if panel.get_attribute("data-kind") == "chart" and not panel.locator("table").count():
        panel.locator(".numbers").evaluate("(button) => button.click()")
    heads = [text.strip() for text in panel.locator("thead th").all_inner_texts()]
    for row in panel.locator("tbody tr").all():
        cells = [text.strip() for text in row.locator("td").all_inner_texts()]
        if cells[: place[1].count("|") + 1] == place[1].split("|"):
            return cells[heads.index(place[2])]
    raise AssertionError(f"{place[0]} has no row {place[1]}: {panel.inner_text()}")


def number(text: str) -> tuple[float, float]:
    """Return the number that a text shows, and half of its last digit."""
    digits = text.replace(",", "").replace("\N{MINUS SIGN}", "-").split()
    decimals = len(digits[0].partition(".")[2])
    unit = {"%": 0.01, "s": 1.0, "ms": 1.0}.get(digits[1] if len(digits) > 1 else "", 1.0)
    return float(digits[0]) * unit, 0.5 * 10**-decimals * unit


@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_ten_numbers_of_a_dashboard_are_those_of_the_documents(reader: Reader, world: Cluster, dashboard: str) -> None:
    """What a person reads is what the events say, rounded."""
    page = reader.open(dashboard)
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    show_all(page)
    with world.client() as client:
        expected = QUERIES[dashboard](client)

    wrong = {}
    for place, value in expected.items():
        text = displayed(page, place)
        shows, half = number(text)
        if not math.isclose(shows, value, abs_tol=half * 1.01):
            wrong[place] = (text, value)
    assert wrong == {}
    assert len(expected) >= 10
