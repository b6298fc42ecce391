"""Metrics documents: the same state makes the same document, and only differences are written."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from monitor_agent.contracts.performance import PERFORMANCE
from monitor_agent.metrics import DURATION_EDGES, LogHistogram, WindowState, to_fixed_point
from monitor_agent.pipeline.documents import (
    CountedState,
    MetricsKey,
    PlannedWrite,
    coverage_of,
    metrics_document,
    not_alertable,
    planned_writes,
)
from monitor_agent.pipeline.windows import Calendar
from monitor_agent.settings import AgentSettings

SETTINGS = AgentSettings()
CALENDAR = Calendar(SETTINGS)
START = datetime(2026, 3, 2, 10, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
KEY = MetricsKey("click", "1", "labels.scene=search", CALENDAR.window("1h", START))
STATE = WindowState(
    predictions=5,
    impressions=5,
    mature=4,
    tp=1,
    fp=1,
    tn=2,
    matched=1,
    log_loss_pos=to_fixed_point(0.3),
)
FINAL = START + 2 * HOUR


def stored(state: WindowState = STATE, time_state: str = "final", revision: int = 1) -> dict[str, Any]:
    """Return a stored document."""
    return {**metrics_document(CountedState(KEY, state), time_state, SETTINGS), "revision": revision}


def test_coverage_is_a_share_of_the_predictions_whose_labels_count() -> None:
    """These are the mature ones; all shown ones if labels count early."""
    early = AgentSettings(feedback_type="label", absent_feedback="unknown")

    assert coverage_of(replace(STATE, mature=8, impressions=16), SETTINGS) == 0.5
    assert coverage_of(replace(STATE, mature=0, impressions=16), early) == 0.25
    assert coverage_of(replace(STATE, mature=0), SETTINGS) is None


def difference(state: WindowState, before: dict[str, Any] | None, now: datetime = FINAL) -> list[PlannedWrite]:
    """Return the writes that a counted state needs."""
    return planned_writes(CountedState(KEY, state), before, CALENDAR, now, SETTINGS)


def test_a_document_names_its_window_and_its_progress() -> None:
    """Its head names window, model, version, segment and label; maturity and coverage are shares."""
    document = stored(time_state="provisional")

    assert {name: document[name] for name in ("window_start", "window_end", "window_size", "segment", "labels")} == {
        "window_start": "2026-03-02T10:00:00Z",
        "window_end": "2026-03-02T11:00:00Z",
        "window_size": "1h",
        "segment": "labels.scene=search",
        "labels": {"scene": "search"},
    }
    assert document["@timestamp"] == document["window_start"]
    assert (document["maturity"], document["coverage"]) == (0.8, 1.0)
    assert WindowState.from_blob(document["state_blob"]) == STATE


@pytest.mark.parametrize(("base", "is_base"), [(HOUR, True), (timedelta(minutes=5), False)])
def test_a_document_says_whether_its_window_is_a_base_window(base: timedelta, is_base: bool) -> None:
    """Alerts ask for base windows, whatever their size is."""
    document = metrics_document(CountedState(KEY, STATE), "final", replace(SETTINGS, base_window=base))

    assert (document["window_size"], document["is_base_window"]) == ("1h", is_base)


def test_a_document_fits_its_contract() -> None:
    """All its fields are in the index: the mapping is strict."""
    head = {name.split(".")[0] for name in PERFORMANCE.fields}

    assert set(stored()) <= head


@hypothesis.given(st.lists(st.integers(0, 10**12), min_size=1, max_size=30), st.integers(1, 10**6))
def test_a_document_counts_the_requests_beyond_the_objective(times: list[int], limit: int) -> None:
    """Durations with the limit's first two digits do not count; without an objective there is no count."""
    state = WindowState(requests=len(times), duration=LogHistogram.from_values(times, DURATION_EDGES))
    settings = replace(SETTINGS, slo_latency=timedelta(microseconds=limit))
    document = metrics_document(CountedState(KEY, state), "final", settings)

    nanoseconds = limit * 1000
    surely = sum(time > 1.11 * nanoseconds for time in times)
    assert surely <= document["slow_requests"] <= sum(time > nanoseconds for time in times)
    assert "slow_requests" not in stored(state)


def test_shares_of_nothing_are_null() -> None:
    """Without predictions there is neither maturity nor coverage, and nothing to alert on."""
    document = stored(WindowState())

    assert (document["maturity"], document["coverage"], document["alertable"]) == (None, None, False)


