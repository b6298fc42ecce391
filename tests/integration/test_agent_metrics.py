"""Metrics beyond labels and scores: order, propensity, comparison with last week, drift, estimates, curves."""

from __future__ import annotations

import dataclasses
import json
import random
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, ndcg_score, roc_auc_score

from monitor_agent.agent.stores import Stores
from monitor_agent.cli import main
from monitor_agent.clock import FixedClock
from monitor_agent.contracts.drift import DRIFT
from monitor_agent.es.gateway import Gateway
from monitor_agent.pipeline.instants import Interval
from monitor_agent.settings import AgentSettings
from tests.cluster import Cluster
from tests.factories import START, Document, make_feedback, make_prediction
from tests.integration.agent_world import MUCH_LATER, World, moved

FINAL = START + MUCH_LATER
HOURS = {"base_window": timedelta(hours=1), "larger_windows": (timedelta(days=1),)}


def make_request(number: int, clicked: set[int], **fields: object) -> list[Document]:
    """Return a request of four ranked items, and clicks on some ranks."""
    at = START + timedelta(minutes=number)
    items = [make_prediction(at, 0.5 - rank / 10, rank=rank, request_size=4, **fields) for rank in range(1, 5)]
    for item in items:
        item["http"] = {"request": {"id": f"request-{number}"}}
        rank = item["prediction"]["rank"]
        item["ranking"] = {"id": f"request-{number}", "rank": rank, "size": 4}
        item["item"] = {"id": "x", "position": rank}
    return [*items, *(make_feedback(items[rank - 1]) for rank in clicked)]


def test_ranking_metrics_are_means_over_requests(world: World) -> None:
    """NDCG, MRR, hit rate and MAP are means over requests with a click, also in merged windows."""
    clicked = [{1}, {3}, {2, 4}, set(), set()] * 30
    world.deliver(*[event for number, ranks in enumerate(clicked) for event in make_request(number, ranks)])

    world.cycle(FINAL, **HOURS)

    day = world.window("1d")
    gains = [[float(rank in ranks) for rank in range(1, 5)] for ranks in clicked if ranks]
    expected = np.mean([ndcg_score([row], [[4, 3, 2, 1]], k=5) for row in gains])
    assert day["ndcg_at_5"] == pytest.approx(expected, rel=1e-12)
    assert day["mrr"] == pytest.approx((1 + 1 / 3 + 1 / 2) / 3, rel=1e-12)
    assert day["requests_without_click"] == pytest.approx(0.4)
    assert day["ndcg_at_5_low"] < day["ndcg_at_5"] < day["ndcg_at_5_high"]
    assert world.window("1d", segment="labels.scene=search")["mrr"] == day["mrr"]
    assert world.cycle(FINAL, **HOURS).tally.written == 0


def make_list(at: datetime, clicked: set[int], versions: str = "1111", **fields: object) -> list[Document]:
    """Return a list of four items that were scored one by one, a second apart, and clicks on some ranks."""
    items = [
        make_prediction(at + timedelta(seconds=number), 0.5 - number / 10, version=version, **fields)
        for number, version in enumerate(versions)
    ]
    for rank, item in enumerate(items, start=1):
        item["ranking"] = {"id": f"list-{items[0]['event']['id']}", "rank": rank, "size": 4}
    return [*items, *(make_feedback(items[rank - 1]) for rank in sorted(clicked))]


