"""The analysts' questions in `docs/queries.md`: each request is run, and its answer counted again from the events."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from monitor_agent.contracts.performance import PERFORMANCE
from tests.cluster import Cluster
from tests.factories import Document
from tests.integration.kibana_world import NOW, ROOT, events, filled_world, others

ATTRIBUTION = timedelta(minutes=30)
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
class Seen:
    """One prediction, and when it was clicked first."""

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
        """Whether it was shown and is older than the attribution window."""
        return not self.source["prediction"]["shadow"] and self.at < NOW - ATTRIBUTION


def moment(document: Document) -> datetime:
    """Return a document's own time."""
    return datetime.fromisoformat(document["@timestamp"].replace("Z", "+00:00"))


@dataclass(frozen=True)
class Day:
    """What happened, counted from the events alone."""

    predictions: list[Seen]
    feedback: list[Document]
    errors: list[Document]

    @property
    def judged(self) -> list[Seen]:
        return [each for each in self.predictions if each.judged]


@pytest.fixture(scope="module")
def day() -> Day:
    """The events of the world."""
    kinds: dict[str, list[Document]] = {"model.prediction": [], "model.feedback": [], "model.request_error": []}
    for event in events():
        kinds[event["event"]["dataset"]].append(event)
    clicks = {each["prediction"]["id"]: moment(each) for each in kinds["model.feedback"]}
    predictions = [
        Seen(each, clicks[each["event"]["id"]] - moment(each) if each["event"]["id"] in clicks else None)
        for each in kinds["model.prediction"]
    ]
    return Day(predictions, kinds["model.feedback"], kinds["model.request_error"])


@pytest.fixture(scope="module")
def search(elasticsearch: Cluster) -> Iterator[Callable[[Question], Document]]:
    """What answers a question, as the role analyst."""
    with filled_world(elasticsearch), elasticsearch.client("analyst") as client:

        def ask(question: Question) -> Document:
            headers = {"accept": "application/json", "content-type": "application/json"}
            return client.perform_request("POST", f"/{question.path}", headers=headers, body=question.body).body

        yield ask


Check = Callable[[Document, Day], None]


def buckets(answer: Document, name: str) -> list[Document]:
    found: list[Document] = answer["aggregations"][name]["buckets"]
    return found


def shown_and_clicked(rows: list[Document]) -> dict[Any, tuple[int, int]]:
    return {row["key"]: (row["doc_count"], row["clicked"]["doc_count"]) for row in rows}


def counted(seen: list[Seen], key: Callable[[Seen], Any]) -> dict[Any, tuple[int, int]]:
    found: dict[Any, tuple[int, int]] = {}
    for each in seen:
        shown, clicked = found.get(key(each), (0, 0))
        found[key(each)] = (shown + 1, clicked + each.clicked)
    return found


def worst_queries(answer: Document, day: Day) -> None:
    rows = buckets(answer, "queries")
    clicked = [row["clicked"]["doc_count"] for row in rows]
    assert shown_and_clicked(rows) == counted(day.judged, lambda each: each.source["query"]["hash"])
    assert clicked == sorted(clicked)


def false_positives(answer: Document, day: Day) -> None:
    wrong = [each for each in day.judged if each.source["prediction"]["label"] and not each.clicked]
    expected = Counter(each.source["labels"]["scene"] for each in wrong)
    assert {row["key"]: row["doc_count"] for row in buckets(answer, "scenes")} == expected
    assert len(expected) == 3


def by_version(answer: Document, day: Day) -> None:
    expected: dict[str, Counter[str]] = {}
    for each in day.judged:
        kind = ("t" if each.clicked == bool(each.source["prediction"]["label"]) else "f") + (
            "p" if each.source["prediction"]["label"] else "n"
        )
        expected.setdefault(each.source["model"]["version"], Counter())[kind] += 1
    for row in buckets(answer, "versions"):
        if row["key"] == "3":  # in shadow: never shown, so nothing is known
            assert row["n"]["value"] == 0
            continue
        told = {name: row[name]["value"] for name in ("tp", "fp", "fn")}
        assert told == {name: expected[row["key"]][name] for name in told}
        assert row["n"]["value"] == expected[row["key"]].total()


