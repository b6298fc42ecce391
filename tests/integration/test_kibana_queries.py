"""The analysts' questions in `docs/queries.md`: the responses equal what the events themselves give."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from monitor_agent.contracts.ecs import DATASETS
from monitor_agent.contracts.performance import PERFORMANCE
from tests.cluster import Cluster
from tests.factories import START, Document
from tests.integration.kibana_world import NOW, ROOT, SETTINGS, agent_documents, events, filled_world
from tests.integration.kinds_world import (
    CASES,
    CASES_STATE,
    PRICE,
    SHOES,
    JudgedEvent,
    events_of_kinds,
    judged_events,
    store_cases,
)

ATTRIBUTION = timedelta(minutes=30)
DAY_BEFORE = START - timedelta(days=1)
"""The beginning of the events of models of other kinds, which the questions about the day do not count."""
SECTION = re.compile(r"^## (\d+)\. (.+?)\n.*?```console\n(GET|POST) (\S+)\n(.*?)```\n+```esql\n(.*?)```", re.M | re.S)


@dataclass(frozen=True)
class Question:
    """One question of the page."""

    number: int
    title: str
    path: str
    body: Document
    esql: str


def questions() -> list[Question]:
    """Return the questions of the page."""
    text = (ROOT / "docs" / "queries.md").read_text(encoding="utf-8")
    return [
        Question(int(number), title, path, json.loads(body), esql)
        for number, title, _, path, body, esql in SECTION.findall(text)
    ]


@dataclass(frozen=True)
class PredictionOutcome:
    """One prediction, and the time until its first click."""

    source: Document
    clicked_after: timedelta | None

    @property
    def at(self) -> datetime:
        return moment(self.source)

    @property
    def clicked(self) -> bool:
        return self.clicked_after is not None and self.clicked_after <= ATTRIBUTION

    @property
    def score(self) -> float:
        return float(self.source["prediction"]["score"])

    @property
    def judged(self) -> bool:
        """Whether users saw it and it is older than the attribution window."""
        return not self.source["prediction"]["shadow"] and self.at < NOW - ATTRIBUTION


def moment(document: Document) -> datetime:
    """Return a document's own time."""
    return datetime.fromisoformat(document["@timestamp"].replace("Z", "+00:00"))


@dataclass(frozen=True)
class Day:
    """The events of the day, by kind."""

    predictions: list[PredictionOutcome]
    feedback: list[Document]
    errors: list[Document]

    @property
    def judged(self) -> list[PredictionOutcome]:
        """The predictions whose label is final."""
        return [prediction for prediction in self.predictions if prediction.judged]


@pytest.fixture(scope="module")
def day() -> Day:
    """The events of the world."""
    kinds: dict[str, list[Document]] = {dataset: [] for dataset in DATASETS}
    for event in events():
        kinds[event["event"]["dataset"]].append(event)
    clicks = {click["prediction"]["id"]: moment(click) for click in kinds["model.feedback"]}
    predictions = [
        PredictionOutcome(
            event, clicks[event["event"]["id"]] - moment(event) if event["event"]["id"] in clicks else None
        )
        for event in kinds["model.prediction"]
    ]
    return Day(predictions, kinds["model.feedback"], kinds["model.request_error"])


@pytest.fixture(scope="module")
def search(elasticsearch: Cluster) -> Iterator[Callable[[Question], Document]]:
    """A function that runs the request of a question as a user who may read dead letters, too."""
    with (
        filled_world(elasticsearch, events_of_kinds(DAY_BEFORE)) as world,
        elasticsearch.client("viewer") as client,
    ):
        store_cases(world.admin, DAY_BEFORE, SETTINGS)

        def run(question: Question) -> Document:
            headers = {"accept": "application/json", "content-type": "application/json"}
            return client.perform_request("POST", f"/{question.path}", headers=headers, body=question.body).body

        yield run


Check = Callable[[Document, Day], None]