def test_a_list_over_the_edge_of_windows_is_judged_whole_in_one_of_them(world: World) -> None:
    """It belongs to window and version of its first item, over midnight too; a later click restates this window."""
    edge = datetime(2026, 3, 2, 10, 4, 58, tzinfo=timezone.utc)
    midnight = datetime(2026, 3, 2, 23, 59, 58, tzinfo=timezone.utc)
    first_and_last = [make_list(edge, {1, 4}, model="edge") for _ in range(2)]
    last = [make_list(edge, {4}, model="edge2") for _ in range(2)]
    quiet = [make_list(edge, set(), model=model) for model in ("edge", "edge", "edge2", "edge2")]
    two_versions = make_list(midnight, {4}, "1122", model="night")
    world.deliver(*[event for events in (*first_and_last, *last, *quiet, two_versions) for event in events])
    names = ("ranked_requests", "clicked_requests", "requests_not_judged", "mrr", "map_at_5", "requests_without_click")

    def lists(model: str, version: str, size: str, start: str) -> tuple[object, ...]:
        document = world.by_key()[model, version, "all", size, f"2026-03-{start}:00+00:00"]
        return tuple(document[name] for name in names)

    world.cycle(FINAL)

    for size, start in (("1m", "02T10:04"), ("1h", "02T10:00"), ("1d", "02T00:00")):
        assert lists("edge", "1", size, start) == (4, 2, 0, 1.0, 0.75, 0.5)
        assert lists("edge2", "1", size, start) == (4, 2, 0, 0.25, 0.25, 0.5)
    hour = world.by_key()["edge", "1", "all", "1h", "2026-03-02T10:00:00+00:00"]
    assert hour["ndcg_at_5"] == pytest.approx(0.8772, abs=5e-5)
    assert lists("edge", "1", "1m", "02T10:05") == (0, 0, 0, None, None, None)
    for version in ("1", "all"):
        assert lists("night", version, "1d", "02T00:00") == (1, 1, 0, 0.25, 0.25, 0.0)
    for version in ("2", "all"):
        assert lists("night", version, "1d", "03T00:00") == (0, 0, 0, None, None, None)

    world.deliver(make_feedback(two_versions[2]))
    world.cycle(FINAL)

    assert lists("night", "1", "1d", "02T00:00")[3] == pytest.approx(1 / 3)
    reasons = {
        (document["window_size"], document["model_version"]): document["reason"]
        for document in world.documents("model-restatements").values()
        if document["document"]["window_start"].startswith("2026-03-02")
    }
    assert reasons == {(size, version): "late_feedback" for size in ("1m", "1h", "1d") for version in ("1", "all")}
    assert world.cycle(FINAL).tally.written == 0


def test_clicks_are_weighted_by_propensities(world: World) -> None:
    """The weighted CTR is the CTR of a policy that shows every item equally often, within the error of the bins."""
    dice = random.Random(5)
    events: list[Document] = []
    weights = hits = 0.0
    for number in range(300):
        propensity = dice.choice([0.8, 0.2])
        clicks = dice.random() < (0.3 if propensity == 0.8 else 0.1)
        item = make_prediction(START + timedelta(seconds=number), 0.3, propensity=propensity)
        events += [item, make_feedback(item)] if clicks else [item]
        weights += 1 / propensity
        hits += clicks / propensity
    world.deliver(*events)

    world.cycle(FINAL, **HOURS)

    assert world.window("1d")["ctr_snips"] == pytest.approx(hits / weights, rel=0.005)
    assert world.window("1d")["ctr"] > world.window("1d")["ctr_snips"]


def make_traffic(count: int = 300, at: timedelta = timedelta(), seed: int = 3, **fields: object) -> list[Document]:
    """Return predictions of one hour at three positions, and clicks with the probability of the scores."""
    dice = random.Random(seed)
    events: list[Document] = []
    for _ in range(count):
        item = make_prediction(START + at + timedelta(minutes=50 * dice.random()), dice.betavariate(1, 3), **fields)
        item["item"] = {"id": "x", "position": dice.randint(1, 3)}
        events.append(item)
        if dice.random() < item["prediction"]["score"]:
            events.append(make_feedback(item))
    return events


def test_the_auc_of_scores_in_a_narrow_range_is_near_the_exact_one(world: World) -> None:
    """The model scores all predictions nearly alike; a rerun changes nothing."""
    dice = np.random.default_rng(2)
    scores = 0.0037 + 0.00002 * dice.random(1100)
    clicks = dice.random(1100) < 0.05 + 0.3 * (scores > 0.00371)
    items = [make_prediction(START + timedelta(seconds=i), float(score)) for i, score in enumerate(scores)]
    world.deliver(*items, *[make_feedback(item) for item, hit in zip(items, clicks, strict=True) if hit])

    world.cycle(FINAL, **HOURS)

    day = world.window("1d")
    assert day["auc_error_bound"] < 0.01
    assert day["auc"] == pytest.approx(roc_auc_score(clicks, scores), abs=day["auc_error_bound"])
    assert world.make_agent(FINAL, **HOURS).backfill(START, START + timedelta(hours=1)).tally.written == 0