def click_delay(answer: Document, day: Day) -> None:
    delays = sorted(each.clicked_after.total_seconds() for each in day.predictions if each.clicked_after)
    found = answer["aggregations"]["delay"]["values"]
    middle = found["50.0"] / 1e9
    assert delays[len(delays) // 2 - 2] <= middle <= delays[len(delays) // 2 + 2]
    assert found["99.0"] / 1e9 > ATTRIBUTION.total_seconds() > found["90.0"] / 1e9


def threshold(answer: Document, day: Day) -> None:
    told = answer["aggregations"]
    predicted = [each for each in day.judged if each.score >= 0.3]
    assert told["predicted"]["doc_count"] == len(predicted)
    assert told["predicted"]["clicked"]["doc_count"] == sum(each.clicked for each in predicted)
    assert told["clicked"]["doc_count"] == sum(each.clicked for each in day.judged)


def positions(answer: Document, day: Day) -> None:
    found = shown_and_clicked(buckets(answer, "positions"))
    assert found == counted(day.judged, lambda each: each.source["item"]["position"])
    assert found[1][1] / found[1][0] > found[4][1] / found[4][0]


def missed_items(answer: Document, day: Day) -> None:
    missed = Counter(
        each.source["item"]["id"] for each in day.predictions if each.clicked and not each.source["prediction"]["label"]
    )
    assert {row["key"]: row["doc_count"] for row in buckets(answer, "items")} == missed


def slowest(answer: Document, day: Day) -> None:
    told = [hit["_source"]["event"]["duration"] for hit in answer["hits"]["hits"]]
    all_ = [each.source["event"]["duration"] for each in day.predictions if each.source["prediction"]["rank"] == 1]
    assert told == sorted(all_, reverse=True)[:5]


def errors_by_hour(answer: Document, day: Day) -> None:
    errors = Counter(moment(each).hour for each in day.errors)
    requests = Counter(each.at.hour for each in day.predictions if each.source["prediction"]["rank"] == 1)
    rows = buckets(answer, "hours")
    told = {datetime.fromisoformat(row["key_as_string"].replace("Z", "+00:00")).hour: row for row in rows}
    assert {hour: row["errors"]["value"] for hour, row in told.items() if row["errors"]["value"]} == errors
    assert {hour: row["requests"]["value"] for hour, row in told.items()} == requests


def window_states(answer: Document, _day: Day) -> None:
    states = {row["key"]: row["doc_count"] for row in buckets(answer, "states")}
    assert states == {"final": 9, "provisional": 1}
    assert all(row["alertable"]["doc_count"] <= row["doc_count"] for row in buckets(answer, "states"))


def fates(answer: Document, day: Day) -> None:
    known = {each.source["event"]["id"]: each for each in day.predictions}
    expected = Counter(
        "waiting"
        if each["prediction"]["id"] not in known
        else "matched"
        if known[each["prediction"]["id"]].clicked
        else "too_late"
        for each in day.feedback
    )
    assert {row["key"]: row["doc_count"] for row in buckets(answer, "statuses")} == expected
    assert set(expected) == {"matched", "too_late", "waiting"}


def waiting(answer: Document, _day: Day) -> None:
    assert [hit["_source"]["feedback"]["status"] for hit in answer["hits"]["hits"]] == ["waiting", "waiting"]


def score_distribution(answer: Document, day: Day) -> None:
    found = {round(key * 10): told for key, told in shown_and_clicked(buckets(answer, "scores")).items()}
    assert found == counted(day.judged, lambda each: int(each.score * 10))


def version_and_scene(answer: Document, day: Day) -> None:
    rows = [{**row, "key": (row["key"]["version"], row["key"]["scene"])} for row in buckets(answer, "pairs")]
    expected = counted(day.judged, lambda each: (each.source["model"]["version"], each.source["labels"]["scene"]))
    assert shown_and_clicked(rows) == expected


def gaps(answer: Document, day: Day) -> None:
    rows = buckets(answer, "bars")
    assert len(rows) == 10 * 12
    assert sum(row["doc_count"] for row in rows) == len(day.predictions)
    full = {(each.at.hour, each.at.minute // 5) for each in day.predictions}
    assert sum(row["doc_count"] == 0 for row in rows) == 10 * 12 - len(full)


def dead_letters(answer: Document, _day: Day) -> None:
    letters = [document for index, _, document in others() if index.startswith("model-deadletters")]
    (row,) = buckets(answer, "reasons")
    assert (row["key"], row["doc_count"]) == ("malformed", len(letters))
    assert row["example"]["hits"]["hits"][0]["_source"]["message"] == letters[0]["message"]


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
        ),
        1,
    )
)


def test_every_question_is_checked() -> None:
    """Each question has a request, an ES|QL variant that reads an index of ours, and a check of its answer."""
    found = questions()

    assert [each.number for each in found] == list(CHECKS)
    assert (ROOT / "docs" / "queries.md").read_text(encoding="utf-8").count("\n## ") == len(found)
    for each in found:
        source = re.match(r"FROM (\S+)-\*\n", each.esql)
        assert source, each.title
        assert each.path.split("/")[0] in (source[1], PERFORMANCE.alias)


@pytest.mark.parametrize("question", questions(), ids=lambda question: question.title)
def test_an_answer_is_that_of_the_events(question: Question, search: Callable[[Question], Document], day: Day) -> None:
    """What Elasticsearch answers is what counting the events gives."""
    CHECKS[question.number](search(question), day)