def buckets(answer: Document, name: str) -> list[Document]:
    rows: list[Document] = answer["aggregations"][name]["buckets"]
    return rows


def counts_and_clicks(rows: list[Document]) -> dict[Any, tuple[int, int]]:
    return {row["key"]: (row["doc_count"], row["clicked"]["doc_count"]) for row in rows}


def expected_counts(
    predictions: list[PredictionOutcome], key: Callable[[PredictionOutcome], Any]
) -> dict[Any, tuple[int, int]]:
    counts: dict[Any, tuple[int, int]] = {}
    for prediction in predictions:
        count, clicked = counts.get(key(prediction), (0, 0))
        counts[key(prediction)] = (count + 1, clicked + prediction.clicked)
    return counts


def worst_queries(answer: Document, day: Day) -> None:
    rows = buckets(answer, "queries")
    clicked = [row["clicked"]["doc_count"] for row in rows]
    assert counts_and_clicks(rows) == expected_counts(day.judged, lambda outcome: outcome.source["query"]["hash"])
    assert clicked == sorted(clicked)


def false_positives(answer: Document, day: Day) -> None:
    wrong = [outcome for outcome in day.judged if outcome.source["prediction"]["label"] and not outcome.clicked]
    expected = Counter(outcome.source["labels"]["scene"] for outcome in wrong)
    assert {row["key"]: row["doc_count"] for row in buckets(answer, "scenes")} == expected
    assert len(expected) == 3


def by_version(answer: Document, day: Day) -> None:
    expected: dict[str, Counter[str]] = {}
    for outcome in day.judged:
        kind = ("t" if outcome.clicked == bool(outcome.source["prediction"]["label"]) else "f") + (
            "p" if outcome.source["prediction"]["label"] else "n"
        )
        expected.setdefault(outcome.source["model"]["version"], Counter())[kind] += 1
    for row in buckets(answer, "versions"):
        if row["key"] == "3":  # in shadow: users never saw it, so it has no labels
            assert row["n"]["value"] == 0
            continue
        matrix = {name: row[name]["value"] for name in ("tp", "fp", "fn")}
        assert matrix == {name: expected[row["key"]][name] for name in matrix}
        assert row["n"]["value"] == expected[row["key"]].total()


