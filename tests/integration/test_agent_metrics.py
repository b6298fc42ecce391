"""What a metrics document says beyond labels and scores: order, propensity, comparison, drift, estimates, curves."""

from __future__ import annotations

import dataclasses
import json
import random
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import ndcg_score, roc_auc_score

from monitor_agent.agent.stores import Stores
from monitor_agent.cli import main
from monitor_agent.clock import FixedClock
from monitor_agent.es.gateway import Gateway
from monitor_agent.pipeline.instants import Interval
from monitor_agent.settings import AgentSettings
from tests.cluster import Cluster
from tests.factories import START, Document, make_feedback, make_prediction
from tests.integration.agent_world import MUCH_LATER, World, moved

FINAL = START + MUCH_LATER
HOURS = {"base_window": timedelta(hours=1), "larger_windows": (timedelta(days=1),)}


def make_request(number: int, clicked: set[int], **own: object) -> list[Document]:
    """Return a request of four ranked items, and clicks on some ranks."""
    at = START + timedelta(minutes=number)
    items = [make_prediction(at, 0.5 - rank / 10, rank=rank, request_size=4, **own) for rank in range(1, 5)]
    for item in items:
        item["http"] = {"request": {"id": f"request-{number}"}}
        rank = item["prediction"]["rank"]
        item["ranking"] = {"id": f"request-{number}", "rank": rank, "size": 4}
        item["item"] = {"id": "x", "position": rank}
    return [*items, *(make_feedback(items[rank - 1]) for rank in clicked)]


def test_ranking_is_judged_by_request(world: World) -> None:
    """NDCG, MRR, hit rate and MAP are means over requests with a click, in merged windows too."""
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


def test_propensities_weigh_the_clicks(world: World) -> None:
    """The weighted CTR is that of showing every item equally often, within the error of the bins."""
    dice = random.Random(5)
    told: list[Document] = []
    weights = hits = 0.0
    for number in range(300):
        propensity = dice.choice([0.8, 0.2])
        clicks = dice.random() < (0.3 if propensity == 0.8 else 0.1)
        item = make_prediction(START + timedelta(seconds=number), 0.3, propensity=propensity)
        told += [item, make_feedback(item)] if clicks else [item]
        weights += 1 / propensity
        hits += clicks / propensity
    world.deliver(*told)

    world.cycle(FINAL, **HOURS)

    assert world.window("1d")["ctr_snips"] == pytest.approx(hits / weights, rel=0.005)
    assert world.window("1d")["ctr"] > world.window("1d")["ctr_snips"]


def make_traffic(count: int = 300, at: timedelta = timedelta(), seed: int = 3, **own: object) -> list[Document]:
    """Return predictions of one hour at three positions, and clicks that the scores tell of."""
    dice = random.Random(seed)
    told: list[Document] = []
    for _ in range(count):
        item = make_prediction(START + at + timedelta(minutes=50 * dice.random()), dice.betavariate(1, 3), **own)
        item["item"] = {"id": "x", "position": dice.randint(1, 3)}
        told.append(item)
        if dice.random() < item["prediction"]["score"]:
            told.append(make_feedback(item))
    return told


def test_crowded_scores_are_told_apart(world: World) -> None:
    """The AUC of a model that scores everything nearly alike is near the exact one, and a rerun changes nothing."""
    dice = np.random.default_rng(2)
    scores = 0.0037 + 0.00002 * dice.random(1100)
    clicks = dice.random(1100) < 0.05 + 0.3 * (scores > 0.00371)
    items = [make_prediction(START + timedelta(seconds=i), float(score)) for i, score in enumerate(scores)]
    world.deliver(*items, *[make_feedback(each) for each, hit in zip(items, clicks, strict=True) if hit])

    world.cycle(FINAL, **HOURS)

    day = world.window("1d")
    assert day["auc_error_bound"] < 0.01
    assert day["auc"] == pytest.approx(roc_auc_score(clicks, scores), abs=day["auc_error_bound"])
    assert world.make_agent(FINAL, **HOURS).backfill(START, START + timedelta(hours=1)).tally.written == 0


