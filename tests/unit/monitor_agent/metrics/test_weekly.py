"""The comparison with last week: which drops are shown, and which windows are too incomplete for one."""

from __future__ import annotations

from typing import Any

import pytest

from monitor_agent.metrics import WindowState, measure
from monitor_agent.metrics.weekly import against_last_week

CLICKS = WindowState(tp=30, fp=20, fn=20, tn=430)
NO_CLICKS = WindowState(tp=0, fp=50, fn=0, tn=450)


def document(state: WindowState, *reasons: str) -> dict[str, Any]:
    """Return the fields of a window's document that the comparison reads."""
    return {**measure(state, seconds=3600.0), "predictions": state.n, "not_alertable": list(reasons)}


def test_clicks_that_vanish_are_the_clearest_drop() -> None:
    """No positive is left, so the window is not alertable; the interval alone excludes chance."""
    now, before = document(NO_CLICKS, "few_positives"), document(CLICKS)
    fields: dict[str, Any] = dict(against_last_week(now, before))

    assert (round(now["ctr_low"], 4), round(now["ctr_high"], 4)) == (0.0, 0.0076)
    assert (round(before["ctr_low"], 3), round(before["ctr_high"], 3)) == (0.077, 0.129)
    assert fields["ctr_drop_vs_last_week"] == pytest.approx(0.1)
    assert fields["ctr_drop_vs_last_week_low"] == pytest.approx(0.076, abs=0.001)
    assert fields["ctr_relative_drop_vs_last_week"] == pytest.approx(1.0)
    assert fields["f1_drop_vs_last_week_low"] > 0.4
    assert fields["precision_drop_vs_last_week_low"] > 0.4


def test_metrics_that_need_positives_stay_undefined_without_them() -> None:
    """There is no recall and no AUC without a positive."""
    fields = against_last_week(document(NO_CLICKS, "few_positives"), document(CLICKS))

    assert (fields["recall_drop_vs_last_week"], fields["auc_drop_vs_last_week"]) == (None, None)
    assert fields["recall_drop_vs_last_week_undefined"] == "no_actual_positive"


@pytest.mark.parametrize("metric", ["precision", "recall", "f1", "ctr"])
def test_few_positives_alone_are_no_drop(metric: str) -> None:
    """Five clicks last week and three now are chance: the interval holds 0."""
    before = document(WindowState(tp=3, fp=2, fn=2, tn=43), "few_positives")
    fields: dict[str, Any] = dict(
        against_last_week(document(WindowState(tp=1, fp=2, fn=2, tn=45), "few_positives"), before)
    )

    name = f"{metric}_drop_vs_last_week"
    assert fields[f"{name}_low"] < 0 < fields[name] < fields[f"{name}_high"]


@pytest.mark.parametrize("reason", ["low_coverage", "immature", "lost_lines"])
def test_labels_that_may_be_missing_are_no_drop(reason: str) -> None:
    """Either week may lack them; then nothing is compared."""
    incomplete = against_last_week(document(NO_CLICKS, "few_positives", reason), document(CLICKS))
    week_incomplete = against_last_week(document(NO_CLICKS, "few_positives"), document(CLICKS, reason))

    for fields, why in ((incomplete, "not_alertable"), (week_incomplete, "last_week_not_alertable")):
        assert (fields["ctr_drop_vs_last_week"], fields["ctr_drop_vs_last_week_undefined"]) == (None, why)
        assert fields["ctr_relative_drop_vs_last_week_undefined"] == why


def test_a_share_of_nothing_is_undefined() -> None:
    """Last week had no click at all."""
    fields = against_last_week(document(CLICKS), document(NO_CLICKS, "few_positives"))

    assert fields["ctr_drop_vs_last_week"] == pytest.approx(-0.1)
    assert (fields["ctr_relative_drop_vs_last_week"], fields["ctr_relative_drop_vs_last_week_undefined"]) == (
        None,
        "zero_last_week",
    )
