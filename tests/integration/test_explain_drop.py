"""`monitor-agent explain-drop` on predictions with known labels: what a person reads who was woken by an alert."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from monitor_agent.cli import main
from monitor_agent.es.drop_explanation import explain_drop
from monitor_agent.es.gateway import Gateway
from monitor_agent.pipeline.instants import Interval
from monitor_agent.pipeline.model_scopes import SettingsByModel
from monitor_agent.root_causes.searches import DropQuestion
from monitor_agent.settings import AgentSettings
from tests.cluster import Cluster
from tests.command_environments import analyst_variables
from tests.factories import START, Document, deliver, make_prediction, make_release
from tests.integration.kinds_world import of_class, of_number

MINUTE, HOUR, WEEK = timedelta(minutes=1), timedelta(hours=1), timedelta(days=7)
RANGE = ("--from", "2026-03-02T10:00Z", "--to", "2026-03-02T12:00Z")
N = 600
ONE_MINUTE = 60 * 10**9
"""In nanoseconds: after this time the clicks come."""


def clicked(number: int, clicks: int, at: datetime, device: int = 0, **of_prediction: Any) -> list[Document]:
    """Return predictions in an hour, the first `clicks` of them with the label 1, as the agent has joined them."""
    documents = []
    for index in range(number):
        prediction = make_prediction(at + index * timedelta(seconds=3), 0.75 if index % 3 else 0.25, **of_prediction)
        prediction["features"] = {
            "categorical": {"device": "ab"[(index + device) % 2]},
            "numeric": {"price": index % 7},
        }
        prediction["item"] = {"id": "1", "position": index % 5 + 1}
        prediction["feedback"] = {"label": 1, "delay": ONE_MINUTE} if index < clicks else {}
        documents.append(prediction)
    return documents


def late(documents: list[Document]) -> list[Document]:
    """Return predictions whose clicks came after 20 minutes."""
    for document in documents:
        if document["feedback"]:
            document["feedback"]["delay"] = 20 * ONE_MINUTE
    return documents


def young_fall(model: str, at: datetime) -> list[Document]:
    """Return half an hour of two versions and of the week before: the new one lost the early clicks of one scene.

    Of the old version and a week ago, as many clicks again came after more than 5 minutes.
    """
    documents = []
    for version, start, ad_clicks in (("1", at, 180), ("2", at, 30), ("2", at - WEEK, 180)):
        late_clicks = 180 if (version, start) != ("2", at) else 0
        for scene, clicks in (("search", 180), ("ad", ad_clicks)):
            documents += clicked(N - 180, clicks, start, model=model, version=version, scene=scene)
            documents += late(clicked(180, late_clicks, start, model=model, version=version, scene=scene))
    return documents


def judged_kinds() -> list[Document]:
    """Return a multiclass model and a regression whose version 2 is worse in one scene, joined with their truth."""
    documents = []
    for version in ("1", "2"):
        for index in range(N):
            scene = ("search", "ad")[index % 2]
            is_worse = (version, scene) == ("2", "ad")
            at = START + index * timedelta(seconds=3)
            is_right = index % 10 >= (6 if is_worse else 2)
            predicted = "boots" if is_right else "hats"
            shoe = of_class(0, predicted, None, at, model="shoes", version=version, scene=scene)
            shoe |= {"feedback": {"class": "boots"}, "outcome": "correct" if is_right else "incorrect"}
            error = (6.0 if is_worse else 2.0) * (1 + index % 3) * (-1) ** (index // 2)
            price = of_number(0, 50.0 + error, at, model="price", version=version, scene=scene)
            price["feedback"] = {"truth": 50.0, "error": error}
            documents += [shoe, price]
    return documents


@pytest.fixture(scope="module")
def stored_predictions(installed: Cluster) -> None:
    """Store models whose rates fall for known reasons."""
    release = {**make_release(START, version="2"), "model": {"name": "broken", "version": "2"}}
    documents: list[Document] = [release]
    for version, ad_clicks in (("1", 180), ("2", 30)):
        documents += clicked(N, 180, START, model="broken", version=version, scene="search")
        documents += clicked(N, ad_clicks, START + HOUR, model="broken", version=version, scene="ad")
    # The same rates in both weeks, but fewer predictions of the scene with the high rate.
    for at, search in ((START - WEEK, 900), (START, 300)):
        documents += clicked(search, search * 3 // 10, at, model="mix", scene="search")
        documents += clicked(1200 - search, (1200 - search) // 20, at + HOUR, model="mix", scene="ad")
    for at, clicks in ((START - WEEK, 180), (START, 90)):
        for scene in ("search", "ad"):
            documents += clicked(N, clicks, at, model="everywhere", scene=scene)
    documents += clicked(20, 4, START, model="alone")
    documents += [*young_fall("young", START), *judged_kinds()]
    with installed.client() as admin:
        deliver(admin, documents)


@pytest.fixture
def as_analyst(
    stored_predictions: None,  # noqa: ARG001 - the commands read them
    elasticsearch: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Let the commands run as an analyst."""
    for name, value in analyst_variables(elasticsearch).items():
        monkeypatch.setenv(name, value)


