"""The commands for analysts, on the documents that the agent wrote for real events."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from monitor_agent.cli import main
from tests.cluster import Cluster
from tests.command_environments import analyst_variables
from tests.factories import START, Document, make_feedback, make_prediction
from tests.integration.agent_world import MUCH_LATER, World, world_on

MINUTES = (0, 59, 62, 69)
RATES = {"1": 0.2, "2": 0.5}
RunCommand = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def traffic() -> tuple[list[Document], list[Document]]:
    """Return predictions of two versions and two scenes in four minutes of 70, and clicks, more on version 2."""
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
    clicks = [
        make_feedback(prediction) for prediction in predictions if dice.random() < RATES[prediction["model"]["version"]]
    ]
    return predictions, clicks


@pytest.fixture(scope="module")
def world(installed: Cluster, traffic: tuple[list[Document], list[Document]]) -> Iterator[World]:
    """Yield the world after one cycle over the traffic; no test here writes to it."""
    with world_on(installed) as module_world:
        module_world.deliver(*traffic[0], *traffic[1])
        module_world.cycle(START + MUCH_LATER)
        yield module_world


@pytest.fixture
def run_command(
    world: World,  # noqa: ARG001 - the commands read its documents
    elasticsearch: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> RunCommand:
    """Return a function that runs a command as an analyst and returns its status, output and errors."""
    for name, value in analyst_variables(elasticsearch).items():
        monkeypatch.setenv(name, value)

    def run(*argv: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(argv)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def json_answer(run_command: RunCommand, *argv: str) -> dict[str, Any]:
    """Return the JSON that a command prints."""
    status, out, err = run_command(*argv, "--json")
    assert status == 0, err
    answer: dict[str, Any] = json.loads(out)
    return answer


def counted(predictions: list[Document], clicks: list[Document], **filters: str | None) -> tuple[int, int]:
    """Return the numbers of predictions and clicked predictions of a version, a scene or both."""
    clicked_ids = {click["prediction"]["id"] for click in clicks}
    matching = [
        prediction
        for prediction in predictions
        if filters.get("version") in (None, prediction["model"]["version"])
        and filters.get("scene") in (None, prediction.get("labels", {}).get("scene"))
    ]
    return len(matching), sum(prediction["prediction"]["id"] in clicked_ids for prediction in matching)


def test_totals_count_the_delivered_events(
    run_command: RunCommand, traffic: tuple[list[Document], list[Document]]
) -> None:
    """The totals of a day count the predictions and clicks of each version and scene, and of all together."""
    rows = json_answer(
        run_command, "totals", "--from", "2026-03-02", "--to", "2026-03-03", "--by", "labels.scene", "--by", "version"
    )["totals"]

    counts = {
        (row["model_version"], row["segment"]): (row["predictions"], row["tp"] + row["fn"])
        for row in rows
        if not row["segment"].endswith("=other")
    }
    assert counts == {
        (version, segment): counted(*traffic, version=version, scene=scene)
        for version in "12"
        for segment, scene in (("all", None), ("labels.scene=search", "search"), ("labels.scene=ad", "ad"))
    }


def test_a_range_is_merged_from_the_largest_windows_that_fit(
    run_command: RunCommand, traffic: tuple[list[Document], list[Document]]
) -> None:
    """The range from 09:58 to 11:03 is one hour, and the one minute of the next hour that has events."""
    (row,) = json_answer(run_command, "totals", "--from", "2026-03-02T09:58:00Z", "--to", "2026-03-02T11:03:00Z")[
        "totals"
    ]

    inside = [prediction for prediction in traffic[0] if prediction["@timestamp"] < "2026-03-02T11:03"]
    assert row["predictions"] == len(inside)
    assert row["windows"] == {"final": 1 + 1}
    assert (row["maturity"], row["coverage"]) == (1.0, 1.0)


def test_totals_are_printed_as_a_table(run_command: RunCommand) -> None:
    """It has one line for each group, with the interval below the value."""
    status, out, _ = run_command("totals", "--from", "2026-03-02", "--to", "2026-03-03", "--by", "labels.scene")

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
def test_a_command_without_an_answer_prints_one_line(run_command: RunCommand, argv: list[str], complaint: str) -> None:
    """Unknown names and empty ranges end with status 1; the line names the valid values or the way out."""
    status, out, err = run_command(*argv)

    assert (status, out) == (1, "")
    assert complaint in err
    assert len(err.splitlines()) == 1


def test_a_better_version_is_recognized(
    run_command: RunCommand, traffic: tuple[list[Document], list[Document]]
) -> None:
    """The version with more than twice as many clicks is better; the interval does not include zero."""
    answer = json_answer(run_command, "compare", "--baseline", "1", "--candidate", "2", "--by", "labels.scene")

    (ctr,) = [row for row in answer["segments"]["all"] if row["metric"] == "ctr"]
    baseline, candidate = counted(*traffic, version="1"), counted(*traffic, version="2")
    assert answer["verdict"] == ctr["verdict"] == "better"
    assert ctr["difference"] == pytest.approx(candidate[1] / candidate[0] - baseline[1] / baseline[0])
    assert 0 < ctr["interval"]["low"] < ctr["difference"] < ctr["interval"]["high"]
    assert {"labels.scene=search", "labels.scene=ad"} <= set(answer["segments"])
    assert "at random" in answer["causal"]


def test_a_comparison_is_a_table_with_a_verdict(run_command: RunCommand) -> None:
    """It shows the verdict and its limits."""
    status, out, _ = run_command("compare", "--baseline", "2", "--candidate", "1")

    assert status == 0
    assert "verdict (ctr): version 1 is worse than version 2" in out
    assert "assigned to the versions at random" in out


def test_a_window_is_explained(run_command: RunCommand, world: World) -> None:
    """The id and the model, size and start lead to the same text, with reasons for undefined values."""
    hour = next(
        identifier
        for identifier, document in world.documents().items()
        if (document["window_size"], document["model_version"], document["segment"]) == ("1h", "all", "all")
    )

    status, by_id, _ = run_command("explain-window", hour)
    named = run_command("explain-window", "--model", "click", "--size", "1h", "--start", "2026-03-02T10:30:00Z")

    assert (status, by_id) == (named[0], named[1])
    assert "no label can arrive in time any more" in by_id
    assert "the predictions carry no propensity" in by_id
    document = world.documents()[hour]
    assert json_answer(run_command, "explain-window", hour)["document"]["predictions"] == document["predictions"]
