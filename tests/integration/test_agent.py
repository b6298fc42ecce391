"""The agent on a real Elasticsearch: what analysts read after events came in any order, late, twice or never."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from monitor_agent.errors import ElasticsearchError
from monitor_agent.es.gateway import Gateway
from monitor_agent.es.retry import Backoff
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
        make_feedback(each, timedelta(seconds=dice.uniform(1, 600)))
        for each in predictions
        if dice.random() < each["prediction"]["score"] / 2
    ]
    return predictions, clicks


def rows(predictions: list[Document], clicks: list[Document]) -> list[dict[str, Any]]:
    """Return what the oracle reads."""
    clicked = {each["prediction"]["id"] for each in clicks}
    return [
        {
            "timestamp": each["@timestamp"],
            "score": each["prediction"]["score"],
            "label": each["prediction"]["label"],
            "click": int(each["prediction"]["id"] in clicked),
            "version": each["model"]["version"],
            "scene": each["labels"]["scene"],
        }
        for each in predictions
    ]


def test_every_document_says_what_scikit_learn_says(world: World) -> None:
    """Each window of each size, version and segment has the metrics of the predictions in it."""
    predictions, clicks = traffic(400)
    world.deliver(*predictions, *clicks)

    world.cycle(FINAL)

    documents = list(world.documents().values())
    told = rows(predictions, clicks)
    groups = [("all", "all", told)]
    for version in "12":
        groups.append((version, "all", [row for row in told if row["version"] == version]))
    for scene in ("search", "ad", "home"):
        groups.append(("all", f"labels.scene={scene}", [row for row in told if row["scene"] == scene]))
    for version, segment, part in groups:
        for size in ("1m", "1h", "1d"):
            windows = oracle.by_window(part, size)
            found = {
                datetime.fromisoformat(each["window_start"].replace("Z", "+00:00")).isoformat(): each
                for each in documents
                if (each["model_version"], each["segment"], each["window_size"]) == (version, segment, size)
            }
            assert set(found) == set(windows)
            for start, document in found.items():
                assert oracle.differences(document, windows[start]) == [], (version, segment, size, start)
                assert document["state"] == "final"
    assert world.statuses() == ["matched"] * len(clicks)


def test_response_times_are_those_of_the_requests(world: World) -> None:
    """The mean is exact, percentiles lie within the stated error of the histogram."""
    predictions, _ = traffic(400, span=timedelta(minutes=5))
    world.deliver(*predictions)

    world.cycle(FINAL)

    day = world.window("1d")
    durations = sorted(each["event"]["duration"] / 1e6 for each in predictions)
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


def test_two_agents_at_once_write_what_one_writes(world: World) -> None:
    """Two agents at the same moment leave what one alone would leave, and nothing for a third to mend."""
    predictions, clicks = traffic(120)
    world.deliver(*predictions, *clicks)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(world.cycle, FINAL) for _ in range(2)]:
            done.result()

    assert world.statuses() == ["matched"] * len(clicks)
    assert world.window("1d")["tp"] + world.window("1d")["fn"] == len(clicks)
    both = world.documents()
    assert world.cycle(FINAL).tally.written == 0
    assert world.documents() == both


def test_a_late_click_moves_only_its_own_windows(world: World) -> None:
    """Final windows that hold the clicked prediction are restated, one revision up; all others stay as they are."""
    predictions, _ = traffic(100)
    world.deliver(*predictions)
    world.cycle(FINAL)
    before = world.documents()
    clicked = predictions[0]

    world.deliver(make_feedback(clicked))
    report = world.cycle(FINAL)

    changed = list(moved(before, world.documents()))
    assert {each["window_size"] for each in changed} == {"1m", "1h", "1d"}
    assert {each["model_version"] for each in changed} == {"all", clicked["model"]["version"]}
    assert {each["segment"] for each in changed} == {"all", f"labels.scene={clicked['labels']['scene']}"}
    assert len(changed) == 3 * 2 * 2 == report.tally.restated
    for each in changed:
        assert each["window_start"] <= clicked["@timestamp"] < each["window_end"]
        assert (each["state"], each["revision"], each["_version"]) == ("restated", 2, 2)
    restatements = list(world.documents("model-restatements").values())
    assert len(restatements) == len(changed)
    assert {each["reason"] for each in restatements} == {"late_feedback"}
    assert all(each["document"]["fn"] + each["document"]["tp"] == 0 for each in restatements)


def test_a_click_before_its_prediction_is_not_lost(world: World) -> None:
    """Feedback waits for its prediction and counts as soon as that is there."""
    prediction = make_prediction(score=0.9)
    world.deliver(make_feedback(prediction))
    world.cycle(START + HOUR)
    assert world.statuses() == ["waiting"]

    world.deliver(prediction)
    world.cycle(START + HOUR)

    assert world.statuses() == ["matched"]
    assert (world.window("1h")["tp"], world.window("1h")["n"]) == (1, 1)


def test_a_click_on_a_prediction_that_never_comes_is_an_orphan(world: World) -> None:
    """After the orphan horizon it is given up, counted, and found if the prediction comes after all."""
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
    """The first click decides the label; further ones, and the same event twice, are counted as what they are."""
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


def test_a_window_grows_up(world: World) -> None:
    """Open while it lasts, provisional while labels may come, then final; only mature predictions are counted."""
    early, late = make_prediction(START, 0.9), make_prediction(START + 50 * MINUTE, 0.1)
    world.deliver(early, late, make_feedback(early))
    seen = []
    for minutes in (55, 70, 81, 92):
        world.cycle(START + minutes * MINUTE)
        hour = world.window("1h")
        seen.append((hour["state"], hour["maturity"], hour["n"], hour["predictions"]))

    assert seen == [
        ("open", 0.5, 1, 2),
        ("provisional", 0.5, 1, 2),
        ("provisional", 1.0, 2, 2),
        ("final", 1.0, 2, 2),
    ]


def test_predictions_that_arrive_late_are_counted(world: World) -> None:
    """A line delivered hours later joins its own windows and no others."""
    world.deliver(make_prediction(START), make_prediction(START + 2 * HOUR))
    world.cycle(FINAL)
    before = world.documents()

    world.deliver(make_prediction(START + MINUTE))
    world.cycle(FINAL)

    changed = list(moved(before, world.documents()))
    assert {each["window_start"] for each in changed} == {
        "2026-03-02T10:01:00Z",
        "2026-03-02T10:00:00Z",
        "2026-03-02T00:00:00Z",
    }
    assert world.window("1d")["predictions"] == 3


def test_a_cycle_with_nothing_new_costs_the_same_whatever_the_history(world: World) -> None:
    """The number of requests neither depends on the predictions nor on the windows that are there."""
    world.deliver(*traffic(10)[0])
    world.cycle(FINAL)
    few = world.cycle(FINAL).requests
    world.deliver(*traffic(300, seed=2, span=timedelta(days=3))[0])
    world.cycle(FINAL + 3 * DAY)

    many = world.cycle(FINAL + 3 * DAY).requests

    assert few == many <= 4


def test_request_errors_are_a_rate(world: World) -> None:
    """Refused requests count in the window they happened in, also where nothing was predicted."""
    world.deliver(*[make_prediction(START + timedelta(seconds=i)) for i in range(3)])
    world.deliver(make_error(START), make_error(START + 5 * HOUR))

    world.cycle(FINAL)

    assert world.window("1h", "2026-03-02T10")["error_rate"] == pytest.approx(0.25)
    assert world.window("1h", "2026-03-02T15")["errors"] == 1
    assert world.window("1h", "2026-03-02T15")["error_rate"] == 1.0


def test_rare_segment_values_are_taken_together(world: World) -> None:
    """Beyond the cap values share the segment `other`; all of them together are all."""
    scenes = ["a"] * 5 + ["b"] * 4 + ["c"] * 2 + ["d"]
    world.deliver(*[make_prediction(START + timedelta(seconds=i), scene=scene) for i, scene in enumerate(scenes)])

    world.cycle(FINAL, segment_values=2)

    found = {
        each["segment"]: each["predictions"]
        for each in world.documents().values()
        if each["window_size"] == "1h" and each["model_version"] == "all"
    }
    assert found == {"all": 12, "labels.scene=a": 5, "labels.scene=b": 4, "labels.scene=other": 3}


def test_a_window_says_whether_it_may_alert(world: World) -> None:
    """Enough positives, coverage and maturity make a window alertable."""
    predictions = [make_prediction(START + timedelta(seconds=i), 0.6) for i in range(40)]
    world.deliver(*predictions, *[make_feedback(each) for each in predictions[:29]])
    world.cycle(FINAL)
    assert world.window("1h")["alertable"] is False

    world.deliver(make_feedback(predictions[30]))
    world.cycle(FINAL)

    assert world.window("1h")["alertable"] is True
    assert world.window("1h")["precision_low"] < 0.75 < world.window("1h")["precision_high"]


def test_a_week_old_window_is_not_restated_by_itself(world: World) -> None:
    """Beyond the restatement limit late feedback is told to be too late; a backfill still counts it."""
    prediction = make_prediction(score=0.9)
    world.deliver(prediction)
    world.cycle(START + DAY)
    world.deliver(make_feedback(prediction))
    world.cycle(START + 9 * DAY)
    assert (world.statuses(), world.window("1h")["tp"]) == (["too_late"], 0)

    world.make_agent(START + 9 * DAY).backfill(START, START + HOUR)

    assert (world.statuses(), world.window("1h")["tp"]) == (["matched"], 1)


def test_expired_indices_are_deleted_and_their_windows_kept(world: World) -> None:
    """Whole days beyond the retention go; the metrics about them stay as they were."""
    world.deliver(make_prediction(START), make_prediction(START + 31 * DAY))
    world.cycle(START + DAY)

    report = world.cycle(START + 32 * DAY, retention=True)

    assert report.deleted == ["model-predictions-2026.03.02"]
    assert set(world.admin.indices.get(index="model-predictions-*")) == {"model-predictions-2026.04.02"}
    assert world.window("1h", "2026-03-02")["predictions"] == 1


def test_feedback_about_a_deleted_day_has_expired(world: World) -> None:
    """It neither waits nor brings the deleted index back."""
    world.deliver(make_feedback(make_prediction(START)))

    world.cycle(START + 40 * DAY, retention=True)

    assert world.statuses() == ["expired"] or not world.statuses()
    assert not world.admin.indices.exists(index="model-predictions-2026.03.02")


def test_without_elasticsearch_one_line_says_so() -> None:
    """An address nobody listens at ends in an error that names the setting."""
    from monitor_agent.es.gateway import connect
    from monitor_agent.settings import ElasticsearchSettings

    gateway = Gateway(connect(ElasticsearchSettings(url=("http://127.0.0.1:1",))), Backoff(tries=2, first=0.01))

    with pytest.raises(ElasticsearchError, match="ELASTICSEARCH_URL"):
        gateway.search("model-predictions", {"size": 0})