class TestCurves:
    def test_curves_are_points_of_windows_that_have_ended(self, world: World) -> None:
        """Each curve of a day, over all and by version, holds every prediction; open windows have none."""
        told = make_traffic()
        world.deliver(*told)
        world.cycle(START + timedelta(hours=2), **HOURS)
        assert {each["window_size"] for each in world.documents("model-curves").values()} == {"1h"}

        world.cycle(FINAL, **HOURS)

        day = world.window("1d")
        written = [each for each in world.documents("model-curves").values() if each["window_size"] == "1d"]
        points = [each for each in written if each["model_version"] == "all"]
        curves = {name: [each for each in points if each["curve"] == name] for name in {p["curve"] for p in points}}
        assert set(curves) == {"reliability", "threshold", "score", "position"}
        for name in ("reliability", "score", "position"):
            assert sum(each["n"] for each in curves[name]) == day["n"] == 300, name
            assert sum(each["positives"] for each in curves[name]) == day["tp"] + day["fn"], name
        (half,) = [each for each in curves["threshold"] if each["x"] == 0.5]
        assert (half["tp"], half["fp"], half["f1"]) == (day["tp"], day["fp"], day["f1"])
        assert {each["segment"] for each in points} == {"all"}

    def test_only_points_that_differ_are_written_again(self, world: World) -> None:
        """A late click moves the points it counts in; all others, and a rerun, are left as they are."""
        told = make_traffic()
        world.deliver(*told)
        world.cycle(FINAL, **HOURS)
        before = world.documents("model-curves")
        world.make_agent(FINAL, **HOURS).backfill(START, START + timedelta(hours=1))
        assert world.documents("model-curves") == before

        quiet = next(each for each, after in pairwise(told) if "feedback" not in {**each, **after})
        world.deliver(make_feedback(quiet))
        world.cycle(FINAL, **HOURS)

        changed = [each for each in moved(before, world.documents("model-curves")) if each["window_size"] == "1d"]
        assert {each["curve"] for each in changed} == {"reliability", "threshold", "score", "position"}
        assert 0 < sum(each["curve"] == "position" for each in changed) <= 2
        assert 0 < sum(each["curve"] == "reliability" for each in changed) <= 2


class TestLastWeek:
    WEEK = timedelta(days=7)
    LATER = FINAL + WEEK

    def judged(self, right: int, wrong: int, at: timedelta = timedelta()) -> list[Document]:
        """Return predictions of one hour, all called positive, and clicks on those that were right."""
        items = [make_prediction(START + at + timedelta(seconds=i), 0.9) for i in range(right + wrong)]
        return [*items, *(make_feedback(each) for each in items[:right])]

    def test_a_drop_is_told_with_its_interval(self, world: World) -> None:
        """Against the same hour and the same day a week before; no week before, no drop."""
        world.deliver(*self.judged(80, 20), *self.judged(40, 60, self.WEEK))

        world.cycle(self.LATER, **HOURS)

        for size in ("1h", "1d"):
            before, now = world.window(size, "2026-03-02"), world.window(size, "2026-03-09")
            assert now["precision_drop_vs_last_week"] == pytest.approx(0.4)
            assert 0.2 < now["precision_drop_vs_last_week_low"] < 0.4 < now["precision_drop_vs_last_week_high"] < 0.6
            assert now["predictions_vs_last_week"] == 1.0
            assert (before["f1_drop_vs_last_week"], before["f1_drop_vs_last_week_undefined"]) == (None, "no_last_week")
        assert world.cycle(self.LATER, **HOURS).tally.written == 0
        assert {each["revision"] for each in world.documents().values()} == {1}

    def test_a_restated_window_moves_the_one_a_week_later(self, world: World) -> None:
        """Its drop is against what last week says now; the week after is left alone."""
        last_week = self.judged(60, 40)
        world.deliver(*last_week, *self.judged(40, 60, self.WEEK), *self.judged(40, 60, 2 * self.WEEK))
        world.cycle(self.LATER + self.WEEK, **HOURS)

        world.deliver(*[make_feedback(each) for each in last_week[60:80]])
        world.make_agent(self.LATER + self.WEEK, **HOURS).backfill(START, START + timedelta(hours=1))

        moved_week, after = world.window("1d", "2026-03-09"), world.window("1d", "2026-03-16")
        assert moved_week["precision_drop_vs_last_week"] == pytest.approx(0.4)
        assert (moved_week["state"], moved_week["revision"]) == ("restated", 2)
        assert (after["precision_drop_vs_last_week"], after["revision"]) == (0.0, 1)

    def test_too_few_clicks_tell_no_drop(self, world: World) -> None:
        """Both windows must say enough to alert on."""
        world.deliver(*self.judged(10, 20), *self.judged(40, 60, self.WEEK))

        world.cycle(self.LATER, **HOURS)

        assert world.window("1d", "2026-03-09")["f1_drop_vs_last_week_undefined"] == "last_week_not_alertable"