def test_estimates_use_the_logged_labels_of_the_shown_predictions(world: World) -> None:
    """Two thresholds: the estimate of both versions is the sum of their own; shadow counts in neither.

    The queue times are below the first edge of their histogram: their median is right, too.
    """
    scores = [(number + 0.5) / 200 for number in range(200)]
    events = [
        make_prediction(START + timedelta(seconds=number), score, version=version, threshold=threshold, queue_time=1600)
        for version, threshold in (("1", 0.9), ("2", 0.1))
        for number, score in enumerate(scores)
    ]
    events += [make_prediction(START, 0.95, version="3", shadow=True) for _ in range(50)]
    world.deliver(*events)

    world.cycle(START + timedelta(minutes=10), **HOURS)

    documents = {version: world.window("1h", version=version) for version in ("1", "2", "3", "all")}
    for name in ("estimated_precision", "estimated_recall", "estimated_accuracy"):
        total = documents["all"]
        assert total[name] == pytest.approx(0.59, rel=1e-9)
        assert total[f"{name}_low"] < 0.59 < total[f"{name}_high"]
        assert total[f"{name}_error_undefined"] in ("immature", "no_samples")
    assert documents["1"]["estimated_precision"] == pytest.approx(0.95, rel=1e-9)
    assert documents["2"]["estimated_precision"] == pytest.approx(0.55, rel=1e-9)
    assert documents["3"]["estimated_f1_undefined"] == "no_impressions"
    assert documents["1"]["queue_time_p50"] == pytest.approx(0.0016, rel=0.049)

    world.cycle(FINAL, **HOURS)

    final = world.window("1h", version="2")
    assert final["estimated_ctr_error"] == pytest.approx(final["estimated_ctr"] - final["ctr"], rel=1e-9)


def test_scores_near_zero_and_one_are_resolved(world: World) -> None:
    """Few distinct scores are exact, also in merged windows; many are within small bounds; a rerun changes nothing."""
    dice = np.random.default_rng(7)
    tiny = 10 ** dice.uniform(-30, -5, 200)
    certain = np.concatenate([3e-7 * dice.lognormal(0, 1, 300), 1 - 10 ** dice.uniform(-7, -1, 300), [0.0, 0.0, 1.0]])
    rows = {"tiny": (tiny, dice.random(200) < 0.12), "certain": (certain, dice.random(603) < 0.3)}
    for model, (scores, clicks) in rows.items():
        items = [make_prediction(START + timedelta(seconds=i), float(s), model=model) for i, s in enumerate(scores)]
        world.deliver(*items, *[make_feedback(item) for item, hit in zip(items, clicks, strict=True) if hit])

    world.cycle(FINAL, **HOURS)

    for model, bound in (("tiny", 0.0), ("certain", 0.01)):
        scores, clicks = rows[model]
        expected = {
            "auc": roc_auc_score(clicks, scores),
            "pr_auc": average_precision_score(clicks, scores),
            "best_f1": max(f1_score(clicks, scores >= threshold) for threshold in scores),
        }
        for size in ("1h", "1d"):
            day = next(d for key, d in world.by_key().items() if key[:4] == (model, "all", "all", size))
            for name, value in expected.items():
                assert day[f"{name}_error_bound"] <= bound + 1e-12
                assert day[name] == pytest.approx(value, abs=day[f"{name}_error_bound"] + 1e-9), (model, name)
            assert day["ece_error_bound"] < 0.02
    assert world.make_agent(FINAL, **HOURS).backfill(START, START + timedelta(hours=1)).tally.written == 0


