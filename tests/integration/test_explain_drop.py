"""`monitor-agent explain-drop` on predictions with known labels: what a person reads who was woken by an alert."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from monitor_agent.cli import main
from tests.cluster import Cluster
from tests.command_environments import analyst_variables
from tests.factories import START, Document, deliver, make_prediction, make_release

HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
RANGE = ("--from", "2026-03-02T10:00Z", "--to", "2026-03-02T12:00Z")
N = 600


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
        prediction["feedback"] = {"label": 1} if index < clicks else {}
        documents.append(prediction)
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
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "nobody", *RANGE), "nobody has no predictions with known labels"),
        (("--model", "alone", *RANGE), "no predictions with known labels to compare with"),
        (("--model", "broken", "--version", "2", "--against", "2", *RANGE), "are the same version"),
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