class TestReference:
    """Day one is the reference of day two."""

    DAY = timedelta(days=1)
    SETTINGS = {**HOURS, "base_window": timedelta(minutes=30), "larger_windows": (timedelta(hours=1), DAY)}
    SETTINGS["drift_samples"] = 200

    def traffic(self, day: int, shift: float, count: int = 600, hours: int = 2) -> list[Document]:
        """Return predictions with two features, one of them shifted, and clicks a third as likely as the scores say."""
        dice = np.random.default_rng(day)
        told: list[Document] = []
        for _ in range(count):
            at = START + day * self.DAY + timedelta(hours=hours * dice.random())
            item = make_prediction(at, float(dice.beta(2, 3)), version="1")
            item["features"] = {
                "numeric": {"price": float(dice.normal(shift, 1)), "age": float(dice.integers(3))},
                "categorical": {"shop": str(dice.choice(["a", "b", "c"], p=[0.5, 0.3, 0.2]))},
            }
            told.append(item)
            if dice.random() < item["prediction"]["score"] / 3:
                told.append(make_feedback(item))
        return told

    def learn(self, world: World, now: datetime) -> str:
        """Make the first day the reference, as the command does; return its name."""
        settings = dataclasses.replace(AgentSettings(), **self.SETTINGS)
        references = Stores(Gateway(world.agent), settings, FixedClock(now)).references
        made = references.learn("click", Interval(START, START + timedelta(hours=12)), START + timedelta(hours=14))
        references.add("click", made, now)
        assert references.of("click") == [made]
        return made.name

    def test_a_shifted_feature_drifts_and_the_others_do_not(self, world: World) -> None:
        """By the hour and by the day, under Evidently's names; before its `since` a reference says nothing."""
        world.deliver(*self.traffic(0, 0.0), *self.traffic(1, 1.0))
        name = self.learn(world, FINAL)

        world.cycle(FINAL + self.DAY, **self.SETTINGS)

        drift = [each for each in world.documents("model-drift").values() if each["model_version"] == "all"]
        day = {each["feature"]: each for each in drift if each["window_size"] == "1d"}
        assert {feature: each["drifted"] for feature, each in day.items()} == {
            "score": False,
            "label": False,
            "numeric.price": True,
            "numeric.age": False,
            "categorical.shop": False,
        }
        assert {each["n"] for each in day.values()} == {600}
        assert {each["window_start"][:10] for each in drift} == {"2026-03-03"}
        hours = [each for each in drift if each["window_size"] == "1h" and each["feature"] == "numeric.price"]
        assert sum(each["n"] for each in hours) == 600
        assert [each["drifted"] for each in hours] == [True, True]
        document = world.window("1d", "2026-03-03")
        assert (document["drifted_features"], document["drift_measured"], document["drift_share"]) == (1, 5, 0.2)
        assert document["drift_reference"] == name
        before = world.window("1d", "2026-03-02")
        assert (before["drift_share"], before["drift_undefined"]) == (None, "no_reference")
        shapes = [each for each in world.documents("model-curves").values() if each["curve"] == "feature"]
        prices = [each for each in shapes if each["feature"] == "numeric.price" and each["window_size"] == "1d"]
        assert sum(each["share"] for each in prices if each["model_version"] == "1") == pytest.approx(1.0)
        assert sum(each["share_reference"] for each in prices if each["model_version"] == "1") == pytest.approx(1.0)

    def test_drift_does_not_change_when_it_is_computed_again(self, world: World) -> None:
        """A rerun writes nothing; late predictions are counted."""
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

        days = [each for each in world.documents("model-drift").values() if each["window_size"] == "1d"]
        assert {each["n"] for each in days if each["feature"] == "score"} == {601}

    def test_too_few_values_say_nothing(self, world: World) -> None:
        """Below the least number of values there is a reason instead of a verdict."""
        world.deliver(*self.traffic(0, 0.0), *self.traffic(1, 1.0, count=50))
        self.learn(world, FINAL)

        world.cycle(FINAL + self.DAY, **self.SETTINGS)

        drift = list(world.documents("model-drift").values())
        assert {(each["drifted"], each["undefined"]) for each in drift} == {(None, "insufficient_data")}
        assert world.window("1d", "2026-03-03")["drift_undefined"] == "insufficient_data"

    def test_estimates_are_calibrated_by_the_reference(self, world: World) -> None:
        """Scores three times too high give a wrong rate before, and nearly the right one with what was learnt."""
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

    def test_the_command_makes_keeps_and_lists_references(
        self,
        world: World,
        clean_indices: Cluster,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Of a past range and of a table; where there is nothing to learn from, one line says so."""
        reached = clean_indices.settings("monitor_agent")
        for name, value in (("URL", reached.url[0]), ("USERNAME", reached.username), ("PASSWORD", reached.password)):
            monkeypatch.setenv(f"ELASTICSEARCH_{name}", value)
        world.deliver(*self.traffic(0, 0.0, count=50))
        table = tmp_path / "training.csv"
        table.write_text("numeric.price,categorical.shop,clicks\n1.5,a,0\n2.5,b,1\n,a,0\n", encoding="utf-8")
        asked = ["reference", "--model", "click"]

        assert main([*asked, "--from", "2026-03-02", "--to", "2026-03-03"]) == 0
        assert "valid for windows from 2026-03-03T00:00:00Z on" in capsys.readouterr().out
        assert main([*asked, "--file", str(table), "--since", "2026-03-09"]) == 0
        assert main(asked) == 0

        listed = [line for line in capsys.readouterr().out.splitlines() if "2026-03-0" in line and " #" in line]
        assert [line.split()[0] for line in listed[-2:]] == ["2026-03-02T00:00:00Z", "training.csv"]
        assert main([*asked, "--json"]) == 0
        documents = json.loads(capsys.readouterr().out)
        assert [document["since"][:10] for document in documents] == ["2026-03-03", "2026-03-09"]
        assert documents[1]["features"]["categorical.shop"]["counts"] == {"a": 2, "b": 1}
        assert main(["reference", "--model", "other", "--from", "2026-03-02", "--to", "2026-03-03"]) == 1
        assert "other has no predictions" in capsys.readouterr().err