def click_delay(answer: Document, day: Day) -> None:
    delays = sorted(outcome.clicked_after.total_seconds() for outcome in day.predictions if outcome.clicked_after)
    percentiles = answer["aggregations"]["delay"]["values"]
    middle = percentiles["50.0"] / 1e9
    assert delays[len(delays) // 2 - 2] <= middle <= delays[len(delays) // 2 + 2]
    assert percentiles["99.0"] / 1e9 > ATTRIBUTION.total_seconds() > percentiles["90.0"] / 1e9


def threshold(answer: Document, day: Day) -> None:
    aggregations = answer["aggregations"]
    predicted = [outcome for outcome in day.judged if outcome.score >= 0.3]
    assert aggregations["predicted"]["doc_count"] == len(predicted)
    assert aggregations["predicted"]["clicked"]["doc_count"] == sum(outcome.clicked for outcome in predicted)
    assert aggregations["clicked"]["doc_count"] == sum(outcome.clicked for outcome in day.judged)


def positions(answer: Document, day: Day) -> None:
    counts = counts_and_clicks(buckets(answer, "positions"))
    assert counts == expected_counts(day.judged, lambda outcome: outcome.source["item"]["position"])
    assert counts[1][1] / counts[1][0] > counts[4][1] / counts[4][0]


def missed_items(answer: Document, day: Day) -> None:
    missed = Counter(
        outcome.source["item"]["id"]
        for outcome in day.predictions
        if outcome.clicked and not outcome.source["prediction"]["label"]
    )
    assert {row["key"]: row["doc_count"] for row in buckets(answer, "items")} == missed


def slowest(answer: Document, day: Day) -> None:
    durations = [hit["_source"]["event"]["duration"] for hit in answer["hits"]["hits"]]
    all_durations = [
        outcome.source["event"]["duration"] for outcome in day.predictions if outcome.source["prediction"]["rank"] == 1
    ]
    assert durations == sorted(all_durations, reverse=True)[:5]


def errors_by_hour(answer: Document, day: Day) -> None:
    errors = Counter(moment(error).hour for error in day.errors)
    requests = Counter(outcome.at.hour for outcome in day.predictions if outcome.source["prediction"]["rank"] == 1)
    rows = buckets(answer, "hours")
    by_hour = {datetime.fromisoformat(row["key_as_string"].replace("Z", "+00:00")).hour: row for row in rows}
    assert {hour: row["errors"]["value"] for hour, row in by_hour.items() if row["errors"]["value"]} == errors
    assert {hour: row["requests"]["value"] for hour, row in by_hour.items()} == requests


def window_states(answer: Document, _day: Day) -> None:
    states = {row["key"]: row["doc_count"] for row in buckets(answer, "states")}
    assert states == {"final": 9, "provisional": 1}
    assert all(row["alertable"]["doc_count"] <= row["doc_count"] for row in buckets(answer, "states"))


def fates(answer: Document, day: Day) -> None:
    predictions = {outcome.source["event"]["id"]: outcome for outcome in day.predictions}
    expected = Counter(
        "waiting"
        if click["prediction"]["id"] not in predictions
        else "matched"
        if predictions[click["prediction"]["id"]].clicked
        else "too_late"
        for click in day.feedback
    )
    assert {row["key"]: row["doc_count"] for row in buckets(answer, "statuses")} == expected
    assert set(expected) == {"matched", "too_late", "waiting"}


def waiting(answer: Document, _day: Day) -> None:
    assert [hit["_source"]["feedback"]["status"] for hit in answer["hits"]["hits"]] == ["waiting", "waiting"]


def score_distribution(answer: Document, day: Day) -> None:
    counts = {round(key * 10): count for key, count in counts_and_clicks(buckets(answer, "scores")).items()}
    assert counts == expected_counts(day.judged, lambda outcome: int(outcome.score * 10))


def version_and_scene(answer: Document, day: Day) -> None:
    rows = [{**row, "key": (row["key"]["version"], row["key"]["scene"])} for row in buckets(answer, "pairs")]
    expected = expected_counts(
        day.judged, lambda outcome: (outcome.source["model"]["version"], outcome.source["labels"]["scene"])
    )
    assert counts_and_clicks(rows) == expected


def gaps(answer: Document, day: Day) -> None:
    rows = buckets(answer, "bars")
    assert len(rows) == 10 * 12
    assert sum(row["doc_count"] for row in rows) == len(day.predictions)
    full = {(outcome.at.hour, outcome.at.minute // 5) for outcome in day.predictions}
    assert sum(row["doc_count"] == 0 for row in rows) == 10 * 12 - len(full)


def dead_letters(answer: Document, _day: Day) -> None:
    letters = [document for index, _, document in agent_documents() if index.startswith("model-deadletters")]
    (row,) = buckets(answer, "reasons")
    assert (row["key"], row["doc_count"]) == ("malformed", len(letters))
    assert row["example"]["hits"]["hits"][0]["_source"]["message"] == letters[0]["message"]


def shadow_pairs(answer: Document, day: Day) -> None:
    rows = buckets(answer, "pairs")
    pairs = [outcome for outcome in day.predictions if "primary_id" in outcome.source["prediction"]]
    assert {row["key"]["shadow"] for row in rows} == {"3"}
    assert len({row["key"]["primary"] for row in rows}) == len(pairs) > 100
    assert sorted(row["score"]["value"] for row in rows) == sorted(outcome.score for outcome in pairs)


def judged(model: str) -> list[JudgedEvent]:
    """Return the predictions of a model of another kind whose truth is known."""
    rows = judged_events(DAY_BEFORE)
    return [row for row in rows if row.truth is not None and row.prediction["model"]["name"] == model]


def confusion(answer: Document, _day: Day) -> None:
    pairs = Counter((row.truth, row.prediction["prediction"]["class"]) for row in judged(SHOES))
    confused = {pair: count for pair, count in pairs.items() if pair[0] != pair[1]}
    answered = {
        (row["key"], cell["key"]): cell["doc_count"]
        for row in buckets(answer, "true")
        for cell in row["predicted"]["buckets"]
    }
    assert answered == confused != {}


def errors_by_segment(answer: Document, _day: Day) -> None:
    errors: dict[str, list[float]] = {}
    for row in judged(PRICE):
        assert isinstance(row.truth, float)
        error = row.prediction["prediction"]["value"] - row.truth
        errors.setdefault(f"labels.scene={row.scene}", []).append(error)
    rows = {row["key"]: row for row in buckets(answer, "segments")}
    assert {key: row["n"]["value"] for key, row in rows.items()} == {key: len(row) for key, row in errors.items()}
    for key, row in errors.items():
        assert rows[key]["mae"]["value"] == pytest.approx(sum(map(abs, row)) / len(row), rel=1e-9)
        assert rows[key]["bias"]["value"] == pytest.approx(sum(row) / len(row), rel=1e-9)
        assert rows[key]["largest"]["value"] == pytest.approx(max(map(abs, row)), rel=0.005)


def positive_rates(answer: Document, _day: Day) -> None:
    (row,) = buckets(answer, "models")
    counts = {name: row[name]["value"] for name in ("tp", "fn", "n", "mature", "judged_early")}
    state = CASES_STATE
    expected = {"tp": state.tp, "fn": state.fn, "n": state.n, "mature": state.mature, "judged_early": 0}
    assert (row["key"], counts) == (CASES, expected)
    assert [warning["key"] for warning in row["warnings"]["buckets"]] == ["partial_labels"]


def left_out_metrics(answer: Document, _day: Day) -> None:
    rows = {row["key"]: row for row in buckets(answer, "models")}
    named = {
        model: {name: sorted(bucket["key"] for bucket in row[name]["buckets"]) for name in ("kinds", "left_out")}
        for model, row in rows.items()
    }
    assert named == {
        SHOES: {"kinds": ["multiclass"], "left_out": ["binary", "regression"]},
        PRICE: {"kinds": ["regression"], "left_out": ["binary", "multiclass"]},
        CASES: {"kinds": ["binary"], "left_out": ["multiclass", "regression"]},
    }


CHECKS: dict[int, Check] = dict(
    enumerate(
        (
            worst_queries,
            false_positives,
            by_version,
            click_delay,
            threshold,
            positions,
            missed_items,
            slowest,
            errors_by_hour,
            window_states,
            fates,
            waiting,
            score_distribution,
            version_and_scene,
            gaps,
            dead_letters,
            shadow_pairs,
            confusion,
            errors_by_segment,
            positive_rates,
            left_out_metrics,
        ),
        1,
    )
)


def test_every_question_is_checked() -> None:
    """A question has a request, an ES|QL variant that reads one of our indices, and a check of its response."""
    all_questions = questions()

    assert [question.number for question in all_questions] == list(CHECKS)
    text = (ROOT / "docs" / "queries.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^## \d", text, re.M)) == len(all_questions)
    for question in all_questions:
        source = re.match(r"FROM (\S+)-\*\n", question.esql)
        assert source, question.title
        assert question.path.split("/")[0] in (source[1], PERFORMANCE.alias)


@pytest.mark.parametrize("question", questions(), ids=lambda question: question.title)
def test_an_answer_is_that_of_the_events(question: Question, search: Callable[[Question], Document], day: Day) -> None:
    """The response of Elasticsearch equals the count of the events."""
    CHECKS[question.number](search(question), day)
