"""The commands that answer analysts' questions, on the documents that the agent wrote from real events."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from monitor_agent.cli import main
from tests.cluster import Cluster
from tests.factories import START, Document, make_feedback, make_prediction
from tests.integration.agent_world import MUCH_LATER, World, world_on

MINUTES = (0, 59, 62, 69)
RATES = {"1": 0.2, "2": 0.5}
Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def traffic() -> tuple[list[Document], list[Document]]:
    """Return predictions of two versions and two scenes in a few minutes of 70; version 2 is clicked more."""
    dice = random.Random(4)
    predictions = [
        make_prediction(
            START + timedelta(minutes=dice.choice(MINUTES), seconds=dice.randrange(60)),
            dice.random(),
            version=dice.choice("12"),
            scene=dice.choice(["search", "ad", None]),
        )
        for _ in range(400)
    ]
    clicks = [make_feedback(each) for each in predictions if dice.random() < RATES[each["model"]["version"]]]
    return predictions, clicks


@pytest.fixture(scope="module")
def world(installed: Cluster, traffic: tuple[list[Document], list[Document]]) -> Iterator[World]:
    """Yield the world after one cycle over the traffic; no test here writes to it."""
    with world_on(installed) as made:
        made.deliver(*traffic[0], *traffic[1])
        made.cycle(START + MUCH_LATER)
        yield made


@pytest.fixture
def ask(
    world: World,  # noqa: ARG001 - what is asked about
    elasticsearch: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Ask:
    """Return a function that runs a command as an analyst: exit status, output, complaints."""
    user = "analyst" if "analyst" in elasticsearch.users else elasticsearch.admin
    monkeypatch.setenv("ELASTICSEARCH_URL", elasticsearch.url)
    monkeypatch.setenv("ELASTICSEARCH_USERNAME", user)
    monkeypatch.setenv("ELASTICSEARCH_PASSWORD", elasticsearch.users[user])

    def run(*argv: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(argv)
        told = capsys.readouterr()
        return status, told.out, told.err

    return run


def asked(ask: Ask, *argv: str) -> dict[str, Any]:
    """Return what a command says as JSON."""
    status, out, err = ask(*argv, "--json")
    assert status == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def counted(predictions: list[Document], clicks: list[Document], **wanted: str | None) -> tuple[int, int]:
    """Return predictions and clicks of a version, a scene or both."""
    clicked = {each["prediction"]["id"] for each in clicks}
    kept = [
        each
        for each in predictions
        if wanted.get("version") in (None, each["model"]["version"])
        and wanted.get("scene") in (None, each.get("labels", {}).get("scene"))
    ]
    return len(kept), sum(each["prediction"]["id"] in clicked for each in kept)


def test_totals_are_what_was_delivered(ask: Ask, traffic: tuple[list[Document], list[Document]]) -> None:
    """Each version and scene of a whole day has its own predictions and clicks, and all together have all."""
    told = asked(
        ask, "totals", "--from", "2026-03-02", "--to", "2026-03-03", "--by", "labels.scene", "--by", "version"
    )["totals"]

    found = {
        (row["model_version"], row["segment"]): (row["predictions"], row["tp"] + row["fn"])
        for row in told
        if not row["segment"].endswith("=other")
    }
    assert found == {
        (version, segment): counted(*traffic, version=version, scene=scene)
        for version in "12"
        for segment, scene in (("all", None), ("labels.scene=search", "search"), ("labels.scene=ad", "ad"))
    }


def test_a_range_is_merged_from_the_largest_windows_that_fit(
    ask: Ask, traffic: tuple[list[Document], list[Document]]
) -> None:
    """From 09:58 to 11:03 it takes one hour and the one minute of the next that holds anything."""
    (row,) = asked(ask, "totals", "--from", "2026-03-02T09:58:00Z", "--to", "2026-03-02T11:03:00Z")["totals"]

    inside = [each for each in traffic[0] if each["@timestamp"] < "2026-03-02T11:03"]
    assert row["predictions"] == len(inside)
    assert row["windows"] == {"final": 1 + 1}
    assert (row["maturity"], row["coverage"]) == (1.0, 1.0)


def test_totals_are_a_table_for_people(ask: Ask) -> None:
    """One line a group, with the interval below the value."""
    status, out, _ = ask("totals", "--from", "2026-03-02", "--to", "2026-03-03", "--by", "labels.scene")

    assert status == 0
    assert "labels.scene=search" in out
    assert ".." in out
    assert "95 % interval" in out.splitlines()[-1]


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["totals", "--from", "2026-03-02", "--to", "2026-03-02"], "--from is not before --to"),
        (["totals", "--from", "2025-03-02", "--to", "2025-03-03"], "no metrics documents"),
        (["totals", "--from", "2026-03-02", "--to", "2026-03-03", "--version", "9"], "version 9 is unknown"),
        (["totals", "--from", "2026-03-02", "--to", "2026-03-03", "--model", "x"], "model x is unknown"),
        (["totals", "--from", "2026-03-02", "--to", "2026-03-03", "--by", "labels.x"], "--by labels.x is unknown"),
        (["compare", "--baseline", "1", "--candidate", "7"], "version 7 is unknown"),
        (["compare", "--baseline", "1", "--candidate", "1"], "the same version"),
        (["compare", "--baseline", "1", "--candidate", "2", "--from", "2027-01-01"], "no metrics documents"),
        (["explain-window", "nothing"], "there is no metrics document nothing"),
        (["explain-window"], "no window is named"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_question_without_an_answer_is_one_line(ask: Ask, argv: list[str], complaint: str) -> None:
    """Unknown names and empty ranges end with status 1 and say what is known or what to do."""
    status, out, err = ask(*argv)

    assert (status, out) == (1, "")
    assert complaint in err
    assert len(err.splitlines()) == 1


def test_a_better_version_is_found(ask: Ask, traffic: tuple[list[Document], list[Document]]) -> None:
    """The version that is clicked more than twice as often is better, by an interval without zero."""
    told = asked(ask, "compare", "--baseline", "1", "--candidate", "2", "--by", "labels.scene")

    (ctr,) = [row for row in told["segments"]["all"] if row["metric"] == "ctr"]
    base, ours = counted(*traffic, version="1"), counted(*traffic, version="2")
    assert told["verdict"] == ctr["verdict"] == "better"
    assert ctr["difference"] == pytest.approx(ours[1] / ours[0] - base[1] / base[0])
    assert 0 < ctr["interval"]["low"] < ctr["difference"] < ctr["interval"]["high"]
    assert {"labels.scene=search", "labels.scene=ad"} <= set(told["segments"])
    assert "at random" in told["causal"]


def test_a_comparison_is_a_table_with_a_verdict(ask: Ask) -> None:
    """People read both values, the interval, the verdict, and what it is worth."""
    status, out, _ = ask("compare", "--baseline", "2", "--candidate", "1")

    assert status == 0
    assert "verdict (ctr): version 1 is worse than version 2" in out
    assert "only where requests were assigned to the versions at random" in out


def test_a_window_is_explained(ask: Ask, world: World) -> None:
    """By its id or by what it is of, the same document is told in words, with reasons for what is undefined."""
    hour = next(
        identifier
        for identifier, each in world.documents().items()
        if (each["window_size"], each["model_version"], each["segment"]) == ("1h", "all", "all")
    )

    status, by_id, _ = ask("explain-window", hour)
    named = ask("explain-window", "--model", "click", "--size", "1h", "--start", "2026-03-02T10:30:00Z")

    assert (status, by_id) == (named[0], named[1])
    assert "no label can come in time any more" in by_id
    assert "the predictions carry no propensity" in by_id
    document = world.documents()[hour]
    assert asked(ask, "explain-window", hour)["document"]["predictions"] == document["predictions"]
