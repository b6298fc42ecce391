"""Event files that an earlier release counted wrong (`tests/data/cases`), from the file to the right numbers.

Each test delivers files of several models side by side with the product's pipeline, and runs cycles at given times.
"""

from __future__ import annotations

import gzip
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor_agent.cli import main
from monitor_agent.logstash import runner
from tests.cluster import Cluster
from tests.integration.agent_world import World
from tests.pipelines import PipelineSandbox
from tests.waiting import wait_until

FOLDER = Path(__file__).parents[1] / "data" / "cases"
DAY = timedelta(days=1)
HOURS: dict[str, Any] = {"base_window": timedelta(hours=1), "larger_windows": (DAY,)}
FIVE_MINUTES: dict[str, Any] = {"base_window": timedelta(minutes=5)}
"""The lists go over the end of such a window, too."""


@dataclass(frozen=True)
class Right:
    """A metrics document of a case, and values that are right in it."""

    case: str
    model: str
    values: dict[str, Any]
    version: str = "all"
    segment: str = "all"
    size: str = "1d"


@pytest.fixture
def deliver(cluster: Cluster, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that sends the files of cases through the pipeline."""
    monkeypatch.setattr(runner, "STATISTICS_SECONDS", 0.05)

    def send(*names: str) -> None:
        sandbox = PipelineSandbox(tmp_path / names[0], cluster.url, "pipeline_writer", cluster.users["pipeline_writer"])
        for name in names:
            sandbox.append(read(f"{name}.ndjson").removesuffix(b"\n"), name=f"{name}.ndjson")
        with sandbox.running():
            wait_until(lambda: sandbox.statistics().get("delivered"))
        world.admin.indices.refresh(index="model-*")

    return send


def read(name: str) -> bytes:
    """Return the content of a file."""
    path = FOLDER / name
    return path.read_bytes() if path.exists() else gzip.decompress(Path(f"{path}.gz").read_bytes())


def at(moment: str) -> datetime:
    """Return a time of UTC."""
    return datetime.fromisoformat(f"{moment}:00+00:00")


def check(world: World, rows: tuple[Right, ...]) -> None:
    """Compare the values of each row with its one document."""
    documents = {key[:4]: document for key, document in world.by_key().items() if key[3] != "5m"}
    for row in rows:
        document = documents[row.model, row.version, row.segment, row.size]
        actual = {name: document[name] for name in row.values}
        assert actual == pytest.approx(row.values, abs=5e-7), (row.case, row.model, row.version, row.segment)


def refused(world: World) -> Counter[tuple[str, str]]:
    """Return the dead letters by case and reason."""
    letters = world.documents("model-deadletters").values()
    return Counter((Path(letter["log"]["file"]["path"]).stem, letter["error"]["type"]) for letter in letters)


ESTIMATES = ("estimated_precision", "estimated_recall", "estimated_accuracy")
ERRORS = {"errors": 10, "error_rate": 0.5, "throughput": 20 / 3600}
CLICKS = (
    Right("conversion-rate", "conv", {"conversion_rate": 0.0, "conversion_rate_high": 0.2775328}),
    Right("error-rate-by-segment", "errseg", ERRORS, size="1h"),
    Right("error-rate-by-segment", "errseg", ERRORS, segment="labels.scene=ad", size="1h"),
    Right("estimate-two-thresholds", "thr", dict.fromkeys(ESTIMATES, 0.59)),
    Right("estimate-two-thresholds", "thr", {"estimated_precision": 0.95}, version="1"),
    Right("estimate-two-thresholds", "thr", {"estimated_precision": 0.55}, version="2"),
    Right(
        "feedback-without-time", "late", {"n": 10, "matched": 4, "orphan": 0, "ctr": 0.4, "state": "final"}, size="1h"
    ),
    Right("forty-clicks", "dup40", {"n": 1, "matched": 1, "duplicate": 39}),
    Right("list-over-an-edge", "edge", {"ndcg_at_5": 0.8772153, "map_at_5": 0.75}, size="1h"),
    Right("list-over-an-edge", "edge2", {"mrr": 0.25, "requests_without_click": 0.5}, size="1h"),
    Right("poison-value and poison-log-loss", "m", {"predictions": 1, "n": 1, "matched": 0}),
    Right("poison-value and poison-log-loss", "healthy", {"predictions": 5, "n": 5, "tn": 5}),
    Right("reference-label", "ref", {"predictions": 1500, "fp": 487, "tn": 1013}),
)


def test_clicks_lists_errors_and_references(
    cluster: Cluster, world: World, deliver: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers at the edges of windows, and lines that once stopped each cycle, beside models that are right."""
    settings = cluster.settings("monitor_agent")
    for name, value in (("URL", settings.url[0]), ("USERNAME", settings.username), ("PASSWORD", settings.password)):
        monkeypatch.setenv(f"ELASTICSEARCH_{name}", value)
    table = tmp_path / "train.csv"
    table.write_bytes(read("reference-label.csv"))
    assert main(["reference", "--model", "ref", "--file", str(table), "--since", "2026-07-01"]) == 0
    deliver("feedback-without-time-clicks")
    world.cycle(at("2026-07-01T10:10"), **FIVE_MINUTES)
    assert world.statuses() == ["waiting"] * 4
    deliver(
        *("conversion-rate", "error-rate-by-segment", "estimate-two-thresholds", "feedback-without-time-predictions"),
        *("forty-clicks", "list-over-an-edge", "poison-log-loss", "poison-value", "reference-label"),
    )

    world.cycle(at("2026-07-01T12:00"), **FIVE_MINUTES)

    check(world, CLICKS)
    assert Counter(key[0] for key in world.by_key())["healthy"] == 6
    assert refused(world) == {
        ("poison-log-loss", "bad prediction.log_loss"): 1,
        ("poison-value", "bad feedback.value"): 1,
    }
    # The column `label` of the table is the truth: the predicted labels have no reference, so their share is no drift.
    drift = {document["feature"]: document["drifted"] for document in world.documents("model-drift").values()}
    assert drift == {"score": False}


HALF = {"n": 30, "predictions": 30, "tp": 11, "brier": 0.140214, "log_loss": 0.439121, "score_mean": 0.513476}
REFUSALS = {
    ("no-label", "bad prediction.label"): 30,
    ("no-score", "bad prediction.score"): 30,
    ("no-version", "bad model.version"): 30,
    ("null-score", "bad prediction.score"): 30,
    ("huge-value", "bad feedback.value"): 1,
    ("scores-outside-0-1", "bad prediction.score"): 48,
    ("version-named-all", "bad model.version"): 40,
}
SERVERS = (
    *(Right(name, name, HALF) for name in ("no-label", "no-score", "no-version", "null-score")),
    Right("no-log-loss", "no-log-loss", {"n": 60, "tp": 27, "brier": 0.125240, "score_mean": 0.543485}),
    Right("best-f1-of-tiny-scores", "tiny", {"best_f1": 0.211982, "best_f1_error_bound": 0.0, "auc": 0.373618}),
    Right("huge-value", "healthy", {"n": 1, "tp": 1}, size="1h"),
    Right("huge-value", "shop", {"n": 1, "value_per_thousand": 0.0}),
    Right("one-order-three-items", "order", {"n": 9, "tp": 9, "matched": 9}),
    Right("scores-outside-0-1", "logits", {"n": 12, "auc": 0.5833333, "auc_error_bound": 0.0}),
    Right("several-purchases", "two-purchases", {"value_per_thousand": 30_000, "duplicate": 0}),
    Right("several-purchases", "refund", {"value_per_thousand": 0, "duplicate": 0}),
    Right("upper-case-id", "upper", {"n": 2, "tp": 2}),
    Right("version-named-all", "versions", {"predictions": 80}),
    Right("version-named-all", "versions", {"predictions": 40}, version="1"),
)


def test_event_files_of_other_servers(world: World, deliver: Any) -> None:
    """Lines that lack what a metric needs are refused with a reason; all others count."""
    deliver(
        *("no-label", "no-log-loss", "no-score", "no-version", "null-score", "best-f1-of-tiny-scores", "huge-value"),
        *("one-order-three-items", "scores-outside-0-1", "several-purchases", "upper-case-id", "version-named-all"),
    )

    report = world.cycle(at("2026-11-21T12:00"), **HOURS)

    check(world, SERVERS)
    assert refused(world) == REFUSALS
    assert not report.not_counted
    (loss,) = {document["log_loss"] for key, document in world.by_key().items() if key[0] == "no-log-loss"}
    assert loss == pytest.approx(0.405014, abs=0.002)


def test_chargebacks_after_sixty_days(world: World, deliver: Any) -> None:
    """The attribution window is 90 days, and events are kept for longer."""
    patient: dict[str, Any] = {"feedback_type": "label", "attribution_window": 90 * DAY}
    patient |= {"retention": True, "retention_events": 150 * DAY, **HOURS}
    deliver("chargebacks-predictions")
    for moment in ("2026-08-21T12:00", "2026-09-25T12:00"):
        world.cycle(at(moment), **patient)
    deliver("chargebacks")
    for moment in ("2026-10-20T12:00", "2026-11-25T12:00"):
        world.cycle(at(moment), **patient)

    assert world.statuses() == ["matched"] * 15
    counts = {"n": 100, "tp": 15, "fp": 5, "fn": 0, "tn": 80, "coverage": 1.0, "state": "final"}
    check(world, (Right("attribution-longer-than-retention", "fraud", counts),))