class TestCurves:
    def test_curves_are_points_of_windows_that_have_ended(self, world: World) -> None:
        """Each curve of a day, over all and by version, counts every prediction; open windows have no curves."""
        events = make_traffic()
        world.deliver(*events)
        world.cycle(START + timedelta(hours=2), **HOURS)
        assert {point["window_size"] for point in world.documents("model-curves").values()} == {"1h"}

        world.cycle(FINAL, **HOURS)

        day = world.window("1d")
        day_points = [point for point in world.documents("model-curves").values() if point["window_size"] == "1d"]
        points = [point for point in day_points if point["model_version"] == "all"]
        curves = {name: [point for point in points if point["curve"] == name] for name in {p["curve"] for p in points}}
        assert set(curves) == {"reliability", "threshold", "score", "position"}
        for name in ("reliability", "score", "position"):
            assert sum(point["n"] for point in curves[name]) == day["n"] == 300, name
            assert sum(point["positives"] for point in curves[name]) == day["tp"] + day["fn"], name
        (half,) = [point for point in curves["threshold"] if point["x"] == 0.5]
        assert (half["tp"], half["fp"], half["f1"]) == (day["tp"], day["fp"], day["f1"])
        assert {point["segment"] for point in points} == {"all"}

    def test_only_points_that_differ_are_written_again(self, world: World) -> None:
        """A late click changes the points that count it; other points stay unchanged, and a rerun writes nothing."""
        events = make_traffic()
        world.deliver(*events)
        world.cycle(FINAL, **HOURS)
        before = world.documents("model-curves")
        world.make_agent(FINAL, **HOURS).backfill(START, START + timedelta(hours=1))
        assert world.documents("model-curves") == before

        quiet = next(event for event, after in pairwise(events) if "feedback" not in {**event, **after})
        world.deliver(make_feedback(quiet))
        world.cycle(FINAL, **HOURS)

        changed = [point for point in moved(before, world.documents("model-curves")) if point["window_size"] == "1d"]
        assert {point["curve"] for point in changed} == {"reliability", "threshold", "score", "position"}
        assert 0 < sum(point["curve"] == "position" for point in changed) <= 2
        assert 0 < sum(point["curve"] == "reliability" for point in changed) <= 2


class TestLastWeek:
    WEEK = timedelta(days=7)
    LATER = FINAL + WEEK

    def predicted_positive(self, right: int, wrong: int, at: timedelta = timedelta()) -> list[Document]:
        """Return predictions of one hour, all labelled positive, and clicks on the right ones."""
        items = [make_prediction(START + at + timedelta(seconds=i), 0.9) for i in range(right + wrong)]
        return [*items, *(make_feedback(item) for item in items[:right])]

    def test_a_drop_has_an_interval(self, world: World) -> None:
        """The drop is against the same hour and the same day a week before; without last week there is no drop."""
        world.deliver(*self.predicted_positive(80, 20), *self.predicted_positive(40, 60, self.WEEK))

        world.cycle(self.LATER, **HOURS)

        for size in ("1h", "1d"):
            before, now = world.window(size, "2026-03-02"), world.window(size, "2026-03-09")
            assert now["precision_drop_vs_last_week"] == pytest.approx(0.4)
            assert 0.2 < now["precision_drop_vs_last_week_low"] < 0.4 < now["precision_drop_vs_last_week_high"] < 0.6
            assert now["predictions_vs_last_week"] == 1.0
            assert (before["f1_drop_vs_last_week"], before["f1_drop_vs_last_week_undefined"]) == (None, "no_last_week")
        assert world.cycle(self.LATER, **HOURS).tally.written == 0
        assert {document["revision"] for document in world.documents().values()} == {1}

    def test_a_restated_window_changes_the_window_a_week_later(self, world: World) -> None:
        """Its drop is against the new values of last week; the week after that stays unchanged.

        The late prediction came after the restatement limit of its window, which is compared, but not counted, again.
        """
        last_week = self.predicted_positive(60, 40)
        world.deliver(
            *last_week, *self.predicted_positive(40, 60, self.WEEK), *self.predicted_positive(40, 60, 2 * self.WEEK)
        )
        world.cycle(self.LATER + self.WEEK, **HOURS)

        late = make_prediction(START + self.WEEK + timedelta(minutes=30))
        world.deliver(*[make_feedback(item) for item in last_week[60:80]], late)
        world.make_agent(self.LATER + self.WEEK, **HOURS).backfill(START, START + timedelta(hours=1))

        moved_week, after = world.window("1d", "2026-03-09"), world.window("1d", "2026-03-16")
        assert moved_week["precision_drop_vs_last_week"] == pytest.approx(0.4)
        assert (moved_week["state"], moved_week["revision"], moved_week["predictions"]) == ("restated", 2, 100)
        assert (after["precision_drop_vs_last_week"], after["revision"]) == (0.0, 1)

    def test_with_few_clicks_the_drop_has_a_wide_interval(self, world: World) -> None:
        """The windows are not alertable by themselves, but clicks that vanish exclude chance."""
        world.deliver(*self.predicted_positive(10, 20), *self.predicted_positive(0, 30, self.WEEK))

        world.cycle(self.LATER, **HOURS)

        after = world.window("1d", "2026-03-09")
        assert after["not_alertable"] == ["few_positives"]
        assert after["ctr_drop_vs_last_week"] == pytest.approx(1 / 3)
        assert after["ctr_relative_drop_vs_last_week"] == pytest.approx(1.0)
        assert after["ctr_drop_vs_last_week_low"] > 0
        assert after["recall_drop_vs_last_week_undefined"] == "no_actual_positive"


