"""The agent on a real Elasticsearch: the documents after events came in any order, late, twice or never."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.retry import Backoff
from monitor_agent.pipeline.lease_table import Assignment
from tests import oracle
from tests.factories import START, Document, make_error, make_feedback, make_prediction
from tests.integration.agent_world import MUCH_LATER, World, moved

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FINAL = START + MUCH_LATER


def traffic(
    count: int, seed: int = 1, span: timedelta = timedelta(minutes=70)
) -> tuple[list[Document], list[Document]]:
    """Return predictions of two versions and three scenes, spread over `span`, and clicks on some."""
    dice = random.Random(seed)
    predictions = [
        make_prediction(
            START + span * dice.random(),
            dice.random(),
            version=dice.choice("12"),
            scene=dice.choice(["search", "ad", "home"]),
            duration_ms=dice.expovariate(0.2),
        )
        for _ in range(count)
    ]
    clicks = [
        make_feedback(prediction, timedelta(seconds=dice.uniform(1, 600)))
        for prediction in predictions
        if dice.random() < prediction["prediction"]["score"] / 2
    ]
    return predictions, clicks


def rows(predictions: list[Document], clicks: list[Document]) -> list[dict[str, Any]]:
    """Return the rows that the oracle reads."""
    clicked_ids = {click["prediction"]["id"] for click in clicks}
    return [
        {
            "timestamp": prediction["@timestamp"],
            "score": prediction["prediction"]["score"],
            "label": prediction["prediction"]["label"],
            "click": int(prediction["prediction"]["id"] in clicked_ids),
            "version": prediction["model"]["version"],
            "scene": prediction["labels"]["scene"],
        }
        for prediction in predictions
    ]


def test_documents_have_the_metrics_of_scikit_learn(world: World) -> None:
    """Each window of each size, version and segment has the metrics of its predictions."""
    predictions, clicks = traffic(400)
    world.deliver(*predictions, *clicks)

    world.cycle(FINAL)

    documents = list(world.documents().values())
    all_rows = rows(predictions, clicks)
    groups = [("all", "all", all_rows)]
    for version in "12":
        groups.append((version, "all", [row for row in all_rows if row["version"] == version]))
    for scene in ("search", "ad", "home"):
        groups.append(("all", f"labels.scene={scene}", [row for row in all_rows if row["scene"] == scene]))
    for version, segment, group_rows in groups:
        for size in ("1m", "1h", "1d"):
            windows = oracle.by_window(group_rows, size)
            stored = {
                datetime.fromisoformat(document["window_start"].replace("Z", "+00:00")).isoformat(): document
                for document in documents
                if (document["model_version"], document["segment"], document["window_size"]) == (version, segment, size)
            }
            assert set(stored) == set(windows)
            for start, document in stored.items():
                assert oracle.differences(document, windows[start]) == [], (version, segment, size, start)
                assert document["state"] == "final"
    assert world.statuses() == ["matched"] * len(clicks)


def test_response_times_are_those_of_the_requests(world: World) -> None:
    """The mean is exact, percentiles lie within the stated error of the histogram."""
    predictions, _ = traffic(400, span=timedelta(minutes=5))
    world.deliver(*predictions)

    world.cycle(FINAL)

    day = world.window("1d")
    durations = sorted(prediction["event"]["duration"] / 1e6 for prediction in predictions)
    assert day["requests"] == 400
    assert day["response_time"] == pytest.approx(sum(durations) / 400, rel=1e-9)
    for share, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
        assert day[f"response_time_{name}"] == pytest.approx(durations[int(share * 400)], rel=0.12)


def test_a_rerun_changes_no_document(world: World) -> None:
    """A second cycle and a backfill write nothing: no document, no version, no restatement."""
    predictions, clicks = traffic(120)
    world.deliver(*predictions, *clicks)
    world.cycle(FINAL)
    before = {name: world.documents(name) for name in ("model_performance", "model-predictions", "model-feedback")}

    again = world.cycle(FINAL)
    filled = world.make_agent(FINAL).backfill(START - DAY, START + DAY)

    assert (again.tally.written, filled.tally.written) == (0, 0)
    assert filled.tally.windows > 0
    assert {name: world.documents(name) for name in before} == before
    assert world.documents("model-restatements") == {}


def test_two_agents_at_once_write_the_same_as_one(world: World) -> None:
    """Two agents at the same moment write the documents that one agent would write; a third writes nothing."""
    predictions, clicks = traffic(120)
    world.deliver(*predictions, *clicks)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(world.cycle, FINAL) for _ in range(2)]:
            done.result()

    assert world.statuses() == ["matched"] * len(clicks)
    assert world.window("1d")["tp"] + world.window("1d")["fn"] == len(clicks)
    documents = world.documents()
    assert world.cycle(FINAL).tally.written == 0
    assert world.documents() == documents


def test_a_late_click_moves_only_its_own_windows(world: World) -> None:
    """Final windows that hold the clicked prediction are restated with the next revision; all others stay unchanged."""
    predictions, _ = traffic(100)
    world.deliver(*predictions)
    world.cycle(FINAL)
    before = world.documents()
    clicked = predictions[0]

    world.deliver(make_feedback(clicked))
    report = world.cycle(FINAL)

    changed = list(moved(before, world.documents()))
    assert {document["window_size"] for document in changed} == {"1m", "1h", "1d"}
    assert {document["model_version"] for document in changed} == {"all", clicked["model"]["version"]}
    assert {document["segment"] for document in changed} == {"all", f"labels.scene={clicked['labels']['scene']}"}
    assert len(changed) == 3 * 2 * 2 == report.tally.restated
    for document in changed:
        assert document["window_start"] <= clicked["@timestamp"] < document["window_end"]
        assert (document["state"], document["revision"], document["_version"]) == ("restated", 2, 2)
    restatements = list(world.documents("model-restatements").values())
    assert len(restatements) == len(changed)
    assert {restatement["reason"] for restatement in restatements} == {"late_feedback"}
    assert all(restatement["document"]["fn"] + restatement["document"]["tp"] == 0 for restatement in restatements)


def test_a_click_before_its_prediction_is_not_lost(world: World) -> None:
    """Feedback waits for its prediction, and counts once the prediction has arrived."""
    prediction = make_prediction(score=0.9)
    world.deliver(make_feedback(prediction))
    world.cycle(START + HOUR)
    assert world.statuses() == ["waiting"]

    world.deliver(prediction)
    world.cycle(START + HOUR)

    assert world.statuses() == ["matched"]
    assert (world.window("1h")["tp"], world.window("1h")["n"]) == (1, 1)


def test_a_click_on_a_prediction_that_never_comes_is_an_orphan(world: World) -> None:
    """After the orphan horizon it counts as an orphan; a backfill joins it if the prediction comes after all."""
    prediction = make_prediction(score=0.9)
    other = make_prediction(START + timedelta(seconds=1))
    world.deliver(make_feedback(prediction), other)
    world.cycle(START + HOUR)
    world.cycle(START + 26 * HOUR)
    assert world.statuses() == ["orphan"]
    assert world.window("1h")["orphan"] == 1

    world.deliver(prediction)
    world.make_agent(FINAL).backfill(START, START + MINUTE)

    assert world.statuses() == ["matched"]
    assert (world.window("1h")["orphan"], world.window("1h")["tp"]) == (0, 1)


def test_a_duplicate_click_counts_once(world: World) -> None:
    """The first click decides the label; a further click counts as a duplicate, the same event counts once."""
    prediction = make_prediction(score=0.9)
    first, second = make_feedback(prediction), make_feedback(prediction, timedelta(seconds=9))
    world.deliver(prediction, second)
    world.cycle(FINAL)

    world.deliver(first, first)
    world.cycle(FINAL)

    hour = world.window("1h")
    assert (hour["tp"], hour["n"], hour["matched"], hour["duplicate"]) == (1, 1, 1, 1)
    assert world.statuses() == ["duplicate", "matched"]


def test_a_click_after_the_attribution_window_is_too_late(world: World) -> None:
    """It is counted as too late, and the prediction stays a negative."""
    prediction = make_prediction(score=0.9)
    world.deliver(prediction, make_feedback(prediction, timedelta(minutes=31)))

    world.cycle(FINAL)

    hour = world.window("1h")
    assert (hour["fp"], hour["tp"], hour["too_late"]) == (1, 0, 1)
    assert world.statuses() == ["too_late"]


def test_a_window_becomes_final_by_steps(world: World) -> None:
    """It is open while it lasts, provisional while labels may come, then final; only mature predictions are counted."""
    early, late = make_prediction(START, 0.9), make_prediction(START + 50 * MINUTE, 0.1)
    world.deliver(early, late, make_feedback(early))
    states = []
    for minutes in (55, 70, 81, 92):
        world.cycle(START + minutes * MINUTE)
        hour = world.window("1h")
        states.append((hour["state"], hour["maturity"], hour["n"], hour["predictions"]))

    assert states == [
        ("open", 0.5, 1, 2),
        ("provisional", 0.5, 1, 2),
        ("provisional", 1.0, 2, 2),
        ("final", 1.0, 2, 2),
    ]


def test_predictions_that_arrive_late_are_counted(world: World) -> None:
    """A line that is delivered hours later changes its own windows only."""
    world.deliver(make_prediction(START), make_prediction(START + 2 * HOUR))
    world.cycle(FINAL)
    before = world.documents()

    world.deliver(make_prediction(START + MINUTE))
    world.cycle(FINAL)

    changed = list(moved(before, world.documents()))
    assert {document["window_start"] for document in changed} == {
        "2026-03-02T10:01:00Z",
        "2026-03-02T10:00:00Z",
        "2026-03-02T00:00:00Z",
    }
    assert world.window("1d")["predictions"] == 3


def test_a_cycle_without_new_events_costs_the_same_after_any_history(world: World) -> None:
    """The number of requests depends neither on the stored predictions nor on the stored windows."""
    world.deliver(*traffic(10)[0])
    world.cycle(FINAL)
    few = world.cycle(FINAL).requests
    world.deliver(*traffic(300, seed=2, span=timedelta(days=3))[0])
    world.cycle(FINAL + 3 * DAY)

    many = world.cycle(FINAL + 3 * DAY).requests

    assert few == many <= 5


def test_request_errors_are_a_rate(world: World) -> None:
    """Refused requests count in the window of their time, even if it has no predictions."""
    world.deliver(*[make_prediction(START + timedelta(seconds=i)) for i in range(3)])
    world.deliver(make_error(START), make_error(START + 5 * HOUR))

    world.cycle(FINAL)

    assert world.window("1h", "2026-03-02T10")["error_rate"] == pytest.approx(0.25)
    assert world.window("1h", "2026-03-02T15")["errors"] == 1
    assert world.window("1h", "2026-03-02T15")["error_rate"] == 1.0


def test_rare_segment_values_share_one_segment(world: World) -> None:
    """Values beyond the cap share the segment `other`; all segments together are `all`."""
    scenes = ["a"] * 5 + ["b"] * 4 + ["c"] * 2 + ["d"]
    world.deliver(*[make_prediction(START + timedelta(seconds=i), scene=scene) for i, scene in enumerate(scenes)])

    world.cycle(FINAL, segment_values=2)

    predictions = {
        document["segment"]: document["predictions"]
        for document in world.documents().values()
        if document["window_size"] == "1h" and document["model_version"] == "all"
    }
    assert predictions == {"all": 12, "labels.scene=a": 5, "labels.scene=b": 4, "labels.scene=other": 3}


def test_a_window_with_enough_labels_is_alertable(world: World) -> None:
    """It needs enough positives, coverage and maturity."""
    predictions = [make_prediction(START + timedelta(seconds=i), 0.6) for i in range(40)]
    world.deliver(*predictions, *[make_feedback(prediction) for prediction in predictions[:29]])
    world.cycle(FINAL)
    assert world.window("1h")["alertable"] is False

    world.deliver(make_feedback(predictions[30]))
    world.cycle(FINAL)

    assert world.window("1h")["alertable"] is True
    assert world.window("1h")["precision_low"] < 0.75 < world.window("1h")["precision_high"]


def test_a_window_is_not_restated_beyond_the_limit(world: World) -> None:
    """Late feedback then gets the status `too_late`; a backfill still counts it."""
    prediction = make_prediction(score=0.9)
    world.deliver(prediction)
    world.cycle(START + DAY)
    world.deliver(make_feedback(prediction))
    world.cycle(START + 9 * DAY)
    assert (world.statuses(), world.window("1h")["tp"]) == (["too_late"], 0)

    world.make_agent(START + 9 * DAY).backfill(START, START + HOUR)

    assert (world.statuses(), world.window("1h")["tp"]) == (["matched"], 1)


def test_beyond_the_limit_no_late_prediction_changes_a_day(world: World) -> None:
    """Neither in a minute with predictions, nor in a minute or an hour without; a backfill counts them and orphans."""
    world.deliver(make_prediction(), make_prediction(START + 5 * MINUTE))
    world.cycle(START + DAY)
    late = [make_prediction(START + delay) for delay in (timedelta(seconds=30), 20 * MINUTE, 5 * HOUR)]
    world.deliver(*late, make_feedback(late[1]), make_feedback(make_prediction(START + 40 * MINUTE)))
    before = world.documents()

    world.cycle(START + 9 * DAY)
    world.cycle(START + 10 * DAY)

    assert world.documents() == before
    assert world.statuses() == ["orphan", "too_late"]
    world.make_agent(START + 10 * DAY).backfill(START, START + 6 * HOUR)
    assert (world.window("1d")["predictions"], world.window("1d")["orphan"]) == (5, 1)
    assert sum(row["predictions"] for row in world.documents().values() if is_base_total(row)) == 5


def test_feedback_that_is_sent_again_beyond_the_limit_changes_no_window(world: World) -> None:
    """Its id may be written in another way; a late prediction of the window is not counted because of it."""
    prediction = make_prediction()
    feedback = make_feedback(prediction)
    world.deliver(prediction, feedback)
    world.cycle(START + DAY)
    again = {**feedback, "event": {**feedback["event"], "id": feedback["event"]["id"].upper()}}
    world.deliver(again, make_prediction(START + timedelta(seconds=30)))
    before = world.documents()

    world.cycle(START + 9 * DAY)

    assert world.documents() == before
    assert sorted(world.statuses()) == ["matched", "matched"]


def is_base_total(row: dict[str, Any]) -> bool:
    """Return whether a metrics document is about a base window over everything."""
    return (row["window_size"], row["model_version"], row["segment"]) == ("1m", "all", "all")


def test_expired_indices_are_deleted_but_their_windows_stay(world: World) -> None:
    """Whole days beyond the retention are deleted; the metrics about them stay unchanged."""
    world.deliver(make_prediction(START), make_prediction(START + 31 * DAY))
    world.cycle(START + DAY)

    report = world.cycle(START + 32 * DAY, retention=True)

    assert report.deleted == ["model-predictions-2026.03.02"]
    assert set(world.admin.indices.get(index="model-predictions-*")) == {"model-predictions-2026.04.02"}
    assert world.window("1h", "2026-03-02")["predictions"] == 1


def test_feedback_on_a_day_beyond_the_retention_expires(world: World) -> None:
    """It gets the status `expired`. It does not wait, and it does not create the deleted index again."""
    world.deliver(make_feedback(make_prediction(START)))
    click_only = Assignment(frozenset({"click"}), False, frozenset({"click"}))

    # An agent with the whole work would also delete the feedback's own index, after it has written the status.
    report = world.make_agent(START + 40 * DAY, retention=True).cycle(assignment=click_only)

    assert report.feedback == {"expired": 1}
    assert world.statuses() == ["expired"]
    assert not world.admin.indices.exists(index="model-predictions-2026.03.02")


def test_feedback_on_a_deleted_index_expires(world: World) -> None:
    """An index that an earlier cycle has counted was deleted: its predictions never come."""
    prediction = make_prediction(START)
    world.deliver(prediction)
    world.cycle(START + HOUR)
    world.admin.indices.delete(index="model-predictions-2026.03.02")

    world.deliver(make_feedback(prediction))
    report = world.cycle(START + 2 * HOUR)

    assert report.feedback == {"expired": 1}
    assert world.statuses() == ["expired"]
    assert not world.admin.indices.exists(index="model-predictions-2026.03.02")


def test_feedback_about_a_recent_day_without_an_index_waits(world: World) -> None:
    """Its prediction may still arrive."""
    world.deliver(make_feedback(make_prediction(START)))

    world.cycle(START + HOUR, retention=True)

    assert world.statuses() == ["waiting"]


def test_without_elasticsearch_the_error_is_one_line() -> None:
    """The error for an address on which no process listens names the setting."""
    from monitor_agent.es.connection import connect
    from monitor_agent.settings import ElasticsearchSettings

    gateway = Gateway(connect(ElasticsearchSettings(url=("http://127.0.0.1:1",))), Backoff(tries=2, first=0.01))

    with pytest.raises(ElasticsearchError, match="ELASTICSEARCH_URL"):
        gateway.search("model-predictions", {"size": 0})