@pytest.mark.parametrize(
    ("positives", "coverage", "maturity", "why"),
    [
        (30, 0.9, 0.95, []),
        (29, 1.0, 1.0, ["few_positives"]),
        (99, 0.89, 1.0, ["low_coverage"]),
        (99, 1.0, 0.94, ["immature"]),
        (0, None, None, ["few_positives", "low_coverage", "immature"]),
    ],
)
def test_all_gates_must_be_reached(
    positives: int, coverage: float | None, maturity: float | None, why: list[str]
) -> None:
    """Positives, coverage and maturity; the reasons name the gates that are not reached."""
    assert not_alertable(WindowState(tp=positives), coverage, maturity, SETTINGS) == why


def test_different_keys_have_different_ids() -> None:
    """Another model, version, segment, window or size is another document; the same key is the same on any machine."""
    other_keys = [
        replace(KEY, model="clic", version="k1"),
        replace(KEY, version="all"),
        replace(KEY, segment="all"),
        replace(KEY, window=CALENDAR.window("1h", START + HOUR)),
        replace(KEY, window=CALENDAR.window("1d", START)),
        replace(KEY, window=CALENDAR.window("1m", START)),
    ]

    assert len({key.id for key in [KEY, *other_keys]}) == 7
    assert KEY.id == "1bf9b7263adbd4080e71bdd6ec89de2b"
    assert KEY.index == "model-performance-2026.03"


def test_the_first_document_is_revision_one() -> None:
    """It is written with its revision as external version."""
    (write,) = difference(STATE, None)

    assert (write.index, write.id, write.version) == (KEY.index, KEY.id, 1)
    assert (write.document["revision"], write.document["state"]) == (1, "final")


@pytest.mark.parametrize("time_state", ["final", "restated"])
def test_the_same_content_is_not_written_again(time_state: str) -> None:
    """A rerun writes nothing, even if a sum differs by rounding."""
    rounding = replace(STATE, log_loss_pos=to_fixed_point(0.1 + 0.2))

    assert difference(STATE, stored(time_state=time_state, revision=4)) == []
    assert difference(rounding, stored(time_state=time_state, revision=4)) == []


def test_a_changed_time_state_is_a_revision() -> None:
    """The document becomes final without another change; it was not final before, so nothing is restated."""
    (write,) = difference(STATE, stored(time_state="provisional", revision=2))

    assert (write.document["state"], write.document["revision"], write.version) == ("final", 3, 3)


def test_a_final_document_that_changes_is_restated() -> None:
    """Its former content is written with its revision and the reason, before the new content."""
    before = stored(revision=3)

    restatement, write = difference(replace(STATE, matched=2, tp=2, tn=1), before)

    assert (write.document["state"], write.document["revision"], write.version) == ("restated", 4, 4)
    assert (restatement.index, restatement.version) == ("model-restatements-2026.03", None)
    assert restatement.document["document"] == before
    assert (restatement.document["revision"], restatement.document["reason"]) == (3, "late_feedback")


@pytest.mark.parametrize(
    ("count", "reason"),
    [
        ("predictions", "late_predictions"),
        ("errors", "late_errors"),
        ("orphan", "late_feedback"),
        ("fp", "recomputed"),
    ],
)
def test_a_restatement_has_a_reason(count: str, reason: str) -> None:
    """Late predictions, late errors, late feedback; any other difference comes from the computation."""
    restatement, _ = difference(replace(STATE, **{count: getattr(STATE, count) + 1}), stored())

    assert restatement.document["reason"] == reason


def test_a_restatement_has_one_id_per_revision() -> None:
    """Two agents that restate the same revision write the same restatement."""
    first, _ = difference(replace(STATE, fp=2), stored(revision=3))
    repeated, _ = difference(replace(STATE, fp=3), stored(revision=3))
    next_revision, _ = difference(replace(STATE, fp=3), stored(revision=4))

    assert first.id == repeated.id != next_revision.id


@pytest.mark.parametrize("now", [START, START + HOUR])
def test_a_document_never_becomes_younger(now: datetime) -> None:
    """An earlier clock leaves a final document as it is, whatever it counts."""
    assert difference(replace(STATE, fp=9), stored(), now) == []


def test_an_earlier_clock_removes_no_label() -> None:
    """With the same events, an earlier clock counts fewer labels and writes nothing; a new event is written."""
    earlier = replace(STATE, mature=3, tn=1)
    before, now = stored(time_state="provisional"), START + HOUR

    assert difference(earlier, before, now) == []
    (write,) = difference(replace(earlier, errors=1), before, now)
    assert write.document["maturity"] == 0.6


def test_a_window_that_may_lack_many_lines_does_not_alert() -> None:
    """Lost lines prevent alerts if they could bring the coverage below its gate."""
    state = WindowState(predictions=900, impressions=900, mature=900, tp=400, tn=500)

    documents = [metrics_document(CountedState(KEY, state, lost), "final", SETTINGS) for lost in (0, 100, 101)]

    assert [document["alertable"] for document in documents] == [True, True, False]
    assert [document["not_alertable"] for document in documents] == [[], [], ["lost_lines"]]