class TestReference:
    """Day one is the reference of day two."""

    DAY = timedelta(days=1)
    SETTINGS = {**HOURS, "base_window": timedelta(minutes=30), "larger_windows": (timedelta(hours=1), DAY)}
    SETTINGS["drift_samples"] = 200

    def traffic(self, day: int, shift: float, count: int = 600, hours: int = 2) -> list[Document]:
        """Return predictions with two features, one of them shifted; the CTR is a third of the scores."""
        dice = np.random.default_rng(day)
        events: list[Document] = []
        for _ in range(count):
            at = START + day * self.DAY + timedelta(hours=hours * dice.random())
            item = make_prediction(at, float(dice.beta(2, 3)), version="1")
            item["features"] = {
                "numeric": {"price": float(dice.normal(shift, 1)), "age": float(dice.integers(3))},
                "categorical": {"shop": str(dice.choice(["a", "b", "c"], p=[0.5, 0.3, 0.2]))},
            }
            events.append(item)
            if dice.random() < item["prediction"]["score"] / 3:
                events.append(make_feedback(item))
        return events

    def learn(self, world: World, now: datetime) -> str:
        """Make the first day the reference, like the command; return its name."""
        settings = dataclasses.replace(AgentSettings(), **self.SETTINGS)
        references = Stores(Gateway(world.agent), settings, FixedClock(now)).references
        reference = references.learn("click", Interval(START, START + timedelta(hours=12)), START + timedelta(hours=14))
        references.add("click", reference, now)
        assert references.of("click") == [reference]
        return reference.name

    def test_a_shifted_feature_drifts_and_the_others_do_not(self, world: World) -> None:
        """Hours and days have drift, with Evidently's names; windows before the `since` of the reference have none."""
        world.deliver(*self.traffic(0, 0.0), *self.traffic(1, 1.0))
        name = self.learn(world, FINAL)

        world.cycle(FINAL + self.DAY, **self.SETTINGS)

        drift = [document for document in world.documents("model-drift").values() if document["model_version"] == "all"]
        day = {document["feature"]: document for document in drift if document["window_size"] == "1d"}
        assert {feature: document["drifted"] for feature, document in day.items()} == {
            "score": False,
            "label": False,
            "numeric.price": True,
            "numeric.age": False,
            "categorical.shop": False,
        }
        assert {document["n"] for document in day.values()} == {600}
        assert {document["window_start"][:10] for document in drift} == {"2026-03-03"}
        hours = [
            document for document in drift if document["window_size"] == "1h" and document["feature"] == "numeric.price"
        ]
        assert sum(document["n"] for document in hours) == 600
        assert [document["drifted"] for document in hours] == [True, True]
        document = world.window("1d", "2026-03-03")
        assert (document["drifted_features"], document["drift_measured"], document["drift_share"]) == (1, 5, 0.2)
        assert document["drift_reference"] == name
        before = world.window("1d", "2026-03-02")
        assert (before["drift_share"], before["drift_undefined"]) == (None, "no_reference")
        shapes = [point for point in world.documents("model-curves").values() if point["curve"] == "feature"]
        prices = [point for point in shapes if point["feature"] == "numeric.price" and point["window_size"] == "1d"]
        assert sum(point["share"] for point in prices if point["model_version"] == "1") == pytest.approx(1.0)
        assert sum(point["share_reference"] for point in prices if point["model_version"] == "1") == pytest.approx(1.0)

    def test_base_windows_of_an_hour_have_drift_and_those_of_half_an_hour_have_none(self, world: World) -> None:
        """An earlier release counted days at once, without hours: such a day stays if it is computed again."""
        world.deliver(*self.traffic(0, 0.0), *self.traffic(1, 1.0))
        self.learn(world, FINAL)
        world.cycle(FINAL + self.DAY, **self.SETTINGS)
        merged = world.documents("model-drift")
        assert {document["window_size"] for document in merged.values()} == {"1h", "1d"}
        for index in world.admin.indices.get(index="model-drift-*,model-performance-*"):
            world.admin.indices.delete(index=index)
        by_hour = {**self.SETTINGS, **HOURS}

        world.make_agent(FINAL + self.DAY, **by_hour).backfill(START, START + 2 * self.DAY)

        assert world.documents("model-drift") == merged
        hour = world.window("1h", "2026-03-03T10")
        assert (hour["drifted_features"], hour["drift_measured"]) == (1, 5)
        assert world.window("1h", "2026-03-02T10")["drift_undefined"] == "no_reference"

        for identifier in (name for name, document in merged.items() if document["window_size"] == "1h"):
            world.admin.delete(index=DRIFT.index_for(START + self.DAY), id=identifier, refresh=True)
        world.deliver(make_prediction(START + self.DAY, 0.4))

        world.cycle(FINAL + self.DAY, **by_hour)

        assert world.window("1d", "2026-03-03")["drift_share"] == 0.2
        days = [row for row in world.documents("model-drift").values() if row["window_size"] == "1d"]
        assert {row["n"] for row in days} == {600}

    def test_drift_does_not_change_when_it_is_computed_again(self, world: World) -> None:
        """A rerun writes nothing, and late predictions are counted."""
        later = self.traffic(1, 1.0)
        world.deliver(*self.traffic(0, 0.0), *later[:-1])
        self.learn(world, FINAL)
        world.cycle(FINAL + self.DAY, **self.SETTINGS)
        before = world.documents("model-drift")
        again = world.make_agent(FINAL + self.DAY, **self.SETTINGS).backfill(START, START + 2 * self.DAY)
        assert again.tally.written == 0
        assert world.documents("model-drift") == before

        world.deliver(make_prediction(START + self.DAY, 0.4))
        world.cycle(FINAL + self.DAY, **self.SETTINGS)

        days = [document for document in world.documents("model-drift").values() if document["window_size"] == "1d"]
        assert {document["n"] for document in days if document["feature"] == "score"} == {601}

    def test_with_too_few_values_drift_is_undefined(self, world: World) -> None:
        """Below the minimum number of values there is a reason instead of a result."""
        world.deliver(*self.traffic(0, 0.0), *self.traffic(1, 1.0, count=50))
        self.learn(world, FINAL)

        world.cycle(FINAL + self.DAY, **self.SETTINGS)

        drift = list(world.documents("model-drift").values())
        assert {(document["drifted"], document["undefined"]) for document in drift} == {(None, "insufficient_data")}
        assert world.window("1d", "2026-03-03")["drift_undefined"] == "insufficient_data"

    def test_estimates_are_calibrated_by_the_reference(self, world: World) -> None:
        """Scores three times too high give a wrong rate before the calibration, and nearly the right one with it."""
        world.deliver(*self.traffic(0, 0.0, count=1500))
        world.cycle(FINAL, **self.SETTINGS)
        name = self.learn(world, FINAL)
        world.deliver(*self.traffic(1, 0.0, count=1500))

        world.cycle(FINAL + self.DAY, **self.SETTINGS)

        first, second = (world.window("1d", start, version="1") for start in ("2026-03-02", "2026-03-03"))
        assert (first["calibrated_by"], second["calibrated_by"]) == (None, name)
        assert first["estimated_ctr_error"] > 0.2
        assert abs(second["estimated_ctr_error"]) < 0.04
        assert world.cycle(FINAL + self.DAY, **self.SETTINGS).tally.written == 0

    def test_the_command_makes_stores_and_lists_references(
        self,
        world: World,
        clean_indices: Cluster,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """References come from a past range or from a table; without predictions the error is one line."""
        settings = clean_indices.settings("monitor_agent")
        for name, value in (("URL", settings.url[0]), ("USERNAME", settings.username), ("PASSWORD", settings.password)):
            monkeypatch.setenv(f"ELASTICSEARCH_{name}", value)
        world.deliver(*self.traffic(0, 0.0, count=50))
        table = tmp_path / "training.csv"
        # The labels are true labels, as pandas writes them; the last column is none of the reference's.
        rows = "0.1,0.0,1.5,a,0\n0.7,1.0,2.5,b,1\n0.6,0.0,,a,0\n"
        table.write_text(f"\ufeffscore,label,numeric.price,categorical.shop,clicks\n{rows}", encoding="utf-8")
        command = ["reference", "--model", "click"]

        assert main([*command, "--from", "2026-03-02", "--to", "2026-03-03"]) == 0
        assert "valid for windows from 2026-03-03T00:00:00Z on" in capsys.readouterr().out
        assert main([*command, "--file", str(table), "--since", "2026-03-09"]) == 0
        output = capsys.readouterr().out
        assert "columns that are not used: clicks" in output
        assert "no reference of the predicted label" in output
        assert main(command) == 0

        lines = [line for line in capsys.readouterr().out.splitlines() if "2026-03-0" in line and " #" in line]
        assert [line.split()[0] for line in lines[-2:]] == ["2026-03-02T00:00:00Z", "training.csv"]
        assert main([*command, "--json"]) == 0
        documents = json.loads(capsys.readouterr().out)
        assert [document["since"][:10] for document in documents] == ["2026-03-03", "2026-03-09"]
        assert documents[1]["features"]["categorical.shop"]["counts"] == {"a": 2, "b": 1}
        assert main([*command, "--file", str(table), "--threshold", "0.6", "--since", "2026-03-01"]) == 0
        world.cycle(FINAL, **{**self.SETTINGS, "drift_samples": 1})
        drift = [row for row in world.documents("model-drift").values() if row["window_size"] == "1d"]
        labels = [row for row in drift if row["feature"] == "label" and row["model_version"] == "all"]
        assert [(row["n_reference"], row["n"]) for row in labels] == [(3, 50)]
        assert all(row["ks_low"] <= row["ks"] for row in drift if row["feature_kind"] == "numeric")
        table.write_text("score,label\n0.5,yes\n", encoding="utf-8")
        assert main([*command, "--file", str(table)]) == 1
        assert "training.csv: line 2: label is 'yes'" in capsys.readouterr().err
        assert main(["reference", "--model", "other", "--from", "2026-03-02", "--to", "2026-03-03"]) == 1
        assert "other has no predictions" in capsys.readouterr().err


def test_a_label_with_several_values_counts_once(world: World) -> None:
    """A server of another team logs a list of scenes; the prediction is in the segment of the first one."""
    predictions = [make_prediction(START + timedelta(seconds=number), 0.7) for number in range(4)]
    predictions[3]["labels"] = {"scene": ["search", "home"]}
    predictions[2]["labels"] = {"scene": ["home"]}
    world.deliver(*predictions, make_feedback(predictions[3]))

    world.cycle(START + MUCH_LATER, **HOURS)

    for size in ("1h", "1d"):
        assert (world.window(size)["n"], world.window(size)["tp"], world.window(size)["matched"]) == (4, 1, 1)
        counted = [world.window(size, segment=f"labels.scene={scene}")["n"] for scene in ("search", "home")]
        assert counted == [3, 1]