def explained(capsys: pytest.CaptureFixture[str], model: str, *more: str) -> dict[str, Any]:
    """Return the JSON of the command about a model."""
    capsys.readouterr()
    assert main(["explain-drop", "--model", model, *RANGE, *more, "--json"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


@pytest.mark.usefixtures("as_analyst")
def test_the_segment_that_fell_is_the_only_cause(capsys: pytest.CaptureFixture[str]) -> None:
    """One scene of the new version fell: it stands first, and what only shares its predictions is no cause."""
    answer = explained(capsys, "broken", "--version", "2", "--against", "1")

    assert answer["verdict"] == "segment"
    first = answer["causes"][0]
    assert (first["dimension"], first["value"]) in {("labels.scene", "ad"), ("hour", "2026-03-02T11:00:00Z")}
    (ad,) = [row for row in answer["findings"] if (row["dimension"], row["value"]) == ("labels.scene", "ad")]
    assert (ad["before"], ad["after"], ad["n_before"], ad["n_after"]) == (180 / N, 30 / N, N, N)
    assert answer["difference"] == pytest.approx((180 + 30) / (2 * N) - (180 + 180) / (2 * N))
    assert answer["difference_high"] < 0
    assert ad["share"] == pytest.approx(1.0)
    assert not any(row["is_a_cause"] for row in answer["findings"] if row["dimension"].startswith("features."))
    assert "version 2 at 2026-03-02T10:00:00" in str(answer["other_changes"])


@pytest.mark.usefixtures("as_analyst")
def test_a_shifted_mix_blames_no_segment(capsys: pytest.CaptureFixture[str]) -> None:
    """Both scenes click as last week, but the one with many clicks is rarer (Simpson's case)."""
    answer = explained(capsys, "mix")

    assert answer["before"]["from"] == "2026-02-23T10:00:00Z"
    assert (answer["verdict"], answer["mix_shift"]["dimension"]) == ("mix_shift", "labels.scene")
    assert answer["mix_shift"]["share"] == pytest.approx(1.0)
    assert answer["sentence"].startswith("Mix shift, no segment is worse")


@pytest.mark.usefixtures("as_analyst")
def test_a_fall_of_all_segments_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """All scenes fell alike: no segment is named; the table for people says the same as the JSON."""
    answer = explained(capsys, "everywhere")

    assert (answer["verdict"], answer["causes"]) == ("everywhere", [])
    assert main(["explain-drop", "--model", "everywhere", *RANGE]) == 0
    assert answer["sentence"] in capsys.readouterr().out
    assert explained(capsys, "everywhere", "--metric", "f1")["difference"] < 0


@pytest.mark.usefixtures("as_analyst")
def test_positives_are_counted_at_equal_age(capsys: pytest.CaptureFixture[str]) -> None:
    """Only clicks within five minutes count, on both sides: late clicks of the reference blame nobody."""
    early = explained(capsys, "young", "--version", "2", "--against", "1", "--age", "5m")

    assert (early["age"], early["verdict"]) == ("5m", "segment")
    assert [(row["dimension"], row["value"]) for row in early["causes"]] == [("labels.scene", "ad")]
    assert (early["before"]["successes"], early["after"]["successes"]) == (360, 210)
    final = explained(capsys, "young", "--version", "2", "--against", "1")
    assert (final["age"], final["before"]["successes"]) == ("final", 720)
    assert main(["explain-drop", "--model", "young", *RANGE, "--age", "5m"]) == 0
    assert "clicks within 5m after the prediction; predictions younger than 7m" in capsys.readouterr().out


def test_a_young_fall_is_explained_without_final_labels(stored_predictions: None, installed: Cluster) -> None:  # noqa: ARG001
    """Half an hour after a release no label is final: the usual age is five minutes, and too young predictions wait."""
    question = DropQuestion("young", "2", Interval(START, START + HOUR), "last-week")
    rules = SettingsByModel.of_process(AgentSettings(segments=("scene",)))
    with installed.client() as admin:
        drop = explain_drop(Gateway(admin), question, rules, START + 27 * MINUTE)
        later = explain_drop(Gateway(admin), question, rules, START + 3 * HOUR)

    assert (drop.comparison.rule.age_text, drop.verdict) == ("5m", "segment")
    assert [(row.dimension, row.value) for row in drop.causes] == [("labels.scene", "ad")]
    assert drop.whole.after.trials == 2 * (20 * 60 // 3 + 1 + 180)  # those of the last 7 minutes wait
    assert later.comparison.rule.age is None


@pytest.mark.usefixtures("as_analyst")
@pytest.mark.parametrize(
    ("model", "metric", "before", "after"), [("shoes", "accuracy", 0.8, 0.4), ("price", "mae", 4.0, 12.0)]
)
def test_other_kinds_are_split_by_their_own_metric(
    model: str, metric: str, before: float, after: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """The scene whose accuracy fell, or whose errors rose, is the cause, and rate and mix are the change."""
    answer = explained(capsys, model, "--version", "2", "--against", "1")

    assert (answer["metric"], answer["verdict"]) == (metric, "segment")
    first = answer["causes"][0]
    assert (first["dimension"], first["value"], first["n_after"]) == ("labels.scene", "ad", N // 2)
    assert (first["before"], first["after"]) == pytest.approx((before, after))
    assert answer["difference"] == pytest.approx((after - before) / 2)
    assert first["share"] == pytest.approx(1.0)
    assert main(["explain-drop", "--model", model, *RANGE, "--version", "2", "--against", "1"]) == 0
    assert ("rose" if metric == "mae" else "fell") + f" from {before:g} to {after:g}" in capsys.readouterr().out


@pytest.mark.usefixtures("as_analyst")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "nobody", *RANGE), "nobody has no predictions with known labels"),
        (("--model", "alone", *RANGE), "no predictions with known labels to compare with"),
        (("--model", "broken", "--version", "2", "--against", "2", *RANGE), "are the same version"),
        (("--model", "broken", "--age", "soon", *RANGE), "--age soon: 'soon' is no fixed length of time"),
        (("--model", "broken", "--age", "2h", *RANGE), "--age 2h is not between 0 and the attribution window"),
        (("--model", "shoes", "--metric", "f1", *RANGE), "f1 of a multiclass model cannot be split"),
        (("--model", "price", "--age", "5m", *RANGE), "price is a regression model"),
        (("--model", "broken", "--from", "2026-03-03", "--to", "2026-03-02"), "--from is not before --to"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown model, a model without a past, and wrong arguments each give one line that says what to do."""
    assert main(["explain-drop", *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) <= 2
